"""Units simulated together: how they are looked at, where draws are pulled, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from keelmark.risk.liquidation.draws import Points, Source
from keelmark.risk.liquidation.exit_points import Exits, exits_of, tilt_towards
from keelmark.risk.liquidation.inputs import (
    PATHS_OF_LAW,
    Moves,
    ProbabilityOptions,
    default_paths,
)
from keelmark.risk.liquidation.laws import LawWalk
from keelmark.risk.liquidation.piecewise import Book, alone, book_of, look_at
from keelmark.risk.liquidation.plans import NO_TILT, Plan, Tilt, plan_of
from keelmark.risk.liquidation.result import (
    Standing,
    UnitProbability,
    estimated,
    falling_ends,
    quantiles_of,
)
from keelmark.risk.liquidation.revalued import look_of
from keelmark.risk.liquidation.simulation import (
    Estimate,
    Walker,
    kernel_walker,
    plain_walker,
    simulated,
)
from keelmark.risk.liquidation.units import UnitCase, dues_of
from keelmark.risk.liquidation.walks import Dues, Look, Start
from keelmark.risk.scenarios.model import ReturnModel

Array = npt.NDArray[np.float64]

ACCOUNT = "account"
"""Stands for any unit."""

PLAIN_SOBOL = "Sobol points were not pulled to rare liquidations: rare chances are rough"


PLAIN_TAILS = "draws of heavy tails were not pulled to rare liquidations: rare chances are rough"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Units that were simulated.

    Attributes:
        units: By id.
        whole: Any of them.
        paths: How many.
        steps: Of each.
        notes: What was repaired or left out.
    """

    units: dict[str, UnitProbability]
    whole: UnitProbability
    paths: int
    steps: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Units about to be simulated together.

    Attributes:
        cases: The units.
        days: Horizons.
        asked: How.
        plan: Times and how coins move.
        coins: That move.
        look: Excess and slopes at prices.
        dues: What is paid.
        book: The units as lines; `None` where one is not.
        notes: Of how coins move.
    """

    cases: Sequence[UnitCase]
    days: tuple[float, ...]
    asked: ProbabilityOptions
    plan: Plan
    coins: tuple[str, ...]
    look: Look
    dues: Dues
    book: Book | None
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        cases: Sequence[UnitCase],
        moves: Moves,
        days: tuple[float, ...],
        asked: ProbabilityOptions,
    ) -> "Drawing":
        """Set it up; every unit has array tables."""
        growth = np.array([asked.growth.get(coin, 0.0) for coin in moves.coins])
        valuers = [case.valuer for case in cases if case.valuer is not None]
        paid = [dues_of(case, moves.coins, asked.funding, asked.borrow) for case in cases]
        dues = Dues(
            flat=np.array([flat for flat, _ in paid]), carry=np.array([carry for _, carry in paid])
        )
        book = None
        look = look_of(valuers, moves.coins, asked.implied)
        if all(case.bends is None for case in cases):
            lines = book_of(valuers, moves.coins)._replace(flat=dues.flat, carry=dues.carry)
            book, look = lines, lambda ratios: look_at(lines, ratios)
        return cls(
            cases=cases,
            days=days,
            asked=asked,
            plan=plan_of(days, asked.steps, moves.covariance, growth),
            look=look,
            coins=moves.coins,
            dues=dues,
            book=book,
            notes=moves.notes,
        )

    def run(self) -> Drawn:
        """Return what paths find."""
        exits = exits_of(self.looks(), self.dues, self.plan, self.days)
        tilt, notes = self.tilt(exits)
        excess, slopes = self.look(np.ones((1, len(self.plan.drift))))
        start = Start.of(excess[0], slopes[0], self.plan.factor)
        found = simulated(self.walker(tilt), start, self.plan, self.source())
        last = [exits.nearest[unit, self.days[-1]] for unit in range(len(self.cases))]
        distances = [None if point is None else point.length for point in last]
        known = [far for far in distances if far is not None]
        distances.append(min(known, default=None))
        ends = [float(end) for end in np.cumsum(self.plan.days)]
        drawn = self.told(found, ends, self.method(tilt), notes)
        units = zip(drawn.units.items(), distances, strict=False)
        return replace(
            drawn,
            units={name: replace(unit, distance=far) for (name, unit), far in units},
            whole=replace(drawn.whole, distance=distances[-1]),
        )

    def looks(self) -> list[Look]:
        """Return a look at each unit by itself."""
        if self.book is None:
            valuers = [case.valuer for case in self.cases if case.valuer is not None]
            return [look_of([valuer], self.coins, self.asked.implied) for valuer in valuers]
        units = [alone(self.book, unit) for unit in range(len(self.cases))]
        return [partial(look_at, book) for book in units]

    def run_law(self, law: ReturnModel) -> Drawn:
        """Return what paths of a law find.

        Raises:
            InvalidInput: A horizon is no whole number of the law's steps.
        """
        coins = self.coins
        walk = LawWalk(look=self.look, dues=self.dues, law=law, coins=coins, days=self.days)
        paths = self.asked.paths or PATHS_OF_LAW
        found = walk.estimate(paths, self.asked.seed)
        return self.told(found, walk.ends, f"simulation, {law.draw.name}", [])

    def told(self, found: Estimate, ends: list[float], method: str, notes: list[str]) -> Drawn:
        """Return an estimate unit by unit."""
        names = [*(case.unit.unit_id for case in self.cases), ACCOUNT]
        units = {
            name: replace(self.unit(found, at, ends), unit_id=name, method=method)
            for at, name in enumerate(names)
        }
        return Drawn(
            whole=units.pop(ACCOUNT),
            units=units,
            paths=found.paths,
            steps=len(ends),
            notes=(*self.notes, *notes),
        )

    def tilt(self, exits: Exits) -> tuple[Tilt, list[str]]:
        """Return how draws are pulled, and what is to be said of it."""
        found = tilt_towards(exits, self.plan)
        if found is None:
            return NO_TILT, []
        if self.asked.degrees is not None:
            return NO_TILT, [PLAIN_TAILS]  # one large step liquidates, which no drift makes likely
        if self.asked.points is Points.SOBOL and len(found.weights) > 1:
            return NO_TILT, [PLAIN_SOBOL]  # a mixture would tear the points apart
        return found, []

    def walker(self, tilt: Tilt) -> Walker:
        """Return the kernel where it can read every unit, else the way in arrays."""
        if self.book is not None:
            return kernel_walker(self.book, self.plan, tilt)
        return plain_walker(self.look, self.dues, self.plan, tilt)

    def source(self) -> Source:
        """Return where draws come from."""
        usual = default_paths(len(self.coins), len(self.cases), are_lines=self.book is not None)
        paths = self.asked.paths or usual
        return Source(
            seed=self.asked.seed,
            pairs=(paths + 1) // 2,
            points=self.asked.points,
            degrees=self.asked.degrees,
        )

    def unit(self, found: Estimate, at: int, ends: list[float]) -> UnitProbability:
        """Return one unit of an estimate."""
        chances = []
        for horizon, days in enumerate(self.days):
            own = found.probability, found.error, found.sample
            chance, error, sample = (float(figures[horizon, at]) for figures in own)
            figures = chance, error, sample
            chances.append(estimated(days, figures, found.paths, self.asked.confidence))
        curve = [float(chance) for chance in found.curve[at]]
        return UnitProbability(
            unit_id="",
            standing=Standing.KNOWN,
            horizons=falling_ends(chances),
            times=quantiles_of(ends, curve, self.asked.shares),
        )

    def method(self, tilt: Tilt) -> str:
        """Return how it was had, in words."""
        parts = ["importance sampling" if len(tilt.weights) else "simulation"]
        if self.asked.points is Points.SOBOL:
            parts.append("scrambled Sobol points")
        if self.book is None:
            parts.append("every step revalued")
        return ", ".join(parts)
