"""The distance a rescue states after its plan is the one a check of the edited account finds."""

import json
from dataclasses import replace
from decimal import Decimal
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keelmark.accounts import Account, check, read_account
from keelmark.accounts.account import build_account
from keelmark.accounts.document import AccountDocument, PositionRow
from keelmark.core.coin_move import coins_of
from keelmark.core.margin import maintenance_excess
from keelmark.core.numbers import ONE, ZERO
from keelmark.risk.rescues import Action, Money, RescueOptions, RescueStatus, Target, rescue
from keelmark.risk.rescues.target import paths_of
from keelmark.risk.what_if import whatif
from tests.risk.test_rescue_laws import MEANS, account_with
from tests.strategies import HELD, Situation, situations

MARKS = {"BTCUSDT": 100_000, "BTCUSDC": 100_000, "ETHUSDT": 4_000, "SOLUSDT": 200}
PRICES = {"BTC": 100_000, "ETH": 4_000, "SOL": 200, "USDC": 1, "USDT": 1}
LAST_DIGITS, DOCUMENT_DIGITS = Decimal("1e-25"), Decimal("1e-15")


def book(collateral: dict[str, str], sizes: dict[str, str]) -> Account:
    """Return a portfolio margin account at today's marks."""
    rows = tuple(
        PositionRow(
            path=f"positions[{row}]",
            instrument=symbol,
            size=Decimal(size),
            entry_price=Decimal(MARKS[symbol]),
            mark_price=Decimal(MARKS[symbol]),
        )
        for row, (symbol, size) in enumerate(sizes.items())
    )
    document = AccountDocument(
        venue="binance-pm@2025-12",
        collateral={asset: Decimal(amount) for asset, amount in collateral.items()},
        prices={asset: Decimal(price) for asset, price in PRICES.items()},
        positions=rows,
        weights={coin: Decimal("0.95") for coin in ("BTC", "ETH", "SOL")},
    )
    return build_account(document)


@st.composite
def holdings(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str]]:
    """Coins held and borrowed, beside none to three contracts on them, not yet liquidatable."""
    coins = draw(st.lists(st.sampled_from(["BTC", "ETH", "SOL"]), unique=True, max_size=2))
    notional = st.integers(-30, 30).filter(bool)
    collateral = {"SOL": "0"} | {
        c: f"{Decimal(draw(notional)) * 10_000 / PRICES[c]:f}" for c in coins
    }
    held = draw(st.lists(st.sampled_from([*MARKS]), unique=True, max_size=3))
    sizes = {s: f"{Decimal(draw(notional)) * 10_000 / MARKS[s]:f}" for s in held}
    worth = sum(Decimal(x) * PRICES[c] for c, x in collateral.items())
    cash = draw(st.integers(2, 40)) * 10_000 - worth
    return {**collateral, "USDT": f"{cash:f}"}, sizes


USES = (
    RescueOptions(),
    RescueOptions(actions=frozenset({Action.CLOSE})),
    RescueOptions(deposits=(Money(asset="SOL"),)),
    RescueOptions(deposits=(Money(asset="USDT", amount_max=Decimal(20_000)),)),
)


def same(told: Decimal | None, other: Decimal | None, digits: Decimal = LAST_DIGITS) -> bool:
    """Whether two distances are one but for their last digits."""
    if told is None or other is None:
        return told is other
    return abs(told - other) <= digits * max(ONE, told)


FAR = st.integers(1, 12).map(lambda n: Target.distance(Decimal(n) / 20))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(holdings(), FAR, st.sampled_from(USES))
def test_the_distance_after_a_plan_is_that_of_a_check_of_the_edited_account(
    held: tuple[dict[str, str], dict[str, str]], target: Target, options: RescueOptions
) -> None:
    account = book(*held)
    found = rescue(account, target, options=options)
    assert same(found.standing.distance, check(account).distance)
    if found.plan is None:
        return
    told = found.plan.after.distance
    assert same(told, check(found.rescued).distance)
    assert same(told, whatif(account, *found.edits).after.units[0].distance, DOCUMENT_DIGITS)
    if found.status is RescueStatus.PLAN:
        assert told is None or told >= target.value


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(situations(HELD), FAR, st.sampled_from(MEANS))
def test_the_distance_of_any_unit_is_that_of_its_check(
    situation: Situation, target: Target, means: RescueOptions
) -> None:
    found = rescue(account_with(situation), target, options=means)
    assert same(found.standing.distance, check(found.account).distance)
    if found.plan is not None:
        assert same(found.plan.after.distance, check(found.rescued).distance)


