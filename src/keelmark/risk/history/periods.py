"""Spans of time as people write them and as files hold them."""

import re
from dataclasses import dataclass

from keelmark.core.errors import InvalidInput

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_UNITS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_WORDS = ((DAY_MS, "day"), (HOUR_MS, "hour"), (MINUTE_MS, "minute"), (SECOND_MS, "second"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Period of a change, where the caller may also say what a row of a table without times spans.

    Attributes:
        period: As `read_returns` takes it.
        row: What a row spans, if the caller said so: 1h; nothing or `auto` says nothing.
    """

    period: str | None = None
    row: str | None = None


def milliseconds(text: str) -> int:
    """Return a span written as 5m, 1h, 8h, 1d or 2w, in milliseconds.

    Raises:
        InvalidInput: It is no span above nothing, or no whole number of milliseconds.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    size = 0.0 if found is None else float(found[1]) * _UNITS[found[2]]
    if size <= 0.0 or size != int(size):
        msg = f"{text!r} is no span; write 5m, 1h, 8h, 1d or 2w"
        raise InvalidInput(msg)
    return int(size)


def period_words(span_ms: float) -> str:
    """Return a span in words: `5 minutes`, `8 hours`, `1 day`."""
    for unit, word in _WORDS:
        if span_ms >= unit:
            count = span_ms / unit
            return f"{count:g} {word}{'' if count == 1 else 's'}"
    return f"{span_ms:g} ms"
