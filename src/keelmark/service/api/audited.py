"""Actions that are written down before they are done, and again when their outcome is known."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from keelmark.core.errors import KeelmarkError, StorageFailed
from keelmark.service.api.services import Services, Visitor

LOG = logging.getLogger("keelmark.api")
ResultT = TypeVar("ResultT")


async def audited(
    services: Services,
    visitor: Visitor,
    details: Mapping[str, Any],
    act: Callable[[], Awaitable[tuple[ResultT, str]]],
    *,
    reason: str = "",
) -> ResultT:
    """Do something that the trail must know of; it is on the disk before anything is done.

    Args:
        services: Where the trail is.
        visitor: Who acts.
        details: With what; never a secret.
        act: Does it; returns what it gives, and its outcome in words.
        reason: Why.

    Raises:
        StorageFailed: The trail cannot be written; nothing was done.
    """
    action = f"{visitor.access.method} {visitor.access.path}"
    number = await asyncio.to_thread(
        services.trail.begin,
        visitor.actor,
        action,
        details,
        reason=reason,
        now_ms=services.clock.now_ms(),
    )
    try:
        result, outcome = await act()
    except BaseException as error:
        told = str(error) if isinstance(error, KeelmarkError) else type(error).__name__
        await _finished(services, number, f"not known to be done: {told}")
        raise
    await _finished(services, number, outcome)
    return result


async def _finished(services: Services, number: int, outcome: str) -> None:
    """Write an outcome; a disk that is full now does not undo what was done."""
    now_ms = services.clock.now_ms()
    try:
        await asyncio.shield(
            asyncio.to_thread(services.trail.finish, number, outcome, now_ms=now_ms)
        )
    except StorageFailed:
        LOG.exception("the outcome of an audited action could not be written")
