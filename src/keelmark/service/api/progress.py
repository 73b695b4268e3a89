"""How far the columns that are read follow the commands that were acknowledged."""

import asyncio
from collections.abc import Callable

from keelmark.engine.state import State
from keelmark.service.commands.grid import Grid
from keelmark.service.reading import Reader

WAIT_S = 1.0
STEP_S = 0.005


class Progress:
    """Remembers what was acknowledged, and waits until it can be read."""

    def __init__(self, reader: Reader, running_s: Callable[[], float]) -> None:
        self._reader, self._running_s = reader, running_s
        self._acknowledged = 0
        self._grid: tuple[State, object, Grid] | None = None

    def note(self, position: int) -> None:
        """Take note of a command that is durable."""
        self._acknowledged = max(self._acknowledged, position)

    @property
    def is_behind(self) -> bool:
        """Whether something was acknowledged that cannot be read yet."""
        return self._reader.position < self._acknowledged

    async def caught_up(self) -> bool:
        """Wait until what was acknowledged can be read; return whether there was anything new."""
        if not self.is_behind:
            return False
        deadline = self._running_s() + WAIT_S
        while self.is_behind and self._running_s() < deadline:  # noqa: ASYNC110 see below
            await asyncio.sleep(STEP_S)  # columns in shared memory wake nobody
        return True

    def grid(self) -> tuple[Grid, State]:
        """Return names and steps of the present state."""
        state = self._reader.state
        known = self._grid
        if known is None or known[0] is not state or known[1] is not state.universe:
            known = self._grid = (state, state.universe, Grid(state))
        return known[2], state
