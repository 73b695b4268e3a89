"""The scenario type: one row of each block together, checked at the door."""

from typing import Any

import numpy as np
import pytest

from keelmark.core.errors import InvalidInput
from keelmark.risk.scenarios import Scenarios, Shocks, generator_of, shards_of
from keelmark.risk.scenarios.shards import SHARD_ROWS


def test_one_number_stands_for_every_scenario() -> None:
    block = Shocks.of({"BTC": [-0.1, 0.2], "ETH": -0.3})
    assert block.names == ("BTC", "ETH")
    assert block.values.tolist() == [[-0.1, -0.3], [0.2, -0.3]]


def test_a_row_is_what_every_block_says_together() -> None:
    whole = Scenarios(
        returns=Shocks.of({"BTC": [-0.1, 0.2, 0.3]}),
        collateral=Shocks.of({"USDE": [-0.35, 0.0, 0.1]}),
        weights=np.array([0.5, 0.3, 0.2]),
        labels=("a", "b", "c"),
    )
    some = whole.rows(np.array([True, False, True]))
    assert len(some) == 2
    assert some.labels == ("a", "c")
    assert some.weights is not None
    assert some.weights.sum() == pytest.approx(1.0)
    assert some.collateral is not None
    assert some.collateral.values[:, 0].tolist() == [-0.35, 0.1]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"returns": {"BTC": [-1.0]}}, "returns of BTC in scenario 0 is -1.0"),
        ({"returns": {"BTC": [float("nan")]}}, "is nan"),
        ({"returns": {"BTC": [0.1]}, "basis": {"BTC": [0.0, 0.1]}}, "basis: 2 rows beside 1"),
        ({"returns": {"BTC": [0.1]}, "depth": {"BTC": [-0.1]}}, "depth of BTC"),
    ],
)
def test_a_block_that_means_nothing_is_refused_by_name(
    blocks: dict[str, dict[str, list[float]]], message: str
) -> None:
    given: dict[str, Any] = {name: Shocks.of(values) for name, values in blocks.items()}
    with pytest.raises(InvalidInput, match=message):
        Scenarios(**given)


def test_a_coin_without_returns_is_named() -> None:
    whole = Scenarios(returns=Shocks.of({"BTC": [0.1]}), source="bars")
    with pytest.raises(InvalidInput, match="bars says nothing of BTT"):
        whole.require(["BTC", "BTT"])


def test_shards_cover_every_row_once_and_draw_by_their_own_number() -> None:
    count = 2 * SHARD_ROWS + 5
    drawn = np.zeros(count)
    covered = np.zeros(count, dtype=int)
    for generator, rows in shards_of(7, count):
        drawn[rows] = generator.standard_normal(rows.stop - rows.start)
        covered[rows] += 1
    assert set(covered) == {1}
    last = generator_of(7, 2).standard_normal(5)
    assert drawn[2 * SHARD_ROWS :].tolist() == last.tolist()
    with pytest.raises(InvalidInput, match="at least one"):
        next(shards_of(7, 0))
