"""Prices by name: what the same prices by row do, and every mistake by its name."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keelmark.core.bound import Factor, FactorKind
from keelmark.core.errors import InvalidInput, InvalidMark, UnknownAsset, UnknownInstrument
from keelmark.engine import commands as c
from keelmark.engine.engine import Engine
from keelmark.engine.events import MarksSet
from keelmark.rulebooks import load_rulebook

HARBOUR = str(Path(__file__).resolve().parents[2] / "docs/examples/rulebook.toml")


@pytest.fixture
def engine() -> Engine:
    return Engine(load_rulebook(HARBOUR))


def by_row(engine: Engine, time_ms: int, prices: dict[Factor, float]) -> MarksSet:
    rows = [engine.state.universe.factor_row(factor) for factor in prices]
    return MarksSet(
        times_ms=np.array([time_ms]),
        offsets=np.array([0, len(prices)]),
        factors=np.array(rows, np.int32),
        prices=np.array(list(prices.values())),
    )


def test_prices_by_name_do_what_the_same_prices_do_by_row(engine: Engine) -> None:
    other = Engine(load_rulebook(HARBOUR))
    position = engine.submit_prices(
        1_000,
        marks={"BTC-USDT": "100000.5", "ETH-USDT": Decimal(4_000)},
        asset_prices={"BTC": 100_000},
    )
    prices = {
        Factor(FactorKind.MARK, "BTC-USDT"): 100_000.5,
        Factor(FactorKind.MARK, "ETH-USDT"): 4_000.0,
        Factor(FactorKind.ASSET, "BTC"): 100_000.0,
    }
    assert position == other.submit_marks(by_row(other, 1_000, prices))
    assert engine.digest() == other.digest()


def test_what_is_not_named_keeps_its_price(engine: Engine) -> None:
    engine.submit_prices(1_000, marks={"BTC-USDT": "100000", "ETH-USDT": "4000"})
    engine.submit_prices(2_000, marks={"BTC-USDT": "90000"})
    universe, prices = engine.state.universe, engine.state.prices
    rows = [universe.factor_row(Factor(FactorKind.MARK, s)) for s in ("BTC-USDT", "ETH-USDT")]
    assert prices[rows].tolist() == [90_000.0, 4_000.0]


@pytest.mark.parametrize(
    ("prices", "error", "said"),
    [
        ({"marks": {"BTC-USD": "1"}}, UnknownInstrument, "did you mean 'BTC-USDT'?"),
        ({"asset_prices": {"BTCC": "1"}}, UnknownAsset, "did you mean 'BTC'?"),
        ({"asset_prices": {"USDT": "1"}}, InvalidInput, "nothing reads a price of USDT"),
        ({"indices": {"BTC-index": "1"}}, UnknownInstrument, "no formula reads an index"),
        ({"marks": {"BTC-USDT": "NaN"}}, InvalidMark, "mark price of BTC-USDT is 'NaN'"),
        ({"marks": {"BTC-USDT": "0"}}, InvalidMark, "a positive number is needed"),
        ({"marks": {"BTC-USDT": "-1"}}, InvalidMark, "a positive number is needed"),
        ({"marks": {"BTC-USDT": "1e999"}}, InvalidMark, "a positive number is needed"),
        ({"marks": {"BTC-USDT": "a lot"}}, InvalidMark, "is 'a lot'"),
        ({"asset_prices": {"BTC": Decimal("NaN")}}, InvalidMark, "asset price of BTC"),
    ],
)
def test_a_wrong_price_is_refused_by_name_and_nothing_is_applied(
    engine: Engine, prices: dict[str, Any], error: type[InvalidInput], said: str
) -> None:
    before = engine.digest()
    with pytest.raises(error, match=said.replace("?", r"\?")) as caught:
        engine.submit_prices(1_000, **prices)
    assert type(caught.value) is error
    assert engine.digest() == before
    engine.submit(c.OpenAccount(name="ann"))


def test_every_wrong_price_of_a_snapshot_is_named_at_once(engine: Engine) -> None:
    with pytest.raises(UnknownInstrument) as caught:
        engine.submit_prices(
            1_000, marks={"DOGE-USDT": "1", "ETH-USDT": "nan"}, asset_prices={"XYZ": "1"}
        )
    message = str(caught.value)
    assert message.index("DOGE-USDT") < message.index("ETH-USDT") < message.index("XYZ")
