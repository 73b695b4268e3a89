"""Who could still have paid, worked out apart from the code that decides: the auditor's own count.

What a fund may spend follows from the deficits it paid, event by event, and from its balance. Who
could be closed against follows from the exact margin of each holder with one lot less. Neither
reads what the waterfall reads: no fund window of the state, no kernel, no candidate list.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from keelmark.core.codes import UnitKind, UnitStatus
from keelmark.core.margin import MarginReport, maintenance_excess, margin_report
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.process import Stage
from keelmark.core.unit import MarginUnit, Position
from keelmark.engine import events as e
from keelmark.engine.state import State

SCREEN = Decimal("1e-9")
"""Of a unit's gross size: more than the screen that chooses candidates may err by."""

ROUNDINGS = 4
"""Quanta of each asset, beside two a position: splits of values, and charges in whole quanta."""


@dataclass(slots=True)
class _Window:
    start_ms: int
    base: int
    spent: int = 0


@dataclass(slots=True)
class SpendingLog:
    """What each fund spent since its window began, by fund and asset, from the events alone."""

    _windows: dict[tuple[int, int], _Window] = field(default_factory=dict)

    def note(self, state: State, event: e.Transferred) -> None:
        """Take note of a deficit that a fund is about to pay."""
        key = (event.source, event.asset)
        if key not in self._windows or self._is_over(state, key):
            base = max(0, state.book.balance(*key))
            self._windows[key] = _Window(start_ms=state.time_ms, base=base)
        self._windows[key].spent += event.quanta

    def left(self, state: State, instrument: int, asset: int) -> int:
        """Return what the fund of an instrument (-1: the default) could still pay, quanta."""
        if not state.rules.runs(Stage.INSURANCE):
            return 0
        key = (_fund(state, instrument), asset)
        held = max(0, state.book.balance(*key))
        window = self._windows.get(key)
        if window is None or self._is_over(state, key):
            window = _Window(start_ms=state.time_ms, base=held)
        with exact():
            allowed = int(window.base * state.rules.insurance.window_share)
        return max(0, min(held, allowed - window.spent))

    def _is_over(self, state: State, key: tuple[int, int]) -> bool:
        length_ms = 1000 * state.rules.insurance.window_s
        return state.time_ms >= self._windows[key].start_ms + length_ms


def _fund(state: State, instrument: int) -> int:
    """Return the fund whose segment lists an instrument."""
    symbol = state.universe.symbols[instrument] if instrument >= 0 else None
    segments = state.rules.insurance.segments.items()
    names = [name for name, symbols in segments if symbol in symbols]
    return state.book.in_house[f"fund:{names[-1] if names else 'default'}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """Lots that nobody took and their loss, settle quanta: claims or the backstop bear it."""

    instrument: int
    lots: int
    loss: int


def one_lot_could_close(state: State, left: Uncovered) -> list[int]:
    """Return the units that could have been closed against by a lot instead."""
    if left.lots == 0 or not state.rules.runs(Stage.AUTO_DELEVERAGE):
        return []
    asset = state.settle_of(left.instrument)
    with exact():
        per_lot = Decimal(max(0, left.loss)) / abs(left.lots)
        loss = per_lot * state.universe.quantum(asset)
        return [unit for unit in _opposite(state, left) if _bears(state, unit, left, loss)]


def _opposite(state: State, left: Uncovered) -> Iterator[int]:
    """Yield the open clients on the other side who are not being liquidated and can be valued."""
    for unit, row in enumerate(state.book.units):
        if row["kind"] == UnitKind.IN_HOUSE or row["status"] == UnitStatus.CLOSED:
            continue
        view = state.book.unit_view(unit)
        sides = (p.lots * left.lots < 0 for p in view.positions if p.instrument == left.instrument)
        if any(sides) and unit not in state.cases and not state.depends_on_untrusted(view):
            yield unit


def _bears(state: State, unit: int, left: Uncovered, loss: Decimal) -> bool:
    """Whether a unit with a lot less is surely above maintenance, having lost `loss` on it.

    The loss counts at the steepest line of its collateral, as the rule of candidates says; and what
    is realised with the lot as the balance it becomes.
    """
    terms = state.universe.instrument(left.instrument)
    before = state.unit(unit)
    report = margin_report(before, state.market, state.model)
    gross = _gross(state, report)
    slack = SCREEN * gross + _roundings(state, report)
    spare = report.equity - report.maintenance_margin - slack
    if spare <= ZERO or report.equity <= ZERO:
        return False
    price = state.price_of(state.universe.asset_row(terms.settle))
    segments = state.model.asset(terms.settle).schedule.segments
    steepest = max([ONE, *(segment.slope for segment in segments)])
    after = replace(
        before, positions=tuple(_less_a_lot(before, terms.symbol, left.lots, terms.lot))
    )
    then = margin_report(after, state.market, state.model) if after.positions else None
    freed = _requirement(report, terms.symbol) - (
        _requirement(then, terms.symbol) if then else ZERO
    )
    if spare + (freed - steepest * loss) * price <= ZERO:
        return False
    realised = _profit(report, terms.symbol) - (_profit(then, terms.symbol) if then else ZERO)
    cash = before.balances.get(terms.settle, ZERO) + realised - loss
    closed = replace(after, balances={**before.balances, terms.settle: cash})
    return maintenance_excess(closed, state.market, state.model) > slack


def _profit(report: MarginReport, symbol: str) -> Decimal:
    """Return the unrealised profit of all legs of an instrument, settle asset."""
    rows = (p.unrealized_pnl for p in report.positions if p.position.instrument == symbol)
    return sum(rows, ZERO)


def _gross(state: State, report: MarginReport) -> Decimal:
    """Return the size of the terms that a unit's excess is the sum of, valuation currency."""
    held = ((abs(a.balance) + abs(a.counted)) * a.price for a in report.assets)
    notionals = (
        2 * p.notional * state.price_of(state.universe.asset_row(p.terms.instrument.settle))
        for p in report.positions
    )
    return sum(held, sum(notionals, report.maintenance_margin))


def _roundings(state: State, report: MarginReport) -> Decimal:
    """Return what a rule of candidates may leave for whole quanta, valuation currency."""
    assets = (state.universe.asset_row(a.asset) for a in report.assets)
    quanta = (state.universe.quantum(row) * state.price_of(row) for row in assets)
    return (2 * len(report.positions) + ROUNDINGS) * sum(quanta, ZERO)


def _less_a_lot(unit: MarginUnit, symbol: str, lots: int, lot: Decimal) -> Iterator[Position]:
    """Yield the positions with a lot less of the first that is opposite to `lots`."""
    is_done = False
    for held in unit.positions:
        if held.instrument != symbol or held.size * lots >= ZERO or is_done:
            yield held
            continue
        is_done = True
        rest = held.size - lot if held.size > ZERO else held.size + lot
        if rest != ZERO:
            yield replace(held, size=rest, cost=held.cost * rest / held.size)


def _requirement(report: MarginReport, symbol: str) -> Decimal:
    """Return the maintenance of all legs of an instrument, settle asset."""
    rows = (p.maintenance_margin for p in report.positions if p.position.instrument == symbol)
    return sum(rows, ZERO)
