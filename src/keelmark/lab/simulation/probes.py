"""Rare branches of the engine, and whether a simulation has been there.

A branch that no run reaches is not tested by any: the nightly run fails if a probe never fired.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keelmark.core.codes import UnitKind
from keelmark.engine import events as e
from keelmark.engine.state import State

Condition = Callable[[State, Any], bool]


def _fund_window_is_spent(state: State, event: e.LiquidationEnded) -> bool:
    """Whether a fund that still has money could not pay a deficit in this window."""
    if event.asset < 0 or event.deficit <= event.fund:
        return False
    funds = state.funds.values()
    return any(
        state.book.balance(fund, event.asset) > 0 and state.fund_money(fund, event.asset) == 0
        for fund in funds
    )


PROBES: dict[str, tuple[type, Condition]] = {
    "warned": (e.Warned, lambda _, __: True),
    "warning cleared": (e.WarningCleared, lambda _, __: True),
    "grace": (e.GraceStarted, lambda _, __: True),
    "cool-down": (e.Waiting, lambda _, w: w.cooldown_ms > 0),
    "interval": (e.Waiting, lambda _, w: w.reason == "interval"),
    "notional limit": (e.Waiting, lambda _, w: w.reason == "notional limit"),
    "orders cancelled": (e.OrdersCancelled, lambda _, __: True),
    "collateral converted": (e.Transferred, lambda _, t: t.reason == "conversion"),
    "recovered": (e.LiquidationEnded, lambda _, x: x.outcome == "recovered"),
    "taken over": (e.LiquidationEnded, lambda _, x: x.outcome == "taken_over"),
    "surplus": (e.LiquidationEnded, lambda _, x: x.surplus > 0),
    "fund paid": (e.LiquidationEnded, lambda _, x: x.fund > 0),
    "fund window exhausted": (e.LiquidationEnded, _fund_window_is_spent),
    "adl": (e.Deleveraged, lambda _, d: d.case > 0),
    "backstop adl": (e.Deleveraged, lambda _, d: d.case == 0),
    "socialised": (e.LossSocialised, lambda _, __: True),
    "backstop bore a loss": (e.LiquidationEnded, lambda _, x: x.backstop > 0),
    "disposal": (e.Filled, lambda _, f: f.reason == "disposal"),
    "protection fired": (e.ProtectionRemoved, lambda _, p: p.fired),
    "top-up": (e.Transferred, lambda _, t: t.reason == "top_up"),
    "stale mark": (e.MarkRefused, lambda _, m: m.reason == "stale"),
    "mark out of band": (e.MarkRefused, lambda _, m: "band" in m.reason),
    "mark no price": (e.MarkRefused, lambda _, m: "number" in m.reason),
    "account closed": (e.AccountClosed, lambda _, __: True),
}
"""Probes that one event tells."""

HELD = "untrusted mark held a liquidation"
RESTARTED = "recovery mid-liquidation"
REWRITTEN = "recovery after a write that was durable and not acknowledged"
FROM_SNAPSHOT = "recovery from a snapshot"
REFUSED = "command refused"
EVERY = (*PROBES, HELD, RESTARTED, REWRITTEN, FROM_SNAPSHOT, REFUSED)


@dataclass(slots=True)
class Probes:
    """Counts how often each probe fired."""

    fired: Counter[str] = field(default_factory=Counter)

    def event(self, state: State, event: Any) -> None:  # noqa: ANN401 an event
        """Look at an event that has been applied."""
        for name, (kind, condition) in PROBES.items():
            if isinstance(event, kind) and condition(state, event):
                self.fired[name] += 1
        if isinstance(event, e.MarksSet) and state.untrusted and not self.fired[HELD]:
            self.fired[HELD] += holds_a_liquidation(state)

    def note(self, name: str) -> None:
        """Count something the run itself knows."""
        self.fired[name] += 1

    @property
    def silent(self) -> list[str]:
        """Probes that never fired."""
        return [name for name in EVERY if not self.fired[name]]


def holds_a_liquidation(state: State) -> bool:
    """Whether a unit would be liquidated if the price it depends on were trusted."""
    if not np.isfinite(state.prices).all():
        return False
    for unit in range(state.book.units_count):
        view = state.book.unit_view(unit)
        if view.kind is UnitKind.IN_HOUSE or not view.positions:
            continue
        if state.depends_on_untrusted(view) and state.report(unit).is_liquidatable:
            return True
    return False