@given(situations(HELD))
def test_the_paths_a_plan_is_held_to_are_those_of_the_check(situation: Situation) -> None:
    """Each mark, all together, and each of the core's coins; the excess there is the check's."""
    unit, model = situation.unit, situation.model
    paths = list(paths_of(unit, model))
    assert {(p.coin.name, p.step) for p in paths if p.coin} == {
        (coin.name, step) for coin in coins_of(unit, model) for step in (-ONE, ONE)
    }
    checked = check(account_with(situation))
    size = checked.distance
    if not size or size > Decimal("0.999"):  # prices of nothing are none
        return
    near = size * (1 + Decimal("1e-12"))
    totals = [
        maintenance_excess(unit, path.moved(near, unit, situation.market, model), model)
        for path in paths
    ]
    now = maintenance_excess(unit, situation.market, model)
    assert min(totals) <= now * Decimal("1e-9") + Decimal("1e-30")


def test_an_asset_a_contract_settles_in_moves_though_nothing_of_it_is_held() -> None:
    account = book({"USDT": "60000"}, {"BTCUSDC": "-2", "BTCUSDT": "1"})
    (coin,) = coins_of(account.units[0], account.model)
    assert coin.symbols == ("BTCUSDC", "BTCUSDT")
    empty = book({"USDT": "60000", "SOL": "0"}, {"BTCUSDC": "-2"})
    assert [path for path in paths_of(empty.units[0], empty.model) if path.coin] == []


def test_a_deposited_coin_falls_with_the_rest_once_it_is_there() -> None:
    """Solana that comes in is collateral that falls: the plan is held to that as well."""
    account = book({"USDT": "30000", "SOL": "0"}, {"ETHUSDT": "-50"})
    options = RescueOptions(actions=frozenset({Action.DEPOSIT}), deposits=(Money(asset="SOL"),))
    found = rescue(account, Target.distance(Decimal("0.5")), options=options)
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    told = found.plan.after.distance
    assert told is not None
    assert told >= Decimal("0.5")
    less = replace(
        found.plan.unit,
        balances={"USDT": Decimal(30_000), "SOL": found.plan.steps[0].amount * Decimal("0.999")},
    )
    short = check(replace(account, units=(less,))).distance
    assert short is not None
    assert short < Decimal("0.5")


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(-3, 3).filter(bool),
    st.integers(-25, 25).filter(bool),
    st.integers(1, 6),
    st.tuples(st.integers(0, 20), st.integers(0, 20)),
    st.integers(1, 8).map(lambda n: Target.distance(Decimal(n) / 20)),
)
def test_no_closes_are_cheaper_than_the_bound_though_what_moves_hangs_on_them(
    btc: int, eth: int, owed: int, fees: tuple[int, int], target: Target
) -> None:
    """Without its last contract Bitcoin no longer falls with all prices together, only alone."""
    sizes = {"BTCUSDT": f"{btc / 1000}", "ETHUSDT": f"{eth / 100}"}
    account = book({"BTC": "0.004", "USDT": str(-40 * owed)}, sizes)
    rates = {s: Decimal(fee) / 1000 for s, fee in zip(sizes, fees, strict=True)}
    kept = frozenset({"ETHUSDT"} if owed % 3 == 0 else ())
    options = RescueOptions(
        actions=frozenset({Action.CLOSE}), fees=rates, kept=kept, toxic=True, gap=ZERO
    )
    found = rescue(account, target, options=options)
    if found.plan is None or found.status is not RescueStatus.PLAN:
        return
    assert same(found.plan.after.distance, check(found.rescued).distance)
    if found.plan.bound is None:
        return
    (unit,) = account.units
    for lots in product(range(abs(btc) + 1), range(0, 1 if kept else abs(eth) * 10 + 1, 5)):
        rest, cost = [], ZERO
        cash = unit.balances["USDT"]
        for held, count in zip(unit.positions, lots, strict=True):
            share = Decimal(count) / 1000 / abs(held.size)
            fee = abs(held.size * share) * MARKS[held.instrument] * rates[held.instrument]
            cost, cash = cost + fee, cash - fee
            if share < 1:
                left = 1 - share
                rest.append(replace(held, size=held.size * left, cost=held.cost * left))
        if cost >= found.plan.bound:
            continue
        after = replace(unit, balances={**unit.balances, "USDT": cash}, positions=tuple(rest))
        checked = check(replace(account, units=(after,))).units[0]
        assert checked.is_liquidatable or (
            checked.distance is not None and checked.distance < target.value
        )


def test_a_book_of_both_sides_is_told_that_its_coins_may_part() -> None:
    rows = [
        {"instrument": symbol, "size": size, "entry_price": price, "mark_price": price}
        for symbol, size, price in (("BTCUSDT", "2", "60000"), ("ETHUSDT", "-48", "2500"))
    ]
    document = {
        "venue": "generic@2025-10",
        "collateral": [{"asset": "USDT", "balance": "40000"}],
        "positions": rows,
    }
    found = rescue(read_account(json.dumps(document)), Target.distance(Decimal("0.2")))
    assert found.status is RescueStatus.MET
    assert any("every coin 16." in note for note in found.notes)
    near = rescue(read_account(json.dumps(document)), Target.distance(Decimal("0.1")))
    assert not any("every coin" in note for note in near.notes)
