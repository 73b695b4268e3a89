"""The operator's guide names what there is: findings, metrics, alarms, log events, exit codes."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from keelmark.cli.exit_codes import ExitCode
from keelmark.service import child_process
from keelmark.service.alerts.rules import read_rules
from keelmark.service.alerts.venue import _SAID, venue_rules
from keelmark.service.counters import Counters, histogram_names
from keelmark.service.health.laws import law_findings
from keelmark.service.health.parts import Parts, part_findings
from keelmark.service.metrics.families import (
    COUNTERS,
    EXECUTION,
    GAUGES,
    HISTOGRAMS,
    alert_family,
    execution_families,
    health_family,
    venue_families,
    writer_families,
)
from keelmark.service.reading import EngineReader
from keelmark.service.supervisor import supervisor
from keelmark.service.supervisor.voice import _LEVEL
from keelmark.service.views.funds import fund
from keelmark.service.views.maps import distance
from keelmark.service.views.venue import venue
from tests.service.views.books import a_book

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/operations.md").read_text("utf-8")
RULES = (ROOT / "deploy/alerts.yml").read_text("utf-8")
METRIC = re.compile(r"\bkeelmark_[a-z_]+")
SERIES = ("", "_bucket", "_count", "_sum", "_total")
NOT_OURS = frozenset({"keelmark_connection"})
"""A variable of nginx."""


def first_cells(heading: str) -> set[str]:
    """Return what stands between backquotes in the first column of a section's table."""
    section = GUIDE.partition(f"### {heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    assert rows, heading
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the name of every series that the service exposes."""
    reader = EngineReader(a_book(1).engine)
    names = [*COUNTERS, *GAUGES, *(c for n, _ in HISTOGRAMS.values() for c in histogram_names(n))]
    with Counters.create(tmp_path_factory.mktemp("run") / "counters", names) as counters:
        cells = counters.read()
    families = [
        *writer_families(cells),
        *venue_families(venue(reader), fund(reader), distance(reader.fleet())),
        health_family({"writer": "ok"}),
        alert_family({"failed": 0}),
        *execution_families(dict.fromkeys(EXECUTION, 0.0)),
    ]
    return {sample.name for family in families for sample in family.samples}


def test_every_metric_that_is_named_is_exposed(exposed: set[str]) -> None:
    board = (ROOT / "deploy/grafana.json").read_text("utf-8")
    for text in (RULES, board, GUIDE):
        named = set(METRIC.findall(text)) - NOT_OURS
        plain = {name for name in named if not any(name + end in exposed for end in SERIES)}
        assert not plain, plain


def test_every_alarm_is_explained_and_no_other() -> None:
    alarms = set(re.findall(r"- alert: (\w+)", RULES))
    assert alarms
    assert first_cells("Alarms of Prometheus") == alarms
    blocks = RULES.split("- alert: ")[1:]
    assert all("expr: " in block and "severity: " in block for block in blocks)
    assert all(len(re.findall("summary: ", block)) == 1 for block in blocks)


def test_every_finding_is_explained_and_no_other() -> None:
    parts = {finding.name for finding in part_findings(Parts(is_connected=True))}
    laws = {finding.name for finding in law_findings(EngineReader(a_book(1).engine))}
    assert first_cells("Findings of health") == parts | laws | {"api"}


def test_every_happening_is_explained_and_no_other() -> None:
    assert first_cells("Alerts of happenings") == set(_SAID)


def reported() -> Iterator[str]:
    """Yield every event that a process of the service reports."""
    for path in sorted((ROOT / "src/keelmark/service").rglob("*.py")):
        text = path.read_text("utf-8")
        yield from re.findall(r"report\(\s*\"(\w+)\"", text)
        yield from re.findall(r"\{\"event\": \"(\w+)\"", text)
        yield from re.findall(r"(?:LOG\w*)\.\w+\(\s*\"([^\"]+)\"", text)


def test_every_event_of_the_log_is_explained() -> None:
    events = {*reported(), *_LEVEL, "serving", "first_key"}
    assert len(events) > len(_LEVEL), "reports are found"
    assert events <= first_cells("Words of the log"), events - first_cells("Words of the log")


def test_the_exit_codes_are_those_of_the_program() -> None:
    section = GUIDE.partition("### Exit codes\n")[2]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    assert codes == {
        ExitCode.OK,
        ExitCode.BAD_INPUT,
        ExitCode.OUR_ERROR,
        ExitCode.INTERRUPTED,
        child_process.AWAY,
    }
    for module in (child_process, supervisor):
        assert (module.BAD_INPUT, module.OUR_ERROR) == (ExitCode.BAD_INPUT, ExitCode.OUR_ERROR)


def test_the_alerts_of_the_guide_are_read() -> None:
    tables = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    document = next(tomllib.loads(text) for text in tables if "[alerts" in text)
    rules = read_rules(venue_rules(document["alerts"]), title="the guide")
    assert [level.name for level in rules.levels] == ["degraded", "failing"]
    assert rules.channels.keys() == {"room", "pager", "mail"}
