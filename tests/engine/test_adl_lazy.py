"""The lazy ledger: equal to eager pro rata in fractions, bounded dust in whole numbers."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.allocation import largest_remainder
from keelmark.core.errors import DuplicateId, InvalidInput, Rejected, UnknownUnit
from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.adl.lazy import (
    MULTIPLIER_ONE,
    EagerLedger,
    Exact,
    LazyLedger,
    Rational,
    Settlement,
    SideMode,
    SideName,
    lazy_open_interest,
    profit_backing,
)
from tests.engine.adl_candidates import candidate_rows

LONG, SHORT = SideName.LONG, SideName.SHORT
sides = st.sampled_from([LONG, SHORT])


def test_the_worked_example_is_exact_in_fractions() -> None:
    # Open interest 6 + 4, a bankrupt close of 2 lots with a deficit of 5.
    ledger = LazyLedger(Rational())
    ledger.open(1, LONG, 6)
    ledger.open(2, LONG, 4)
    ledger.deleverage(LONG, 2, 5)
    side = ledger.sides[LONG]
    assert Fraction(side.multiplier) / MULTIPLIER_ONE == Fraction(4, 5)
    assert Fraction(side.index) / MULTIPLIER_ONE == Fraction(-1, 2)
    assert ledger.touch(1) == Settlement(lots=Fraction(24, 5), pnl=Fraction(-3))
    assert ledger.touch(2) == Settlement(lots=Fraction(16, 5), pnl=Fraction(-2))


def test_the_worked_example_is_exact_in_whole_numbers_of_tenths() -> None:
    ledger = LazyLedger()
    ledger.open(1, LONG, 60)
    ledger.open(2, LONG, 40)
    ledger.deleverage(LONG, 20, 5_000)
    assert ledger.touch(1) == Settlement(lots=48, pnl=-3_000)
    assert ledger.touch(2) == Settlement(lots=32, pnl=-2_000)


def test_profit_is_backed_by_what_principal_and_insurance_leave() -> None:
    assert profit_backing(1_000, 700, 50, 400) == Fraction(5, 8)
    assert profit_backing(1_000, 700, 50, 250) == 1
    assert profit_backing(700, 700, 50, 400) == 0
    assert profit_backing(1_000, 700, 50, 0) == 1


Event = tuple[str, SideName, Fraction]

events = st.lists(
    st.one_of(
        st.tuples(st.just("open"), sides, st.integers(1, 10**6).map(Fraction)),
        st.tuples(st.just("move"), sides, st.integers(-1_000, 1_000).map(Fraction)),
        st.tuples(st.just("fund"), sides, st.fractions(0, 5, max_denominator=1_000)),
        st.tuples(st.just("deleverage"), sides, st.fractions(0, Fraction(1, 3))),
        st.tuples(st.just("touch"), sides, st.integers(0, 20).map(Fraction)),
    ),
    max_size=30,
)


class Replay:
    """The same events in several ledgers; remembers every account's settled result."""

    def __init__(self, ledger: LazyLedger, *, whole_lots: bool) -> None:
        self.lazy = ledger
        self.eager = EagerLedger()
        self.whole_lots = whole_lots
        self.names: list[SideName] = []
        self.settled: list[Fraction] = []
        self.posted = 0
        for name in (LONG, SHORT, LONG, SHORT):
            self.open(name, Fraction(1_000))

    def open(self, name: SideName, lots: Fraction) -> None:
        if self.lazy.sides[name].mode is SideMode.NORMAL:
            for ledger in (self.lazy, self.eager):
                ledger.open(len(self.names), name, int(lots))
            self.names.append(name)
            self.settled.append(Fraction(0))

    def move(self, _: SideName, change: Fraction) -> None:
        self.lazy.move(int(change))
        self.eager.move(int(change))

    def fund(self, payer: SideName, per_lot: Fraction) -> None:
        self.lazy.fund(payer, per_lot)
        self.eager.fund(payer, per_lot)

    def deleverage(self, name: SideName, part: Fraction) -> None:
        lots = self.lazy.sides[name].open_interest * part
        taken = int(lots) if self.whole_lots else lots
        assert self.lazy.deleverage(name, taken, 1_000) == 0
        self.eager.deleverage(name, taken, 1_000)

    def touch(self, _: SideName, unit: Fraction) -> None:
        number = int(unit) % len(self.names)
        try:
            self.settled[number] += self.lazy.touch(number).pnl
        except UnknownUnit:
            assert self.whole_lots, "only rounding takes a size away"

    def size(self, unit: int) -> Exact:
        """A size rounded away has left the ledger with its last touch: nothing is left of it."""
        try:
            return self.lazy.size(unit)
        except UnknownUnit:
            return 0

    def run(self, history: list[Event]) -> None:
        for action, name, amount in history:
            getattr(self, action)(name, amount)
            self.posted += 1
        for unit in range(len(self.names)):
            self.touch(LONG, Fraction(unit))


