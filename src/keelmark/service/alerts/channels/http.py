"""Channels that post JSON: signed webhooks, Slack and Telegram."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from keelmark.service.alerts.channels.port import TIMEOUT_S, Clock, NotDelivered, summary
from keelmark.service.alerts.values import Alert

if TYPE_CHECKING:
    import httpx

TOLERANCE_S = 300.0
_TELEGRAM_MAX = 4096
_SLACK_MAX = 40_000
_TOO_MANY = 429
_GONE = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Posts alerts as JSON, signed.

    Body: `{"id", "sent_ms", "text", "alerts": [...]}`. Headers: `X-Keelmark-Id`,
    `X-Keelmark-Timestamp` (seconds) and `X-Keelmark-Signature`, `v1=` and the hexadecimal
    HMAC-SHA256 of `timestamp.body` under the shared secret. `is_signed_by` checks it.
    """

    client: "httpx.Client"
    url: str
    secret: str
    clock: Clock

    def send(self, alerts: Sequence[Alert]) -> None:
        """Post alerts; any answer from 200 to 299 says they arrived."""
        sent_ms = self.clock()
        content = {
            "id": batch_id(alerts),
            "sent_ms": sent_ms,
            "text": summary(alerts),
            "alerts": [{"id": a.alert_id, **msgspec.to_builtins(a)} for a in alerts],
        }
        body = msgspec.json.encode(content)
        timestamp = str(sent_ms // 1000)
        headers = {
            "Content-Type": "application/json",
            "X-Keelmark-Id": batch_id(alerts),
            "X-Keelmark-Timestamp": timestamp,
            "X-Keelmark-Signature": signature(self.secret, timestamp, body),
        }
        _post(self.client, self.url, body, headers, "the webhook")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """Posts to an incoming webhook of Slack, whose address is the secret."""

    client: "httpx.Client"
    url: str

    def send(self, alerts: Sequence[Alert]) -> None:
        """Post alerts as one message."""
        text = _escaped(summary(alerts))[:_SLACK_MAX]
        body = msgspec.json.encode({"text": text})
        _post(self.client, self.url, body, {"Content-Type": "application/json"}, "Slack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """Sends a message by a bot; the token is part of the address and never shown."""

    client: "httpx.Client"
    base: str
    token: str
    chat: str

    def send(self, alerts: Sequence[Alert]) -> None:
        """Send alerts as one message, cut to what Telegram takes."""
        text = summary(alerts)[:_TELEGRAM_MAX]
        body = msgspec.json.encode({"chat_id": self.chat, "text": text})
        url = f"{self.base.rstrip('/')}/bot{self.token}/sendMessage"
        _post(self.client, url, body, {"Content-Type": "application/json"}, "Telegram")


def batch_id(alerts: Sequence[Alert]) -> str:
    """Return an id of a message: that of its alert, or of all of them."""
    if len(alerts) == 1:
        return alerts[0].alert_id
    ids = ",".join(sorted(alert.alert_id for alert in alerts))
    return sha256(ids.encode()).hexdigest()[:24]


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what a webhook signs a body with."""
    signed = hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256)
    return f"v1={signed.hexdigest()}"


def is_signed_by(secret: str, headers: Mapping[str, str], body: bytes, *, now_ms: int) -> bool:
    """Whether a webhook's message is genuine and of now: for receivers.

    Args:
        secret: The shared secret.
        headers: Of the request, names in any case.
        body: As it came.
        now_ms: The receiver's clock; more than five minutes apart is a replay.
    """
    found = {name.lower(): value for name, value in headers.items()}
    timestamp = found.get("x-keelmark-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdecimal()):
        return False
    is_now = abs(now_ms / 1000 - int(timestamp)) <= TOLERANCE_S
    given = found.get("x-keelmark-signature", "")
    expected = signature(secret, timestamp, body)
    return hmac.compare_digest(given.encode(), expected.encode()) and is_now


def _post(
    client: "httpx.Client", url: str, body: bytes, headers: Mapping[str, str], where: str
) -> None:
    """Post once.

    Raises:
        NotDelivered: Without the address, which may be a secret.
    """
    answer: httpx.Response | None = None
    problem = ""
    try:
        answer = client.post(url, content=body, headers=dict(headers), timeout=TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 httpx and what is below it raise of every kind
        problem = type(error).__name__
    if answer is None:  # raised outside: what httpx raised names the address
        msg = f"{where} could not be reached: {problem}"
        raise NotDelivered(msg)
    if answer.is_success:
        return
    msg = f"{where} answered {answer.status_code}"
    raise NotDelivered(
        msg,
        is_final=answer.status_code in _GONE,
        retry_after_s=_retry_after(answer.headers) if answer.status_code == _TOO_MANY else 0.0,
    )


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() else 0.0


def _escaped(text: str) -> str:
    """Return text that Slack shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
