"""The routes of an operator: is it well, how fast is it, and figures for Prometheus."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from keelmark.service.counters import Distribution
from keelmark.service.health.laws import law_findings
from keelmark.service.health.observed import Observed
from keelmark.service.health.parts import Orders, part_findings
from keelmark.service.health.values import Finding, Health, worst, worst_first
from keelmark.service.metrics.families import (
    HISTOGRAMS,
    alert_family,
    execution_families,
    health_family,
    venue_families,
    writer_families,
)
from keelmark.service.views.figures import Json, maybe_instant
from keelmark.service.views.funds import fund
from keelmark.service.views.maps import distance
from keelmark.service.views.shared import LONGEST, Shared
from keelmark.service.views.venue import venue

UNWELL = 503
_PARTS = ("name", "health", "detail")

_FINDINGS = {
    "type": "array",
    "description": "Each part, and each law that is held against what is published.",
    "items": {"type": "object", "properties": {name: {"type": "string"} for name in _PARTS}},
}


_IS_OVER: dict[str, object] = {
    "is_recording_over": {
        "type": "boolean",
        "description": "Whether a recording was played to its end.",
    }
}


def health_router(observed: Observed, fleet: Shared) -> APIRouter:
    """Return the routes.

    Args:
        observed: Where the state of the parts is read.
        fleet: Where passes over the fleet run.
    """
    router = APIRouter(tags=["operation"])

    async def findings() -> list[Finding]:
        laws = await fleet.ask("laws", lambda: law_findings(observed.reader))
        return [*await _looked_at(observed, fleet), *laws.answer]

    @router.get(
        "/health",
        summary="Whether it is well, the invariants run",
        **HEALTH_ANSWERS,
    )
    async def health() -> JSONResponse:
        """Hold the laws against what is published, look at every part, and tell the worst."""
        found = await findings()
        whole = worst(found)
        return JSONResponse(told(found), UNWELL if whole is Health.FAILING else 200)

    @router.get(
        "/health/parts",
        summary="Whether the parts are well, without the laws",
        responses={200: _described("How the parts are, well or not.", **_IS_OVER)},
    )
    async def parts() -> Json:
        """Look at every part, the worst first: cheap enough for a page to ask all the time."""
        found = worst_first(await _looked_at(observed, fleet))
        return told(found) | {"is_recording_over": observed.is_over()}

    def told(found: list[Finding]) -> Json:
        return {
            "status": worst(found).value,
            "position": observed.reader.position,
            "time": maybe_instant(observed.reader.time_ms),
            "findings": [
                {"name": f.name, "health": f.health.value, "detail": f.detail} for f in found
            ],
        }

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        """Expose the writer's counts, the venue's figures and the health of each part."""
        figures = _Figures(
            cells=observed.cells() or {},
            venue=venue(observed.reader),
            fund=(await fleet.ask("fund", lambda: fund(observed.reader))).answer,
            distance=(await fleet.ask("far", lambda: distance(observed.reader.fleet()))).answer,
            health={finding.name: finding.health.value for finding in await findings()},
            alerts=observed.alerts(),
            orders=execution_figures(observed.orders()),
        )
        return Response(exposition(figures), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/latency", summary="How fast decisions are", responses={200: _LATENCY})
    async def latency() -> Json:
        """Tell the quantiles of the writer's histograms since it started."""
        cells = observed.cells() or {}
        return {**distributions(cells), "lag_ms": lag_ms(cells, observed.reader.time_ms)}

    return router


async def _looked_at(observed: Observed, fleet: Shared) -> list[Finding]:
    """Return how the parts are; who reads prices is asked only while some are not trusted."""
    bad = frozenset(observed.reader.state.untrusted)  # others are another question
    read = await fleet.ask(("read", bad), observed.prices_read, times=LONGEST) if bad else None
    return part_findings(observed.parts(None if read is None else read.answer))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Figures:
    """What is exposed: each of one moment, together of about one."""

    cells: Mapping[str, int]
    venue: Json
    fund: Json
    distance: Json
    health: Mapping[str, str]
    alerts: Mapping[str, int]
    orders: Mapping[str, float]

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from writer_families(self.cells)
        yield from venue_families(self.venue, self.fund, self.distance)
        yield health_family(self.health)
        if self.alerts:
            yield alert_family(self.alerts)
        if self.orders:
            yield from execution_families(self.orders)


def execution_figures(orders: Orders | None) -> dict[str, float]:
    """Return what is told of orders that are out; nothing where the built-in book executes."""
    if orders is None:
        return {}
    return {
        "orders_working": orders.working,
        "orders_timed_out": orders.timed_out,
        "order_oldest_seconds": orders.oldest_s,
    }


def exposition(figures: _Figures) -> bytes:
    """Return figures as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(figures)
    return generate_latest(registry)


def distributions(cells: Mapping[str, int]) -> Json:
    """Return count and quantiles of each histogram, microseconds; unknown ones are null."""
    found: Json = {}
    for cell, _ in HISTOGRAMS.values():
        if f"{cell}.count" not in cells:
            continue
        counted = Distribution.of(cells, cell)
        found[cell] = {
            "p50": counted.quantile(0.5),
            "p99": counted.quantile(0.99),
            "max": counted.quantile(1.0),
            "count": counted.count,
        }
    return found


def lag_ms(cells: Mapping[str, int], time_ms: int) -> int | None:
    """Return how far what is read here is behind the writer, by the venue's own clock."""
    return max(0, cells["time_ms"] - time_ms) if cells.get("time_ms") else None


def _described(text: str, **more: object) -> dict[str, object]:
    properties = {
        "status": {"type": "string", "enum": [health.value for health in Health]},
        "position": {"type": ["integer", "null"]},
        "time": {"type": ["string", "null"]},
        "findings": _FINDINGS,
        **more,
    }
    schema = {"type": "object", "properties": properties}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


HEALTH_ANSWERS: dict[str, Any] = {
    "responses": {200: _described("It is well, or degraded."), UNWELL: _described("It is not.")}
}
"""What `/health` says of its answers."""

_QUANTILES = {
    "type": "object",
    "description": "Microseconds; the upper edge of the bucket in which the share ends.",
    "properties": {name: {"type": ["integer", "null"]} for name in ("p50", "p99", "max", "count")},
}
_LATENCY: dict[str, object] = {
    "description": "Of the writer, since it started.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    **{cell: _QUANTILES for cell, _ in HISTOGRAMS.values()},
                    "lag_ms": {"type": ["integer", "null"]},
                },
            }
        }
    },
}