@given(events)
def test_in_fractions_lazy_is_eager_pro_rata(history: list[Event]) -> None:
    replay = Replay(LazyLedger(Rational()), whole_lots=False)
    replay.run(history)
    for unit, pnl in enumerate(replay.settled):
        account = replay.eager.account(unit)
        assert (replay.lazy.size(unit), pnl) == (account.lots, account.pnl)


@given(events)
def test_in_whole_numbers_lazy_loses_at_most_its_dust(history: list[Event]) -> None:
    replay = Replay(LazyLedger(), whole_lots=True)
    replay.run(history)
    for name, side in replay.lazy.sides.items():
        units = [unit for unit, at in enumerate(replay.names) if at is name]
        sizes = [replay.size(unit) for unit in units]
        eager = [replay.eager.account(unit).lots for unit in units]
        assert 0 <= side.open_interest - sum(sizes) <= side.dust_bound
        for size, exact in zip(sizes, eager, strict=True):
            assert 0 <= exact - size <= side.dust_bound


@given(events)
def test_in_whole_numbers_results_stay_within_a_quantum_a_posting(history: list[Event]) -> None:
    replay = Replay(LazyLedger(), whole_lots=True)
    replay.run(history)
    for unit, pnl in enumerate(replay.settled):
        assert abs(pnl - replay.eager.account(unit).pnl) <= 2 * (replay.posted + 1)


@given(events, st.permutations(range(4)))
def test_the_order_of_touches_does_not_matter(history: list[Event], order: list[int]) -> None:
    quiet = [event for event in history if event[0] != "touch"]
    first = Replay(LazyLedger(), whole_lots=True)
    second = Replay(LazyLedger(), whole_lots=True)
    first.run(quiet)
    for action, name, amount in quiet:
        getattr(second, action)(name, amount)
    for unit in order:
        second.touch(LONG, Fraction(unit))
    assert second.settled[:4] == first.settled[:4]


def test_a_used_up_side_drains_resets_and_opens_again() -> None:
    ledger = LazyLedger()
    for unit in (1, 2, 3):
        ledger.open(unit, LONG, 1_000)
    ledger.deleverage(LONG, 2_850, 0)
    assert ledger.sides[LONG].mode is SideMode.DRAIN_ONLY
    with pytest.raises(Rejected, match="after its reset"):
        ledger.open(4, LONG, 1)
    ledger.move(-7)
    assert ledger.close(1) == Settlement(lots=50, pnl=-350)
    ledger.deleverage(LONG, 100, 0)
    assert ledger.sides[LONG].mode is SideMode.RESET_PENDING
    ledger.move(1_000_000)  # of no concern to accounts of the epoch that ended
    assert ledger.size(2) == 0
    assert ledger.deleverage(LONG, 1, 9) == 9
    assert ledger.touch(2) == Settlement(lots=0, pnl=-350)
    assert ledger.sides[LONG].mode is SideMode.RESET_PENDING
    assert ledger.touch(3) == Settlement(lots=0, pnl=-350)
    assert ledger.sides[LONG].mode is SideMode.NORMAL
    assert ledger.sides[LONG].epoch == 1
    assert ledger.sides[LONG].multiplier == MULTIPLIER_ONE
    ledger.open(4, LONG, 5)
    assert ledger.size(4) == 5


def test_a_size_that_rounds_away_leaves_its_dust_to_the_side() -> None:
    ledger = LazyLedger()
    ledger.open(1, LONG, 1)
    ledger.open(2, LONG, 9)
    ledger.deleverage(LONG, 5, 0)
    assert ledger.touch(1) == Settlement(lots=0, pnl=0)
    with pytest.raises(UnknownUnit, match="unit 1"):
        ledger.touch(1)
    assert ledger.size(2) == 4
    assert ledger.sides[LONG].open_interest == 5
    assert ledger.sides[LONG].dust_bound >= 1


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda ledger: ledger.open(1, LONG, 5), DuplicateId, "already holds"),
        (lambda ledger: ledger.open(2, LONG, 0), InvalidInput, "a size is positive"),
        (lambda ledger: ledger.deleverage(LONG, 6, 0), InvalidInput, "long side holds 5"),
    ],
)
def test_what_the_ledger_cannot_post_is_refused(
    call: Callable[[LazyLedger], object],
    error: type[Exception],
    words: str,
) -> None:
    ledger = LazyLedger()
    ledger.open(1, LONG, 5)
    with pytest.raises(error, match=words):
        call(ledger)


@given(which=candidate_rows(), part=st.fractions(0, 1))
def test_the_lazy_policy_is_within_a_lot_of_pro_rata_where_all_can_give(
    which: Candidates,
    part: Fraction,
) -> None:
    ordered = which.take(np.argsort(which.unit))
    columns = {name: getattr(ordered, name) for name in ordered.__dataclass_fields__}
    free = Candidates(**(columns | {"closable": np.abs(ordered.lots)}))
    total = int(free.closable.sum() * part)
    sizes = free.closable.tolist()
    lots = lazy_open_interest(total, free)
    exact = largest_remainder(total, sizes, sizes)
    assert np.all(np.abs(lots - np.array(exact)) <= 1)
