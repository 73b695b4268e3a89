"""Make the channels a configuration describes; every missing secret is named at the start."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from keelmark.core.errors import InvalidDocument, InvalidInput, MissingExtra
from keelmark.service.alerts.channels.email import Email
from keelmark.service.alerts.channels.http import Slack, Telegram, Webhook
from keelmark.service.alerts.channels.port import Channel, Clock, Environment, secret
from keelmark.service.alerts.rules import ChannelRule

if TYPE_CHECKING:
    import httpx

TELEGRAM = "https://api.telegram.org"


def build_channels(
    rules: Mapping[str, ChannelRule], environment: Environment, clock: Clock
) -> dict[str, Channel]:
    """Return the channels by name.

    Raises:
        InvalidDocument: Secrets are missing from the environment; lists all of them.
        MissingExtra: httpx is not installed.
    """
    built: dict[str, Channel] = {}
    problems: list[str] = []
    client = _client() if any(rule.kind != "email" for rule in rules.values()) else None
    for name, rule in rules.items():
        try:
            built[name] = _built(name, rule, environment, clock, client)
        except InvalidInput as error:
            problems.append(str(error))
    if problems:
        title = "alerts cannot be sent"
        raise InvalidDocument(title, problems)
    return built


def _built(
    name: str,
    rule: ChannelRule,
    environment: Environment,
    clock: Clock,
    client: "httpx.Client | None",
) -> Channel:
    held = secret(rule.secret_env, environment, name) if rule.secret_env else ""
    if client is None or rule.kind == "email":
        return Email(
            host=rule.host,
            port=rule.port,
            sender=rule.sender,
            recipients=rule.recipients,
            user=rule.user,
            password=held,
            starttls=rule.starttls,
            clock=clock,
        )
    url = secret(rule.url_env, environment, name) if rule.url_env else rule.url
    if rule.kind == "telegram":
        return Telegram(client=client, base=url or TELEGRAM, token=held, chat=rule.chat)
    if rule.kind == "slack":
        return Slack(client=client, url=url)
    return Webhook(client=client, url=url, secret=held, clock=clock)


def _client() -> "httpx.Client":
    try:
        import httpx  # noqa: PLC0415 an extra
    except ImportError as error:
        msg = "alerts are sent with httpx: `pip install 'keelmark[serve]'`"
        raise MissingExtra(msg) from error
    return httpx.Client(follow_redirects=False)
