"""Bodies of requests: of the right type, not too large, not too slow, plain JSON."""

import asyncio
from collections.abc import Callable

from starlette.types import Message, Receive

from keelmark.service.api.problems import Problem
from keelmark.service.api.settings import Limits
from keelmark.service.security.access import Access
from keelmark.service.security.json_bodies import BadJson, require_plain_json, require_shallow

LARGE = frozenset({"/v1/commands/batch", "/v1/marks", "/v1/executions", "/v1/admin/rulebook"})
"""Routes that take many rows, or a rulebook."""
DECODED_BY_ROUTE = frozenset({"/v1/commands/batch"})
"""Routes whose own decoder refuses what is not plain JSON: reading twice would cost too much."""
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_BODY: dict[str, object] = {"type": "http.request", "more_body": False}


async def admitted_body(
    receive: Receive, header: Callable[[str], str], access: Access, limits: Limits
) -> bytes | None:
    """Return the whole body of a request, checked; `None` where its method has none.

    Raises:
        Problem: It is too large, too slow, of another type, or not plain JSON.
    """
    if access.method not in WITH_BODY:
        _require_none(header)
        return None
    _require_json_type(header("content-type"))
    _require_plain(header("content-encoding"))
    limit = limits.large_body_bytes if access.path in LARGE else limits.body_bytes
    length = header("content-length")
    if length and int(length) > limit:  # the server lets digits through only
        raise _too_large(limit)
    try:
        async with asyncio.timeout(limits.body_s):
            body = await _received(receive, limit)
    except TimeoutError:
        msg = f"the body did not arrive within {limits.body_s:g} s; send it again, faster"
        raise Problem(408, msg, headers={"Connection": "close"}) from None
    try:
        if access.path in DECODED_BY_ROUTE:
            require_shallow(body, depth_max=limits.json_depth)
        else:
            require_plain_json(body, depth_max=limits.json_depth)
    except BadJson as error:
        raise Problem(400, str(error), code="bad_json") from None
    return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return how a body that has been read is received: once, whole, then what comes after it."""
    message: Message | None = {**_BODY, "body": body}

    async def receive_again() -> Message:
        nonlocal message
        if message is None:
            return await receive()
        first, message = message, None
        return first

    return receive_again


async def _received(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            msg = "the connection ended before the body did"
            raise Problem(400, msg)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _require_json_type(content_type: str) -> None:
    media, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media.strip().lower() != "application/json" or charset not in {"", "charset=utf-8"}:
        msg = "the body must be JSON: send `Content-Type: application/json`"
        raise Problem(415, msg, where="Content-Type")


def _require_plain(encoding: str) -> None:
    if encoding.strip().lower() not in {"", "identity"}:
        msg = "compressed bodies are not read; send it as it is"
        raise Problem(415, msg, where="Content-Encoding")


def _require_none(header: Callable[[str], str]) -> None:
    if header("content-length") not in {"", "0"} or header("transfer-encoding"):
        msg = "a request of this kind has no body; send none"
        raise Problem(400, msg)


def _too_large(limit: int) -> Problem:
    msg = f"the body is larger than {limit} bytes; send it in parts"
    return Problem(413, msg, headers={"Connection": "close"})
