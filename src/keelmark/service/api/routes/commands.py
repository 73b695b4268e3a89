"""Commands, one or many, and what a market reports of the orders it was sent."""

import re
from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from keelmark.engine import commands as c
from keelmark.service.api.answers import (
    BatchDone,
    CommandDone,
    RowDone,
    require_done,
    row_of,
    wrong_row,
)
from keelmark.service.api.describing import KEYED, gives, takes
from keelmark.service.api.problems import Problem
from keelmark.service.api.services import VenueServices, venue_services_of, visitor_of
from keelmark.service.commands import decode
from keelmark.service.commands.fields import NAME_MAX
from keelmark.service.commands.forms import AnyExecution, Form, Row
from keelmark.service.commands.grid import WrongField
from keelmark.service.commands.translate import command_of
from keelmark.service.events_json.topics import Topic
from keelmark.service.events_json.write import EventWriter, Held
from keelmark.service.link.commands import item
from keelmark.service.link.messages import Item, Outcome

router = APIRouter(tags=["commands"])
ALL_TOPICS = frozenset(Topic)
UNKNOWN = frozenset({"unknown_account", "unknown_unit"})
"""What may be known a moment later: an account whose opening was just acknowledged."""
_KEY = re.compile(rf"[!-~]{{0,{NAME_MAX}}}")
_DEPOSIT = {"type": "Deposit", "account": "alice", "asset": "USDT", "amount": "100.5"}
_BATCH = [{"key": "6f1c1a4e", "command": _DEPOSIT}]
_REPORT = {
    "type": "ReportExecution",
    "order": 12,
    "execution": "x-1",
    "instrument": "BTCUSDT",
    "size": "-0.5",
    "price": "100000",
}


@router.post(
    "/v1/commands",
    summary="Send one command",
    openapi_extra=takes("Command", {"deposit": _DEPOSIT}) | KEYED,
    responses=gives("CommandDone", "It is durable."),
)
async def send(request: Request) -> Response:
    """Carry out one command; the answer comes once it is durable, with what happened."""
    form = decode.decoded(decode.COMMAND, await request.body())
    command = await _command(venue_services_of(request), form)
    return await carried_out(request, command)


@router.post(
    "/v1/commands/batch",
    summary="Send many commands",
    openapi_extra=takes("Row", {"a deposit": _BATCH}, is_list=True),
    responses=gives("BatchDone", "What became of each; see the status of each."),
)
async def send_batch(request: Request) -> Response:
    """Carry out many commands, in order, each accepted or refused by itself.

    An account that the same batch opens cannot be named in it: its number is not known yet.
    """
    services, actor = venue_services_of(request), visitor_of(request).key.id
    body = await request.body()
    rows = decode.rows_of(body)
    limit = services.settings.limits.batch_rows
    if not 0 < len(rows) <= limit:
        msg = f"a batch of {len(rows)} rows; send 1 to {limit}"
        raise Problem(422, msg)
    results, places, items = _translated(services, rows, actor)
    if places and await _may_be_known(services, results):
        results, places, items = _translated(services, rows, actor)
    return await _batch_done(services, results, places, items)


@router.post(
    "/v1/executions",
    summary="Report what became of liquidation orders",
    openapi_extra=takes("Execution", {"a fill": [_REPORT]}, is_list=True),
    responses=gives("BatchDone", "What became of each; see the status of each."),
)
async def report(request: Request) -> Response:
    """Report executions of orders that were sent to a market, and orders that ended there.

    A report that is made twice counts once.
    """
    services, actor = venue_services_of(request), visitor_of(request).key.id
    forms = decode.decoded(decode.EXECUTIONS, await request.body())
    limit = services.settings.limits.batch_rows
    if not 0 < len(forms) <= limit:
        msg = f"{len(forms)} reports; send 1 to {limit}"
        raise Problem(422, msg)
    results, places, items = _translated(services, forms, actor)
    return await _batch_done(services, results, places, items)


