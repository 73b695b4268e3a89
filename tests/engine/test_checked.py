"""Commands in a batch do what they do one by one, whether columns or `core` decided them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput, Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.engine import Engine
from keelmark.engine.receipt import Receipt
from tests.engine.test_recovery import batches, opened, plan_of, prefix, recovered, take
from tests.engine.venue import Venue

HOUSE = 2
Commands = Sequence[c.Command]


def told(engine: Engine, command: c.Command, key: str = "") -> tuple[object, ...]:
    """Submit one command; return what became of it."""
    try:
        receipt = engine.submit(command, key=key)
    except (Rejected, InvalidInput) as error:
        return outcome(error)
    return outcome(receipt)


def outcome(result: Receipt | Rejected | InvalidInput) -> tuple[object, ...]:
    if isinstance(result, Receipt):
        return "done", result.is_repeated
    return type(result), str(result)


def followed(results: Sequence[Receipt | Rejected | InvalidInput]) -> list[tuple[object, ...]]:
    return [outcome(result) for result in results]


def facts(engine: Engine) -> list[Any]:
    """Return everything that happened beside marks, payments and fills of commands, in order."""
    bulk = (e.MarksSet, e.Posted, e.AccountsOpened)
    plain = (*bulk, e.Keyed, e.Deposited, e.Withdrawn)
    found = []
    for position in range(1, engine.position + 1):
        for event in engine.events_at(position):
            is_payment = isinstance(event, e.Transferred) and event.reason == "transfer"
            is_fill = isinstance(event, e.Filled) and event.reason == "fill"
            if not (isinstance(event, plain) or is_payment or is_fill):
                found.append(event)
    return found


def in_columns(engine: Engine) -> int:
    """Return how many commands were decided in columns."""
    events = (x for at in range(1, engine.position + 1) for x in engine.events_at(at))
    return sum(len(event.rows) for event in events if isinstance(event, e.Checked))


def require_alike(one: Engine, many: Engine) -> None:
    assert many.digest() == one.digest()
    assert np.array_equal(many.suspects(), one.suspects())
    assert many.unknown() == one.unknown()
    assert facts(many) == facts(one)
    many.watch.index.check()


@settings(max_examples=3)
@given(seed=st.integers(0, 10**6))
def test_a_simulation_in_batches_is_the_simulation(seed: int) -> None:
    plan = plan_of(seed)
    one, many = opened(plan), opened(plan)
    waiting: list[c.Command] = []
    for step in [*plan.script, None]:
        if isinstance(step, c.Command):
            waiting.append(step)
            continue
        expected = [told(one, command) for command in waiting]
        assert followed(many.submit_checked(waiting)) == expected
        waiting = []
        if step is not None:
            take(one, step)
            take(many, step)
    require_alike(one, many)
    again = recovered(plan, prefix(batches(many), many.position))
    assert again.digest() == one.digest()


# --- a venue with everything that stands in the way of columns ----------------------------------

WARNED = {
    "hedge_mode": True,
    "assets": {
        "USDT": {"quantum": "1"},
        "COIN": {"quantum": "1", "weights": [{"floor": "0", "weight": "0.8"}]},
    },
    "valuation": "USD",
    "tables": {
        "flat": {
            "rows": [
                {"floor": "0", "rate": "0.05", "leverage": "10"},
                {"floor": "20000", "rate": "0.1", "leverage": "5"},
            ]
        }
    },
    "liquidation": {
        "stages": ["warn", "margin_call", "cancel_orders", "reduce", "takeover"],
        "warn": {"levels": ["0.5"], "hysteresis": "0.05"},
        "margin_call": {"usage": "0.8"},
        "taker_fee": "0",
        "reduce": {"price_limit": "no_limit", "buffer": "0"},
    },
}

UNITS = 12


def crowded(seed: int) -> Venue:
    """Return a venue with units of every standing: healthy, warned, called, isolated, hedged."""
    rng = np.random.default_rng(seed)
    venue = Venue(WARNED)
    venue.marks(A=1000.0, B=500.0, asset_USDT=1.0, asset_COIN=10.0)
    first = []
    for n in range(UNITS):
        money, coins = int(rng.integers(500, 20_000)), int(rng.integers(1, 300))
        if n % 4 == 3:
            first.append(venue.isolated(f"unit {n - 1}", USDT=money))
        else:
            first.append(venue.open(f"unit {n}", USDT=money, COIN=coins))
    for unit in first:
        if rng.random() < 0.8:
            told(venue.engine, drawn_fill(rng, [unit, HOUSE], 20))
    venue.engine.submit(c.Deposit(unit=venue.state.fund_of(-1), asset=0, quanta=10**6))
    disturbed(venue, rng, first)
    return venue


def disturbed(venue: Venue, rng: np.random.Generator, units: list[int]) -> None:
    """Let some of what keeps rows from columns happen to a venue."""
    protection = c.SetProtection(
        unit=int(rng.choice(units)),
        protection=1,
        kind="deleverage",
        trigger=700_000,
        target=500_000,
    )
    told(venue.engine, protection if rng.random() < 0.5 else drawn_order(rng, units))
    prices: list[dict[str, float]] = [
        {"A": float(round(1000.0 * rng.uniform(0.85, 1.15))), "B": 500.0},
        {"B": float("nan")},
        {"asset_COIN": float("nan")},
    ]
    for share, moved in zip((0.5, 0.3, 0.2), prices, strict=True):
        if rng.random() < share:
            venue.stream([moved])
    if rng.random() < 0.3:
        venue.engine.submit(c.Pause(instrument=int(rng.integers(2)), reason="test"))


def drawn_fill(rng: np.random.Generator, units: list[int], lots_max: int) -> c.Fill:
    unit, other = (int(u) for u in rng.choice(units, 2, replace=False))
    row = int(rng.integers(2))
    legs = [int(x) for x in rng.choice([0, 0, 0, 0, 1, -1], 2)]
    lots = int(rng.integers(1, lots_max)) * int(rng.choice([-1, 1]))
    return c.Fill(
        unit=unit,
        counterparty=other,
        instrument=row,
        lots=lots,
        ticks=int((1000, 500)[row] * rng.uniform(0.9, 1.1)),
        leg=legs[0],
        counterparty_leg=legs[1] if other != HOUSE else 0,
        fee=int(rng.integers(-3, 10)),
        counterparty_fee=int(rng.integers(0, 10)),
        leverage=int(rng.choice([0, 0, 0, 0, 0, 500])),
    )


def drawn_order(rng: np.random.Generator, units: list[int]) -> c.ReserveOrder:
    unit, lots = int(rng.choice(units)), int(rng.integers(1, 5))
    return c.ReserveOrder(
        unit=unit, order=int(rng.integers(3)), instrument=0, lots=lots, ticks=1000
    )


AMOUNTS = {1: 0.2, 100: 0.3, 1_000: 0.25, 20_000: 0.21, 0: 0.01, -5: 0.01, 2**62: 0.02}


def drawn(rng: np.random.Generator, state: Any) -> c.Command:  # noqa: ANN401 a state
    """Draw a command; many are refused, some are malformed."""
    units = [HOUSE, *range(len(state.book.in_house), state.book.units_count)]
    unit, other = (int(u) for u in rng.choice(units, 2))
    quanta = int(rng.choice(list(AMOUNTS), p=list(AMOUNTS.values())))
    asset = int(rng.choice([0, 1, 2], p=[0.8, 0.19, 0.01]))
    instrument, stranger = int(rng.integers(2)), int(rng.choice([-1, 99, 2**40]))
    ordinary = [
        c.Deposit(unit=unit, asset=asset, quanta=quanta),
        c.Withdraw(unit=unit, asset=asset, quanta=quanta),
        c.Transfer(source=unit, target=other, asset=asset, quanta=quanta),
        drawn_fill(rng, units, 3),
        drawn_fill(rng, units, 30),
    ]
    others = [
        drawn_order(rng, units),
        c.AdvanceTime(time_ms=state.time_ms + int(rng.integers(-5, 3_000))),
        c.Deposit(unit=stranger, asset=0, quanta=1),
        c.Pause(instrument=instrument, reason="in the batch"),
        c.Resume(instrument=instrument - 1, reason="in the batch"),
        c.OpenAccount(name=f"new {instrument}"),
    ]
    chosen = ordinary if rng.random() < 0.9 else others
    return chosen[int(rng.integers(len(chosen)))]


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 60))
def test_a_batch_decides_what_single_commands_decide(seed: int, count: int) -> None:
    decide_alike(seed, count)


@pytest.mark.nightly
def test_many_batches_decide_what_single_commands_decide() -> None:
    for seed in range(400):
        decide_alike(seed, 80)


def decide_alike(seed: int, count: int) -> None:
    one, many = crowded(seed), crowded(seed)
    assert one.engine.digest() == many.engine.digest()
    rng = np.random.default_rng([seed, 1])
    script = [drawn(rng, one.state) for _ in range(count)]
    expected = [told(one.engine, command) for command in script]
    assert followed(many.engine.submit_checked(script)) == expected
    require_alike(one.engine, many.engine)
    one.check()
    many.check(replay=True)


def test_most_of_an_ordinary_batch_is_decided_in_columns() -> None:
    columns = commands = accepted = 0
    for seed in range(3):
        venue = crowded(seed)
        rng = np.random.default_rng([seed, 1])
        script = [drawn(rng, venue.state) for _ in range(60)]
        results = venue.engine.submit_checked(script)
        columns += in_columns(venue.engine)
        commands += len(script)
        accepted += sum(isinstance(result, Receipt) for result in results)
    assert accepted < commands
    assert columns > 0.3 * accepted


@settings(max_examples=4)
@given(seed=st.integers(0, 10**6))
def test_keys_of_a_batch_are_those_of_single_commands(seed: int) -> None:
    one, many = crowded(seed), crowded(seed)
    rng = np.random.default_rng([seed, 2])
    pool = [drawn(rng, one.state) for _ in range(25)]
    for _ in range(3):
        chosen = rng.integers(0, len(pool), 20)
        script = [pool[n] for n in chosen]
        keys = [str(rng.choice([f"k{n}", f"k{n}", "", "same"])) for n in chosen]
        expected = [told(one.engine, x, key) for x, key in zip(script, keys, strict=True)]
        results = followed(many.engine.submit_checked(script, keys))
        assert [r[:1] if r[0] is Rejected else r for r in results] == [
            r[:1] if r[0] is Rejected else r
            for r in expected  # messages name positions
        ]
    held, again = (x.state.keys.rows() for x in (one, many))
    assert np.array_equal(held[:, :4], again[:, :4])
    many.check(replay=True)


# --- in detail ----------------------------------------------------------------------------------


def pair() -> tuple[Venue, int, int]:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    return venue, venue.open("a", USDT=10_000), venue.open("b", USDT=10_000)


def test_a_batch_has_one_position_and_refusals_leave_the_rest() -> None:
    venue, a, b = pair()
    before = venue.engine.position
    results = venue.engine.submit_checked(
        [
            c.Deposit(unit=a, asset=0, quanta=5),
            c.Withdraw(unit=a, asset=0, quanta=50_000),
            c.Fill(unit=a, counterparty=b, instrument=0, lots=3, ticks=1000, fee=2),
            c.Deposit(unit=99, asset=0, quanta=1),
            c.Transfer(source=b, target=a, asset=0, quanta=7),
        ]
    )
    assert [type(result).__name__ for result in results] == [
        "Receipt",
        "Rejected",
        "Receipt",
        "UnknownUnit",
        "Receipt",
    ]
    refused = results[1]
    assert isinstance(refused, Rejected)
    assert refused.reason is RejectionReason.INSUFFICIENT_BALANCE
    assert {r.position for r in results if isinstance(r, Receipt)} == {before + 1}
    assert venue.engine.position == before + 1
    happened = venue.engine.events_at(before + 1)
    assert [len(x.rows) for x in happened] == [1, 1, 1]
    assert [x.ticks.tolist() for x in happened] == [[0], [1000], [0]]
    assert (venue.balance(a), venue.balance(b)) == (10_010, 9_993)
    venue.check(replay=True)


def test_a_batch_of_nothing_and_of_refusals_alone_writes_nothing() -> None:
    venue, a, _ = pair()
    before = venue.engine.position
    assert venue.engine.submit_checked([]) == []
    (refused,) = venue.engine.submit_checked([c.Withdraw(unit=a, asset=0, quanta=10**6)])
    assert isinstance(refused, Rejected)
    assert venue.engine.position == before


def test_keys_are_one_for_each_command() -> None:
    venue, a, _ = pair()
    with pytest.raises(InvalidInput, match="1 keys for 2 commands"):
        venue.engine.submit_checked([c.Deposit(unit=a, asset=0, quanta=1)] * 2, ["k"])
    assert not venue.engine.is_behind


def test_a_batch_in_a_group_is_durable_with_the_group() -> None:
    venue, a, _ = pair()
    with venue.engine.group():
        venue.do(c.Deposit(unit=a, asset=0, quanta=1))
        (first,) = venue.engine.submit_checked([c.Deposit(unit=a, asset=0, quanta=2)], ["k"])
        (again,) = venue.engine.submit_checked([c.Deposit(unit=a, asset=0, quanta=2)], ["k"])
        assert venue.engine.durable_position == venue.engine.position - 2
    assert isinstance(first, Receipt)
    assert again == Receipt(first.position, (), is_repeated=True)
    assert venue.engine.durable_position == venue.engine.position


def test_a_liquidation_within_a_batch_comes_before_what_follows() -> None:
    # at 955, ten lots on 500 of cash have 50 of equity under 477 of maintenance
    one, many = fallen(), fallen()
    unit = 5
    script: Commands = [
        c.Deposit(unit=6, asset=0, quanta=1),
        c.Resume(instrument=0, reason="over"),
        c.Withdraw(unit=unit, asset=0, quanta=1),
        c.Deposit(unit=unit, asset=0, quanta=1),
    ]
    expected = [told(one.engine, command) for command in script]
    assert followed(many.engine.submit_checked(script)) == expected
    require_alike(one.engine, many.engine)
    assert any(isinstance(x, e.LiquidationStarted) for x in many.events)


def fallen() -> Venue:
    venue, a, _ = pair()
    venue.do(c.Withdraw(unit=a, asset=0, quanta=9_000))
    venue.trade(a, HOUSE, "A", 10, 1000)
    venue.do(c.Pause(instrument=0, reason="test"))
    venue.marks(A=930.0)
    return venue


def test_tables_grow_in_the_middle_of_a_batch() -> None:
    venues = [pair()[0] for _ in range(2)]
    fills = [
        c.Fill(unit=5 + n % 2, counterparty=HOUSE, instrument=n // 2 % 2, lots=1, ticks=1000)
        for n in range(8)
    ]
    for venue in venues:
        venue.engine.submit_bulk(e.AccountsOpened(count=3_000, isolated=np.zeros(0, np.int64)))
    deposits = [c.Deposit(unit=7 + n, asset=0, quanta=1) for n in range(2_200)]
    script = [*fills, *deposits]
    for command in script:
        venues[0].engine.submit(command)
    venues[1].engine.submit_checked(script)
    require_alike(venues[0].engine, venues[1].engine)
    assert in_columns(venues[1].engine) == len(script)
