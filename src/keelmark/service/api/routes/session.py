"""Signing in and out, who is signed in, and whether anybody answers."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from keelmark.service.api.gate import cookie_name, require_patience, too_many_requests
from keelmark.service.api.problems import Problem
from keelmark.service.api.services import Services, services_of, visitor_of
from keelmark.service.api.version import VERSION
from keelmark.service.security.audit import Actor
from keelmark.service.security.keys import Key
from keelmark.service.security.roles import Role

router = APIRouter(tags=["session"])


class Live(BaseModel):
    """The API answers."""

    status: Literal["live"] = "live"


class SignIn(BaseModel):
    """A key, to open a session with."""

    model_config = ConfigDict(extra="forbid")
    key: Annotated[str, Field(max_length=200, repr=False, description="The whole key, `km_...`.")]


class SignedIn(BaseModel):
    """Who is signed in."""

    role: Role = Field(description="What the key may do.")
    name: str = Field(description="Name of the key.")
    key: str = Field(description="Public part of the key.")
    mode: Literal["venue", "desk"] = Field(description="What the service shows.")
    version: str = Field(description="Version of the service.")


@router.get("/live", summary="Whether the API answers")
async def live() -> Live:
    """Open to everybody; tells nothing about the venue."""
    return Live()


@router.post("/session", summary="Sign in with a key")
async def sign_in(
    request: Request,
    response: Response,
    body: Annotated[SignIn, Body(openapi_examples={"a key": {"value": {"key": "km_..."}}})],
) -> SignedIn:
    """Open a session; the answer sets a cookie that scripts cannot read."""
    services = services_of(request)
    now_ms = services.clock.now_ms()
    address = request.client.host if request.client else ""
    key = services.keys.check(body.key.strip(), now_ms)
    if key is None:
        require_patience(services, address)
        msg = "this key opens nothing: it is wrong, expired or revoked"
        raise Problem(401, msg, where="key", headers={"WWW-Authenticate": "Bearer"})
    wait = services.sign_ins.take(key.id, services.clock.running_s())
    if wait:
        raise too_many_requests(wait)
    token, session = services.sessions.open(key.id, now_ms)
    actor = Actor(key=key.id, name=key.name, role=key.role.value, address=address)
    await _audited(services, actor, "signed in")
    response.set_cookie(
        cookie_name(is_tls=services.settings.is_tls),
        token,
        max_age=(session.expires_ms - now_ms) // 1000,
        path="/",
        secure=services.settings.is_tls,
        httponly=True,
        samesite="strict",
    )
    return _signed_in(services, key)


@router.get("/session", summary="Who is signed in")
async def session(request: Request) -> SignedIn:
    """Tell the role and name of the key that the request comes with."""
    return _signed_in(services_of(request), visitor_of(request).key)


@router.delete("/session", status_code=204, summary="Sign out")
async def sign_out(request: Request, response: Response) -> None:
    """End the session; a key that is sent itself stays what it is."""
    services, visitor = services_of(request), visitor_of(request)
    if visitor.token:
        services.sessions.close(visitor.token)
        await _audited(services, visitor.actor, "signed out")
    name = cookie_name(is_tls=services.settings.is_tls)
    secure = services.settings.is_tls
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")


async def _audited(services: Services, actor: Actor, what: str) -> None:
    """Write into the trail that somebody came or went."""
    now_ms = services.clock.now_ms()
    await asyncio.to_thread(services.trail.note, actor, what, now_ms=now_ms)


def _signed_in(services: Services, key: Key) -> SignedIn:
    mode: Literal["venue", "desk"] = "desk" if services.settings.mode == "desk" else "venue"
    return SignedIn(role=key.role, name=key.name, key=key.id, mode=mode, version=VERSION)
