"""What a process of the service tells its supervisor: one JSON object a line, never waiting."""

import json
import os
from collections.abc import Callable
from typing import Any

Report = Callable[..., None]
"""Called with the name of what happened and its fields."""


def reporter(file: int) -> Report:
    """Return a report that writes to a file descriptor; what nobody reads in time is left out."""
    os.set_blocking(file, False)

    def report(event: str, **fields: Any) -> None:  # noqa: ANN401 plain JSON values
        line = json.dumps({"event": event, **fields}, default=str).encode() + b"\n"
        try:
            os.write(file, line)
        except (BlockingIOError, BrokenPipeError):
            return

    return report
