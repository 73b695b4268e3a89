"""Scenarios that people write, and sets put together."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.scenarios.files import read_scenarios
from keelmark.risk.scenarios.joining import combine, concatenate

TEXT = """
days = 2
source = "desk view"

[[scenario]]
label = "alts halve"
weight = 0.25
returns = { BTC = -0.1, SOL = -0.5 }
volatility = { BTC = 0.8 }

[[scenario]]
label = "peg"
weight = 0.75
collateral = { USDE = -0.05 }
depth = { BTC = 0.3 }
"""
JSON = '{"scenario": [{"returns": {"BTC": -0.1}}, {"returns": {"BTC": "0.2", "ETH": 0.1}}]}'


def test_a_document_is_read_and_what_it_leaves_out_stands_still(tmp_path: Path) -> None:
    path = tmp_path / "view.toml"
    path.write_text(TEXT)
    found = read_scenarios(path)
    assert found.returns.names == ("BTC", "SOL")
    assert found.returns.values.tolist() == [[-0.1, -0.5], [0.0, 0.0]]
    assert found.depth is not None
    assert found.depth.values.tolist() == [[1.0], [0.3]]
    assert found.collateral is not None
    assert found.collateral.values.tolist() == [[0.0], [-0.05]]
    assert (found.days, found.source, found.labels) == (2.0, "desk view", ("alts halve", "peg"))
    assert found.weights is not None
    assert found.weights.tolist() == [0.25, 0.75]
    path = tmp_path / "view.json"
    path.write_text(JSON)
    assert read_scenarios(path).returns.values.tolist() == [[-0.1, 0.0], [0.2, 0.1]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_has_a_column_a_number(tmp_path: Path, kind: str) -> None:
    frame = pl.DataFrame(
        {"label": ["a", "b"], "BTC": [-0.1, 0.0], "collateral.USDE": [0.0, -0.1]},
    )
    path = tmp_path / f"view.{kind}"
    frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
    found = read_scenarios(path, days=3.0)
    assert found.labels == ("a", "b")
    assert found.returns.names == ("BTC",)
    assert found.collateral is not None
    assert found.collateral.values.tolist() == [[0.0], [-0.1]]
    assert found.days == 3.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1]", "no table with a list `scenario`"),
        ("a.json", "{", "cannot|not JSON"),
        ("a.json", '{"scenarios": []}', "unknown key 'scenarios'"),
        ("a.json", '{"scenario": []}', "no list `scenario`"),
        ("a.json", '{"scenario": [{"return": {}}]}', "unknown key 'return'"),
        ("a.json", '{"scenario": [{"returns": {"BTC": true}}]}', r"returns\.BTC is True"),
        ("a.json", '{"scenario": [{"returns": {"BTC": -1.5}}]}', "above -1"),
        ("a.json", '{"scenario": [{"returns": 3}]}', "no table of numbers"),
        ("a.json", '{"scenario": [{"label": "x"}, {"label": "x"}]}', "two scenarios are called"),
        (
            "a.json",
            '{"scenario": [{"weight": 0.5, "returns": {"BTC": 0}}, {"returns": {"BTC": 0}}]}',
            "weight of row 1",
        ),
        (
            "a.json",
            '{"scenario": [{"weight": 0.5, "returns": {"BTC": 0}}]}',
            "the weights sum to 0.5",
        ),
        ("a.csv", "BTC,spread.ETH\n0.1,0.2\n", "column 'spread.ETH'"),
        ("a.csv", "BTC,ETH\n0.1,\n", "holds something that is no number"),
        ("a.csv", "label\nx\n", "no column of numbers"),
        ("nothing.toml", None, "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(UnreadableData, match=message):
        read_scenarios(path)


def of(values: dict[str, list[float]], **more: Scenarios) -> Scenarios:
    return Scenarios(returns=Shocks.of(values), **more)  # type: ignore[arg-type]


def test_sets_one_after_the_other_keep_their_rows_and_weights() -> None:
    one = of({"BTC": [-0.1, 0.1]})
    other = Scenarios(
        returns=Shocks.of({"ETH": [-0.2, 0.0, 0.2]}),
        depth=Shocks.of({"BTC": [0.5, 0.5, 0.5]}),
        weights=np.array([0.5, 0.25, 0.25]),
    )
    found = concatenate([one, other])
    assert found.returns.values.tolist() == [[-0.1, 0], [0.1, 0], [0, -0.2], [0, 0], [0, 0.2]]
    assert found.depth is not None
    assert found.depth.values[:, 0].tolist() == [1.0, 1.0, 0.5, 0.5, 0.5]
    assert found.weights is not None
    assert found.weights == pytest.approx([0.2, 0.2, 0.3, 0.15, 0.15])
    stressed = concatenate([one, other], weights=[0.75, 0.25])
    assert stressed.weights == pytest.approx([0.375, 0.375, 0.125, 0.0625, 0.0625])
    with pytest.raises(InvalidInput, match="give sets of one horizon"):
        concatenate([one, Scenarios(returns=Shocks.of({"BTC": 0.1}), days=2.0)])
    with pytest.raises(InvalidInput, match="1 weights for 2 sets"):
        concatenate([one, other], weights=[1.0])


def test_two_effects_in_one_scenario_multiply() -> None:
    one = of({"BTC": [-0.1, 0.1]})
    other = Scenarios(
        returns=Shocks.of({"BTC": -0.5, "ETH": 0.2}),
        funding=Shocks.of({"BTC": 0.01}),
        depth=Shocks.of({"BTC": 0.5}),
    )
    found = combine(one, combine(other, other))
    assert found.returns.names == ("BTC", "ETH")
    assert found.returns.values == pytest.approx(
        np.array([[0.9 * 0.25 - 1, 0.44], [1.1 * 0.25 - 1, 0.44]])
    )
    assert found.funding is not None
    assert found.funding.values[:, 0] == pytest.approx([0.02, 0.02])
    assert found.depth is not None
    assert found.depth.values[:, 0] == pytest.approx([0.25, 0.25])
    with pytest.raises(InvalidInput, match="cannot happen together"):
        combine(one, of({"BTC": [0.1, 0.2, 0.3]}))
