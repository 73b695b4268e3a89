"""The head of a queue is enough: policies take from it what they would take from everybody."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from keelmark.core.errors import KeelmarkError
from keelmark.engine.adl.policies import DELEVERAGE, QUEUES
from keelmark.engine.liquidation import holders as module
from keelmark.engine.liquidation.holders import Holders, Sided
from tests.engine.venue import Venue

Taken = dict[int, int]


def taken(policy: str, lots: int, sided: Sided) -> Taken:
    """Return the lots each unit gives up."""
    found = DELEVERAGE[policy](lots, sided.candidates)
    pairs = zip(sided.candidates.unit.tolist(), found.tolist(), strict=True)
    return {unit: count for unit, count in pairs if count}


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
    row, kept = venue.row("A"), Holders()
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
            kept.touched(np.array(units, np.int32))  # a mark liquidates, which touches some
            kept.forget()
            continue
        chosen = [int(unit) for unit in rng.choice(units[:-1], 2, replace=False)]
        try:
            venue.trade(chosen[0], chosen[1], "A", int(rng.integers(-80, 80)) or 1, 1000)
        except KeelmarkError:
            continue
        kept.touched(np.array(chosen, np.int32))
    assert min(lengths) < 0.2
    assert len(lengths) > 10


def test_members_are_found_anew_once_much_has_changed_and_come_out_the_same() -> None:
    rng = np.random.default_rng(11)
    venue, units = crowd(rng)
    row, kept = venue.row("A"), Holders()
    for unit, other in zip(units[:40], units[40:80], strict=True):
        before = kept.candidates(venue.state, row, 1, 0.0)
        assert unit in before.candidates.unit
        venue.trade(unit, other, "A", -venue.lots(unit, "A"), 1000)  # all of it is sold on
        kept.touched(np.array([unit, other], np.int32))
        kept.forget()
        after = kept.candidates(venue.state, row, 1, 0.0).candidates
        assert unit not in after.unit
        same = Holders().candidates(venue.state, row, 1, 0.0).candidates
        assert after.unit.tolist() == same.unit.tolist()


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
