"""How likely liquidation is, by horizon and unit, with what is known of the error."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import sqrt
from statistics import NormalDist

from keelmark.accounts.check_document import JsonTable, statistic_text

_RARE = 1e-5
_HARDLY = 1e-12
_HOUR = 1 / 24
_SLACK = 1e-9


class Standing(StrEnum):
    """What is known of a unit."""

    KNOWN = "known"
    CERTAIN = "certain"
    NEVER = "never"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonProbability:
    """The chance of liquidation by a horizon.

    Attributes:
        days: The horizon.
        probability: Fraction.
        error: Standard error; zero of a closed form.
        low: Of the confidence interval.
        high: Of the same.
        sample: Effective number of simulated paths that liquidate; `None` of a closed form.
    """

    days: float
    probability: float
    error: float
    low: float
    high: float
    sample: float | None = None

    def document(self) -> JsonTable:
        """Return it as JSON; statistics are text with twelve digits."""
        return {
            "days": statistic_text(self.days),
            "probability": statistic_text(self.probability),
            "error": statistic_text(self.error),
            "low": statistic_text(self.low),
            "high": statistic_text(self.high),
            "sample": statistic_text(self.sample),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeQuantile:
    """By when liquidation comes in a share of cases.

    Attributes:
        share: Of all cases, or of those that liquidate by the last horizon.
        days: With so much chance it has come by then; `None` where it takes longer than the last
            horizon.
        days_if_liquidated: The same of the cases that liquidate by the last horizon; `None` where
            none does.
    """

    share: float
    days: float | None
    days_if_liquidated: float | None

    def document(self) -> JsonTable:
        """Return it as JSON."""
        return {
            "share": statistic_text(self.share),
            "days": statistic_text(self.days),
            "days_if_liquidated": statistic_text(self.days_if_liquidated),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProbability:
    """The chance that one unit, or any of an account, is liquidated.

    Attributes:
        unit_id: Of the margin unit; `account` for any of them.
        standing: Whether there is a chance to tell.
        horizons: Rising; empty where unknown.
        times: Quantiles of the time to liquidation.
        method: How it was had; `None` where nothing was worked out.
        distance: Of the nearest liquidating point from where prices are expected, in deviations of
            the way to the last horizon; `None` where it was not looked for.
        reason: Of every other standing than `known`.
    """

    unit_id: str
    standing: Standing
    horizons: tuple[HorizonProbability, ...] = ()
    times: tuple[TimeQuantile, ...] = ()
    method: str | None = None
    distance: float | None = None
    reason: str | None = None

    def by(self, days: float) -> HorizonProbability | None:
        """Return the chance by one of the horizons; `None` where it is unknown or was not asked."""
        return next((h for h in self.horizons if abs(h.days - days) <= _SLACK * days), None)

    def document(self) -> JsonTable:
        """Return it as JSON."""
        return {
            "unit": self.unit_id,
            "standing": self.standing.value,
            "reason": self.reason,
            "method": self.method,
            "distance_sigmas": statistic_text(self.distance),
            "horizons": [horizon.document() for horizon in self.horizons],
            "time_to_liquidation": [quantile.document() for quantile in self.times],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationProbability:
    """How likely an account is liquidated, and each of its units.

    Attributes:
        account: Any unit.
        units: Each.
        horizons: Days, rising.
        confidence: Of the intervals.
        source: Of the volatilities.
        seed: Of the draws; `None` where nothing was drawn.
        paths: Drawn; `None` likewise.
        steps: Of each path; `None` likewise.
        assumes: What the figures stand on, in words.
        notes: What was repaired or left out on the way.
    """

    account: UnitProbability
    units: tuple[UnitProbability, ...]
    horizons: tuple[float, ...]
    confidence: float
    source: str
    seed: int | None
    paths: int | None
    steps: int | None
    assumes: tuple[str, ...]
    notes: tuple[str, ...]

    def document(self) -> JsonTable:
        """Return the whole result as JSON; statistics are text with twelve digits."""
        return {
            "account": self.account.document(),
            "units": [unit.document() for unit in self.units],
            "confidence": statistic_text(self.confidence),
            "volatility_source": self.source,
            "seed": _whole(self.seed),
            "paths": _whole(self.paths),
            "steps": _whole(self.steps),
            "assumes": list(self.assumes),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return a table of horizons by unit, as people read it."""
        names = [days_text(days) for days in self.horizons]
        head = "liquidated within".ljust(24) + "".join(name.rjust(12) for name in names)
        rows = [self.account] if len(self.units) == 1 else [self.account, *self.units]
        return [head, *(_row(row) for row in rows)]


