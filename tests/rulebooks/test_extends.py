"""Rulebooks that build on others: what is merged, what is kept, what is refused."""

from decimal import Decimal
from pathlib import Path

import pytest

from keelmark.core.errors import InvalidDocument, UnknownRulebook
from keelmark.rulebooks import load_rulebook, rulebook_names
from keelmark.rulebooks.load import read_rulebook

BASE = """name = "base"
date = "2025-01"
source = "the base page"
read = "2025-01-02"
not_covered = ["options"]
trigger = "at_or_below"
[assets.USDT]
[assets.BTC]
weights = [{ floor = "0", weight = "0.9" }]
[tables.all]
rows = [{ floor = "0", rate = "0.01" }, { floor = "1000", rate = "0.02" }]
[tables.more]
rows = [{ floor = "0", rate = "0.03" }]
[instruments.XUSDT]
kind = "linear_perpetual"
base = "X"
settle = "USDT"
table = "all"
[liquidation]
stages = ["warn", "reduce"]
"""
OWN = 'name = "own"\ndate = "2026-01"\nsource = "my page"\nread = "2026-01-02"\n'


def files(folder: Path, **texts: str) -> str:
    """Write rulebook files and return the path of the last."""
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return str(folder / f"{name}.toml")


def test_what_a_file_does_not_say_is_what_it_extends_says(tmp_path: Path) -> None:
    own = OWN + 'extends = "base.toml"\n[assets.BTC]\nloan_rate = "0.1"\n'
    found = load_rulebook(files(tmp_path, base=BASE, own=own))
    assert found.name == "own@2026-01"
    assert found.model.trigger == "at_or_below"
    assert found.document.not_covered == ("options",)
    schedule = found.model.asset("BTC").schedule
    assert (schedule.loan_rate, schedule.value(Decimal(10))) == (Decimal("0.1"), Decimal(9))
    assert found.extends == (str(tmp_path / "base.toml"),)


def test_what_is_not_covered_is_added_to(tmp_path: Path) -> None:
    other = OWN.replace('"own"', '"other"') + 'not_covered = ["bonds", "options"]\n'
    own = OWN + 'extends = ["base.toml", "other.toml"]\nnot_covered = ["loans", "bonds"]\n'
    found = load_rulebook(files(tmp_path, base=BASE, other=other, own=own))
    assert found.document.not_covered == ("options", "bonds", "loans")


def test_what_is_covered_after_all_is_removed_by_its_first_words(tmp_path: Path) -> None:
    own = OWN + 'extends = "base.toml"\nremoves = "not_covered: opt"\nnot_covered = ["loans"]\n'
    found = load_rulebook(files(tmp_path, base=BASE, own=own))
    assert found.document.not_covered == ("loans",)
    wrong = own.replace("opt", "lease")
    with pytest.raises(InvalidDocument, match="nothing in not_covered begins so"):
        load_rulebook(files(tmp_path, base=BASE, own=wrong))


def dates_of(venue: str) -> list[str]:
    parts = (name.partition("@") for name in rulebook_names())
    return sorted(date for other, _, date in parts if other == venue)


@pytest.mark.parametrize("name", rulebook_names())
def test_a_rulebook_keeps_up_with_the_dated_tables_it_is_made_from(name: str) -> None:
    venue, _, date = name.partition("@")
    used: dict[str, str] = {}
    for parent in load_rulebook(name).extends:
        other, _, of = parent.partition("@")
        used[other] = max(of, used.get(other, ""))
    for other, of in used.items():
        if other != venue and of:
            known = dates_of(other)
            assert of == max(day for day in known if day <= date)
            assert set(dates_of(venue)) >= {day for day in known if day > date}


def test_portfolio_margin_has_the_brackets_of_its_month() -> None:
    for month in ("2025-12", "2026-05"):
        mine, theirs = load_rulebook(f"binance-pm@{month}"), load_rulebook(f"binance-usdm@{month}")
        assert mine.document.tables["WIFUSDT"] == theirs.document.tables["WIFUSDT"]
        assert set(theirs.document.not_covered) <= set(mine.document.not_covered)


def test_lists_are_replaced_whole(tmp_path: Path) -> None:
    own = OWN + 'extends = "base.toml"\n[tables.all]\nrows = [{ floor = "0", rate = "0.05" }]\n'
    found = load_rulebook(files(tmp_path, base=BASE, own=own))
    assert found.model.instrument("XUSDT").maintenance.parameters().rates == (Decimal("0.05"),)


