"""Every error of the API: one shape, a code for machines, words for people, never a stack trace.

```json
{"error": {"code": "unknown_account", "message": "no account alcie; did you mean 'alice'?",
           "where": "account", "fix": "did you mean 'alice'?"}}
```
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from keelmark.core.errors import (
    CorruptJournal,
    DuplicateId,
    InvalidInput,
    InvariantViolated,
    KeelmarkError,
    MissingNumber,
    PositionConflict,
    Rejected,
    StorageFailed,
    UnknownAccount,
    UnknownAsset,
    UnknownInstrument,
    UnknownRulebook,
    UnknownUnit,
    VenueUnavailable,
)
from keelmark.service.commands.grid import WrongField
from keelmark.service.security.keys import hidden

CODE_OF_STATUS = {
    400: "malformed",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    410: "gone",
    413: "too_large",
    415: "wrong_content_type",
    422: "invalid",
    429: "too_many_requests",
    431: "headers_too_large",
    500: "our_error",
    503: "unavailable",
}
MESSAGE_MAX = 4000
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_FAMILIES: tuple[tuple[type[KeelmarkError], int], ...] = (
    (Rejected, 409),
    (UnknownAccount, 404),
    (UnknownUnit, 404),
    (UnknownInstrument, 404),
    (UnknownAsset, 404),
    (UnknownRulebook, 404),
    (DuplicateId, 409),
    (PositionConflict, 409),
    (MissingNumber, 409),
    (InvalidInput, 422),
    (VenueUnavailable, 503),
    (StorageFailed, 503),
    (CorruptJournal, 503),
    (InvariantViolated, 500),
)


class Problem(KeelmarkError):
    """What an answer says instead of what was asked.

    Attributes:
        status: HTTP status.
        code: For machines.
        message: For people: what is wrong.
        where: Path into the body, name of a parameter or header; empty where it is all of it.
        fix: What to do; empty where the message says it.
        headers: Headers the answer needs.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        where: str = "",
        fix: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.code = status, code or CODE_OF_STATUS[status]
        self.message, self.where, self.fix = message, where, fix
        self.headers = dict(headers or {})
        super().__init__(message)

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {"error": error_of(self.code, self.message, where=self.where, fix=self.fix)}

    def response(self) -> Response:
        """Return the answer."""
        content = msgspec.json.encode(self.body)
        headers = {"cache-control": "no-store", **self.headers}
        return Response(content, self.status, headers, media_type="application/json")


def error_of(code: str, message: str, *, where: str = "", fix: str = "") -> dict[str, str | None]:
    """Return an error as it is written; no key can be read in it."""
    clean = (
        hidden(message.removeprefix(f"{code}: ")).encode("utf-8", "replace").decode()[:MESSAGE_MAX]
    )
    return {"code": code, "message": clean, "where": where or None, "fix": fix or fix_of(clean)}


def fix_of(message: str) -> str | None:
    """Return the advice that a message of Keelmark ends with."""
    _, semicolon, advice = message.rpartition("; ")
    return advice if semicolon else None


def busy(
    retry_after_ms: int, *, what: str = "the writer has more to do than it can hold"
) -> Problem:
    """Return the answer of a service that is there and has no room."""
    return Problem(
        429,
        f"{what}; send it again later, with the same key",
        code="busy",
        headers={"Retry-After": seconds(retry_after_ms)},
    )


def seconds(milliseconds: int) -> str:
    """Return a wait as `Retry-After` has it: whole seconds, at least one."""
    return str(max(1, -(-milliseconds // 1000)))


def code_of(error: KeelmarkError) -> str:
    """Return the code of an error: a rule's reason, or the error's own name."""
    if isinstance(error, Rejected):
        return error.reason.value
    return _WORD.sub("_", type(error).__name__).lower()


def problem_of(error: KeelmarkError) -> Problem:
    """Return the answer to an error raised on purpose."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, WrongField):
        return Problem(422, str(error), code=error.code, where=error.where)
    status = next((status for kind, status in _FAMILIES if isinstance(error, kind)), 500)
    if status == 500:  # noqa: PLR2004 our own bug: what it says is for the log
        return our_error()
    headers = {"Retry-After": "5"} if status == 503 else {}  # noqa: PLR2004 come back later
    return Problem(status, str(error), code=code_of(error), headers=headers)


def our_error() -> Problem:
    """Return the answer to a bug: its cause is in the log, not here."""
    return Problem(
        500,
        "a mistake of ours; nothing of the request is known to have been done",
        fix="read the service's log, which names the cause; report it",
    )
