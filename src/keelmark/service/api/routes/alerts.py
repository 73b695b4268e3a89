"""Alerts: levels, what is open, what was told; and somebody takes one on."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from keelmark.service.alerts.board import HISTORY_MAX, NoSuchAlert, NotOpen, Wish
from keelmark.service.api.audited import audited
from keelmark.service.api.problems import Problem
from keelmark.service.api.services import services_of, visitor_of

router = APIRouter(tags=["alerts"], prefix="/v1/alerts")


class OpenAlert(BaseModel):
    """A subject that is at a level."""

    id: str = Field(description="Of the last alert about it; acknowledge it by this.")
    subject: str = Field(description="An account, or a part of the service.")
    level: str
    rank: int = Field(description="Place of the level; 0 is the mildest.")
    since: str = Field(description="When it got there.")
    is_told: bool = Field(description="Whether it was told, or is written down only.")
    acknowledged_by: str | None = Field(description="Who takes care of it; null nobody.")
    acknowledged: str | None = Field(description="When they said so.")
    is_escalated: bool
    escalates: str | None = Field(description="When it is told to others; null not any more.")
    text: str = Field(description="In one line.")
    figures: dict[str, str] = Field(description="As they were when the level changed.")


class AlertDelivery(BaseModel):
    """An alert on its way to a channel."""

    channel: str
    state: str = Field(description="`open`, `sent`, or `failed` for good.")
    tries: int
    tried: str | None = Field(description="When it was tried last.")
    next: str | None = Field(description="When it is tried again.")
    problem: str | None = Field(description="Why it did not arrive.")


class ToldAlert(BaseModel):
    """An alert that was told, or written down only."""

    number: int = Field(description="Rising.")
    id: str = Field(description="The same in every message about it.")
    subject: str
    kind: str = Field(description="`raised`, `again`, `escalated`, `recovered` or `event`.")
    level: str = Field(description="Of the level, or of the event.")
    since: str
    time: str
    text: str
    deliveries: list[AlertDelivery]


class Alerts(BaseModel):
    """Levels, open alerts, history."""

    is_on: bool = Field(description="Whether somebody guards and tells.")
    time: str
    levels: list[dict[str, Any]] = Field(description="Mildest first, as they are configured.")
    channels: list[dict[str, Any]] = Field(description="By name and kind, without addresses.")
    recovery: str | None = Field(description="`silent`, or `told`.")
    rearm_seconds: float | None = Field(description="Rest of a level that was told.")
    deliveries: dict[str, int] = Field(description="How many are open, sent, failed.")
    open: list[OpenAlert] = Field(description="The worst first.")
    history: list[ToldAlert] = Field(description="The latest first.")
    next: int | None = Field(description="`before` of the next page; null on the last.")


class Acknowledge(BaseModel):
    """Somebody takes an alert on."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", max_length=500, description="For the audit trail.")


@router.get("", summary="Levels, open alerts, history")
async def alerts(
    request: Request,
    subject: Annotated[
        str | None, Query(max_length=200, description="Whose history; everybody's if left out.")
    ] = None,
    before: Annotated[
        int | None, Query(ge=1, le=2**53, description="Last number of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=HISTORY_MAX)] = 100,
) -> Alerts:
    """Tell who is at which level, what was told about it, and what became of the messages."""
    services = services_of(request)
    wish = Wish(subject=subject, before=before, limit=limit)
    now_ms = services.clock.now_ms()
    return Alerts(**await asyncio.to_thread(services.alerts.document, wish, now_ms))


@router.post("/{alert}/acknowledge", summary="Take an alert on")
async def acknowledge(
    request: Request,
    alert: Annotated[str, Path(max_length=100, description="Id of an alert.")],
    body: Annotated[Acknowledge, Body()],
) -> OpenAlert:
    """Note that you take care of it: it is not escalated any more. The first who says so is kept.

    What gets worse afterwards is another alert.
    """
    services, visitor = services_of(request), visitor_of(request)

    async def act() -> tuple[dict[str, Any], str]:
        who, now_ms = f"{visitor.key.name} ({visitor.key.id})", services.clock.now_ms()
        try:
            found = await asyncio.to_thread(services.alerts.acknowledge, alert, who, now_ms)
        except NoSuchAlert as error:
            raise Problem(404, str(error), code="unknown_alert", where="alert") from error
        except NotOpen as error:
            raise Problem(409, str(error), code="not_open", where="alert") from error
        return found, f"{found['subject']} is taken care of by {found['acknowledged_by']}"

    found = await audited(services, visitor, {"alert": alert}, act, reason=body.reason)
    return OpenAlert(**found)
