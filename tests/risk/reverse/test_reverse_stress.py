"""Reverse stress: pegs and volatilities beside coins, what would help, and what is refused."""

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, read_account
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.margin import margin_report
from keelmark.risk.beta_move import find_beta_move
from keelmark.risk.returns import Array
from keelmark.risk.revaluation import UnitValuer, scenario_market
from keelmark.risk.reverse import (
    ReverseStress,
    ShockCovariance,
    find_by_unit,
    find_reverse_stress,
)
from keelmark.risk.reverse.boundary import Boundary
from keelmark.risk.scenarios import Scenarios, Shocks
from tests.risk.reverse.test_nearest_joint_move import SIGMA, account_of, returns

D = Decimal
LEG = {"instrument": "BTCUSDT", "entry_price": "60000", "mark_price": "60000"}
PEGGED: dict[str, Any] = {
    "venue": "generic@2025-10",
    "account_mode": "hedge",
    "collateral": [{"asset": "USDE", "balance": "6000"}],
    "prices": {"USDE": "1", "BTC": "60000"},
    "positions": [{**LEG, "size": "-5"}, {**LEG, "size": "5"}],
}
"""Delta neutral on a dollar that can lose its peg."""

OPTIONS: dict[str, Any] = {
    "venue": "bybit-uta@2025-09",
    "as_of": "2024-11-27T08:00:00Z",
    "collateral": [{"asset": "USDT", "balance": "30000"}],
    "prices": {"BTC": "50000", "BTC-27DEC24": "50000", "USDT": "1"},
    "positions": [
        {
            "instrument": f"BTC-27DEC24-{strike}-USDT",
            "size": size,
            "entry_price": price,
            "mark_price": price,
            "implied_volatility": "0.6",
        }
        for strike, size, price in (("60000-C", "-2", "700"), ("40000-P", "-2", "400"))
    ],
}


def account(document: dict[str, Any]) -> Account:
    return read_account(json.dumps(document))


def pegged(cash: str = "6000") -> Account:
    return account({**PEGGED, "collateral": [{"asset": "USDE", "balance": cash}]})


def is_gone(book: Account, found: ReverseStress, size: float) -> bool:
    """Whether core liquidates after a multiple of the move found."""
    blocks = {
        "returns": found.moves or {},
        "collateral": found.pegs,
        "volatility": found.volatilities,
    }
    shocks = {
        kind: Shocks.of({name: float(x) * size for name, x in moves.items()})
        for kind, moves in blocks.items()
        if moves
    }
    unit = next(u for u in book.units if u.unit_id == found.unit_id)
    market, after = scenario_market(book, unit, Scenarios(**shocks), 0)  # type: ignore[arg-type]
    return margin_report(after, market, book.model).is_liquidatable


def test_a_hedged_book_on_a_weak_dollar_ends_by_its_peg() -> None:
    found = find_reverse_stress(pegged(), returns(), pegs={"USDE": 0.05})
    assert found.distance is not None
    assert found.pegs["USDE"] < D("-0.3")
    assert abs(float((found.moves or {})["BTC"])) < 0.1
    assert "USDE 0." in found.sentence
    assert is_gone(pegged(), found, 1 + 1e-9)
    assert not is_gone(pegged(), found, 1 - 1e-9)
    alone = found.alone or {}
    assert alone["USDE"] == pytest.approx(found.distance, rel=0.1)


def test_an_asset_without_a_deviation_stands_still_and_is_named() -> None:
    found = find_reverse_stress(pegged(), returns())
    assert found.still == ("USDE",)
    assert "USDE stands still: nothing says how its price moves" in found.notes
    assert found.pegs == {}


def test_one_plane_of_coins_and_a_peg_is_the_closed_form() -> None:
    book = account(
        {
            **PEGGED,
            "account_mode": None,
            "positions": [{**LEG, "size": "1"}],
            "collateral": [{"asset": "USDE", "balance": "20000"}],
        }
    )
    found = find_reverse_stress(book, returns(), pegs={"USDE": 0.02})
    assert found.distance is not None
    (unit,) = book.units
    valuer = UnitValuer.of(book, unit)
    start = float(valuer.excess(np.zeros((1, 1)))[0])
    slope = float(valuer.gradient(np.zeros(1))[0])
    weight = float(valuer.excess(np.zeros((1, 1)), np.array([[1.0]]))[0]) - start
    spread = np.sqrt(slope**2 * SIGMA[0, 0] + (weight * 0.02) ** 2)
    assert found.distance == pytest.approx(start / spread, rel=1e-9)
    assert found.method == "closed form"
    assert found.is_proved
    assert found.excess_per_sigma == pytest.approx(spread, rel=1e-9)
    assert found.weakest["BTC"] == pytest.approx(-slope * SIGMA[0, 0] / spread, rel=1e-9)
    assert float((found.moves or {})["BTC"]) == pytest.approx(
        found.weakest["BTC"] * found.distance, rel=1e-9
    )


