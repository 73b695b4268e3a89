"""Errors as they travel."""

from keelmark.core.errors import InvalidInput, KeelmarkError, Rejected
from keelmark.service.link.messages import Failure, Outcome

TEXT_MAX = 2_000
"""Longest message that travels, characters."""


def failure_of(error: KeelmarkError) -> Failure:
    """Return an error as it travels."""
    code = error.reason.value if isinstance(error, Rejected) else _snake(type(error).__name__)
    return Failure(code=code, message=str(error)[:TEXT_MAX], index=error.index)


def refused(error: Rejected | InvalidInput, position: int) -> Outcome:
    """Return the outcome of what a rule refused, or of what is malformed."""
    return Outcome(
        status="rejected" if isinstance(error, Rejected) else "invalid",
        position=position,
        error=failure_of(error),
    )


def unknown(reason: str) -> Outcome:
    """Return the outcome of a request whose answer will not come."""
    message = f"{reason}; whether it is durable is not known: send it again with the same key"
    return Outcome(status="unknown", error=Failure(code="unknown_outcome", message=message))


def not_there(reason: str, retry_after_ms: int) -> Outcome:
    """Return the outcome of a request that was never sent."""
    message = f"{reason}; nothing was sent: send it again"
    return Outcome(
        status="behind",
        error=Failure(code="no_writer", message=message),
        retry_after_ms=retry_after_ms,
    )


def _snake(name: str) -> str:
    """Return `CamelCase` as `camel_case`."""
    return "".join(f"_{x.lower()}" if x.isupper() else x for x in name).lstrip("_")
