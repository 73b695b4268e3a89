"""Play a script twice, undisturbed and disturbed, and hold both against the laws.

Undisturbed, every law is checked after every step, on a state folded from the journal alone.
Disturbed, writes fail and the process ends at any batch; the engine is opened again and goes on.
Nobody can tell afterwards: both journals are equal record by record.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from keelmark.core.errors import (
    InvalidInput,
    InvariantViolated,
    PositionConflict,
    Rejected,
    StorageFailed,
)
from keelmark.engine.codec import event_of
from keelmark.engine.digest import state_digest
from keelmark.engine.engine import Engine
from keelmark.engine.events import MarksSet
from keelmark.engine.execution import SimulatedMarket
from keelmark.engine.invariants import Subject, check_all
from keelmark.engine.state import State
from keelmark.lab.simulation.journals import FaultyJournal, FollowedJournal
from keelmark.lab.simulation.probes import (
    FROM_SNAPSHOT,
    REFUSED,
    RESTARTED,
    REWRITTEN,
    Probes,
)
from keelmark.lab.simulation.script import Step, write_script
from keelmark.lab.simulation.spec import ProfileTable, SimulationSpec
from keelmark.market.impact import FlatDensity, ImpactModel, exponential_memory
from keelmark.rulebooks.load import Rulebook

THIN = 0.02
HALF_LIFE_S = 30.0
SNAPSHOT_SHARE = 0.1
CHANCE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything a run does, drawn before it begins.

    Attributes:
        spec: The simulation.
        profile: The variant of the liquidation process.
        rulebook: With that variant.
        script: The steps.
        models: Of the market's books, by instrument.
        seeds: Of what is drawn during the run.
    """

    spec: SimulationSpec
    profile: ProfileTable
    rulebook: Rulebook
    script: list[Step]
    models: tuple[ImpactModel, ...]
    seeds: np.random.SeedSequence

    def market(self) -> SimulatedMarket:
        """Return the market as it is when a journal is begun."""
        return SimulatedMarket(self.models)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run did.

    Attributes:
        profile: Name of the variant.
        steps: Steps played.
        batches: Length of the journal.
        digest: Of the state in the end.
        fired: How often each probe fired.
    """

    profile: str
    steps: int
    batches: int
    digest: str
    fired: Counter[str]


def run_shard(spec: SimulationSpec, seed: int, shard: int) -> Outcome:
    """Play shard `shard` of a seed: `SeedSequence([seed, shard])`, wherever it runs.

    Raises:
        InvariantViolated: A law is broken; names the step.
    """
    plan = draw_plan(spec, np.random.SeedSequence([seed, shard]))
    probes = Probes()
    calm = play_calmly(plan, probes)
    rough = play_disturbed(plan, probes)
    _require_equal(calm, rough)
    return Outcome(
        profile=plan.profile.name,
        steps=len(plan.script),
        batches=calm.inner.position,
        digest=_digest(calm),
        fired=probes.fired,
    )


def draw_plan(spec: SimulationSpec, seeds: np.random.SeedSequence) -> Plan:
    """Return the plan of a run."""
    own, during = seeds.spawn(2)
    rng = np.random.default_rng(own)
    profile = spec.profile[int(rng.integers(len(spec.profile)))]
    rulebook = spec.rulebook_of(profile)
    state = State(rulebook)
    depth = spec.depth * (THIN if rng.random() < spec.faults.thin_book else 1.0)
    script = write_script(spec, state, rng)
    return Plan(spec, profile, rulebook, script, _models(state, script[0], depth), during)


def _models(state: State, opening: Step, depth: float) -> tuple[ImpactModel, ...]:
    """Return books that hold `depth` of the valuation currency within 1 % of the first price."""
    if not isinstance(opening, MarksSet):
        msg = "a script begins with prices"
        raise InvalidInput(msg)
    memory = exponential_memory(half_life_s=HALF_LIFE_S)
    prices = dict(zip(opening.factors.tolist(), opening.prices.tolist(), strict=True))
    models = []
    for row in state.universe.instruments:
        asset = state.universe.asset_rows[row["settle"]]
        quantum = float(asset["value_scale"]) * prices.get(int(asset["price_factor"]), 1.0)
        price = prices[int(row["mark_factor"])]
        per_lot = float(row["value_scale"]) * quantum * (1.0 / price if row["inverse"] else price)
        models.append(ImpactModel(shape=FlatDensity(density=100 * depth / per_lot), memory=memory))
    return tuple(models)


# --- two ways to play ---------------------------------------------------------------------------


def play_calmly(plan: Plan, probes: Probes) -> FollowedJournal:
    """Play without a disturbance; check every law after every step."""
    journal = FollowedJournal(State(plan.rulebook), probes)
    engine = Engine(plan.rulebook, journal=journal, market=plan.market())
    for number, step in enumerate(plan.script):
        with _located(plan, number):
            _take(engine, step, probes)
            check_all(
                Subject(
                    state=engine.state,
                    suspects=engine.suspects().tolist(),
                    auditor=journal.auditor,
                    replayed=_digest(journal),
                ),
            )
            engine.watch.index.check()
    return journal


def play_disturbed(plan: Plan, probes: Probes) -> FollowedJournal:
    """Play with failing writes and restarts; go on after each as a client would."""
    rng = np.random.default_rng(plan.seeds)
    journal = FollowedJournal(State(plan.rulebook), Probes())
    with TemporaryDirectory() as folder:
        player = _Player(plan, journal, Path(folder) / "snapshot", rng, probes)
        for number, step in enumerate(plan.script):
            with _located(plan, number):
                player.play(step)
    with _located(plan, len(plan.script) - 1):
        if player.engine.digest() != _digest(journal):
            msg = "INV-10: the engine that was opened again is not the journal's fold"
            raise InvariantViolated(msg)
    return journal


class _Player:
    """Plays on one journal through any number of engines."""

    def __init__(
        self,
        plan: Plan,
        journal: FollowedJournal,
        snapshot: Path,
        rng: np.random.Generator,
        probes: Probes,
    ) -> None:
        self._plan, self._probes, self._rng = plan, probes, rng
        self._journal = FaultyJournal(journal, plan.spec.faults, rng)
        self._snapshot = snapshot
        self.engine = Engine(plan.rulebook, journal=self._journal, market=plan.market())

    def play(self, step: Step) -> None:
        """Carry out a step, through as many engines as it takes."""
        left: Step | None = step
        while left is not None:
            now, before = left, self.engine.position
            try:
                _take(self.engine, now, self._probes)
                left = None
            except StorageFailed:
                self._open_again()
                left = _rest(now, self.engine, before)
        if self._rng.random() < SNAPSHOT_SHARE:
            self.engine.write_snapshot(self._snapshot)

    def _open_again(self) -> None:
        use_snapshot = self._snapshot.exists() and self._rng.random() < CHANCE
        self.engine = Engine.recover(
            self._plan.rulebook,
            self._journal,
            market=self._plan.market(),
            snapshot=self._snapshot if use_snapshot else None,
        )
        self.engine.watch.index.check()
        if use_snapshot:
            self._probes.note(FROM_SNAPSHOT)
        if self._journal.unacknowledged:
            self._probes.note(REWRITTEN)
        if self.engine.state.cases:
            self._probes.note(RESTARTED)


def _take(engine: Engine, step: Step, probes: Probes) -> None:
    """Give the engine a step; a refusal is an answer."""
    try:
        if isinstance(step, MarksSet):
            engine.submit_marks(step)
        else:
            engine.submit(step)
    except PositionConflict:
        raise
    except (Rejected, InvalidInput):
        probes.note(REFUSED)
        if engine.is_behind:
            raise


def _rest(step: Step, engine: Engine, before: int) -> Step | None:
    """Return what is left of a step: position and clock say what of it was carried out."""
    if engine.position == before:
        return step
    if not isinstance(step, MarksSet):
        return None
    applied = int(np.searchsorted(step.times_ms, engine.state.time_ms, side="right"))
    if applied == len(step.times_ms):
        return None
    start = int(step.offsets[applied])
    return MarksSet(
        times_ms=step.times_ms[applied:],
        offsets=step.offsets[applied:] - start,
        factors=step.factors[start:],
        prices=step.prices[start:],
    )


@contextmanager
def _located(plan: Plan, number: int) -> Iterator[None]:
    """Name the step in which something broke."""
    try:
        yield
    except Exception as error:
        step = plan.script[number]
        error.add_note(f"profile {plan.profile.name!r}, step {number}: {_shown(step)}")
        raise


def _shown(step: Step) -> str:
    if isinstance(step, MarksSet):
        return f"marks of {len(step.times_ms)} snapshots from {step.times_ms[0]} ms"
    return repr(step)


def _digest(journal: FollowedJournal) -> str:
    return state_digest(journal.state)


def _require_equal(calm: FollowedJournal, rough: FollowedJournal) -> None:
    first, second = ([records for _, records in journal.read(after=0)] for journal in (calm, rough))
    if first == second:
        return
    at = next(
        (i for i, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]),
        min(len(first), len(second)),
    )
    shown = [
        [event_of(r) for r in side[at]] if at < len(side) else None for side in (first, second)
    ]
    msg = f"batch {at + 1} differs after restarts: undisturbed {shown[0]}, disturbed {shown[1]}"
    raise InvariantViolated(msg)
