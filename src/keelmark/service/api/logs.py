"""Logs as JSON lines on standard error; no key can be read in any of them."""

import logging
import sys
from typing import TextIO

import msgspec

from keelmark.service.security.keys import hidden
from keelmark.service.times import iso_time

QUIET = ("uvicorn", "uvicorn.access", "uvicorn.error", "websockets", "asyncio", "httpx")


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object: time, level, logger, event, and its facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": iso_time(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= getattr(record, "facts", None) or {}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return hidden(msgspec.json.encode(line).decode())


def start_logs(level: str = "info", *, access: bool = True, stream: TextIO | None = None) -> None:
    """Send every log of this process to standard error.

    Args:
        level: Least level that is written.
        access: Whether every request is told.
        stream: Where to, in place of standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("keelmark.access").setLevel(logging.INFO if access else logging.WARNING)
