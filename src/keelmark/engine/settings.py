"""How an engine is run: what it allocates, what watches its units, who looks on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from keelmark.book.book import Capacity
from keelmark.book.tripwires.index import TripwireSettings
from keelmark.engine.state import State
from keelmark.engine.watch import Watch


class Witness(Protocol):
    """Whoever wants to see the state before and after each event; `engine.auditor` is one."""

    def before(self, state: State, event: Any) -> None:  # noqa: ANN401 an event
        """Look at the state an event is about to change."""

    def after(self, state: State, event: Any) -> None:  # noqa: ANN401 an event
        """Look at the state an event has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How an engine is run; nothing here changes a decision.

    Attributes:
        capacity: Rows to allocate at once.
        tripwires: Speed settings of the index.
        watch: What tells who needs a decision.
        witness: Sees every event before and after it is applied; it must not change anything.
    """

    capacity: Capacity | None = None
    tripwires: TripwireSettings | None = None
    watch: Callable[[State, TripwireSettings | None], Watch] = Watch
    witness: Witness | None = None