@settings(max_examples=20)
@given(
    btc=st.integers(-20, 20).filter(bool),
    usdc=st.integers(-15, 15).filter(bool),
    seeds=st.integers(0, 10**6),
)
def test_no_drawn_direction_of_coins_and_pegs_is_nearer(btc: int, usdc: int, seeds: int) -> None:
    rows = [{**LEG, "size": str(btc)}, {**LEG, "instrument": "BTCUSDC", "size": str(usdc)}]
    cash = [{"asset": "USDE", "balance": "100000"}]
    prices = {"USDE": "1", "BTC": "60000", "USDC": "1"}
    venue = PEGGED["venue"]
    book = account({"venue": venue, "collateral": cash, "prices": prices, "positions": rows})
    covariance = ShockCovariance.of_returns(returns(), pegs={"USDE": 0.03, "USDC": 0.01})
    found = find_reverse_stress(book, covariance)
    (unit,) = book.units
    valuer = UnitValuer.of(book, unit)
    shocks, matrix, _ = covariance.shocks_of(valuer)
    boundary = Boundary(valuer=valuer, shocks=shocks, covariance=matrix)
    if found.distance == 0.0:
        return
    rays = np.random.default_rng(seeds).standard_normal((400, len(shocks))) * boundary.deviations
    rays /= boundary.lengths(rays)[:, None]
    crossed = boundary.crossings(rays)
    if found.distance is None:
        assert not np.isfinite(crossed).any()
        return
    assert found.distance <= crossed.min() * (1 + 1e-9)
    assert found.at_least is None or found.at_least <= found.distance


def test_a_short_strangle_ends_by_price_and_volatility_together() -> None:
    found = find_reverse_stress(account(OPTIONS), returns(), volatilities={"BTC": 0.08})
    assert found.distance is not None
    assert found.volatilities["BTC"] > 0
    assert "BTC volatility +" in found.sentence
    assert is_gone(account(OPTIONS), found, 1 + 1e-9)
    assert not is_gone(account(OPTIONS), found, 1 - 1e-6)
    still = find_reverse_stress(account(OPTIONS), returns())
    assert still.distance is not None
    assert still.distance > found.distance
    assert "implied volatilities stand still: nothing says how they move" in still.notes


@pytest.mark.parametrize(("btc", "eth"), [("3", "10"), ("16", "-200"), ("-16", "100")])
def test_what_closing_adds_is_what_solving_anew_finds(btc: str, eth: str) -> None:
    cash = "20000" if btc == "3" else "130000"
    book = account_of(btc, eth, cash)
    found = find_reverse_stress(book, returns())
    assert found.distance is not None
    for leg, size, price in zip(found.legs, (btc, eth), ("60000", "3000"), strict=True):
        step = D(size) * D("1e-5")
        rows = {"BTCUSDT": D(btc), "ETHUSDT": D(eth)}
        rows[leg.name] += step
        more = find_reverse_stress(
            account_of(str(rows["BTCUSDT"]), str(rows["ETHUSDT"]), cash), returns()
        )
        assert more.distance is not None
        change = (more.distance - found.distance) / float(step)
        assert leg.per_size == pytest.approx(change, rel=2e-3, abs=1e-9), price
        assert leg.closing_a_tenth == pytest.approx(-leg.per_size * float(size) / 10)


def test_what_a_unit_of_collateral_and_its_weight_add() -> None:
    found = find_reverse_stress(pegged(), returns(), pegs={"USDE": 0.02})
    again = find_reverse_stress(pegged("6000.1"), returns(), pegs={"USDE": 0.02})
    assert found.distance is not None
    assert again.distance is not None
    usde = next(asset for asset in found.assets if asset.name == "USDE")
    assert usde.per_unit == pytest.approx((again.distance - found.distance) / 0.1, rel=1e-3)
    assert usde.per_weight > 0
    assert usde.excess_per_price is not None
    assert usde.excess_per_price > 0
    assert json.dumps(found.document())


def named(covariance: Array, *names: str) -> ShockCovariance:
    return ShockCovariance(names=names, matrix=covariance, source="given")


