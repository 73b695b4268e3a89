"""Where closing the last contract on a coin, or opening the first, changes what moves alike."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, check, read_account
from keelmark.risk.rescues import Action, Hedge, RescueOptions, RescueStatus, Target, rescue
from keelmark.risk.what_if import whatif

SYMBOLS = {
    "okx-multi": "{}-USDT-SWAP",
    "bybit-uta": "{}USDT",
    "binance-usdm-multi": "{}USDT",
}
MARKS = {"BTC": "99000", "ETH": "3000", "SOL": "150"}
LARGE = Decimal(10_000_000)
WAYS = {
    "all": RescueOptions(),
    "deposit": RescueOptions(actions=frozenset({Action.DEPOSIT})),
    "close": RescueOptions(actions=frozenset({Action.CLOSE})),
}


def book(venue: str, cash: str, coin: tuple[str, str], sizes: dict[str, str]) -> Account:
    """Return an account with a coin as collateral beside contracts."""
    name, amount = coin
    rows: list[dict[str, Any]] = [
        {
            "instrument": SYMBOLS[venue].format(base),
            "size": size,
            "entry_price": MARKS[base],
            "mark_price": MARKS[base],
            "leverage": "10",
            "tier": {"maintenance_rate": "0.005", "maintenance_amount": "0"},
        }
        for base, size in sizes.items()
    ]
    document = {
        "venue": venue,
        "historical": True,
        "as_of": "2026-06-10T00:00:00Z",
        "collateral": [
            {"asset": "USDT", "balance": cash},
            {"asset": name, "balance": amount, "weight": "0.95"},
        ],
        "prices": {name: MARKS[name], "USDT": "1"},
        "positions": rows,
    }
    return read_account(json.dumps(document))


@st.composite
def books(draw: st.DrawFn) -> Account:
    """A collateral coin, a contract on it and one on another coin, on one of several venues."""
    coin = draw(st.sampled_from(["BTC", "ETH"]))
    other = draw(st.sampled_from([base for base in MARKS if base != coin]))
    thousands = st.integers(-30, 30).filter(bool)
    held = Decimal(draw(st.integers(1, 6))) * 10_000 / Decimal(MARKS[coin])
    sizes = {
        base: f"{(Decimal(draw(thousands)) * 10_000 / Decimal(MARKS[base])).quantize(quantum):f}"
        for base, quantum in ((coin, Decimal("0.1")), (other, Decimal(1)))
    }
    sizes = {base: size for base, size in sizes.items() if Decimal(size)}
    cash = str(draw(st.integers(-3, 8)) * 10_000)
    return book(draw(st.sampled_from([*SYMBOLS])), cash, (coin, f"{held:.3f}"), sizes)


FAR = st.integers(1, 8).map(lambda n: Target.distance(Decimal(n) / 20))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(books(), FAR, st.sampled_from([*WAYS]))
def test_a_plan_is_found_wherever_one_action_alone_reaches(
    account: Account, target: Target, way: str
) -> None:
    found = rescue(account, target, options=WAYS[way])
    if found.status is RescueStatus.MET:
        return
    assert not any(single.reaches for single in found.singles) or (
        found.status is RescueStatus.PLAN
    )
    if found.status is RescueStatus.PLAN:
        distance = check(found.rescued).distance
        assert distance is None or distance >= target.value
        return
    for edit in _drastic(account, way):
        assert not _is_far(account, edit, target.value), edit


def _drastic(account: Account, way: str) -> list[str]:
    """Return edits that go as far as an action can."""
    edits = [f"deposit USDT={LARGE}"] if way != "close" else []
    if way != "deposit":
        edits += [f"close {p.instrument}" for unit in account.units for p in unit.positions]
    return edits


def _is_far(account: Account, edit: str, far: Decimal) -> bool:
    checked = whatif(account, edit).after.units[0]
    return not checked.is_liquidatable and (checked.distance is None or checked.distance >= far)


@pytest.mark.parametrize("venue", ["okx-multi", "bybit-uta"])
@pytest.mark.parametrize("way", [*WAYS])
def test_collateral_on_the_coin_of_a_contract_leaves_both_ways_open(venue: str, way: str) -> None:
    account = book(venue, "20000", ("BTC", "0.3"), {"BTC": "1", "ETH": "60"})
    found = rescue(account, Target.distance(Decimal("0.3")), options=WAYS[way])
    assert found.status is RescueStatus.PLAN
    assert (found.with_money.plan is None) is (way == "close")
    assert (found.without_money.plan is None) is (way == "deposit")
    for plan in (found.with_money.plan, found.without_money.plan):
        assert plan is None or (plan.after.distance or 0) >= Decimal("0.3")


def test_a_hedge_that_may_be_opened_takes_no_plan_away() -> None:
    account = book("binance-usdm-multi", "20000", ("BTC", "0.3"), {"ETH": "120"})
    target = Target.distance(Decimal("0.25"))
    without = rescue(account, target)
    hedge = Hedge(instrument="BTCUSDT", price=Decimal(99_000))
    options = replace(RescueOptions(), hedges=(hedge,))
    found = rescue(account, target, options=options)
    assert (without.status, found.status) == (RescueStatus.PLAN, RescueStatus.PLAN)
    assert found.with_money.plan is not None
    assert without.without_money.plan is not None
    assert found.without_money.plan is not None
    assert found.without_money.plan.cost.total <= without.without_money.plan.cost.total
