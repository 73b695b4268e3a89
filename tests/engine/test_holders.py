"""The head of a queue is enough: policies take from it what they would take from everybody."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from keelmark.core.errors import KeelmarkError
from keelmark.engine.adl.policies import DELEVERAGE, QUEUES
from keelmark.engine.apply import Touched
from keelmark.engine.execution import Execution, LiquidationOrder
from keelmark.engine.liquidation import holders as module
from keelmark.engine.liquidation.holders import Holders, Sided
from tests.engine.venue import Venue

Taken = dict[int, int]


def taken(policy: str, lots: int, sided: Sided) -> Taken:
    """Return the lots each unit gives up."""
    found = DELEVERAGE[policy](lots, sided.candidates)
    pairs = zip(sided.candidates.unit.tolist(), found.tolist(), strict=True)
    return {unit: count for unit, count in pairs if count}


class Nobody:
    """A market in which nobody trades."""

    def execute(self, order: LiquidationOrder) -> Execution:
        return Execution(lots=0, ticks=order.mark_ticks)

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Nothing to remember."""


class Teller(Holders):
    """The desk's own, which passes on what the engine says was touched."""

    def __init__(self, listener: Holders) -> None:
        super().__init__()
        self.listener = listener

    def note(self, touched: Touched) -> None:
        super().note(touched)
        self.listener.note(touched)


def following(venue: Venue) -> Holders:
    """Return holders that hear what the engine's hear, and are not forgotten with a commit."""
    kept = Holders()
    venue.engine._desk.holders = Teller(kept)  # noqa: SLF001 there is no other way to listen
    return kept


CAPPED = {"profit": {"maintenance": {"weight": "1", "cap": "1000000000"}}}
"""A term without a kernel face that nobody comes near."""


def crowd(
    rng: np.random.Generator, changes: Mapping[str, Any] | None = None
) -> tuple[Venue, list[int]]:
    """Return a venue with eighty longs of A at four prices, some of them alike, and one short."""
    stages = {"liquidation": {"stages": ["auto_deleverage", "socialise"]}}
    venue = Venue({**stages, **(changes or {})})
    venue.marks(A=1000.0, B=1000.0)
    maker = venue.open("maker", USDT=100_000_000)
    units = []
    for number in range(80):
        unit = venue.open(f"account {number}", USDT=int(rng.choice([20_000, 30_000, 45_000])))
        venue.trade(unit, maker, "A", int(rng.integers(1, 60)), int(rng.choice([900, 950, 1000])))
        units.append(unit)
    return venue, [*units, maker]


