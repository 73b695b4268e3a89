"""What operators and risk admins decide: each use is in the audit trail before it is done."""

from hashlib import sha256
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from keelmark.service.api.answers import require_done
from keelmark.service.api.audited import audited
from keelmark.service.api.describing import KEYED, gives, takes
from keelmark.service.api.problems import Problem
from keelmark.service.api.routes.commands import answer_of, submitted
from keelmark.service.api.services import venue_services_of, visitor_of
from keelmark.service.commands import forms as f
from keelmark.service.commands.decode import decoded_as
from keelmark.service.commands.translate import admin_command
from keelmark.service.link.messages import Outcome

router = APIRouter(tags=["admin"], prefix="/v1/admin")
_DONE = gives("CommandDone", "It is durable.")
_PAUSE = {"instrument": "BTCUSDT", "reason": "index source down"}
_HOLD = {"account": "alice", "action": "hold", "reason": "disputed fill"}
_CLOSE = {"account": "alice", "cause": "regulatory", "reason": "order 4711"}


@router.post(
    "/pause",
    summary="Pause an instrument, or everything",
    openapi_extra=takes("Pause", {"one instrument": _PAUSE}) | KEYED,
    responses=_DONE,
)
async def pause(request: Request) -> Response:
    """Stop trading and liquidation until resumed."""
    return await _decided(request, decoded_as(f.Pause, await request.body()))


@router.post(
    "/resume",
    summary="Lift a pause",
    openapi_extra=takes("Resume", {"one instrument": _PAUSE}) | KEYED,
    responses=_DONE,
)
async def resume(request: Request) -> Response:
    """Lift a pause and trust the next mark again, whatever its step."""
    return await _decided(request, decoded_as(f.Resume, await request.body()))


@router.post(
    "/override",
    summary="Hold a unit, release it, take it over",
    openapi_extra=takes("Override", {"hold": _HOLD}) | KEYED,
    responses=_DONE,
)
async def override(request: Request) -> Response:
    """Decide about a unit by hand. A takeover needs a risk admin."""
    form = decoded_as(f.Override, await request.body())
    visitor = visitor_of(request)
    needed = visitor.access.role_for("action", form.action)
    if needed is not None and not visitor.key.role.covers(needed):
        msg = f"a {form.action} needs the role {needed}; the key {visitor.key.id} is not"
        fix = f"use a key with the role {needed}"
        raise Problem(403, msg, code="role", where="action", fix=fix)
    return await _decided(request, form)


@router.post(
    "/close",
    summary="Close an account for good",
    openapi_extra=takes("CloseAccount", {"by order": _CLOSE}) | KEYED,
    responses=_DONE,
)
async def close(request: Request) -> Response:
    """Close every unit into cash, pay what is owed in order, return the rest."""
    return await _decided(request, decoded_as(f.CloseAccount, await request.body()))


@router.post(
    "/rulebook",
    summary="Put other rules in force",
    openapi_extra=takes("SetRulebook", {"TOML": {"text": 'name = "..."', "reason": "new tiers"}})
    | KEYED,
    responses=_DONE,
)
async def rulebook(request: Request) -> Response:
    """Put a whole rulebook for the same instruments and assets in force."""
    return await _decided(request, decoded_as(f.SetRulebook, await request.body()))


async def _decided(request: Request, form: f.AnyAdmin) -> Response:
    """Carry out a decision; the trail knows of it before the writer does."""
    services, visitor = venue_services_of(request), visitor_of(request)
    grid, _ = services.progress.grid()
    command = admin_command(form, grid, f"{visitor.key.name} ({visitor.key.id})")

    async def act() -> tuple[Outcome, str]:
        outcome = await submitted(request, command)
        return outcome, _words(outcome)

    outcome = await audited(services, visitor, _details(form), act, reason=form.reason)
    require_done(outcome)
    return answer_of(services, outcome)


def _details(form: f.AnyAdmin) -> dict[str, Any]:
    """Return what the trail keeps of a decision: a rulebook by its digest."""
    found: dict[str, Any] = msgspec.to_builtins(form)
    found.pop("reason", None)
    if isinstance(form, f.SetRulebook):
        text = found.pop("text").encode("utf-8", "replace")
        found = {"sha256": sha256(text).hexdigest(), "bytes": len(text)}
    return found


def _words(outcome: Outcome) -> str:
    """Return an outcome in words."""
    if outcome.error is None:
        return f"{outcome.status} at position {outcome.position}"
    return f"{outcome.status}: {outcome.error.message}"