def test_entries_keep_their_source_until_a_file_changes_them(tmp_path: Path) -> None:
    own = OWN + 'extends = "base.toml"\n[tables.all]\nrows = [{ floor = "0", rate = "0.05" }]\n'
    document = load_rulebook(files(tmp_path, base=BASE, own=own)).document
    told = {name: (table.source, table.read) for name, table in document.tables.items()}
    assert told == {
        "all": ("my page", "2026-01-02"),
        "more": ("the base page", "2025-01-02"),
    }
    assert document.liquidation.source == "the base page"
    assert document.source == "my page"


def test_a_source_that_several_entries_share_is_written_once() -> None:
    text = (
        'name = "own"\ndate = "2026-01"\nsource = "page"\n'
        '[sources.page]\ntext = "a page of the venue"\nread = "2026-01-03"\n'
        '[assets.USDT]\nsource = "page"\n[assets.BTC]\nsource = "page"\nread = "2026-01-04"\n'
    )
    found = read_rulebook(text, title="test")
    assert found.document.source == "a page of the venue"
    assert found.document.read == "2026-01-03"
    assert found.model.asset("USDT").source == "a page of the venue (read 2026-01-03)"
    assert found.model.asset("BTC").source == "a page of the venue (read 2026-01-04)"


def test_of_several_files_the_later_counts(tmp_path: Path) -> None:
    other = OWN.replace('"own"', '"other"') + 'trigger = "below"\n[assets.ETH]\n'
    own = OWN + 'extends = ["base.toml", "other.toml"]\n'
    found = load_rulebook(files(tmp_path, base=BASE, other=other, own=own))
    assert found.model.trigger == "below"
    assert set(found.model.assets) == {"USDT", "BTC", "ETH"}


def test_a_file_can_extend_a_built_in_rulebook_by_its_date(tmp_path: Path) -> None:
    own = OWN + 'extends = "binance-usdm@2025-10"\n[assets.USDT]\nquantum = "0.01"\n'
    found = load_rulebook(files(tmp_path, own=own))
    assert found.extends == ("binance-usdm@2025-06", "parts/binance-usdm", "parts/binance")
    assert found.model.asset("USDT").quantum == Decimal("0.01")
    assert "BTCUSDT" in found.model.instruments


@pytest.mark.parametrize("key", ["name", "date", "source"])
def test_who_a_file_is_is_never_inherited(tmp_path: Path, key: str) -> None:
    own = "".join(line for line in OWN.splitlines(keepends=True) if not line.startswith(key))
    with pytest.raises(InvalidDocument, match=key):
        load_rulebook(files(tmp_path, base=BASE, own=own + 'extends = "base.toml"\n'))


def test_files_that_extend_each_other_are_refused_with_the_way_round(tmp_path: Path) -> None:
    one = OWN + 'extends = "two.toml"\n'
    two = OWN + 'extends = "one.toml"\n'
    with pytest.raises(InvalidDocument, match=r"goes round: .*one.* -> .*two.* -> .*one"):
        load_rulebook(files(tmp_path, two=two, one=one))


@pytest.mark.parametrize("extends", ['"nowhere@2025-01"', '"parts/none"', '"none.toml"'])
def test_what_is_not_there_cannot_be_extended(tmp_path: Path, extends: str) -> None:
    with pytest.raises(UnknownRulebook):
        load_rulebook(files(tmp_path, own=f"{OWN}extends = {extends}\n"))


@pytest.mark.parametrize("extends", ["1", "[1]", "{ a = 1 }"])
def test_what_is_no_name_cannot_be_extended(tmp_path: Path, extends: str) -> None:
    with pytest.raises((InvalidDocument, UnknownRulebook)):
        load_rulebook(files(tmp_path, own=f"{OWN}extends = {extends}\n"))


def test_a_part_is_no_rulebook_by_itself() -> None:
    with pytest.raises(UnknownRulebook):
        load_rulebook("parts/binance-usdm")


def test_what_a_file_removes_is_not_inherited(tmp_path: Path) -> None:
    own = OWN + 'extends = "base.toml"\nremoves = ["assets.BTC", "not_covered"]\n'
    found = load_rulebook(files(tmp_path, base=BASE, own=own))
    assert set(found.model.assets) == {"USDT"}
    assert found.document.not_covered == ()


@pytest.mark.parametrize("place", ["assets.ETH", "asets.BTC", "assets.BTC.weights.0", "trigger.a"])
def test_what_is_not_there_cannot_be_removed(tmp_path: Path, place: str) -> None:
    own = OWN + f'extends = "base.toml"\nremoves = "{place}"\n'
    with pytest.raises(InvalidDocument, match="cannot be removed"):
        load_rulebook(files(tmp_path, base=BASE, own=own))
