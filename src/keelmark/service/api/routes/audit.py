"""The audit trail, read back and held against itself."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from keelmark.service.api.services import services_of
from keelmark.service.security.audit import Entry, Verified, entries, verify

router = APIRouter(tags=["admin"])
LIMIT_MAX = 1000


class Trail(BaseModel):
    """A part of the trail, and whether all of it is as it was written."""

    entries: list[dict[str, Any]] = Field(description="Oldest first.")
    count: int = Field(description="Lines of the whole trail.")
    head: str = Field(description="Hash of the last line; keep it elsewhere to tell a cut end.")
    is_intact: bool
    problems: list[str] = Field(description="What does not fit, line by line.")
    unfinished: list[int] = Field(description="Actions without an outcome.")


@router.get("/v1/audit", summary="The audit trail")
async def audit(
    request: Request,
    after: Annotated[int, Query(ge=0, description="Number of a line; those after it.")] = 0,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 100,
) -> Trail:
    """Read the trail; every line is held against the one before it."""
    path = services_of(request).trail.path

    def read() -> tuple[Verified, list[Entry]]:
        found: list[Entry] = []
        for entry in entries(path, after=after):
            if len(found) == limit:
                break
            found.append(entry)
        return verify(path), found

    verified, found = await asyncio.to_thread(read)
    return Trail(
        entries=[msgspec.to_builtins(entry) for entry in found],
        count=verified.entries,
        head=verified.head,
        is_intact=not verified.problems,
        problems=list(verified.problems),
        unfinished=list(verified.unfinished),
    )
