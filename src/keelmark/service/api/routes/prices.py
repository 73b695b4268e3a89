"""Prices pushed to the venue."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from keelmark.core.errors import InvalidInput
from keelmark.engine.events import MarksSet
from keelmark.engine.named_prices import named_prices
from keelmark.service.api.answers import PricesDone, require_done
from keelmark.service.api.describing import gives, takes
from keelmark.service.api.problems import Problem, code_of
from keelmark.service.api.routes.commands import json_response
from keelmark.service.api.services import VenueServices, venue_services_of
from keelmark.service.commands import decode
from keelmark.service.commands.forms import Snapshot
from keelmark.service.link.columns import joined
from keelmark.service.times import time_ms_of

router = APIRouter(tags=["prices"])
_EXAMPLE = {"snapshots": [{"time": "2025-10-10T21:00:00Z", "marks": {"BTCUSDT": "113000.5"}}]}


@router.post(
    "/v1/marks",
    summary="Push prices",
    openapi_extra=takes("Snapshots", {"one mark": _EXAMPLE}),
    responses=gives("PricesDone", "They are durable, and everybody they concern was looked at."),
)
async def push(request: Request) -> Response:
    """Carry out snapshots of prices, in order; each is applied whole before the next.

    What a snapshot does not name keeps its price. Without a time it is of now.
    """
    services = venue_services_of(request)
    snapshots = decode.decoded(decode.SNAPSHOTS, await request.body()).snapshots
    marks = [_marks(services, at, snapshot) for at, snapshot in enumerate(snapshots)]
    outcome = await services.link.marks(joined(marks))
    require_done(outcome)
    services.progress.note(outcome.position)
    return json_response(PricesDone(position=outcome.position))


def _marks(services: VenueServices, at: int, snapshot: Snapshot) -> MarksSet:
    """Return a snapshot by row.

    Raises:
        Problem: A name is unknown, a price is none, or nothing is named.
    """
    where = f"snapshots[{at}]"
    if not (snapshot.marks or snapshot.asset_prices or snapshot.indices):
        msg = "a snapshot without a price; name one, or send the command AdvanceTime"
        raise Problem(422, msg, where=where)
    try:
        now_ms = services.clock.now_ms()
        return named_prices(
            services.reader.state.universe,
            now_ms if snapshot.time is None else time_ms_of(snapshot.time),
            marks=snapshot.marks,
            asset_prices=snapshot.asset_prices,
            indices=snapshot.indices,
        )
    except InvalidInput as error:
        raise Problem(422, str(error), code=code_of(error), where=where) from None
