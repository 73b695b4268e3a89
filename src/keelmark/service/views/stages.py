"""Where a unit stands on the way down, in one word."""

from enum import StrEnum

from keelmark.book.views import UnitView
from keelmark.core.codes import UnitStatus
from keelmark.core.process import Stage as Rule
from keelmark.engine.state import State


class Stage(StrEnum):
    """Where a unit or an account stands, the worst first."""

    LIQUIDATION = "liquidation"
    GRACE = "grace"
    HELD = "held"
    UNKNOWN = "unknown"
    MARGIN_CALL = "margin_call"
    WARN = "warn"
    HEALTHY = "healthy"
    EMPTY = "empty"
    CLOSED = "closed"


WORST_FIRST = tuple(Stage)


def stage_of(state: State, view: UnitView) -> Stage:
    """Return where a unit stands."""
    unit = view.unit
    if view.status is UnitStatus.CLOSED:
        return Stage.CLOSED
    for stage, units in (
        (Stage.HELD, state.held),
        (Stage.LIQUIDATION, state.cases),
        (Stage.GRACE, state.grace),
    ):
        if unit in units:
            return stage
    at_risk = bool(view.positions) or any(quanta < 0 for quanta in view.balances.values())
    if at_risk and state.depends_on_untrusted(view):
        return Stage.UNKNOWN
    level = level_name(state, state.levels.get(unit, 0))
    nothing = not view.positions and not any(view.balances.values())
    return Stage(level or (Stage.EMPTY if nothing else Stage.HEALTHY))


def worst(stages: list[Stage]) -> Stage:
    """Return the worst of several; an account of closed units alone is closed."""
    return min(stages, key=WORST_FIRST.index, default=Stage.EMPTY)


def level_name(state: State, level: int) -> str | None:
    """Return what a warning level is called; nothing for none (0)."""
    if level <= 0:
        return None
    return "margin_call" if level == call_level(state) else "warn"


def call_level(state: State) -> int:
    """Return the level that is the margin call; 0 where the rulebook makes none."""
    rules = state.rules
    has_call = rules.runs(Rule.MARGIN_CALL) and rules.margin_call.usage < 1
    return len(state.usages) if has_call else 0
