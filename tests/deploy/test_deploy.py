"""What is handed to operators speaks of figures that exist."""

import json
import re
from pathlib import Path

from keelmark.service.alerts.store import OPEN
from keelmark.service.counters import histogram_names
from keelmark.service.metrics.families import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    alert_family,
    health_family,
    venue_families,
    writer_families,
)
from keelmark.service.reading import EngineReader
from keelmark.service.views.funds import fund
from keelmark.service.views.maps import distance
from keelmark.service.views.venue import venue
from tests.service.views.books import a_book

BOARD = Path(__file__).parents[2] / "deploy/grafana.json"


def exposed() -> set[str]:
    """Return the names of everything that is exposed."""
    names = [*COUNTERS, *GAUGES, *(c for n, _ in HISTOGRAMS.values() for c in histogram_names(n))]
    reader = EngineReader(a_book(0).engine)
    families = [
        *writer_families(dict.fromkeys(names, 1)),
        *venue_families(venue(reader), fund(reader), distance(reader.fleet())),
        alert_family({OPEN: 0}),
        health_family({"writer": "ok"}),
    ]
    return {sample.name for family in families for sample in family.samples}


def test_the_board_draws_only_what_is_exposed() -> None:
    panels = json.loads(BOARD.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"keelmark_\w+", target["expr"])
    }
    assert asked
    assert asked <= exposed()


def test_the_boards_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(BOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
