"""Full bracket tables from files: read in three forms, checked by row, written as a rulebook."""

import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from keelmark.core.errors import InvalidInput, MissingTable, UnknownRulebook, UnreadableData
from keelmark.core.rules import TieredRule
from keelmark.rulebooks import load_rulebook, rulebook_names
from keelmark.rulebooks.bracket_files import read_brackets, venue_symbol
from keelmark.rulebooks.brackets import BRACKET_RULES, Imported, import_brackets

D = Decimal
DATA = Path(os.environ.get("KEELMARK_DATA", "../shared/data"))
DATES = {"2023-08": 1675, "2025-06": 4529, "2025-12": 5639, "2026-05": 5913}

ROWS = [("0", "10000", "0.01", "0", 50), ("10000", "50000", "0.025", "150", 20)]
FIRST, SECOND = (
    {
        "bracket": number,
        "initialLeverage": leverage,
        "notionalCap": cap,
        "notionalFloor": floor,
        "maintMarginRatio": rate,
        "cum": amount,
    }
    for number, (floor, cap, rate, amount, leverage) in enumerate(ROWS, start=1)
)
USDM = {"symbol": "NEWUSDT", "notionalCoef": 1.0, "brackets": [FIRST, SECOND]}
COINM: dict[str, Any] = {
    "symbol": "ETHUSD_PERP",
    "brackets": [
        {"initialLeverage": 100, "qtyCap": 50, "qtylFloor": 0, "maintMarginRatio": 0.005, "cum": 0},
        {
            "initialLeverage": 50,
            "qtyCap": 90,
            "qtylFloor": 50,
            "maintMarginRatio": 0.01,
            "cum": 0.25,
        },
    ],
}
UNIFIED = {
    "NEW/USDT:USDT": [
        {
            "tier": 1.0,
            "currency": "USDT",
            "minNotional": float(floor),
            "maxNotional": float(cap),
            "maintenanceMarginRate": float(rate),
            "maxLeverage": float(leverage),
            "info": {"cum": amount},
        }
        for floor, cap, rate, amount, leverage in ROWS
    ]
}


def written(folder: Path, content: object) -> Path:
    path = folder / "brackets.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def parquet(folder: Path) -> Path:
    path = folder / "brackets.parquet"
    floors, caps, rates, amounts, leverages = zip(*ROWS, strict=True)
    pl.DataFrame(
        {
            "symbol": ["NEW/USDT:USDT"] * len(ROWS),
            "bracket": [1, 2],
            "notional_floor": [float(x) for x in floors],
            "notional_cap": [float(x) for x in caps],
            "maintenance_rate": [float(x) for x in rates],
            "maintenance_amount": [float(x) for x in amounts],
            "max_leverage": list(leverages),
        }
    ).write_parquet(path)
    return path


def imported(path: Path, venue: str = "binance-usdm", date: str = "2025-06") -> Imported:
    return import_brackets(path, venue, date, "2025-06-30")


def loaded(folder: Path, found: Imported) -> Any:  # noqa: ANN401 a rulebook
    path = folder / "my.toml"
    path.write_text(found.text, encoding="utf-8")
    return load_rulebook(str(path))


@pytest.mark.parametrize("form", ["payload", "unified", "parquet"])
def test_every_form_gives_the_same_table(tmp_path: Path, form: str) -> None:
    path = {
        "payload": lambda: written(tmp_path, [USDM]),
        "unified": lambda: written(tmp_path, UNIFIED),
        "parquet": lambda: parquet(tmp_path),
    }[form]()
    book = loaded(tmp_path, imported(path))
    rule = book.model.instrument("NEWUSDT").maintenance
    assert isinstance(rule, TieredRule)
    assert [(t.floor, t.rate, t.deduction, t.leverage) for t in rule.tiers] == [
        (D(floor), D(rate), D(amount), D(leverage)) for floor, _, rate, amount, leverage in ROWS
    ]


def test_one_contract_alone_may_be_a_table(tmp_path: Path) -> None:
    assert imported(written(tmp_path, USDM)).symbols == 1


