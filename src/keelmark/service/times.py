"""Instants as the API writes them, and the clocks of this machine."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from keelmark.core.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?Z$"
_TIME = re.compile(TIME_PATTERN)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=256)  # many events have one time
def iso_time(time_ms: int) -> str:
    """Return an instant as ISO 8601, UTC, to the millisecond.

    Args:
        time_ms: Milliseconds since 1970, within the years 1970 to 9999.
    """
    moment = EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_ms_of(text: str) -> int:
    """Return an instant as milliseconds since 1970.

    Raises:
        InvalidInput: The text is no instant from 1970 on, in UTC, of whole milliseconds.
    """
    if _TIME.fullmatch(text):
        try:
            found = (datetime.fromisoformat(text) - EPOCH) // _MILLISECOND
        except ValueError:
            found = -1
        if found >= 0:
            return found
    msg = f'{text[:40]!r} is no instant; write UTC such as "2025-10-10T21:00:00.000Z"'
    raise InvalidInput(msg)


def now_ms() -> int:
    """Return the time of this machine's clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


Present = Callable[[int], int]
"""What time it is where a venue is read, given its engine's time."""


def engine_present(time_ms: int) -> int:
    """Return the engine's time: a replay plays another day at a speed of its own."""
    return time_ms


def machine_present(time_ms: int) -> int:
    """Return the machine's time, which goes on while nothing comes in; never before the engine."""
    return max(time_ms, now_ms())


def running_s() -> float:
    """Return a clock that never runs backwards, seconds."""
    return time.monotonic()
