"""The latest streamed prices, gathered on a thread of their own; others read whole values."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import Event, Thread
from types import MappingProxyType

from keelmark.core.errors import KeelmarkError
from keelmark.service.feeds.venue_prices import StreamedPrice, VenuePrices

Open = Callable[[Iterable[str]], VenuePrices]
"""Opens the streams of some instruments."""

STOP_S = 5.0


class Tape:
    """Follows instruments of one venue; begins anew when others are wanted."""

    def __init__(self, opened: Open) -> None:
        self._open = opened
        self._wanted: frozenset[str] = frozenset()
        self._latest: Mapping[str, StreamedPrice] = MappingProxyType({})
        self._problem = ""
        self._changed = Event()
        self._stop: Callable[[], object] = lambda: None
        self._thread: Thread | None = None

    @property
    def latest(self) -> Mapping[str, StreamedPrice]:
        """The latest price of each instrument, as far as one came."""
        return self._latest

    @property
    def problem(self) -> str:
        """Why no prices come; empty while they do."""
        return self._problem

    def wait(self, timeout_s: float) -> bool:
        """Wait for a price; return whether one came since the last time."""
        came = self._changed.wait(timeout_s)
        self._changed.clear()
        return came

    def follow(self, instruments: Iterable[str]) -> None:
        """Follow these instruments and no others."""
        wanted = frozenset(instruments)
        if wanted == self._wanted and (self._thread is None or self._thread.is_alive()):
            return
        self.close()
        self._wanted, self._latest = wanted, MappingProxyType({})
        if wanted:
            self._thread = Thread(target=self._run, name="prices", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Follow nothing any more."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with suppress(RuntimeError):  # its loop has ended by itself
                self._stop()
            thread.join(STOP_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._follow())
        except KeelmarkError as error:
            self._problem = str(error)
        except asyncio.CancelledError:
            pass

    async def _follow(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        prices = self._open(sorted(self._wanted))
        prices.told = self._lost
        try:
            async for found in prices.changes():
                newer = {price.instrument: price for price in found}
                self._latest = MappingProxyType({**self._latest, **newer})
                self._problem = ""
                self._changed.set()
        finally:
            with suppress(Exception):
                await prices.close()

    def _lost(self, reason: str) -> None:
        self._problem = reason
