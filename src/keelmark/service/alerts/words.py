"""What an alert says, in one line that can be read on a phone."""

from collections.abc import Mapping

from keelmark.service.alerts.values import Kind, Reading, State

_PERCENT = 100.0


def figures_of(reading: Reading) -> dict[str, str]:
    """Return what was read as text; figures that do not exist are left out."""
    found = {"state": str(reading.state)}
    if reading.distance is not None:
        found["distance"] = _percent(reading.distance)
    if reading.usage is not None:
        found["usage"] = _percent(reading.usage)
    if reading.probability is not None:
        found["probability"] = _percent(reading.probability)
    if reading.severity is not None:
        found["severity"] = str(reading.severity)
    if reading.reason:
        found["reason"] = reading.reason
    return found


def level_text(subject: str, kind: Kind, level: str, figures: Mapping[str, str]) -> str:
    """Return the line about a level."""
    opening = {
        Kind.RAISED: f"{subject}: {level.upper()}",
        Kind.AGAIN: f"{subject}: {level.upper()} again",
        Kind.ESCALATED: f"{subject}: {level.upper()}, nobody has acknowledged it",
        Kind.RECOVERED: f"{subject}: better, now {level.upper() if level != 'none' else 'clear'}",
    }[kind]
    return ": ".join(part for part in (opening, _told(figures)) if part)


def _told(figures: Mapping[str, str]) -> str:
    if "severity" in figures:
        return figures.get("reason", "")
    if figures.get("state") == State.LIQUIDATABLE:
        return "it can be liquidated now"
    parts = []
    if "distance" in figures:
        parts.append(f"a move of {figures['distance']} liquidates")
    elif figures.get("state") == State.KNOWN and "usage" in figures:
        parts.append("no liquidating move is reachable")
    if "usage" in figures:
        parts.append(f"maintenance takes {figures['usage']} of equity")
    if "probability" in figures:
        parts.append(f"chance of liquidation {figures['probability']}")
    if "reason" in figures:
        parts.append(figures["reason"])
    return ", ".join(parts)


def _percent(fraction: float) -> str:
    """Return a fraction in percent, small ones with the digits that tell them from nothing."""
    size = abs(fraction) * _PERCENT
    if size and size < 0.01:  # noqa: PLR2004 below the last digit shown
        return "under 0.01 %"
    return f"{size:.1f} %" if size >= 1.0 else f"{size:.2f} %"
