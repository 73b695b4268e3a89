"""When to tell whom: the `[alerts]` part of a configuration, read strictly.

Secrets are never in the file: a channel names the environment variable that holds its secret.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from keelmark.core.errors import InvalidDocument
from keelmark.service.alerts.values import Reading, Severity, State

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0, le=30 * 86400)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


Event = Literal[
    "collateral_added",
    "partial_liquidation",
    "liquidation",
    "auto_deleveraged",
    "loss_socialised",
    "mark_refused",
    "paused",
    "order_timed_out",
    "execution_flagged",
]
"""What may be told as it happens: the first three of a desk's accounts, all of a venue's."""

_ILL = (Severity.DEGRADED, Severity.FAILING)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LevelRule(_Strict):
    """A level: reached when any of its conditions holds, left when none does any more.

    Attributes:
        name: What it is called in messages.
        distance: Reached below this distance (fraction of the price).
        usage: Reached above this share of equity that maintenance takes.
        probability: Reached above this chance of liquidation.
        liquidatable: Reached when the venue may act.
        unknown: Reached when the margin cannot be known.
        severity: Reached when a part of the service is as ill as this, or worse.
        hysteresis: How much better than its threshold a figure must be to leave, as a fraction of
            the threshold.
        channels: Where it is told.
        escalate_after_s: Told to `escalate_to` as well if nobody acknowledged it by then; 0 never.
        escalate_to: Channels of the escalation.
    """

    name: Name
    distance: Fraction | None = None
    usage: Fraction | None = None
    probability: Fraction | None = None
    liquidatable: bool = False
    unknown: bool = False
    severity: Severity | None = None
    hysteresis: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    channels: tuple[Name, ...] = ()
    escalate_after_s: Seconds = 0.0
    escalate_to: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        given = (self.distance, self.usage, self.probability, self.severity)
        if all(value is None for value in given) and not (self.liquidatable or self.unknown):
            msg = (
                "name at least one of distance, usage, probability, liquidatable, unknown, severity"
            )
            raise ValueError(msg)
        if bool(self.escalate_after_s) != bool(self.escalate_to):
            msg = "escalate_after_s and escalate_to go together"
            raise ValueError(msg)
        return self

    @property
    def is_blind(self) -> bool:
        """Whether the level is about what cannot be known, and about no figure."""
        figures = (self.distance, self.usage, self.probability, self.severity)
        return self.unknown and not self.liquidatable and all(x is None for x in figures)

    def is_reached(self, reading: Reading) -> bool:
        """Whether a reading is at this level or worse."""
        return self._holds(reading, slack=0.0)

    def is_held(self, reading: Reading) -> bool:
        """Whether a subject at this level stays there: no figure is clear of its threshold."""
        return self._holds(reading, slack=self.hysteresis)

    def _holds(self, reading: Reading, slack: float) -> bool:
        if reading.severity is not None and self.severity is not None:
            return _ILL.index(reading.severity) >= _ILL.index(self.severity)
        if reading.state is State.LIQUIDATABLE:
            figures = (self.distance, self.usage, self.probability)
            return self.liquidatable or any(figure is not None for figure in figures)
        if reading.state is State.UNKNOWN:
            return self.unknown
        near = _is_below(reading.distance, self.distance, 1.0 + slack)
        used = _is_above(reading.usage, self.usage, 1.0 - slack)
        return near or used or _is_above(reading.probability, self.probability, 1.0 - slack)


class ChannelRule(_Strict):
    """A channel.

    Attributes:
        kind: How it is sent.
        url: Address, where it is no secret (a webhook, an API's base).
        url_env: Variable that holds the address, where it is one (Slack).
        secret_env: Variable with the signing secret, the bot token or the password.
        chat: Telegram chat.
        sender: Address e-mail comes from.
        recipients: Addresses it goes to.
        host: Mail server.
        port: Its port.
        user: Login there; empty for none.
        starttls: Whether the connection is encrypted before anything is said.
        digest_s: Gather what is below the highest level for this long into one message; 0 sends
            each at once.
    """

    kind: Literal["webhook", "slack", "telegram", "email"]
    url: str = ""
    url_env: str = ""
    secret_env: str = ""
    chat: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    host: str = ""
    port: Annotated[int, Field(gt=0, lt=65536)] = 587
    user: str = ""
    starttls: bool = True
    digest_s: Seconds = 0.0

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        for name in _NEEDED[self.kind]:
            options = name.split("|")
            if not any(getattr(self, option) for option in options):
                msg = f"a channel of kind {self.kind} needs {' or '.join(options)}"
                raise ValueError(msg)
        return self


_NEEDED = {
    "webhook": ("url|url_env", "secret_env"),
    "slack": ("url_env",),
    "telegram": ("secret_env", "chat"),
    "email": ("host", "sender", "recipients"),
}

_DEFAULT_LEVELS = (
    LevelRule(name="amber", distance=0.30),
    LevelRule(name="red", distance=0.15, usage=0.8),
    LevelRule(name="unknown", unknown=True),
    LevelRule(name="liquidatable", liquidatable=True, hysteresis=0.0),
)


class AlertRules(_Strict):
    """All of it; without channels nobody is told and the history is kept.

    Attributes:
        levels: Mildest first; a subject is at the last one that holds. Where they are left out,
            every channel is told of each.
        channels: By name.
        rearm_s: A level that was told is not told again sooner for the same subject.
        recovery: Whether getting better is told, to the channels of the level that was left.
        events: Channels by what happens.
        horizon_s: Horizon of `probability`.
    """

    levels: tuple[LevelRule, ...] = _DEFAULT_LEVELS
    channels: Mapping[Name, ChannelRule] = Field(default_factory=dict)
    rearm_s: Seconds = 900.0
    recovery: Literal["silent", "told"] = "silent"
    events: Mapping[Event, tuple[Name, ...]] = Field(default_factory=dict)
    horizon_s: Seconds = 86400.0

    @model_validator(mode="before")
    @classmethod
    def _usual_levels(cls, table: Any) -> Any:  # noqa: ANN401 not validated yet
        if not isinstance(table, Mapping) or "levels" in table:
            return table
        return {"levels": telling_all(_DEFAULT_LEVELS, table), **table}

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [level.name for level in self.levels]
        if len(set(names)) != len(names):
            msg = f"levels need names of their own, not {names}"
            raise ValueError(msg)
        told = {name for level in self.levels for name in (*level.channels, *level.escalate_to)}
        told |= {name for channels in self.events.values() for name in channels}
        unknown = sorted(told - self.channels.keys())
        if unknown:
            msg = f"channels {unknown} are not described; there are {sorted(self.channels)}"
            raise ValueError(msg)
        idle = sorted(self.channels.keys() - told)
        if idle:
            msg = f"channels {idle} are told nothing: name them in a level or an event"
            raise ValueError(msg)
        return self

    @property
    def asks_probability(self) -> bool:
        """Whether any level reads the chance of liquidation."""
        return any(level.probability is not None for level in self.levels)


def telling_all(levels: Iterable[LevelRule], table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return levels that are told to every channel of a table, which may not fit yet."""
    found = table.get("channels")
    names = list(found) if isinstance(found, Mapping) else []
    return [level.model_dump() | {"channels": names} for level in levels]


def read_rules(table: Mapping[str, Any], *, title: str) -> AlertRules:
    """Return the rules a table of a configuration states.

    Raises:
        InvalidDocument: Listing every problem.
    """
    try:
        return AlertRules.model_validate(dict(table))
    except ValidationError as error:
        raise InvalidDocument(title, problems_of(error)) from None


def problems_of(error: ValidationError) -> Iterable[str]:
    """Return what is wrong with a configuration, each with its place in it."""
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in problem["loc"]) or "the whole"
        yield f"{place}: {problem['msg']}"


def _is_below(figure: float | None, threshold: float | None, factor: float) -> bool:
    return figure is not None and threshold is not None and figure < threshold * factor


def _is_above(figure: float | None, threshold: float | None, factor: float) -> bool:
    return figure is not None and threshold is not None and figure > threshold * factor
