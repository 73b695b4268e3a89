"""What a service says in a terminal: a few lines of what runs where, progress, then quiet."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LEVELS = ("debug", "info", "warning", "error")

_LEVEL = {
    "started": "debug",
    "recovered": "debug",
    "stop_asked": "debug",
    "progress": "info",
    "ready": "info",
    "going_on": "info",
    "stopped": "info",
    "done": "info",
    "said": "info",
    "snapshot": "debug",
    "behind": "warning",
    "still_behind": "warning",
    "died": "warning",
    "snapshot_left_out": "warning",
    "columns_not_shown": "warning",
    "not_closed": "warning",
    "killed": "warning",
    "failed": "error",
    "gave_up": "error",
}
"""How much a report matters; one that is not here says so itself, or is `info`."""

_DETAILS = ("reason", "text", "what", "file")

Line = Callable[[str], None]
Clock = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Voice:
    """Says reports, as lines for people or as JSON for logs.

    Attributes:
        line: Prints one line.
        as_json: Whether each report is one JSON object.
        level: What matters less is left out.
        now: Time as text, for JSON.
    """

    line: Line
    as_json: bool
    level: str
    now: Clock

    def hear(self, process: str, report: dict[str, Any]) -> None:
        """Say a report of a process."""
        level = str(report.get("level", _LEVEL.get(report["event"], "info"))).lower()
        if LEVELS.index(level if level in LEVELS else "info") < LEVELS.index(self.level):
            return
        if self.as_json:
            self.line(json.dumps({"at": self.now(), "process": process, **report, "level": level}))
        else:
            self.line(f"  {process:<9} {plain(report)}")

    def plain(self, text: str, **fields: Any) -> None:  # noqa: ANN401 plain JSON values
        """Say something of the service itself."""
        if self.as_json:
            said = {"at": self.now(), "process": "serve", "level": "info", **fields}
            self.line(json.dumps(said))
        else:
            self.line(text)


def plain(report: dict[str, Any]) -> str:
    """Return a report as a line for people."""
    event = report["event"]
    if event in _WORDS:
        return _WORDS[event](report)
    details = [str(report[key]) for key in _DETAILS if report.get(key)]
    return ": ".join([*([] if event == "said" else [event.replace("_", " ")]), *details])


def _ready(report: dict[str, Any]) -> str:
    if "url" in report:
        return f"listening on {report['url']}"
    if "position" in report:
        return f"ready at position {report['position']:,}"
    return "ready"


def _died(report: dict[str, Any]) -> str:
    why = f": {report['reason']}" if report.get("reason") else ""
    again = f"started again in {report.get('again_in_s')} s"
    return f"ended with code {report.get('code')}{why}; {again}"


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "progress": lambda r: f"{r.get('what')}: {r.get('done', 0):,} of {r.get('total', 0):,}",
    "ready": _ready,
    "stopped": lambda r: f"stopped at position {r.get('position', 0):,}",
    "died": _died,
    "gave_up": lambda r: f"given up, code {r.get('code')}: {r.get('reason') or 'it keeps dying'}",
    "behind": lambda r: f"the journal cannot be written, opening it again: {r.get('reason')}",
    "going_on": lambda r: f"the journal is open again, at position {r.get('position', 0):,}",
}
