"""The stress library: every figure has a source and a day, and files of one's own obey its form."""

import re
from pathlib import Path

import pytest

from keelmark.core.errors import InvalidDocument, InvalidInput
from keelmark.risk.stress.calm import calm, kin, stands_still
from keelmark.risk.stress.library import (
    Kind,
    Shape,
    StressScenario,
    named,
    read_scenarios,
    scenarios_of,
    stress_library,
)

WANTED = {
    "march-2020",
    "may-2021",
    "terra-2022",
    "ftx-2022",
    "usdc-2023",
    "august-2024",
    "october-2025",
    "correlation-one",
    "correlation-zero",
    "volatility-x2",
    "volatility-x3",
    "funding-longs-pay",
    "depth-withdrawal",
    "exchange-token",
    "oracle-gap",
    "oracle-jump",
    "stablecoin-depeg",
    "basis-up",
    "october-2019-rise",
    "may-2021-rebound",
    "october-2025-rebound",
    "squeeze",
    "volatility-x2-up",
    "volatility-x3-up",
}
OWN = """
[sources.mine]
text = "my own view"
read = "2026-11-21"

[[scenarios]]
name = "mine"
title = "everything falls a fifth"

[scenarios.returns]
source = "mine"
other = -0.2
other_is = "every coin"
names.BTC = { value = -0.1, source = "mine" }
"""


def test_every_event_and_shock_that_is_asked_for_is_there_once() -> None:
    names = [row.name for row in stress_library()]
    assert len(names) == len(set(names))
    assert set(names) >= WANTED


@pytest.mark.parametrize("row", stress_library(), ids=lambda row: row.name)
def test_every_figure_names_a_source_with_the_day_it_was_read(row: StressScenario) -> None:
    assert row.sources
    for block in row.blocks.values():
        figures = [*block.names.values(), *([block.other] if block.other else [])]
        assert all(figure.source in row.sources for figure in figures)
        assert block.other is None or block.other_is
    for source in row.sources.values():
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", source.read)
        assert source.url or "own measurement" in source.text or "chose" in source.text


@pytest.mark.parametrize("row", stress_library(), ids=lambda row: row.name)
def test_what_happened_has_its_dates_and_what_did_not_has_none(row: StressScenario) -> None:
    assert (row.kind is Kind.HISTORICAL) == (row.begins is not None and row.ends is not None)
    if row.begins and row.ends:
        assert row.begins < row.ends
        assert row.shape in {Shape.WORST_OF_EACH, Shape.JOINT}


def test_no_coin_falls_more_at_one_moment_than_at_its_own_low() -> None:
    by_name = {row.name: row for row in stress_library()}
    pairs = [(by_name[n.removesuffix("-joint")], by_name[n]) for n in by_name if "-joint" in n]
    assert len(pairs) == 6
    for worst, joint in pairs:
        lows, then = worst.blocks["returns"].names, joint.blocks["returns"].names
        assert set(lows) == set(then)
        assert all(lows[coin].value <= then[coin].value for coin in lows)


def test_the_depeg_of_october_2025_is_there_as_it_was_told() -> None:
    (row,) = named(["october-2025"], stress_library())
    fallen = row.blocks["collateral"].names
    assert fallen["USDE"].value == -0.35
    assert fallen["WBETH"].value == pytest.approx(430 / 4009.99 - 1, abs=1e-4)
    assert fallen["BNSOL"].value == pytest.approx(34.90 / 207.06 - 1, abs=1e-4)
    assert row.blocks["collateral"].is_whole
    assert row.blocks["returns"].names["SUI"].value < -0.8


def test_coins_that_rise_are_met_as_often_as_a_short_needs() -> None:
    rises = [
        row.name
        for row in stress_library()
        if (returns := row.blocks.get("returns")) is not None
        and (returns.other.value if returns.other else returns.sigmas or 0.0) > 0.0
        and not row.is_own
    ]
    assert len(rises) >= 7
    for name in ("may-2021", "october-2025"):
        (fall, rebound) = named([f"{name}-joint", f"{name}-rebound"], stress_library())
        assert rebound.begins == fall.ends


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'terra-2022'"):
        named(["tera-2022"], stress_library())


def test_a_file_of_ones_own_is_read_in_the_same_form(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    (row,) = read_scenarios(path)
    assert row.name == "mine"
    assert row.blocks["returns"].names["BTC"].value == -0.1
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_scenarios(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("other = -0.2", "other = -1.2", r"returns.other: found -1.2; a number above -1"),
        ("other = -0.2", "othr = -0.2", "unknown field `othr`"),
        ("other = -0.2", "other = nan", "returns.other: found nan"),
        ('source = "mine" }', 'source = "yours" }', "source 'yours' is not in"),
        ('name = "mine"', 'name = "mine"\nshape = "round"', "shape: found 'round'; one of"),
        ('name = "mine"', 'name = "mine"\ndays = 0', "days: found 0.0; a number above 0"),
        ("[scenarios.returns]", "[scenarios.volatility]\nsigmas = 1", "means returns alone"),
        ("other = -0.2", "other = -0.2\ndollars = -0.1", "dollars: means collateral alone"),
        ("other = -0.2", "other = -0.2\nsigmas = -2", "beside named figures"),
        ("[scenarios.returns]", "[scenarios.collateral]", "write `dollars` or `coins`"),
        ("other = -0.2", 'other = -0.2\nof = "price"', "of: found 'price'; `asset`, or for coll"),
        ("[sources.mine]", "[sources.mine", "not TOML"),
        ("[[scenarios]]", "[scenarios]", "scenarios"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_path(before: str, after: str, told: str) -> None:
    assert before in OWN
    with pytest.raises(InvalidDocument, match=told):
        scenarios_of(OWN.replace(before, after), "own.toml")


def test_a_name_twice_and_a_scenario_without_shocks_are_refused() -> None:
    twice = OWN + OWN.partition("[[scenarios]]")[2].join(["[[scenarios]]", ""])
    with pytest.raises(InvalidDocument, match="is the name of another one"):
        scenarios_of(twice, "own.toml")
    with pytest.raises(InvalidDocument, match="no shock; give one of"):
        scenarios_of(OWN.partition("[scenarios.returns]")[0], "own.toml")


def test_a_calm_day_of_a_wrapped_coin_is_that_of_the_coin_inside() -> None:
    assert calm().of("WBETH") == calm().of("ETH")
    assert calm().of("BTC").sigma < calm().of("SUI").sigma
    assert not calm().of("NOSUCHCOIN").is_measured
    assert kin()["BNSOL"] == "SOL"
    assert stands_still("PAXG")
