"""Severity controllers: which part of a deficit to charge to winners, wave by wave.

A controller is a frozen value; `after` returns the one for the next wave.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt

from keelmark.core.errors import InvalidInput


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        msg = f"{name} is {value}; a severity is a fraction between 0 and 1"
        raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticSeverity:
    """The same severity in every wave."""

    severity: float

    def __post_init__(self) -> None:
        _check_fraction("severity", self.severity)

    def after(self, gradient: float) -> "StaticSeverity":  # noqa: ARG002 one form for all
        """Return the controller of the next wave: itself."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialBackoff:
    """Severity that decays by `decay` a wave, down to `floor`."""

    severity: float
    decay: float
    floor: float

    def __post_init__(self) -> None:
        for name in ("severity", "decay", "floor"):
            _check_fraction(name, getattr(self, name))

    def after(self, gradient: float) -> "ExponentialBackoff":  # noqa: ARG002 one form for all
        """Return the controller of the next wave: `max(decay * severity, floor)`."""
        return replace(self, severity=max(self.decay * self.severity, self.floor))


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineGradient:
    """Projected online gradient descent: `severity - rate / sqrt(wave) * gradient`, in [0, 1]."""

    severity: float
    rate: float
    wave: int = 1

    def __post_init__(self) -> None:
        _check_fraction("severity", self.severity)

    def after(self, gradient: float) -> "OnlineGradient":
        """Return the controller of the next wave.

        Args:
            gradient: Slope of the wave's loss in the severity that was played.
        """
        step = self.rate / sqrt(self.wave) * gradient
        severity = min(max(self.severity - step, 0.0), 1.0)
        return replace(self, severity=severity, wave=self.wave + 1)


def tracking_gradient(severity: float, deficit: float, budget_needed: float) -> float:
    """Return a slope of `|severity * deficit - budget_needed|` in the severity."""
    gap = severity * deficit - budget_needed
    return deficit if gap > 0 else -deficit if gap < 0 else 0.0


def regret_bound(deficits: list[float], severities_needed: list[float]) -> float:
    """Return `sqrt((1 + 2P) * sum(deficit**2))`, P the total variation of the needed severity."""
    variation = sum(abs(after - before) for before, after in pairwise(severities_needed))
    return sqrt((1 + 2 * variation) * sum(deficit * deficit for deficit in deficits))
