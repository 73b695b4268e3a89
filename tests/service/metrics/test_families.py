from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from keelmark.service.counters import Counters, Distribution, Histogram, histogram_names
from keelmark.service.metrics.families import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    alert_family,
    buckets_of,
    health_family,
    venue_families,
    writer_families,
)
from keelmark.service.reading import EngineReader
from keelmark.service.views.funds import fund
from keelmark.service.views.maps import distance
from keelmark.service.views.venue import venue
from tests.service.views.books import a_book


def exposed(metrics: list[Metric]) -> dict[str, float]:
    """Return every sample by its name and labels, as Prometheus reads it."""

    class Collector:
        def collect(self) -> list[Metric]:
            return metrics

    registry = CollectorRegistry()
    registry.register(Collector())
    text = generate_latest(registry).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {
        s.name + "".join(f"[{value}]" for _, value in sorted(s.labels.items())): s.value
        for s in samples
    }


@pytest.fixture
def cells(tmp_path: Path) -> dict[str, int]:
    names = [*COUNTERS, *GAUGES, *(c for n, _ in HISTOGRAMS.values() for c in histogram_names(n))]
    with Counters.create(tmp_path / "counters", names) as counters:
        counters.add("commands", 7)
        counters.set("position", 12)
        for value in (3, 90, 90, 5_000):
            Histogram(counters, "mark_to_decision_us").note(value)
        return counters.read()


def test_what_the_writer_counted_is_exposed_in_seconds(cells: dict[str, int]) -> None:
    found = exposed(list(writer_families(cells)))
    assert found["keelmark_commands_total"] == 7
    assert found["keelmark_position"] == 12
    assert found["keelmark_mark_to_decision_seconds_count"] == 4
    assert found["keelmark_mark_to_decision_seconds_sum"] == pytest.approx(5183e-6)
    buckets = {n: v for n, v in found.items() if n.startswith("keelmark_mark_to_decision")}
    assert buckets["keelmark_mark_to_decision_seconds_bucket[+Inf]"] == 4
    assert buckets["keelmark_mark_to_decision_seconds_bucket[0.000128]"] == 3


def test_cells_of_an_older_writer_are_left_out() -> None:
    assert exposed(list(writer_families({"commands": 1}))) == {"keelmark_commands_total": 1}


@given(st.lists(st.integers(0, 2**30), max_size=50))
def test_buckets_count_what_is_not_above_their_edge(values: list[int]) -> None:
    names = histogram_names("x")
    kept = dict.fromkeys(names, 0)

    class Plain:
        def row(self, name: str) -> int:
            return names.index(name)

        def add_at(self, row: int, amount: int) -> None:
            kept[names[row]] += amount

    histogram = Histogram(Plain(), "x")  # type: ignore[arg-type]
    for value in values:
        histogram.note(value)
    for edge, count in buckets_of(Distribution.of(kept, "x")):
        if edge != "+Inf":
            assert count == sum(value < round(float(edge) * 1e6) for value in values)


@pytest.mark.parametrize("seed", range(2))
def test_the_venue_is_exposed_as_its_views_tell_it(seed: int) -> None:
    reader = EngineReader(a_book(seed).engine)
    told, money, far = venue(reader), fund(reader), distance(reader.fleet())
    found = exposed(list(venue_families(told, money, far)))
    assert found["keelmark_accounts"] == told["accounts"]
    residuals = [v for name, v in found.items() if name.startswith("keelmark_conservation")]
    assert residuals
    assert not any(residuals)
    assert found["keelmark_account_distance_bucket[+Inf]"] == sum(far["accounts"])
    cumulative = np.cumsum(far["accounts"])[:-1]
    edges = [found[f"keelmark_account_distance_bucket[{move:g}]"] for move in far["moves"]]
    assert edges == cumulative.tolist()


def test_health_and_alerts_are_exposed_with_their_names() -> None:
    metrics = [health_family({"writer": "ok"}), alert_family({"open": 2, "sent": 5, "failed": 0})]
    found = exposed(metrics)
    assert found["keelmark_health[ok][writer]"] == 1
    assert found["keelmark_alert_deliveries[sent]"] == 5
