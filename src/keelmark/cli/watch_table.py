"""What `keelmark watch` prints: a line an account, the worst first, and each alert as it comes."""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.accounts.check_document import JsonTable
from keelmark.accounts.figures import percent
from keelmark.cli.painting import COLOURS, WIDTH, painted, say, wrapped
from keelmark.service.alerts.values import Alert, Kind
from keelmark.service.watch.document import worst_first

_NAME = 18
_WORD = 13


def print_watch(rows: Sequence[JsonTable]) -> None:
    """Print every account, the worst first."""
    for row in worst_first(rows):
        for line in lines_of(row):
            say(line)


def lines_of(row: JsonTable) -> list[str]:
    """Return the lines about one account; what it is called and its word come first."""
    word = str(row["level"]).upper()
    name = str(row["account"])
    head = f"{name[:_NAME]:<{_NAME}} {word:<{_WORD}}"
    painted_head = (
        head.replace(word, painted(word, word, bold=True), 1) if word in COLOURS else head
    )
    lines = wrapped(_said(row), WIDTH - len(head), depth=0)
    first = f"{painted_head}{lines[0].strip()}" if lines else painted_head.rstrip()
    return [first, *(f"{' ' * len(head)}{line.strip()}" for line in lines[1:])]


def alert_line(alert: Alert, time: str) -> str:
    """Return the line of an alert as it is told."""
    mark = {Kind.RECOVERED: "-", Kind.EVENT: "*"}.get(alert.kind, "!")
    return f"{time} {mark} {alert.text}"


def _said(row: JsonTable) -> str:
    if row["is_stale"] or "headline" not in row:
        problem = row["problem"] or "not read yet"
        return f"not read for {row['age_seconds']} s: {problem}"
    parts = [str(row["headline"])]
    usage = row.get("usage")
    if isinstance(usage, str):
        parts.append(f"maintenance {percent(Decimal(usage))} of equity")
    chance = row.get("probability")
    if isinstance(chance, str):
        parts.append(f"chance {percent(Decimal(chance))}")
    residuals = row["residuals"]
    differ = residuals["differ"] if isinstance(residuals, dict) else None
    if isinstance(differ, list) and differ:
        parts.append(f"differs from the venue in {', '.join(map(str, differ))}")
    if row["problem"]:
        parts.append(f"last read failed: {row['problem']}")
    return "; ".join(parts)
