"""What the routes work with: built once, handed to each request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from keelmark.service import times
from keelmark.service.alerts.board import AlertBoard
from keelmark.service.api.hub import History, Hub, Listeners
from keelmark.service.api.link import WriterLink
from keelmark.service.api.progress import Progress
from keelmark.service.api.settings import ApiSettings
from keelmark.service.api.wording import in_words
from keelmark.service.link.messages import Outcome
from keelmark.service.reading import Reader
from keelmark.service.security.access import Access
from keelmark.service.security.audit import Actor, AuditTrail
from keelmark.service.security.buckets import Buckets
from keelmark.service.security.keys import Key, KeyRing
from keelmark.service.security.origins import Origins
from keelmark.service.security.sessions import Sessions
from keelmark.service.views.names import Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The clocks of a service.

    Attributes:
        now_ms: Time of day, milliseconds since 1970.
        running_s: Never runs backwards.
    """

    now_ms: Callable[[], int] = times.now_ms
    running_s: Callable[[], float] = times.running_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What every application works with: of a venue, or of a desk.

    Attributes:
        keys: API keys.
        trail: The audit trail.
        settings: How the API is run.
        clock: What time it is.
        alerts: What was told of it, and to whom.
        hub: Everybody who listens.
    """

    keys: KeyRing
    trail: AuditTrail
    settings: ApiSettings = field(default_factory=ApiSettings)
    clock: Clock = field(default_factory=Clock)
    alerts: AlertBoard = field(default_factory=AlertBoard)
    hub: Listeners
    sessions: Sessions = field(init=False)
    requests: Buckets = field(init=False)
    failures: Buckets = field(init=False)
    sign_ins: Buckets = field(init=False)
    origins: Origins = field(init=False)

    def __post_init__(self) -> None:
        """Make what the settings describe."""
        settings, limits = self.settings, self.settings.limits
        for name, value in {
            "sessions": Sessions(life_ms=settings.session_ms),
            "requests": Buckets(limits.requests),
            "failures": Buckets(limits.failures),
            "sign_ins": Buckets(limits.sign_ins),
            "origins": Origins.of(settings.hosts, is_tls=settings.is_tls),
        }.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueServices(Services):
    """What the routes of a venue work with.

    Attributes:
        reader: What is durable, to read.
        link: The writer.
        history: Batches of the journal after a position; read in a worker's thread.
        progress: How far what is read follows what was acknowledged.
        roster: Names of accounts, for the words of a refusal.
    """

    reader: Reader
    link: WriterLink
    history: History
    hub: Listeners = field(init=False)
    progress: Progress = field(init=False)
    roster: Roster = field(default_factory=Roster)

    def __post_init__(self) -> None:
        """Make what the settings describe."""
        Services.__post_init__(self)
        hub = Hub(self.reader, self.link, self.history, self.settings.streams)
        object.__setattr__(self, "hub", hub)
        object.__setattr__(self, "progress", Progress(self.reader, self.clock.running_s))

    def worded(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Return what became of commands, with why they were refused in names and decimals."""
        if all(outcome.error is None for outcome in outcomes):
            return outcomes
        state = self.reader.state  # once: each look at it asks the writer's columns
        return [in_words(outcome, state, self.roster) for outcome in outcomes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who a request comes from.

    Attributes:
        key: Key it was sent with, or its session was opened with.
        address: Where it came from.
        access: Row of the table it was let in by.
        token: Token of its session; empty where the key itself was sent.
    """

    key: Key
    address: str
    access: Access
    token: str = ""

    @property
    def actor(self) -> Actor:
        """The same, as the audit trail names it."""
        key = self.key
        return Actor(key=key.id, name=key.name, role=key.role.value, address=self.address)


VISITOR, SERVICES = "keelmark.visitor", "keelmark.services"
"""Where the gate leaves them in a request's scope."""


def services_of(connection: HTTPConnection) -> Services:
    """Return what a request's route works with."""
    found: Services = connection.scope[SERVICES]
    return found


def venue_services_of(connection: HTTPConnection) -> VenueServices:
    """Return what a route of a venue works with."""
    found: VenueServices = connection.scope[SERVICES]
    return found


def visitor_of(connection: HTTPConnection) -> Visitor:
    """Return who a request comes from."""
    found: Visitor = connection.scope[VISITOR]
    return found
