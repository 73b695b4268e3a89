"""How likely an account is liquidated by several horizons, and when.

A unit on one coin whose log price is a normal walk is solved in closed form: the barrier where
core finds the first liquidating price on either side. Everything else is simulated: paths of all
coins together, a bridge between looks, the draws pulled to the nearest liquidating points where
those are unusual.

Source: docs/model.md, "Probability of liquidation".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, sqrt

from keelmark.accounts.account import Account
from keelmark.accounts.volatilities import Volatilities
from keelmark.risk.liquidation.assumptions import assumptions, expiring
from keelmark.risk.liquidation.drawing import ACCOUNT, Drawing, Drawn
from keelmark.risk.liquidation.inputs import (
    HORIZONS,
    Moves,
    ProbabilityOptions,
    Way,
    checked_horizons,
    moves_of,
    moves_of_law,
)
from keelmark.risk.liquidation.one_barrier import Walk, met_by, time_met
from keelmark.risk.liquidation.result import (
    LiquidationProbability,
    Standing,
    TimeQuantile,
    UnitProbability,
    exactly,
)
from keelmark.risk.liquidation.two_barriers import left_by, time_left
from keelmark.risk.liquidation.units import (
    Corridor,
    UnitCase,
    case_of,
    never_by_lines,
    pays,
)
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.statistics.unknown import Unknown

CLOSED = "closed form"


def liquidation_probability(
    account: Account,
    volatilities: Volatilities | ReturnModel,
    *,
    horizons: Sequence[float] = HORIZONS,
    options: ProbabilityOptions | None = None,
) -> LiquidationProbability:
    """Return how likely each unit of an account, and any of them, is liquidated by some horizons.

    Args:
        account: From `load_account`.
        volatilities: Deviations of a day, with the covariance where there are several coins: of
            the document, the caller, or `Returns.volatilities`. Or a law of returns, as
            `filtered_historical`: then paths are its own, in its steps.
        horizons: Days.
        options: How; closed form where exact, normal steps, nothing paid, where left out.

    Returns:
        Probabilities with their errors and intervals, and quantiles of the time to liquidation. A
        unit that is liquidatable now has one, a unit nothing liquidates zero, each with the
        reason; what cannot be had is unknown with the reason.

    Raises:
        InvalidInput: A horizon or an option is out of range, or a horizon no whole number of a
            law's steps.
        MissingExtra: Sobol points without scipy.
    """
    asked = options or ProbabilityOptions()
    days = checked_horizons(horizons)
    cases = [_told(case_of(account, unit), asked) for unit in account.units]
    return _Question(account=account, known=volatilities, days=days, asked=asked).answer(cases)


def _told(case: UnitCase, asked: ProbabilityOptions) -> UnitCase:
    """Return a case that is `never` where no price liquidates and nothing is paid."""
    if (
        case.standing is not Standing.KNOWN
        or case.valuer is None
        or pays(case, asked.funding, asked.borrow)
    ):
        return case
    corridor = case.corridor
    if corridor is not None and corridor.low == -inf and corridor.high == inf:
        coin = case.valuer.coins[0]
        reason = f"no price of {coin} up to eleven times the present one liquidates it"
        return replace(case, standing=Standing.NEVER, reason=reason)
    if case.bends is None and never_by_lines(case.valuer):
        return replace(case, standing=Standing.NEVER, reason="no prices liquidate it")
    return case


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One call."""

    account: Account
    known: Volatilities | ReturnModel
    days: tuple[float, ...]
    asked: ProbabilityOptions

    def answer(self, cases: list[UnitCase]) -> LiquidationProbability:
        """Return every unit, and any of them."""
        found = {case.unit.unit_id: self.without_drawing(case) for case in cases}
        opened = [c for c in cases if c.standing is Standing.KNOWN]
        members = [c for c in opened if not _is_unknown(found[c.unit.unit_id])]
        whole, drawn = self.drawn(members, found)
        for one in drawn:
            for unit_id, unit in one.units.items():
                found[unit_id] = found[unit_id] or unit
            whole = whole or one.whole
        units = tuple(unit for unit in found.values() if unit is not None)
        notes = [note for one in drawn for note in one.notes]
        notes += expiring(members, self.days[-1])
        return LiquidationProbability(
            account=self.any_of(units, whole),
            units=units,
            horizons=self.days,
            confidence=self.asked.confidence,
            source=self.known.source,
            seed=self.asked.seed if drawn else None,
            paths=max((one.paths for one in drawn), default=None),
            steps=max((one.steps for one in drawn), default=None),
            assumes=assumptions(members, self.asked, is_drawn=bool(drawn), law=self.law),
            notes=tuple(dict.fromkeys(notes)),
        )

    def without_drawing(self, case: UnitCase) -> UnitProbability | None:
        """Return a unit that needs no simulation; `None` for one that does."""
        unit_id = case.unit.unit_id
        if case.standing is not Standing.KNOWN:
            return self.settled(case)
        moves = self.moves([case])
        if isinstance(moves, Unknown):
            return unknown(unit_id, moves.why)
        exact = self.closed([case])
        if exact is None and (case.valuer is None or case.valuer.tables is None):
            why = case.valuer.why if case.valuer else case.reason
            return unknown(unit_id, f"{why}: no quick margin for paths")
        return exact

    def drawn(
        self, members: list[UnitCase], found: Mapping[str, UnitProbability | None]
    ) -> tuple[UnitProbability | None, list[Drawn]]:
        """Return any of several units where that is exact, and what had to be simulated."""
        lacking = [case for case in members if found[case.unit.unit_id] is None]
        whole = self.closed(members) if members else None
        joint = self.moves(members)
        has_all = all(case.valuer and case.valuer.tables for case in members)
        if whole is None and len(members) > 1 and has_all and not isinstance(joint, Unknown):
            return None, [self.simulated(members, joint)]
        parts = [(case, self.moves([case])) for case in lacking]
        drawn = [self.simulated([c], m) for c, m in parts if not isinstance(m, Unknown)]
        if whole is None and len(members) > 1:
            why = (
                joint.why if isinstance(joint, Unknown) else "a unit has no quick margin for paths"
            )
            whole = unknown(ACCOUNT, why)
        return whole, drawn

    def simulated(self, cases: list[UnitCase], moves: Moves) -> Drawn:
        """Return some units from paths, and any of them."""
        drawing = Drawing.of(cases, moves, self.days, self.asked)
        return drawing.run() if self.law is None else drawing.run_law(self.law)

    @property
    def law(self) -> ReturnModel | None:
        """The law of returns that was given; `None` for a normal walk."""
        return self.known if isinstance(self.known, ReturnModel) else None

    def settled(self, case: UnitCase) -> UnitProbability:
        """Return a unit that needs no working out."""
        if case.standing is Standing.UNKNOWN:
            return unknown(case.unit.unit_id, case.reason or "")
        certain = case.standing is Standing.CERTAIN
        chances = [exactly(days, float(certain)) for days in self.days]
        shares = self.asked.shares
        when = 0.0 if certain else None
        return UnitProbability(
            unit_id=case.unit.unit_id,
            standing=case.standing,
            horizons=tuple(chances),
            times=tuple(
                TimeQuantile(share=share, days=when, days_if_liquidated=when) for share in shares
            ),
            distance=0.0 if certain else None,
            reason=case.reason,
        )

    def moves(self, cases: list[UnitCase]) -> Moves | Unknown:
        """Return how the coins of some units move."""
        coins = dict.fromkeys(c for case in cases if case.valuer for c in case.valuer.coins)
        if isinstance(self.known, ReturnModel):
            return moves_of_law(self.known, tuple(coins))
        return moves_of(self.known, tuple(coins), self.asked.correlation)

    def closed(self, cases: list[UnitCase]) -> UnitProbability | None:
        """Return any of some units in closed form; `None` where none is exact."""
        asked, coins = self.asked, {c for case in cases if case.valuer for c in case.valuer.coins}
        is_normal = asked.way is Way.AUTO and asked.degrees is None and self.law is None
        is_normal = is_normal and len(coins) == 1 and not any(asked.implied.get(c) for c in coins)
        corridors = [case.corridor for case in cases if case.corridor is not None]
        if (
            not is_normal
            or len(corridors) < len(cases)
            or any(pays(c, asked.funding, asked.borrow) for c in cases)
        ):
            return None
        moves = self.moves(cases)
        if isinstance(moves, Unknown):
            return None
        (coin,) = coins
        walk = Walk.of_price(sqrt(moves.covariance[0, 0]), asked.growth.get(coin, 0.0))
        corridor = Corridor(low=max(c.low for c in corridors), high=min(c.high for c in corridors))
        met, when = _of_corridor(walk, corridor)
        last = self.days[-1]
        shares = [(share, when(share), when(share * met(last))) for share in asked.shares]
        return UnitProbability(
            unit_id=cases[0].unit.unit_id if len(cases) == 1 else ACCOUNT,
            standing=Standing.KNOWN,
            horizons=tuple(exactly(days, met(days)) for days in self.days),
            times=tuple(
                TimeQuantile(
                    share=share,
                    days=whole if whole <= last else None,
                    days_if_liquidated=part if met(last) > 0.0 else None,
                )
                for share, whole, part in shares
            ),
            method=CLOSED,
            distance=min(abs(_sigmas(walk, b, last)) for b in (corridor.low, corridor.high)),
        )

    def any_of(
        self, units: tuple[UnitProbability, ...], whole: UnitProbability | None
    ) -> UnitProbability:
        """Return the chance that any unit is liquidated."""
        certain = next((u for u in units if u.standing is Standing.CERTAIN), None)
        if certain is not None:
            return replace(certain, unit_id=ACCOUNT, reason=f"{certain.unit_id}: liquidatable now")
        blind = next((u for u in units if u.standing is Standing.UNKNOWN), None)
        if blind is not None:
            return unknown(ACCOUNT, f"{blind.unit_id}: {blind.reason}")
        if whole is not None and whole.standing is Standing.UNKNOWN:
            return whole
        if whole is not None:
            return replace(_at_least(whole, units), unit_id=ACCOUNT)
        if units:
            return replace(units[0], unit_id=ACCOUNT, reason="nothing liquidates any unit")
        reason = "the account has no margin unit"
        chances = tuple(exactly(days, 0.0) for days in self.days)
        standing = Standing.NEVER
        return UnitProbability(unit_id=ACCOUNT, standing=standing, horizons=chances, reason=reason)


