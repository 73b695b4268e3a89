"""Events since a position, read from the journal in a worker's thread."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from keelmark.service.api.problems import Problem
from keelmark.service.api.services import VenueServices, venue_services_of
from keelmark.service.events_json.topics import Topic, topics_of
from keelmark.service.events_json.write import EventWriter

router = APIRouter(tags=["events"])
LIMIT_MAX = 10_000
BATCHES_MAX = 20_000
"""Batches one request looks through; where few are about its topics, it is told to go on."""
CLOCK_BATCHES = 64
"""Batches before the first that are read for the time of day."""
READERS_MAX = 4
PLACE = r"^[0-9]{1,15}(\.[0-9]{1,9})?$"
_READERS = asyncio.Semaphore(READERS_MAX)

Topics = Annotated[
    str,
    Query(
        max_length=200,
        description=f"Some of {', '.join(Topic)}, with commas between; all of them if left out.",
        examples=["liquidations,health"],
    ),
]


class Events(BaseModel):
    """Events in order."""

    events: list[dict[str, Any]] = Field(
        description="Each with position, index, time, topic, type, and fields of its type."
    )
    next: str = Field(description="Give it as `after` to go on.")
    is_end: bool = Field(description="Whether nothing durable follows.")
    position: int = Field(description="Journal position now.")


@router.get("/v1/events", summary="Events since a position")
async def events(
    request: Request,
    after: Annotated[
        str, Query(pattern=PLACE, description="A position, or position.index of an event.")
    ] = "0",
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 1000,
    topics: Topics = "",
    *,
    rows: Annotated[bool, Query(description="Write batches of postings row by row.")] = False,
) -> Events:
    """Read events from the journal, in order, from a position on."""
    services = venue_services_of(request)
    wanted = wanted_topics(topics)
    position, index = place_of(after)
    async with _READERS:
        wish = _Wish(position=position, index=index, limit=limit, topics=wanted, rows=rows)
        return await asyncio.to_thread(_read, services, wish)


def wanted_topics(text: str) -> frozenset[Topic]:
    """Return the topics of a parameter."""
    return topics_of(name.strip() for name in text.split(",") if name.strip())


def place_of(text: str) -> tuple[int, int]:
    """Return a position to read after, and the last index of the batch after it that is known.

    `7` has everything up to position 7; `7.2` has three events of the batch that ends there.
    """
    position, point, index = text.partition(".")
    if not point or position == "0":
        return int(position), -1
    return int(position) - 1, int(index)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What one request reads."""

    position: int
    index: int
    limit: int
    topics: frozenset[Topic]
    rows: bool


def _read(services: VenueServices, wish: _Wish) -> Events:
    """Read a part of the journal."""
    end = max(services.hub.position, services.reader.position)
    if wish.position > end:
        msg = (
            f"position {wish.position} lies beyond the end of the journal, {end}; go on from there"
        )
        raise Problem(422, msg, code="beyond_the_end", where="after")
    writer = EventWriter(services.reader, rows=wish.rows)
    found: list[dict[str, Any]] = []
    start = max(0, wish.position - CLOCK_BATCHES)
    place, index = str(wish.position), wish.index
    for position, records in services.history(start):
        told = list(writer.tell(position, records, wish.topics))
        if position <= wish.position:
            continue
        for event in (x for x in told if x.index > index):
            if len(found) == wish.limit:
                return _events(services, found, place, is_end=False)
            found.append(event.body)
            place = event.id
        place, index = str(position), -1
        if position - wish.position >= BATCHES_MAX:
            return _events(services, found, place, is_end=False)
    return _events(services, found, place, is_end=True)


def _events(
    services: VenueServices, found: list[dict[str, Any]], place: str, *, is_end: bool
) -> Events:
    position = services.reader.position
    return Events(events=found, next=place, is_end=is_end, position=position)
