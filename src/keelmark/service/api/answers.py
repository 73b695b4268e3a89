"""What the API answers to commands; the same definitions describe it."""

from typing import Any, Literal

import msgspec

from keelmark.service.api.problems import Problem, busy, error_of, seconds
from keelmark.service.link.messages import Outcome

UNAVAILABLE_MS = 1000


class CommandDone(msgspec.Struct, frozen=True, kw_only=True):
    """A command that is durable.

    Attributes:
        status: `repeated` where the same command was done before under the same key.
        position: Journal position after it.
        events: What happened; of `done` only.
    """

    status: Literal["done", "repeated"]
    position: int
    events: list[dict[str, Any]] = []


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was not done.

    Attributes:
        code: For machines.
        message: For people.
        where: Field that is wrong; null where it is all of it.
        fix: What to do.
    """

    code: str
    message: str
    where: str | None
    fix: str | None


class RowDone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one command of a batch.

    Attributes:
        status: As of a single command; `invalid`, `rejected`: nothing was done; `busy`, `behind`:
            nothing was done, send it again; `unknown`: send it again with the same key.
        position: Journal position after it, where it is durable.
        error: Why not, where it is not.
    """

    status: Literal["done", "repeated", "rejected", "invalid", "busy", "behind", "unknown"]
    position: int = 0
    error: ErrorBody | None = None


class BatchDone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch, row by row.

    Attributes:
        position: Largest journal position of its rows.
        results: One for each row, in order.
    """

    position: int
    results: list[RowDone]


class PricesDone(msgspec.Struct, frozen=True, kw_only=True):
    """Prices that are durable.

    Attributes:
        position: Journal position after them.
    """

    position: int


def _error(code: str, message: str, where: str = "") -> ErrorBody:
    told = error_of(code, message, where=where)
    return ErrorBody(code=code, message=told["message"] or "", where=told["where"], fix=told["fix"])


def row_of(outcome: Outcome) -> RowDone:
    """Return what became of a row of a batch."""
    failure = outcome.error
    error = None
    if failure is not None:
        error = _error(failure.code, failure.message)
    done = outcome.status in {"done", "repeated"}
    return RowDone(status=outcome.status, position=outcome.position if done else 0, error=error)


def wrong_row(code: str, message: str, where: str) -> RowDone:
    """Return what became of a row that says nothing the venue knows."""
    return RowDone(status="invalid", error=_error(code, message, where))


def require_done(outcome: Outcome) -> None:
    """Raise the answer to a command that is not durable.

    Raises:
        Problem: It was refused, or there was nobody to carry it out.
    """
    if outcome.status in {"done", "repeated"}:
        return
    failure = outcome.error
    code = failure.code if failure is not None else outcome.status
    message = failure.message if failure is not None else "it was not done"
    if outcome.status == "busy":
        raise busy(outcome.retry_after_ms)
    status = {"rejected": 409, "invalid": 422}.get(outcome.status, 503)
    headers = {}
    if status == 503:  # noqa: PLR2004 nobody is there: come back
        headers["Retry-After"] = seconds(outcome.retry_after_ms or UNAVAILABLE_MS)
    raise Problem(status, message, code=code, headers=headers)