async def carried_out(request: Request, command: c.Command) -> Response:
    """Send one command to the writer; return the answer.

    Raises:
        Problem: It is not durable.
    """
    outcome = await submitted(request, command)
    require_done(outcome)
    return answer_of(venue_services_of(request), outcome)


def answer_of(services: VenueServices, outcome: Outcome) -> Response:
    """Return the answer to a command that is durable."""
    state = services.reader.state  # once: each look at it asks the writer's columns
    writer = EventWriter(Held(state), time_ms=state.time_ms)
    told = writer.tell(outcome.position, outcome.events, ALL_TOPICS)
    done = CommandDone(
        status="repeated" if outcome.status == "repeated" else "done",
        position=outcome.position,
        events=[x.body for x in told],
    )
    return json_response(done)


async def submitted(request: Request, command: c.Command) -> Outcome:
    """Send one command to the writer, with the key of the request; return what became of it."""
    services = venue_services_of(request)
    key = request.headers.get("idempotency-key", "")
    if not _KEY.fullmatch(key):
        msg = f"an idempotency key is at most {NAME_MAX} printable ASCII characters"
        raise Problem(422, msg, where="Idempotency-Key")
    sent = item(command, key=key, actor=visitor_of(request).key.id)
    (outcome,) = await services.link.submit([sent])
    services.progress.note(outcome.position)
    (outcome,) = services.worded([outcome])
    return outcome


def json_response(value: object) -> Response:
    """Return a value as JSON."""
    return Response(msgspec.json.encode(value), media_type="application/json")


# --- inside ---------------------------------------------------------------------------------------


async def _command(services: VenueServices, form: Form) -> c.Command:
    """Return a form as a command; what was opened a moment ago is waited for."""
    try:
        grid, state = services.progress.grid()
        return command_of(form, grid, state)
    except WrongField as error:
        if error.code not in UNKNOWN or not await services.progress.caught_up():
            raise
    grid, state = services.progress.grid()
    return command_of(form, grid, state)


Rows = Sequence[Row | tuple[str, WrongField] | AnyExecution]


def _translated(
    services: VenueServices, rows: Rows, actor: str
) -> tuple[list[RowDone | None], list[int], list[Item]]:
    """Return what is known to be wrong, and what is to be sent with its place."""
    grid, state = services.progress.grid()
    results: list[RowDone | None] = [None] * len(rows)
    places: list[int] = []
    items: list[Item] = []
    for place, row in enumerate(rows):
        try:
            form, key = _form_of(row)
            items.append(item(command_of(form, grid, state), key=key, actor=actor))
            places.append(place)
        except WrongField as error:
            results[place] = wrong_row(error.code, str(error), error.where)
    return results, places, items


def _form_of(row: Row | tuple[str, WrongField] | AnyExecution) -> tuple[Form, str]:
    """Return a row's form and key.

    Raises:
        WrongField: It has none.
    """
    if isinstance(row, Row):
        return row.command, row.key
    if isinstance(row, tuple):
        raise row[1]
    return row, ""


async def _may_be_known(services: VenueServices, results: Sequence[RowDone | None]) -> bool:
    """Whether an account that is not known may be by now."""
    codes = {row.error.code for row in results if row is not None and row.error is not None}
    return bool(codes & UNKNOWN) and await services.progress.caught_up()


async def _batch_done(
    services: VenueServices, results: list[RowDone | None], places: list[int], items: list[Item]
) -> Response:
    """Send what is to be sent; return what became of each row."""
    outcomes = await services.link.submit(items) if items else ()
    if outcomes and len(outcomes) == len(results):
        first = outcomes[0]
        if first.status in {"busy", "behind"} and all(x.status == first.status for x in outcomes):
            require_done(first)
    position = max((x.position for x in outcomes), default=0)
    services.progress.note(position)
    for place, outcome in zip(places, services.worded(outcomes), strict=True):
        results[place] = row_of(outcome)
    done = [row for row in results if row is not None]
    return json_response(BatchDone(position=position, results=done))
