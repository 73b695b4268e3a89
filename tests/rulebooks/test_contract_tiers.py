"""Tiers whose bounds are contracts: read in sizes, or refused by name; never in notionals."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.cli.venues import venues
from keelmark.core.errors import InvalidInput, KeelmarkError, UnreadableData
from keelmark.core.rules import SizeTierRule
from keelmark.rulebooks import load_rulebook
from keelmark.rulebooks.brackets import Imported, import_brackets
from tests.accounts.importers.test_any_answer import DROP, VALUES, changed, places
from tests.rulebooks.test_brackets import COINM, UNIFIED, USDM

D = Decimal
STEPS = (("0", "2000", "0.01", "75"), ("2001", "4000", "0.015", "50"), ("4001", "8000", "0.02", ""))


def tiers(family: str = "ETH-USDT", **changes: str) -> dict[str, Any]:
    """Return an answer to `public/position-tiers`, as the venue documents it."""
    rows = [
        {
            "baseMaxLoan": "",
            "imr": "",
            "instFamily": family,
            "instId": "",
            "maxLever": leverage,
            "maxSz": largest,
            "minSz": least,
            "mmr": rate,
            "optMgnFactor": "0",
            "quoteMaxLoan": "",
            "tier": str(number),
            "uly": family,
            **changes,
        }
        for number, (least, largest, rate, leverage) in enumerate(STEPS, start=1)
    ]
    return {"code": "0", "msg": "", "data": rows}


def instruments(*symbols: str, value: str = "0.1", mult: str = "1") -> dict[str, Any]:
    """Return an answer to `public/instruments`."""
    rows = [
        {
            "instId": symbol,
            "instType": "SWAP" if symbol.endswith("SWAP") else "FUTURES",
            "ctVal": value,
            "ctMult": mult,
            "ctType": "linear" if "USDT" in symbol else "inverse",
            "settleCcy": "USDT",
        }
        for symbol in symbols
    ]
    return {"code": "0", "msg": "", "data": rows}


def unified(info: bool = True, **more: object) -> dict[str, Any]:  # noqa: FBT001, FBT002 a test's
    """Return what ccxt makes of the tiers: contracts under names of notionals."""
    return {
        "ETH/USDT:USDT": [
            {
                "tier": number,
                "currency": "USDT",
                "minNotional": float(row["minSz"]),
                "maxNotional": float(row["maxSz"]),
                "maintenanceMarginRate": float(row["mmr"]),
                "maxLeverage": float(row["maxLever"] or 20),
                **({"info": row} if info else {}),
                **more,
            }
            for number, row in enumerate(tiers()["data"], start=1)
        ]
    }


def written(folder: Path, content: object) -> Path:
    path = folder / "tiers.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def imported(folder: Path, content: object, **contracts: str) -> Imported:
    worths = {name.replace("_", "-"): D(worth) for name, worth in contracts.items()}
    return import_brackets(written(folder, content), "okx-multi", "2024-09", "2026-11-21", worths)


def rule_of(folder: Path, found: Imported, symbol: str = "ETH-USDT-SWAP") -> SizeTierRule:
    path = folder / "my.toml"
    path.write_text(found.text, encoding="utf-8")
    rule = load_rulebook(str(path)).model.instrument(symbol).maintenance
    assert isinstance(rule, SizeTierRule)
    return rule


@pytest.mark.parametrize(
    "content",
    [
        {"tiers": tiers(), "instruments": instruments("ETH-USDT-SWAP")},
        [tiers(), instruments("ETH-USDT-SWAP", value="1", mult="0.1")],
        [*tiers(ctVal="0.1")["data"]],
        unified(contractSize=0.1),
        {"updated": "2026-11-21", "data": unified(info=False, contractSize="0.1")},
    ],
)
def test_contracts_become_units_by_what_the_file_says_they_are_worth(
    tmp_path: Path, content: object
) -> None:
    found = imported(tmp_path, content)
    assert found.problems == ()
    assert found.worths == {"ETH-USDT-SWAP": D("0.1")}
    rule = rule_of(tmp_path, found)
    assert [(tier.floor, tier.rate) for tier in rule.tiers] == [
        (D(0), D("0.01")),
        (D(200), D("0.015")),
        (D(400), D("0.02")),
    ]
    # 2,000 contracts are 200 ETH: the first tier's; one step more and all of it is the second's
    assert rule.amount(D(200), D(600_000)) == 6000
    assert rule.amount(D("200.01"), D(600_030)) == D("9000.45")


def test_a_worth_may_be_named_by_hand(tmp_path: Path) -> None:
    assert imported(tmp_path, tiers(), ETH_USDT_SWAP="0.1").symbols == 1
    named = import_brackets(
        written(tmp_path, unified()), "okx-multi", "2024-09", "2026-11-21", {"ETH/USDT:USDT": D(2)}
    )
    assert rule_of(tmp_path, named).tiers[1].floor == 4000


@pytest.mark.parametrize("content", [tiers(), unified(), unified(info=False)])
def test_without_a_worth_the_contract_is_left_out_by_name(tmp_path: Path, content: object) -> None:
    found = imported(tmp_path, content)
    assert found.symbols == 0
    (problem,) = found.problems
    assert problem.startswith("ETH-USDT-SWAP: its bounds are contracts")
    assert "--contract ETH-USDT-SWAP=VALUE" in problem


def test_two_worths_are_refused(tmp_path: Path) -> None:
    found = imported(tmp_path, [tiers(), instruments("ETH-USDT-SWAP")], ETH_USDT_SWAP="1")
    assert found.problems == (
        "ETH-USDT-SWAP: a contract is worth 0.1 and 1 by what is given; give one",
    )


def test_tiers_of_futures_are_those_of_the_futures_given(tmp_path: Path) -> None:
    futures = instruments("ETH-USDT-261225", "ETH-USDT-270326")
    found = imported(tmp_path, [tiers(), futures])
    assert set(found.worths) == {"ETH-USDT-261225", "ETH-USDT-270326"}
    assert found.tables == 1
    both = imported(tmp_path, [tiers(), futures, instruments("ETH-USDT-SWAP")])
    assert both.symbols == 0
    assert "whether they are of swaps or of futures" in both.problems[0]


def test_sizes_of_coin_margined_contracts_stay_contracts(tmp_path: Path) -> None:
    found = imported(tmp_path, tiers("BTC-USD"))
    assert rule_of(tmp_path, found, "BTC-USD-SWAP").tiers[1].floor == 2000
    wrong = imported(tmp_path, tiers("BTC-USD"), BTC_USD_SWAP="10")
    assert "worth 10 and 100" in wrong.problems[0]


def test_a_coin_margined_contract_that_is_not_listed_takes_its_worth(tmp_path: Path) -> None:
    assert "--contract ETH-USD-SWAP" in imported(tmp_path, tiers("ETH-USD")).problems[0]
    found = imported(tmp_path, tiers("ETH-USD"), ETH_USD_SWAP="10")
    assert rule_of(tmp_path, found, "ETH-USD-SWAP").tiers[2].floor == 4000
    terms = load_rulebook(str(tmp_path / "my.toml")).model.instrument("ETH-USD-SWAP").instrument
    assert (terms.contract_size, terms.settle, terms.is_inverse) == (D(10), "ETH", True)
    dated = imported(tmp_path, tiers("ETH-USD"), ETH_USD_261225="10")
    assert rule_of(tmp_path, dated, "ETH-USD-261225").tiers[2].floor == 4000


def test_a_gap_between_tiers_is_named(tmp_path: Path) -> None:
    content = tiers()
    content["data"][1]["minSz"] = "2500"
    found = imported(tmp_path, content, ETH_USDT_SWAP="0.1")
    assert found.problems == ("ETH-USDT-SWAP: row 2: floor 250; the row before ends at 200",)


def test_a_tier_that_does_not_say_where_it_ends_is_named(tmp_path: Path) -> None:
    content = tiers()
    content["data"][0]["maxSz"] = ""
    found = imported(tmp_path, content, ETH_USDT_SWAP="0.1")
    assert found.problems == ("ETH-USDT-SWAP: row 1: where it ends (maxSz) is not said",)


def test_tiers_given_twice_are_named(tmp_path: Path) -> None:
    found = imported(tmp_path, [tiers(), tiers()], ETH_USDT_SWAP="0.1")
    assert found.symbols == 0
    assert "is that of the row before" in found.problems[0]


def test_options_spot_margin_and_notionals_are_left_out_by_name(tmp_path: Path) -> None:
    option = imported(tmp_path, tiers("BTC-USD", optMgnFactor="1.02"))
    assert "optMgnFactor" in option.problems[0]
    margin = imported(
        tmp_path, tiers(instId="ETH-USDT", instFamily="", uly=""), ETH_USDT_SWAP="0.1"
    )
    assert margin.symbols == 0
    assert margin.problems == ("ETH-USDT: tiers of spot margin, which no rulebook takes",)
    row = {"notionalFloor": 0, "maintMarginRatio": 0.01}
    notional = imported(tmp_path, [{"symbol": "ETH-USDT-SWAP", "brackets": [row]}])
    assert "its bounds are notionals" in notional.problems[0]


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"code": "51000", "msg": "Parameter error", "data": []},
        {"data": [{"mmr": "", "maxSz": "1", "minSz": "0", "instFamily": "A-USDT"}]},
        {"data": [{"mmr": "0.1", "maxSz": "1", "minSz": "0", "instFamily": ""}]},
        {"data": [{"mmr": "NaN", "maxSz": "1", "minSz": "0", "instFamily": "A-USDT"}]},
        [1, 2],
        "text",
    ],
)
def test_what_holds_no_tiers_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(UnreadableData):
        imported(tmp_path, content)


def test_contracts_are_never_taken_for_notionals_of_another_venue(tmp_path: Path) -> None:
    path = written(tmp_path, unified())
    with pytest.raises(UnreadableData, match="bounds are contracts"):
        import_brackets(path, "binance-usdm", "2025-06", "2026-11-21")
    with pytest.raises(InvalidInput, match="are notionals"):
        import_brackets(path, "binance-usdm", "2025-06", "2026-11-21", {"ETHUSDT": D(1)})
    with pytest.raises(UnreadableData, match="are bounds of contracts"):
        import_brackets(tmp_path / "x.parquet", "okx-multi", "2024-09", "2026-11-21")


def test_the_command_says_what_contracts_were_taken_to_be_worth(tmp_path: Path) -> None:
    out = tmp_path / "my.toml"
    named = ["--venue", "okx-multi", "--date", "2024-09", "--contract", "ETH-USDT-SWAP=0.1"]
    args = ["import", str(written(tmp_path, tiers())), "--out", str(out), *named]
    said = CliRunner().invoke(venues, args, standalone_mode=False, catch_exceptions=False)
    assert said.return_value == 0
    assert "bounds were contracts worth 0.1: ETH-USDT-SWAP" in said.output
    assert "the bracket that the size falls in (size_tiers)" in said.output
    refused = CliRunner().invoke(venues, [*args[:-1], "ETH-USDT-SWAP=many"])
    assert refused.exit_code == 2
    assert "write it as BTC-USDT-SWAP=0.01" in refused.output


FILES: dict[str, tuple[str, Any]] = {
    "answers": ("okx-multi@2024-09", [tiers(), instruments("ETH-USDT-SWAP")]),
    "table": ("okx-multi@2024-09", {"a": tiers("BTC-USD"), "b": instruments("BTC-USD-SWAP")}),
    "unified": ("okx-multi@2024-09", unified(contractSize="0.1")),
    "brackets": ("binance-usdm@2025-06", [USDM]),
    "coins": ("binance-coinm@2025-09", [COINM]),
    "notionals": ("binance-usdm@2025-06", UNIFIED),
}
"""Files by form, with the rulebook they are of."""


@settings(max_examples=150)
@given(data=st.data())
def test_a_file_that_is_bent_anywhere_is_read_left_out_or_refused(data: st.DataObject) -> None:
    """Nothing but a refusal of ours, and what is kept is a rulebook that loads."""
    reference, content = FILES[data.draw(st.sampled_from(sorted(FILES)))]
    content = copy.deepcopy(content)
    path = data.draw(st.sampled_from(places(content)))
    value = data.draw(st.sampled_from([*VALUES, "1e999999", "-1e999999", 1e300, "0.5"]))
    changed(content, path, value if value is DROP else copy.deepcopy(value))
    venue, _, date = reference.partition("@")
    with TemporaryDirectory() as folder:
        try:
            found = import_brackets(written(Path(folder), content), venue, date, "2026-11-21")
        except KeelmarkError:
            return
        made = Path(folder) / "my.toml"
        made.write_text(found.text, encoding="utf-8")
        if found.symbols:
            load_rulebook(str(made))
