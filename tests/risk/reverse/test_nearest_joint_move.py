"""The nearest liquidating joint move: closed form where it holds, exact core on every ray."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, read_account
from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.core.joint_move import joint_move, moved_market
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import margin_report
from keelmark.risk.axes import direction_of
from keelmark.risk.beta_move import find_beta_move
from keelmark.risk.returns import Array, Returns, coin_named, read_returns
from keelmark.risk.reverse import find_reverse_stress
from tests.risk.test_ladders import book

SIGMA = np.array([[0.0009, 0.0010], [0.0010, 0.0016]])


def returns(covariance: Array = SIGMA) -> Returns:
    """Return changes whose sample covariance is this one, exactly but for the last digits."""
    raw = np.random.default_rng(7).standard_normal((400, len(covariance)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    values = white @ np.linalg.cholesky(covariance).T
    return Returns(coins=("BTC", "ETH"), values=values, period="1 day", days=1.0, source="made up")


def distances(account: Account, angles: list[float]) -> Iterator[float]:
    """Yield how unusual the liquidating moves of Bitcoin and Ether in these directions are."""
    (unit,) = account.units
    inverse = np.linalg.inv(returns().covariance)
    for angle in angles:
        vector = {
            "BTC": Decimal(repr(np.cos(angle).item())),
            "ETH": Decimal(repr(np.sin(angle).item())),
        }
        direction = direction_of(unit, vector, account.model)
        move = joint_move(unit, direction, account.market, account.model)
        if move.size is not None:
            point = np.array([float(vector[c] * move.size) for c in ("BTC", "ETH")])
            yield float(np.sqrt(point @ inverse @ point))


def account_of(btc: str, eth: str, usdt: str, venue: str = "generic@2025-10") -> Account:
    rows = [("BTCUSDT", btc, "60000"), ("ETHUSDT", eth, "3000")]
    return read_account(json.dumps({**book(*rows, usdt=usdt), "venue": venue}))


def test_within_one_segment_the_closed_form_is_found_and_proved() -> None:
    found = find_reverse_stress(account_of("1", "10", "6000"), returns())
    # slopes by relative move: 60000 (1 - 0.005) and 30000 (1 - 0.005); excess 6000 - 450
    slopes = np.array([60000 * 0.995, 30000 * 0.995])
    excess = 6000 - 450
    spread = slopes @ SIGMA @ slopes
    assert found.method == "closed form"
    assert found.is_proved
    assert found.distance == pytest.approx(excess / np.sqrt(spread), rel=1e-9)
    expected = -excess * (SIGMA @ slopes) / spread
    assert found.moves is not None
    assert [float(found.moves[c]) for c in ("BTC", "ETH")] == pytest.approx(expected, rel=1e-9)


def test_the_account_is_on_its_trigger_at_the_move_found() -> None:
    account = account_of("30", "-100", "200000")
    found = find_reverse_stress(account, returns())
    assert found.moves is not None
    (unit,) = account.units
    ahead = {coin: move * (1 + Decimal("1e-9")) for coin, move in found.moves.items()}
    short = {coin: move * (1 - Decimal("1e-9")) for coin, move in found.moves.items()}
    moves = []
    for vector, falls in ((ahead, True), (short, False)):
        direction = direction_of(unit, vector, account.model)
        move = joint_move(unit, direction, account.market, account.model)
        assert move.size is not None
        assert (move.size < 1) is falls
        moves.append(move)
    market = moved_market(unit, moves[0], account.market, account.model)
    report = margin_report(unit, market, account.model)
    assert abs(report.maintenance_excess) < Decimal("1e-6")


@settings(max_examples=15)
@given(
    btc=st.integers(-60, 60).filter(bool),
    eth=st.integers(-900, 900).filter(bool),
    usdt=st.integers(50_000, 900_000),
    angles=st.lists(st.floats(0, 6.28), min_size=8, max_size=8),
)
def test_no_direction_beats_what_was_found_nor_its_bound(
    btc: int, eth: int, usdt: int, angles: list[float]
) -> None:
    account = account_of(str(btc), str(eth), str(usdt))
    found = find_reverse_stress(account, returns())
    for distance in distances(account, angles):
        assert found.distance is not None
        assert found.distance <= distance * (1 + 1e-9)
        assert found.at_least is not None
        assert found.at_least <= found.distance


def test_floors_inside_reach_are_numeric_and_bounded() -> None:
    # 16 BTC are 960,000: a rise of 4 % doubles the marginal rate of a short
    found = find_reverse_stress(account_of("-16", "100", "130000"), returns())
    assert found.distance is not None
    assert found.at_least is not None
    assert found.at_least <= found.distance
    assert found.status is PriceStatus.PRICE


def test_what_is_liquidatable_already_is_no_distance_away() -> None:
    found = find_reverse_stress(account_of("1", "10", "1"), returns())
    assert (found.distance, found.is_proved) == (0.0, True)


@settings(max_examples=15)
@example(btc=-1, eth=26, usdt=85_292, angles=[6.0, 5.8])
@given(
    btc=st.integers(-9, 9).filter(bool),
    eth=st.integers(1, 100),
    usdt=st.integers(-200_000, 300_000),
    angles=st.lists(st.floats(0, 6.28), min_size=8, max_size=8),
)
def test_a_coin_that_is_only_collateral_moves_too(
    btc: int, eth: int, usdt: int, angles: list[float]
) -> None:
    content = book(("BTCUSDT", str(btc), "60000"), usdt=str(usdt))
    content["collateral"].append({"asset": "ETH", "balance": str(eth)})
    content["prices"] = {"ETH": "3000"}
    account = read_account(json.dumps(content))
    (unit,) = account.units
    if margin_report(unit, account.market, account.model).is_liquidatable:
        return
    found = find_reverse_stress(account, returns())
    for distance in distances(account, angles):
        assert found.distance is not None
        assert found.distance <= distance * (1 + 1e-9)
        assert found.at_least is None or found.at_least <= found.distance
    betas = find_beta_move(account, returns())
    assert set(betas.betas) == {"BTC", "ETH"}


def test_a_coin_that_a_contract_settles_in_leaves_the_book_without_a_proof() -> None:
    content = book(("BTCUSD", "-300", "60000"), ("ETHUSDT", "10", "3000"))
    content["collateral"].append({"asset": "BTC", "balance": "0.5"})
    found = find_reverse_stress(read_account(json.dumps(content)), returns())
    assert found.status is PriceStatus.PRICE
    assert found.at_least is None
    assert found.method == "numeric"


def test_a_book_that_nothing_liquidates_says_so() -> None:
    found = find_reverse_stress(account_of("0.001", "0.001", "99999999"), returns())
    assert found.status is PriceStatus.NONE
    assert found.reason is not None
    assert found.document()["distance"] is None


def test_a_coin_alone_is_measured_by_its_own_standard_deviation() -> None:
    found = find_reverse_stress(account_of("1", "10", "6000"), returns())
    # excess 6000 - 450 over what each coin alone takes from it, over its own sigma
    falls = {"BTC": 5550 / (60000 * 0.995), "ETH": 5550 / (30000 * 0.995)}
    assert found.alone is not None
    for coin, sigma in (("BTC", 0.03), ("ETH", 0.04)):
        assert found.alone[coin] == pytest.approx(falls[coin] / sigma, rel=1e-9)


def test_a_coin_alone_of_a_hedged_book_goes_as_far_as_the_core_says() -> None:
    account = account_of("3", "-50", "20000")
    found = find_reverse_stress(account, returns())
    assert found.alone is not None
    (unit,) = account.units
    for coin, sigma in (("BTC", 0.03), ("ETH", 0.04)):
        sizes = []
        for step in (Decimal(-1), Decimal(1)):
            direction = direction_of(unit, {coin: step}, account.model)
            sizes.append(joint_move(unit, direction, account.market, account.model).size)
        nearest = min(float(size) for size in sizes if size is not None)
        assert found.alone[coin] == pytest.approx(nearest / sigma, rel=1e-9)


def test_betas_are_least_squares_slopes_and_lead_the_move() -> None:
    account = account_of("1", "10", "6000")
    found = find_beta_move(account, returns(), market="BTC")
    assert float(found.betas["ETH"]) == pytest.approx(0.0010 / 0.0009, rel=1e-9)
    assert float(found.betas["BTC"]) == pytest.approx(1.0)
    assert found.down.size is not None
    slope = 60000 * 0.995 + 30000 * 0.995 * float(found.betas["ETH"])
    assert float(found.down.size) == pytest.approx((6000 - 450) / slope, rel=1e-9)
    assert found.up.status is PriceStatus.NONE


def bars(tmp_path: Path, symbols: dict[str, list[float]]) -> Path:
    rows = [
        {"ts_ms": 1_700_000_000_000 + i * 300_000, "symbol": symbol, "close": close}
        for symbol, closes in symbols.items()
        for i, close in enumerate(closes)
    ]
    path = tmp_path / "bars.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return path


def test_bars_become_changes_by_coin_and_day(tmp_path: Path) -> None:
    closes = [100.0 * (1.01 if i % 2 else 1.0) for i in range(40)]
    found = read_returns(bars(tmp_path, {"BTCUSDT": closes, "1000PEPEUSDT": closes[::-1]}))
    assert found.coins == ("BTC", "PEPE")
    assert found.days == pytest.approx(1 / 288)
    assert found.values[0, 0] == pytest.approx(0.01)
    by_row = np.var(found.values[:, 0], ddof=1)
    assert found.covariance[0, 0] == pytest.approx(by_row * 288)


def test_a_gap_in_the_bars_is_no_change(tmp_path: Path) -> None:
    path = bars(tmp_path, {"BTCUSDT": [100.0 + i for i in range(60)]})
    frame = pl.read_parquet(path)
    frame.filter(~pl.col("close").is_between(120, 129)).write_parquet(path)
    found = read_returns(path)
    assert len(found.values) == 48
    assert found.values.max() < 0.011


def test_a_table_of_returns_is_read_by_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "returns.csv"
    rows = [{"BTC": 0.01 * (-1) ** i, "ETHUSDT": 0.02 * (-1) ** i} for i in range(30)]
    pl.DataFrame(rows).write_csv(path)
    found = read_returns(path)
    assert found.coins == ("BTC", "ETH")
    assert found.horizon == "a row"
    assert found.betas("BTC", ["ETH"]) == {"ETH": Decimal(2)}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": ["x"]}, "neither bars"),
        ({"BTC": [60000.0, -5.0]}, "are these prices?"),
        ({"BTC": [0.1] * 5}, "at least 20 are needed"),
        ({"BTCUSDT": [0.1], "BTC": [0.1]}, "are both BTC; keep one of them"),
    ],
)
def test_a_file_that_holds_no_returns_is_refused(
    tmp_path: Path, frame: dict[str, list[object]], message: str
) -> None:
    path = tmp_path / "returns.parquet"
    pl.DataFrame(frame).write_parquet(path)
    with pytest.raises(UnreadableData, match=message.replace("?", r"\?")):
        read_returns(path)
    with pytest.raises(UnreadableData, match="cannot be read"):
        read_returns(tmp_path / "nothing.parquet")


def test_what_the_returns_lack_is_named() -> None:
    content = book(("BTCUSDT", "1", "60000"))
    content["positions"] += [
        {"instrument": "SOLUSDT", "size": "1", "entry_price": "150", "mark_price": "150"}
    ]
    account = read_account(json.dumps(content))
    with pytest.raises(InvalidInput, match="made up has no returns of SOL"):
        find_reverse_stress(account, returns())
    with pytest.raises(InvalidInput, match="has no returns of SOL"):
        find_beta_move(account, returns())
    same = np.array([[1.0, 1.0], [1.0, 1.0]]) * 1e-4 + np.eye(2) * 1e-22
    doubled = Returns(
        coins=("BTC", "ETH"),
        values=np.repeat(returns(same + np.eye(2) * 1e-9).values[:, :1], 2, axis=1),
        period="1 day",
        days=1.0,
        source="twice",
    )
    with pytest.raises(InvalidInput, match="determine no covariance"):
        find_reverse_stress(account_of("1", "10", "6000"), doubled)
    still = Returns(
        coins=("BTC", "ETH"), values=np.zeros((30, 2)), period="1 day", days=1.0, source="still"
    )
    with pytest.raises(InvalidInput, match="BTC stands still"):
        find_beta_move(account_of("1", "10", "6000"), still)


@pytest.mark.parametrize(
    ("symbol", "coin"),
    [("BTCUSDT", "BTC"), ("BTC-USDT-SWAP", "BTC"), ("kPEPE", "PEPE"), ("ETH", "ETH")],
)
def test_symbols_of_bars_are_told_by_their_coin(symbol: str, coin: str) -> None:
    assert coin_named(symbol) == coin