def unknown(unit_id: str, why: str) -> UnitProbability:
    """Return a unit nothing can be told of."""
    return UnitProbability(unit_id=unit_id, standing=Standing.UNKNOWN, reason=why)


def _is_unknown(found: UnitProbability | None) -> bool:
    return found is not None and found.standing is Standing.UNKNOWN


def _at_least(whole: UnitProbability, units: tuple[UnitProbability, ...]) -> UnitProbability:
    """Return any unit, no less likely than each: draws of all may differ from what is exact."""
    found = list(whole.horizons)
    for unit in units:
        for at, chance in enumerate(unit.horizons):
            if chance.probability > found[at].probability:
                found[at] = chance
    return replace(whole, horizons=tuple(found))


def _of_corridor(
    walk: Walk, corridor: Corridor
) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Return the chance by a time, and the time of a chance."""
    low, high = corridor.low, corridor.high
    if low > -inf and high < inf:
        return (
            lambda time: left_by(walk, low, high, time),
            lambda chance: time_left(walk, low, high, chance),
        )
    barrier = low if low > -inf else high
    return lambda time: met_by(walk, barrier, time), lambda chance: time_met(walk, barrier, chance)


def _sigmas(walk: Walk, barrier: float, days: float) -> float:
    return (barrier - walk.drift * days) / (walk.volatility * sqrt(days))
