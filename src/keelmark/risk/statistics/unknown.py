"""A statistic that cannot be had, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unknown:
    """No figure: the reason stands where the figure would.

    Attributes:
        why: A clause without a full stop, ready for "unknown: ...".
    """

    why: str

    def __str__(self) -> str:
        return f"unknown: {self.why}"