@pytest.mark.parametrize("policy", sorted(QUEUES))
def test_the_head_of_a_queue_gives_what_the_whole_queue_would(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD", 2)
    rng = np.random.default_rng(7)
    venue, units = crowd(rng)
    row, kept = venue.row("A"), following(venue)
    lengths = set()
    for step in range(60):
        state, fresh = venue.state, Holders()
        loss, lots = float(rng.choice([0, 30, 400])), int(rng.integers(1, 900))
        everybody = fresh.candidates(state, row, 1, loss)
        head = kept.head(state, (row, 1), loss, lots, QUEUES[policy])
        lengths.add(len(head.candidates) / max(1, len(everybody.candidates)))
        assert taken(policy, lots, head) == taken(policy, lots, everybody)
        known = kept.candidates(state, row, 1, loss).candidates
        assert known.unit.tolist() == everybody.candidates.unit.tolist()
        assert known.closable.tolist() == everybody.candidates.closable.tolist()
        if step % 20 == 19:
            venue.marks(A=float(rng.choice([960, 1000, 1040])))
            kept.forget()
            continue
        chosen = [int(unit) for unit in rng.choice(units[:-1], 2, replace=False)]
        try:
            venue.trade(chosen[0], chosen[1], "A", int(rng.integers(-80, 80)) or 1, 1000)
        except KeelmarkError:
            continue
    assert min(lengths) < 0.2
    assert len(lengths) > 10


def test_members_are_found_anew_once_much_has_changed_and_come_out_the_same() -> None:
    rng = np.random.default_rng(11)
    venue, units = crowd(rng)
    row, kept = venue.row("A"), following(venue)
    for unit, other in zip(units[:40], units[40:80], strict=True):
        before = kept.candidates(venue.state, row, 1, 0.0)
        assert unit in before.candidates.unit
        venue.trade(unit, other, "A", -venue.lots(unit, "A"), 1000)  # all of it is sold on
        kept.forget()
        after = kept.candidates(venue.state, row, 1, 0.0).candidates
        assert unit not in after.unit
        same = Holders().candidates(venue.state, row, 1, 0.0).candidates
        assert after.unit.tolist() == same.unit.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("loss", [30.0, 400.0, 900.0])
def test_the_core_finds_the_candidates_that_the_kernels_find(loss: float) -> None:
    """Both are bounds from below; they differ by what each allows for rounding."""
    found = []
    for changes in (None, CAPPED):
        venue, units = crowd(np.random.default_rng(7), changes)
        venue.marks(A=960.0)
        row = venue.row("A")
        longs = Holders().candidates(venue.state, row, 1, loss).candidates
        claims = venue.engine._desk.claims(0, row, units[-1])  # noqa: SLF001 what it may charge
        found.append((longs, claims))
    (kernel, charged), (core, charged_by_core) = found
    assert len(kernel) > 40
    assert core.unit.tolist() == kernel.unit.tolist()
    assert np.abs(core.closable - kernel.closable).max() <= 1
    assert (core.closable < np.abs(core.lots)).any() == (loss > 300.0)
    for name in ("equity", "maintenance", "notional_total", "pnl"):
        assert getattr(core, name) == pytest.approx(getattr(kernel, name), rel=1e-9)
    assert charged_by_core.unit.tolist() == charged.unit.tolist()
    assert np.abs(charged_by_core.cap - charged.cap).max() <= 3


def test_who_enters_or_leaves_liquidation_is_renewed_in_a_known_side() -> None:
    """A long that waits for an order is no candidate; recovered at the same mark it is one."""
    process = {"stages": ["reduce"], "reduce": {"attempts": 3, "interval_s": 60}}
    venue = Venue({"liquidation": process}, market=Nobody())
    maker = venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0)
    unit, other = venue.open("long", USDT=1100), venue.open("other", USDT=100_000)
    for buyer in (unit, other):
        venue.trade(buyer, maker, "A", 10, 1000)
    kept = following(venue)

    def longs() -> list[int]:
        known = kept.candidates(venue.state, venue.row("A"), 1, 0.0).candidates
        return [int(unit) for unit in known.unit]

    assert longs() == [unit, other]
    venue.marks(A=930.0)
    kept.forget()
    assert longs() == [other]
    venue.deposit(unit, 100_000)  # ends the liquidation
    assert unit not in venue.state.cases
    assert longs() == [unit, other]


def test_the_log_of_changes_is_bounded_by_the_units() -> None:
    venue, units = crowd(np.random.default_rng(3))
    row, kept = venue.row("A"), following(venue)
    bound = venue.state.book.units_count + module.LOG_LEAST
    touched = Touched(np.array(units[:4], np.int32))
    longest = 0
    for _ in range(2 * bound):
        kept.note(touched)
        longest = max(longest, len(kept._log))  # noqa: SLF001 what is bounded
    assert longest == 0  # nobody has asked
    for number in range(bound):
        kept.note(touched)
        longest = max(longest, len(kept._log))  # noqa: SLF001 what is bounded
        if number % 100 == 0:
            known = kept.candidates(venue.state, row, 1, 0.0).candidates
            fresh = Holders().candidates(venue.state, row, 1, 0.0).candidates
            assert known.closable.tolist() == fresh.closable.tolist()
    assert 4 < longest <= bound
