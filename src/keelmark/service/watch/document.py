"""What a watch knows as JSON: one table an account, decimal strings, three-state figures."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from keelmark.accounts.check_document import (
    JsonTable,
    decimal_text,
    residual_document,
    statistic_text,
)
from keelmark.service.watch.desk import Desk, Watched
from keelmark.service.watch.look import Look

WORST_FIRST = ("liquidatable", "unknown", "red", "amber", "green")
"""Words of an account, the worst first."""

_FAR = Decimal("Infinity")


def worst_first(rows: Iterable[JsonTable]) -> list[JsonTable]:
    """Return rows of accounts, the worst first: by their word, then by distance, then by name."""

    def badness(row: JsonTable) -> tuple[int, Decimal, str]:
        distance = row.get("distance")
        near = abs(Decimal(distance)) if isinstance(distance, str) else _FAR
        return WORST_FIRST.index(str(row["level"])), near, str(row["account"])

    return sorted(rows, key=badness)


def residual_rows(watched: Watched) -> list[JsonTable]:
    """Return the venue's own figures beside ours, of the last read."""
    if watched.read is None:
        return []
    return [residual_document(r) for r in watched.read.check.residuals]


def watch_document(desk: Desk, time_ms: int) -> JsonTable:
    """Return every account as it is known at a time."""
    return {
        "time": instant(time_ms),
        "accounts": [account_row(desk, one, time_ms) for one in desk.watched.values()],
    }


def account_row(desk: Desk, watched: Watched, time_ms: int) -> JsonTable:
    """Return one account in short: its word, distance and age, and why nothing is known."""
    look, read = watched.look, watched.read
    stale = watched.is_stale(time_ms)
    standing = desk.alerts.standings.get(watched.account.name)
    rank = -1 if standing is None else standing.rank
    row: JsonTable = {
        "account": watched.account.name,
        "venue": watched.account.venue or None,
        "level": _level(look, is_stale=stale),
        "alert": None if rank < 0 else desk.config.alerts.levels[rank].name,
        "acknowledged_by": None if standing is None else standing.acknowledged_by or None,
        "is_stale": stale,
        "read": None if read is None else instant(read.time_ms),
        "priced": None if look is None else instant(look.time_ms),
        "age_seconds": str(int(watched.age_s(time_ms))),
        "problem": " ".join(watched.problem.split()) or None,
        "failed_reads": str(watched.failed),
    }
    return row | (_figures(look, read) if look is not None else {})


def _figures(look: Look, read: Look | None) -> JsonTable:
    check = look.check
    main = check.main
    residuals = [] if read is None else list(read.check.residuals)
    off = [r for r in residuals if not r.matches]
    usage = look.usage
    return {
        "currency": None if main is None else main.currency,
        "equity": None if main is None else decimal_text(main.total("equity")),
        "maintenance_margin": (
            None if main is None else decimal_text(main.total("maintenance_margin"))
        ),
        "usage": decimal_text(usage) if usage is not None and usage.is_finite() else None,
        "distance": decimal_text(check.distance),
        "headline": check.headline,
        "probability": statistic_text(look.probability),
        "positions": str(sum(1 for _ in check.positions)),
        "residuals": {"compared": str(len(residuals)), "differ": [r.number for r in off]},
    }


def _level(look: Look | None, *, is_stale: bool) -> str:
    if look is None or is_stale or look.check.level is None:
        return "unknown" if look is None or is_stale else "green"
    return look.check.level.value.lower()


def instant(time_ms: int) -> str:
    """Return an instant as text, UTC."""
    moment = datetime.fromtimestamp(time_ms / 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