def test_any_matrix_by_name_will_do() -> None:
    book = account_of("1", "10", "6000")
    wide = np.diag([1.0, *np.diag(SIGMA)])
    wide[1:, 1:] = SIGMA
    found = find_reverse_stress(book, named(wide, "DOGE", "BTC", "ETH"))
    assert found.distance == pytest.approx(find_reverse_stress(book, returns()).distance)


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        (np.diag([1e-4, 0.0]), ("BTC", "ETH"), "ETH stands still"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), ("BTC", "ETH"), "negative eigenvalue"),
        (np.array([[1.0, 0.5], [0.2, 1.0]]), ("BTC", "ETH"), "the same on both sides"),
        (np.eye(2), ("BTC", "BTC"), "two rows of BTC"),
        (np.eye(3), ("BTC", "ETH"), "for 2 names"),
        (np.eye(2), ("BTC", "SOL"), "no returns of ETH"),
        (np.ones((2, 2)), ("BTC", "ETH"), "determine no covariance"),
    ],
)
def test_a_matrix_that_measures_nothing_is_refused_by_name(
    matrix: Array, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        find_reverse_stress(account_of("1", "10", "6000"), named(matrix, *names))


def test_a_deviation_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="standard deviation of USDE is 0"):
        find_reverse_stress(pegged(), returns(), pegs={"USDE": 0.0})


def test_the_sentence_names_what_moves_most() -> None:
    found = find_reverse_stress(account_of("1", "10", "6000"), returns())
    assert found.sentence.startswith("BTC -")
    assert found.sentence.endswith("sigma day")
    gone = find_reverse_stress(account_of("1", "10", "1"), returns())
    assert gone.sentence == "liquidatable as things stand"
    safe = find_reverse_stress(account_of("0.001", "0.001", "99999999"), returns())
    assert safe.sentence.startswith("no direction tried")


def test_shocks_are_told_by_the_names_they_are_given_by() -> None:
    found = find_reverse_stress(account(OPTIONS), returns(), volatilities={"BTC": 0.08})
    assert set(found.deviations) == {"BTC", "BTC volatility"}


TWO_UNITS: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "30000"}],
    "positions": [
        {**LEG, "size": "1"},
        {
            "instrument": "ETHUSDT",
            "size": "5",
            "entry_price": "3000",
            "mark_price": "3000",
            "margin_mode": "isolated",
            "isolated_margin": "1000",
        },
    ],
}
"""A cross unit that stands well before an isolated one that does not."""


def test_the_unit_that_goes_first_answers_for_the_account() -> None:
    book = account(TWO_UNITS)
    answers = find_by_unit(book, returns())
    assert [one.unit_id for one in answers.found] == ["isolated:ETHUSDT", "cross"]
    assert answers.unknown == {}
    found = find_reverse_stress(book, returns())
    assert found.unit_id == "isolated:ETHUSDT"
    alone = [find_reverse_stress(book, returns(), unit_id=u.unit_id) for u in book.units]
    assert found.distance == min(one.distance for one in alone if one.distance is not None)
    for one in answers.found:
        assert is_gone(book, one, 1 + 1e-9)
        assert not is_gone(book, one, 1 - 1e-9)


def test_betas_answer_for_the_unit_that_goes_first() -> None:
    book = account(TWO_UNITS)
    found = find_beta_move(book, returns())
    cross = find_beta_move(book, returns(), unit_id="cross")
    assert found.unit_id == "isolated:ETHUSDT"
    assert found.down.size is not None
    assert cross.down.size is not None
    assert found.down.size < cross.down.size


def test_a_unit_that_cannot_be_told_is_named_beside_the_others() -> None:
    bitcoin = named(SIGMA[:1, :1], "BTC")
    found = find_reverse_stress(account(TWO_UNITS), bitcoin)
    assert found.unit_id == "cross"
    assert "isolated:ETHUSDT may go sooner: unknown" in found.notes[-1]
    with pytest.raises(MissingNumber, match=r"has no returns of ETH.*--like ETH=COIN"):
        find_reverse_stress(account(TWO_UNITS), bitcoin, unit_id="isolated:ETHUSDT")
    with pytest.raises(MissingNumber, match="has no returns of BTC"):
        find_by_unit(account(TWO_UNITS), named(SIGMA[:1, :1], "SOL"))


def test_what_is_liquidatable_needs_no_returns_to_be_told() -> None:
    gone = find_reverse_stress(account_of("1", "10", "1"), named(SIGMA[:1, :1], "SOL"))
    assert gone.is_liquidatable_now
    assert gone.document()["is_liquidatable_now"] is True
    assert gone.method is None


def test_a_coin_that_stands_for_another_leaves_a_distance() -> None:
    book = account_of("1", "10", "6000")
    like = ShockCovariance.of_returns(returns().of(["BTC"]).like({"ETH": "BTC"}))
    with pytest.raises(InvalidInput, match="determine no covariance"):
        find_reverse_stress(book, like)
    found = find_reverse_stress(book, like.parted(["ETH"]))
    # both fall alike: slopes 60000 and 30000, each less its half a percent of maintenance
    assert found.distance == pytest.approx(5550 / (90000 * 0.995) / 0.03, rel=1e-6)
    assert any("ETH: a millionth" in note for note in found.notes)
