"""What the courier asks of a channel, and how it says that a message did not arrive."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from keelmark.core.errors import InvalidInput, KeelmarkError
from keelmark.service.alerts.values import Alert

TIMEOUT_S = 10.0

Environment = Mapping[str, str]
Clock = Callable[[], int]
"""Milliseconds since the Unix epoch."""


class NotDelivered(KeelmarkError):
    """A message did not arrive; never says an address, a token or a password.

    Attributes:
        is_final: Whether another try is useless.
        retry_after_s: How long the receiver asked to wait; 0 where it did not.
    """

    def __init__(self, msg: str, *, is_final: bool = False, retry_after_s: float = 0.0) -> None:
        self.is_final = is_final
        self.retry_after_s = retry_after_s
        super().__init__(msg)


class Channel(Protocol):
    """Sends alerts to one place."""

    def send(self, alerts: Sequence[Alert]) -> None:
        """Send alerts as one message.

        Raises:
            NotDelivered: It did not arrive, or nobody said that it did.
        """


def secret(name: str, environment: Environment, channel: str) -> str:
    """Return a secret from the environment.

    Raises:
        InvalidInput: The variable is not set.
    """
    found = environment.get(name, "")
    if not found:
        msg = f"channel {channel}: the environment variable {name} is not set; set it and restart"
        raise InvalidInput(msg)
    return found


def summary(alerts: Sequence[Alert]) -> str:
    """Return alerts as plain text, a line each, the worst first."""
    ordered = sorted(alerts, key=lambda alert: (-alert.rank, alert.time_ms, alert.subject))
    lines = [alert.text for alert in ordered]
    if len(lines) > 1:
        lines.insert(0, f"{len(lines)} alerts")
    return "\n".join(lines)
