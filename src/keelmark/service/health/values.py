"""What a look at the service's health found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How well a part is; the whole is as well as its worst part."""

    OK = "ok"
    UNKNOWN = "unknown"
    """It could not be looked at yet."""
    DEGRADED = "degraded"
    """It works, and somebody should look at it."""
    FAILING = "failing"
    """It does not do what it is for, or a law is broken."""


_WORST_FIRST = (Health.FAILING, Health.DEGRADED, Health.UNKNOWN, Health.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How well one part is.

    Attributes:
        name: Of the part, or number of the law: `writer`, `INV-01`.
        health: How well.
        detail: What was seen, and what to do where it is not well.
    """

    name: str
    health: Health
    detail: str


def worst(findings: Iterable[Finding]) -> Health:
    """Return the health of the whole."""
    found = {finding.health for finding in findings}
    return next((health for health in _WORST_FIRST if health in found), Health.UNKNOWN)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with those first that somebody should look at."""
    return sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.health))