def _whole(count: int | None) -> str | None:
    return None if count is None else str(count)


def _row(row: UnitProbability) -> str:
    name = row.unit_id[:23].ljust(24)
    if row.standing is Standing.UNKNOWN:
        return f"{name}  unknown: {row.reason}"
    known = row.standing is Standing.KNOWN
    told = "".join(
        (_known_text(h) if known else chance_text(h.probability)).rjust(12) for h in row.horizons
    )
    why = "" if row.reason is None else f"  {row.reason}"
    return name + told + why


def _known_text(chance: HorizonProbability) -> str:
    """Return a chance; where it is too small for a number or no path found it, below what it is."""
    if chance.probability > 0.0:
        return chance_text(chance.probability)
    high = max(chance.high, _HARDLY)
    return f"< {chance_text(high).removeprefix('< ')}"


def chance_text(probability: float) -> str:
    """Return a chance as people read it: per cent, in powers of ten where it is rare."""
    if probability in {0.0, 1.0}:
        return f"{probability:.0%}".replace("%", " %")
    if probability <= _HARDLY:
        return f"< {_HARDLY:g}"
    if probability < _RARE:
        return f"{probability:.1e}"
    return f"{100 * probability:.3g} %"


def days_text(days: float) -> str:
    """Return a horizon in words."""
    count, unit = days, "day"
    if days < _HOUR * (1.0 - _SLACK):
        count, unit = days * 1_440.0, "minute"
    elif days < 1.0 - _SLACK:
        count, unit = days / _HOUR, "hour"
    count = round(count, 6)
    return f"{count:g} {unit}" if count == 1 else f"{count:g} {unit}s"


def exactly(days: float, probability: float) -> HorizonProbability:
    """Return the chance of a closed form."""
    low = high = probability
    return HorizonProbability(days=days, probability=probability, error=0.0, low=low, high=high)


def estimated(
    days: float, figures: tuple[float, float, float], paths: int, confidence: float
) -> HorizonProbability:
    """Return the chance with its interval: Wilson's, for as many cases as the error is worth.

    Args:
        days: The horizon.
        figures: Probability, standard error, effective sample.
        paths: Simulated: where none liquidates, the interval is that of so many cases.
        confidence: Of the interval.
    """
    probability, error, sample = figures
    spread = probability * (1.0 - probability)
    cases = spread / error**2 if error > 0.0 and spread > 0.0 else float(paths)
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share = z * z / cases
    middle = (probability + share / 2.0) / (1.0 + share)
    half = z * sqrt(spread / cases + share / (4.0 * cases)) / (1.0 + share)
    return HorizonProbability(
        days=days,
        probability=probability,
        error=error,
        low=min(probability, max(0.0, middle - half)),
        high=max(probability, min(1.0, middle + half)),
        sample=sample,
    )


def falling_ends(chances: Sequence[HorizonProbability]) -> tuple[HorizonProbability, ...]:
    """Return chances of rising horizons, none thought higher than a later one can be."""
    found: list[HorizonProbability] = []
    for chance in reversed(chances):
        high = min(chance.high, found[-1].high) if found else chance.high
        found.append(replace(chance, high=max(chance.probability, high)))
    return tuple(reversed(found))


def quantiles_of(
    ends: Sequence[float], curve: Sequence[float], shares: Sequence[float]
) -> tuple[TimeQuantile, ...]:
    """Return quantiles of the time from chances up to some ends, straight between them."""
    last = curve[-1]
    return tuple(
        TimeQuantile(
            share=share,
            days=_reached(ends, curve, share),
            days_if_liquidated=_reached(ends, curve, share * last) if last > 0.0 else None,
        )
        for share in shares
    )


def _reached(ends: Sequence[float], curve: Sequence[float], wanted: float) -> float | None:
    """Return when a rising curve reaches a value; `None` where it does not."""
    before_end = before = 0.0
    for end, chance in zip(ends, curve, strict=True):
        if chance >= wanted:
            rise = chance - before
            return (
                end if rise <= 0.0 else before_end + (end - before_end) * (wanted - before) / rise
            )
        before_end, before = end, chance
    return None