def test_brackets_in_coin_are_read_with_their_misspelt_key(tmp_path: Path) -> None:
    found = imported(written(tmp_path, [COINM]), "binance-coinm", "2025-09")
    terms = loaded(tmp_path, found).model.instrument("ETHUSD_PERP")
    assert terms.maintenance.requirement(D(1), D(60)).deduction == D("0.25")
    assert terms.instrument.contract_size == 10


def test_the_file_extends_the_built_in_one_and_says_where_it_is_from(tmp_path: Path) -> None:
    book = loaded(tmp_path, imported(written(tmp_path, [USDM]), date="2025-10"))
    assert book.name == "binance-usdm-imported@2025-10"
    assert book.extends[0] == "binance-usdm@2025-06"
    assert "brackets.json" in book.document.tables["full_NEWUSDT"].source
    assert book.document.tables["full_NEWUSDT"].read == "2025-06-30"
    with pytest.raises(MissingTable, match="--venue binance-usdm --date 2025-10"):
        book.terms_for("OTHERUSDT").maintenance.parameters()
    own = load_rulebook("binance-usdm@2025-06")
    assert book.document.tables["BTCUSDT"] == own.document.tables["BTCUSDT"]


def test_contracts_with_one_table_share_it(tmp_path: Path) -> None:
    other = {**USDM, "symbol": "币安人生USDT"}
    found = imported(written(tmp_path, [USDM, other]))
    assert (found.symbols, found.tables) == (2, 1)
    model = loaded(tmp_path, found).model
    assert model.instrument("币安人生USDT").maintenance == model.instrument("NEWUSDT").maintenance


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cum": "150.02"}, r"row 2: amount 150\.02; floors and rates give 150"),
        ({"notionalFloor": "9000"}, "row 2: floor 9000; the row before ends at 10000"),
        ({"notionalFloor": "0", "cum": "0"}, "row 2: floor 0 is that of the row before"),
        ({"maintMarginRatio": "0.005", "cum": "-50"}, "cannot be read"),
        ({"maintMarginRatio": "0.005", "cum": None}, r"row 2: rate 0\.005 is below 0\.01"),
    ],
)
def test_a_row_that_does_not_continue_is_named(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    broken = {**USDM, "symbol": "BADUSDT", "brackets": [FIRST, {**SECOND, **change}]}
    path = written(tmp_path, [USDM, broken])
    if problem == "cannot be read":
        with pytest.raises(UnreadableData, match=problem):
            imported(path)
        return
    found = imported(path)
    assert found.symbols == 1
    assert any(re.search(f"BADUSDT: {problem}", text) for text in found.problems)


def test_a_table_that_does_not_begin_at_nothing_is_named(tmp_path: Path) -> None:
    found = imported(written(tmp_path, {**USDM, "brackets": [{**SECOND, "cum": None}]}))
    assert found.problems == ("NEWUSDT: row 1: floor 10000; the first must be 0",)


def test_a_contract_that_fits_no_pattern_is_named_and_left_out(tmp_path: Path) -> None:
    found = imported(written(tmp_path, [{**USDM, "symbol": "NEW-X"}, USDM]))
    assert found.symbols == 1
    assert found.problems == ("NEW-X: fits none of the naming patterns of binance-usdm@2025-06",)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        [{"symbol": "X"}],
        [1],
        {"X": [{"minNotional": "many"}]},
        {"X": [{"minNotional": None}]},
    ],
)
def test_what_is_no_table_is_refused_with_the_forms_that_are(
    tmp_path: Path, content: object
) -> None:
    with pytest.raises(UnreadableData, match="brackets"):
        read_brackets(written(tmp_path, content))


def test_a_file_that_is_not_there_and_an_unknown_venue_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="no file"):
        read_brackets(tmp_path / "none.json")
    with pytest.raises(UnknownRulebook, match="binance-usdm"):
        imported(written(tmp_path, [USDM]), "binance-usdx")


