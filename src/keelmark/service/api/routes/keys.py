"""Keys: made, listed, revoked. A key is shown once, when it is made."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from keelmark.service.api.audited import audited
from keelmark.service.api.problems import Problem
from keelmark.service.api.services import services_of, visitor_of
from keelmark.service.security.keys import NAME_MAX, Key, NewKey
from keelmark.service.security.roles import Role
from keelmark.service.times import TIME_PATTERN, iso_time, time_ms_of

router = APIRouter(tags=["admin"], prefix="/v1/admin/keys")


class KeyFacts(BaseModel):
    """A key without its secret."""

    id: str = Field(description="Public part; logs and audits name it.")
    name: str
    role: Role
    created: str
    expires: str | None = Field(description="When it ends by itself; null never.")
    last_used: str | None = Field(description="Null never.")
    revoked: str | None = Field(description="When it was revoked; null stands.")


class KeyList(BaseModel):
    """Every key ever made, oldest first."""

    keys: list[KeyFacts]


class MadeKey(KeyFacts):
    """A key just made."""

    key: str = Field(repr=False, description="The whole key. It cannot be shown again.")


class WantedKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=NAME_MAX, description="What its owner calls it.")
    role: Role
    expires: str | None = Field(
        default=None,
        pattern=TIME_PATTERN,
        description="When it ends by itself, UTC; never, if left out.",
        examples=["2027-01-01T00:00:00Z"],
    )


@router.get("", summary="List keys")
async def list_keys(request: Request) -> KeyList:
    """List every key, with its last use and without its secret."""
    keys = await asyncio.to_thread(services_of(request).keys.list)
    return KeyList(keys=[KeyFacts(**_facts(key)) for key in keys])


@router.post("", status_code=201, summary="Make a key")
async def make_key(request: Request, wanted: WantedKey) -> MadeKey:
    """Make a key. Its secret is in this answer and nowhere else, ever."""
    services = services_of(request)
    expires_ms = None if wanted.expires is None else time_ms_of(wanted.expires)

    async def act() -> tuple[NewKey, str]:
        made = await asyncio.to_thread(
            services.keys.create,
            wanted.name,
            wanted.role,
            now_ms=services.clock.now_ms(),
            expires_ms=expires_ms,
        )
        return made, f"made key {made.key.id}"

    details = wanted.model_dump(mode="json")
    made = await audited(services, visitor_of(request), details, act)
    return MadeKey(**_facts(made.key), key=made.text)


@router.delete("/{key}", summary="Revoke a key")
async def revoke_key(
    request: Request, key: Annotated[str, Path(description="Id of the key.", max_length=40)]
) -> KeyFacts:
    """Revoke a key for good: its sessions and streams end with it."""
    services = services_of(request)
    if services.keys.find(key) is None:
        msg = f"there is no key {key!r}; GET /v1/admin/keys lists them"
        raise Problem(404, msg, where="key")

    async def act() -> tuple[Key, str]:
        now_ms = services.clock.now_ms()
        revoked = await asyncio.to_thread(services.keys.revoke, key, now_ms)
        services.sessions.close_of(key)
        services.hub.drop_key(key)
        return revoked, f"revoked key {key}"

    revoked = await audited(services, visitor_of(request), {"key": key}, act)
    return KeyFacts(**_facts(revoked))


def _facts(key: Key) -> dict[str, str | Role | None]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "created": iso_time(key.created_ms),
        "expires": _maybe(key.expires_ms),
        "last_used": _maybe(key.used_ms),
        "revoked": _maybe(key.revoked_ms),
    }


def _maybe(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso_time(time_ms)
