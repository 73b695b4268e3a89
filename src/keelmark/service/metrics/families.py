"""The service's figures as Prometheus families: the writer's counts, the venue, the alerts."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from keelmark.service.counters import BUCKETS, STEPS, Distribution, lower_edge

PREFIX = "keelmark"

COUNTERS = {
    "commands": "Commands carried out.",
    "repeated": "Commands that were durable already under their key.",
    "rejected": "Commands that a rule refused.",
    "invalid": "Commands that were malformed.",
    "busy": "Commands answered at once because too many waited.",
    "unavailable": "Commands answered while the journal could not be written.",
    "mark_messages": "Messages with marks.",
    "snapshots": "Snapshots of prices carried out.",
    "prices": "Prices in them.",
    "marks_refused": "Messages with marks that were refused.",
    "wakes": "Times the clock was moved.",
    "batches": "Batches made durable.",
    "recoveries": "Times the journal was opened again after a failure.",
    "subscribers_dropped": "Listeners that did not keep up.",
    "peers_refused": "Connections ended for what they sent.",
}
GAUGES = {
    "position": "Journal position.",
    "is_behind": "1 while the journal cannot be written.",
    "peers": "Connections to the writer.",
    "subscribers": "Of them, listeners to every batch.",
    "queue_items": "Commands that wait.",
    "queue_marks": "Messages with marks that wait.",
    "clock_drift_ms": "The machine's clock less the service's, milliseconds.",
}
EXECUTION = {
    "orders_working": "Liquidation orders out in the venue's matching engine.",
    "orders_timed_out": "Of them, those that were not answered in time.",
    "order_oldest_seconds": "Age of the oldest of them.",
}
HISTOGRAMS = {
    "mark_to_decision": ("mark_to_decision_us", "From a mark to its decisions, durable."),
    "command_to_durable": ("command_to_durable_us", "From a command's receipt until durable."),
    "commit": ("commit_us", "A durable write."),
    "turn": ("turn_us", "One turn of the writer: drain, carry out, make durable, answer."),
}
"""By name in Prometheus: the writer's own name, and the help text. Seconds."""

MICRO = 1e-6
PER_SECOND = 1_000_000


def writer_families(cells: Mapping[str, int]) -> Iterator[Metric]:
    """Yield what the writer counted; cells that an older writer does not have are left out."""
    for name, text in COUNTERS.items():
        if name in cells:
            yield CounterMetricFamily(f"{PREFIX}_{name}", text, value=cells[name])
    for name, text in GAUGES.items():
        if name in cells:
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=cells[name])
    for name, (cell, text) in HISTOGRAMS.items():
        if f"{cell}.count" in cells:
            found = Distribution.of(cells, cell)
            yield HistogramMetricFamily(
                f"{PREFIX}_{name}_seconds",
                text,
                buckets=list(buckets_of(found)),
                sum_value=found.sum * MICRO,
            )


def buckets_of(found: Distribution) -> Iterator[tuple[str, float]]:
    """Yield cumulative counts at each doubling, seconds: finer ones would be hundreds of series."""
    total = 0
    for bucket, count in enumerate(found.buckets[: BUCKETS - 1]):
        total += count
        is_doubling = (bucket + 1) % STEPS == 0 and bucket + 1 >= 4 * STEPS
        if is_doubling:
            yield str(lower_edge(bucket + 1) / PER_SECOND), float(total)
    yield "+Inf", float(sum(found.buckets))


def venue_families(
    venue: Mapping[str, Any], fund: Mapping[str, Any], distance: Mapping[str, Any]
) -> Iterator[Metric]:
    """Yield the venue's own figures, from the answers of `service.views`."""
    yield _gauge("accounts", "Accounts ever opened.", venue["accounts"])
    yield _gauge("untrusted_prices", "Prices nobody is liquidated on.", venue["untrusted_prices"])
    stages = GaugeMetricFamily(
        f"{PREFIX}_units_by_stage", "Units by the stage they are in.", labels=["stage"]
    )
    liquidations = venue["liquidations"]
    for stage, count in (
        ("warn", venue["warned"]),
        ("margin_call", venue["margin_calls"]),
        ("grace", venue["grace"]),
        ("liquidation", liquidations["open"]),
        ("held", liquidations["held"]),
    ):
        stages.add_metric([stage], count)
    yield stages
    yield CounterMetricFamily(
        f"{PREFIX}_liquidations", "Liquidations ever started.", value=liquidations["ever"]
    )
    yield from fund_families(fund)
    yield distance_family(distance)


def fund_families(fund: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield insurance funds, the backstop, and what is not conserved: nothing."""
    held = GaugeMetricFamily(
        f"{PREFIX}_insurance_fund", "What a fund holds.", labels=["segment", "asset"]
    )
    for segment in fund["segments"]:
        for row in segment["assets"]:
            held.add_metric([segment["segment"], row["asset"]], _number(row["balance"]))
    yield held
    equity = fund["backstop"]["equity"]
    if equity is not None:
        yield _gauge("backstop_equity", "What the backstop is worth.", _number(equity))
    residual = GaugeMetricFamily(
        f"{PREFIX}_conservation_residual", "The vault less every claim on it.", labels=["asset"]
    )
    interest = GaugeMetricFamily(
        f"{PREFIX}_open_interest_notional", "One side, at marks.", labels=["instrument"]
    )
    for row in fund["conservation"]:
        if row["residual"] is not None:
            residual.add_metric([row["asset"]], _number(row["residual"]))
    for row in fund["open_interest"]:
        if row["notional"] is not None:
            interest.add_metric([row["instrument"]], _number(row["notional"]))
    yield residual
    yield interest


def distance_family(distance: Mapping[str, Any]) -> Metric:
    """Return accounts by the smallest joint move that liquidates them."""
    moves: Iterable[float] = distance["moves"]
    counts: list[int] = distance["accounts"]
    sums = [sum(counts[: place + 1]) for place in range(len(counts))]
    edges = [*(f"{move:g}" for move in moves), "+Inf"]
    return HistogramMetricFamily(
        f"{PREFIX}_account_distance",
        "Accounts by the smallest joint move that liquidates them, fraction.",
        buckets=[(edge, float(total)) for edge, total in zip(edges, sums, strict=True)],
        sum_value=None,
    )


def alert_family(counts: Mapping[str, int]) -> Metric:
    """Return deliveries of alerts by what became of them."""
    family = GaugeMetricFamily(
        f"{PREFIX}_alert_deliveries", "Deliveries of alerts.", labels=["state"]
    )
    for state, count in counts.items():
        family.add_metric([state], count)
    return family


def execution_families(orders: Mapping[str, float]) -> Iterator[Metric]:
    """Yield what is out in a matching engine of the venue's, and how old it is."""
    for name, text in EXECUTION.items():
        yield _gauge(name, text, orders[name])


def health_family(findings: Mapping[str, str]) -> Metric:
    """Return the health of each part: 1 for the state it is in."""
    family = GaugeMetricFamily(
        f"{PREFIX}_health", "1 for the state a part is in.", labels=["part", "health"]
    )
    for part, health in findings.items():
        family.add_metric([part, health], 1.0)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _number(text: str) -> float:
    return float(Decimal(text))