@pytest.mark.parametrize(
    ("unified", "own"),
    [
        ("BTC/USDT:USDT", "BTCUSDT"),
        ("BTC/USDT:USDT-250926", "BTCUSDT_250926"),
        ("BTC/USD:BTC", "BTCUSD_PERP"),
        ("BTC/USD:BTC-250926", "BTCUSD_250926"),
        ("BTCUSDT", "BTCUSDT"),
    ],
)
def test_unified_symbols_become_the_venues_own(unified: str, own: str) -> None:
    assert venue_symbol(unified) == own


@pytest.mark.real_data
@pytest.mark.parametrize("date", DATES)
def test_every_published_amount_is_reproduced(tmp_path: Path, date: str) -> None:
    path = DATA / f"tiers/binance_usdm_brackets_{date}.parquet"
    if not path.is_file():
        pytest.skip(f"needs the recorded brackets of {date} (KEELMARK_DATA)")
    found = imported(path, date=date)
    assert found.rows == DATES[date]
    doubled = {"BEAMXUSDT", "DEXEUSDT"} if date == "2025-12" else set()  # a row stands twice
    assert {problem.partition(":")[0] for problem in found.problems} == doubled
    book = loaded(tmp_path, found)
    for symbol, rows in read_brackets(path).items():
        if symbol not in doubled:
            rule = book.model.instrument(symbol).maintenance
            assert isinstance(rule, TieredRule)
            assert [t.deduction for t in rule.tiers] == [row.amount for row in rows]


@pytest.mark.parametrize(
    "venue", ["dydx-v4", "deribit-sm", "derive-sm", "paradex", "hyperliquid@2023-03"]
)
def test_venues_without_brackets_refuse_a_table_by_name(tmp_path: Path, venue: str) -> None:
    name, _, date = venue.partition("@")
    with pytest.raises(InvalidInput, match=f"{name}.*takes no tables of brackets"):
        imported(written(tmp_path, [USDM]), name, date or "2026-01")


def test_every_built_in_formula_of_imported_tables_has_words() -> None:
    rules = {load_rulebook(name).document.bracket_rule for name in rulebook_names()}
    assert rules - {None} <= set(BRACKET_RULES)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"maintMarginRatio": 0}, "row 1: rate 0 is not between 0 and 1"),
        ({"maintMarginRatio": 1.5}, r"row 1: rate 1\.5 is not between 0 and 1"),
        ({"maintMarginRatio": 0.4}, r"row 1: rate 0\.4 at 50 times leverage"),
        ({"initialLeverage": 0}, "row 1: leverage 0 is below 1"),
    ],
)
def test_a_row_that_no_venue_has_is_named(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    broken = {**USDM, "brackets": [{**FIRST, **change}]}
    found = imported(written(tmp_path, broken))
    assert found.symbols == 0
    assert re.search(f"NEWUSDT: {problem}", found.problems[0])


def test_an_accounts_own_multiple_of_brackets_is_named(tmp_path: Path) -> None:
    found = imported(written(tmp_path, {**USDM, "notionalCoef": 1.5}))
    assert found.symbols == 0
    assert "notionalCoef 1.5" in found.problems[0]


@pytest.mark.parametrize("form", ["payload", "unified"])
def test_a_contract_without_brackets_is_named(tmp_path: Path, form: str) -> None:
    content = {
        "payload": [USDM, {"symbol": "EMPTYUSDT", "brackets": []}],
        "unified": {**UNIFIED, "EMPTY/USDT:USDT": []},
    }[form]
    found = imported(written(tmp_path, content))
    assert found.symbols == 1
    assert found.problems == ("EMPTYUSDT: its table holds no brackets",)


def test_amounts_in_coin_are_held_to_the_coins_own_quantum(tmp_path: Path) -> None:
    first, second = COINM["brackets"]
    broken = {**COINM, "brackets": [first, {**second, "cum": 0.255}]}
    found = imported(written(tmp_path, [broken]), "binance-coinm", "2025-09")
    assert found.problems == ("ETHUSD_PERP: row 2: amount 0.255; floors and rates give 0.25",)


def test_a_parquet_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path)
    pl.read_parquet(path).drop("max_leverage").write_parquet(path)
    with pytest.raises(UnreadableData, match="no column max_leverage"):
        read_brackets(path)
