"""What is said on the link. Requests carry an id that their answer repeats; ids are the client's.

```text
client -> writer   Submit, Marks, Prices, Subscribe, Status, Stop
writer -> client   Hello (first, unasked), Done, Subscribed, Batch (after Subscribed), Counters,
                   Stopping, Bye (last, before the writer hangs up)
```
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec

from keelmark.engine.journal.port import Record

VERSION = 1
"""Of everything here; both ends come from one release."""

ITEMS_MAX = 50_000
"""Most commands in one `Submit`."""

KEY_MAX = 200
"""Longest idempotency key, characters."""

OutcomeStatus = Literal["done", "repeated", "rejected", "invalid", "busy", "behind", "unknown"]
"""What became of a command.

- `done`: it is durable. `repeated`: it was durable already, under this key; nothing was done.
- `rejected`: a rule says no. `invalid`: it is malformed, or names what does not exist.
- `busy`: too much waits; not looked at: try again after `retry_after_ms`.
- `behind`: the journal cannot be written, or the writer is not there. `unknown`: the connection
  ended before the answer came. Of both nobody knows whether it is durable: send it again with the
  same key.
"""

Id = Annotated[int, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(max_length=KEY_MAX)]


class Message(msgspec.Struct, frozen=True, tag=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything on the link."""


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command.

    Attributes:
        command: Encoded by `link.commands.encoded`; one that cannot be read spoils no other.
        key: Idempotency key; none if empty.
        actor: Who asks: the name of a key of the API, for logs.
    """

    command: msgspec.Raw
    key: Text = ""
    actor: Text = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was not done.

    Attributes:
        code: For machines: a `RejectionReason`, or the kind of the error.
        message: For people: what, where, how to fix it.
        index: Row of a batch that is at fault, `None` if there is none.
    """

    code: str
    message: str
    index: int | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command, of a stream of marks, or of a snapshot of prices.

    Attributes:
        status: As above.
        position: Journal position after it; 0 where it is not durable.
        events: What happened, as the journal holds it (`engine.codec.event_of`); of `done` only,
            and none of payments and fills that were carried out together: their batch holds them.
        error: Of everything but `done` and `repeated`.
        retry_after_ms: Of `busy` and `behind`: when to try again.
    """

    status: OutcomeStatus
    position: int = 0
    events: tuple[Record, ...] = ()
    error: Failure | None = None
    retry_after_ms: int = 0


# --- requests -----------------------------------------------------------------------------------


class Submit(Message, frozen=True):
    """Carry out commands, one after the other; each is accepted or refused by itself."""

    id: Id
    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class Marks(Message, frozen=True):
    """Snapshots of prices by row, as `link.columns.packed` packs a `MarksSet`."""

    id: Id
    columns: bytes


class Prices(Message, frozen=True):
    """One snapshot of prices by name; what it does not name keeps its price.

    Attributes:
        time_ms: Milliseconds since 1970; `None` is the writer's own clock.
        is_venue_time: Whether that is another clock's, to be kept as near as the engine's allows.
        marks: Decimal text by instrument, quote per base.
        asset_prices: Decimal text by asset, valuation currency.
        indices: Decimal text by index.
    """

    id: Id
    time_ms: int | None = None
    is_venue_time: bool = False
    marks: dict[str, str] = {}
    asset_prices: dict[str, str] = {}
    indices: dict[str, str] = {}


class Subscribe(Message, frozen=True):
    """Hear every durable batch from now on.

    Attributes:
        after: Position the client already has, for the writer's log; the answer says where the
            stream begins, and what lies between is read from the journal.
    """

    id: Id
    after: int = 0


class Status(Message, frozen=True):
    """Ask how the writer is."""

    id: Id


class Stop(Message, frozen=True):
    """Finish what was accepted, make it durable, and end."""

    id: Id


Request = Submit | Marks | Prices | Subscribe | Status | Stop


# --- answers ------------------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """Who answers.

    Attributes:
        version: Of the link.
        position: Journal position now.
        rulebook: Name of the rulebook in force.
        pid: Process id of the writer.
    """

    version: int
    position: int
    rulebook: str
    pid: int


class Done(Message, frozen=True):
    """The answer to `Submit`, item by item; to `Marks` and `Prices`, one outcome."""

    id: Id
    results: tuple[Outcome, ...]


class Subscribed(Message, frozen=True):
    """Every batch after this position follows, in order and without a gap."""

    id: Id
    position: int


class Batch(Message, frozen=True):
    """One durable batch.

    Attributes:
        position: Journal position after it.
        time_ms: The engine's clock when it was made durable.
        records: As the journal holds them; `None` where they are too large for a frame and are
            to be read from the journal.
    """

    position: int
    time_ms: int
    records: tuple[Record, ...] | None


class Counters(Message, frozen=True):
    """How the writer is.

    Attributes:
        position: Journal position.
        time_ms: The engine's clock.
        is_behind: Whether the journal cannot be written at present.
        counters: By name, as in the shared file (`service.counters`).
    """

    id: Id
    position: int
    time_ms: int
    is_behind: bool
    counters: dict[str, int]


class Stopping(Message, frozen=True):
    """The writer ends once what it has accepted is done."""

    id: Id


class Bye(Message, frozen=True):
    """The writer hangs up, and why: a malformed frame, a subscriber that does not read, the end."""

    reason: str


Answer = Hello | Done | Subscribed | Batch | Counters | Stopping | Bye

encoded_message = msgspec.msgpack.Encoder().encode
_requests = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(Answer)


class BadMessage(Exception):
    """A frame that holds no message; the connection ends, with this as its reason."""


def request_of(payload: bytes) -> Request:
    """Return the request of a frame.

    Raises:
        BadMessage: It is none.
    """
    with _reading():
        request: Request = _requests.decode(payload)
    return request


def answer_of(payload: bytes) -> Answer:
    """Return the answer of a frame.

    Raises:
        BadMessage: It is none.
    """
    with _reading():
        answer: Answer = _answers.decode(payload)
    return answer


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"a message that cannot be read: {error}"
        raise BadMessage(msg) from error
