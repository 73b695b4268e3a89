"""What a caller is told about a command that was carried out."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a command did; durable when it is returned, or at the end of its group.

    Attributes:
        position: Journal position after it.
        events: What happened, in order; none if it is repeated: `Engine.events_at` reads them.
        is_repeated: Whether it had been carried out before: under the same idempotency key, or as
            a report of the same execution.
    """

    position: int
    events: tuple[Any, ...] = field(repr=False)
    is_repeated: bool = False
