"""What waits to be carried out: marks in one lane, commands in the other, both bounded."""

from collections import deque
from dataclasses import dataclass, field

from keelmark.service.link.messages import Marks, Outcome, Prices, Submit
from keelmark.service.writer.peer import Peer

MARKS_MAX = 4_096
"""Messages with marks that wait at most."""

JOINED_MAX = 256
"""Messages with marks that are carried out as one stream at most."""

BYTES_MAX = 256 * 2**20
"""Bytes of requests that wait at most, both lanes together."""


@dataclass(slots=True, eq=False)
class CommandJob:
    """A `Submit` under way.

    Attributes:
        peer: Who asked.
        request: What.
        received_ns: When, on the monotone clock.
        size: Bytes of the request.
        outcomes: Of the items that are done.
    """

    peer: Peer
    request: Submit
    received_ns: int
    size: int
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many items are not done."""
        return len(self.request.items) - len(self.outcomes)


@dataclass(slots=True, eq=False)
class MarkJob:
    """`Marks` or `Prices` under way; fields as those of `CommandJob`."""

    peer: Peer
    request: Marks | Prices
    received_ns: int
    size: int


class Lanes:
    """Both lanes.

    Attributes:
        items: Commands that wait.
    """

    def __init__(self, items_max: int) -> None:
        self._items_max = items_max
        self._marks: deque[MarkJob] = deque()
        self._commands: deque[CommandJob] = deque()
        self._bytes = 0
        self.items = 0

    @property
    def marks(self) -> int:
        """Messages with marks that wait."""
        return len(self._marks)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._marks and not self._commands

    def add_marks(self, job: MarkJob) -> bool:
        """Let marks wait; return whether there was room."""
        has_room = len(self._marks) < MARKS_MAX and self._bytes + job.size <= BYTES_MAX
        if has_room:
            self._marks.append(job)
            self._bytes += job.size
        return has_room

    def add_commands(self, job: CommandJob) -> bool:
        """Let commands wait; return whether there was room: an empty lane takes any request."""
        has_room = not self._commands or (
            self.items + job.left <= self._items_max and self._bytes + job.size <= BYTES_MAX
        )
        if has_room:
            self._commands.append(job)
            self.items += job.left
            self._bytes += job.size
        return has_room

    def next_marks(self) -> list[MarkJob]:
        """Take the messages with marks that are carried out next, in the order they came."""
        jobs = [self._marks.popleft() for _ in range(min(len(self._marks), JOINED_MAX))]
        self._bytes -= sum(job.size for job in jobs)
        return jobs

    def first_commands(self) -> CommandJob | None:
        """Return the request whose items are carried out next; it stays until `finished`."""
        return self._commands[0] if self._commands else None

    def finished(self) -> None:
        """Take out the first request: all its items are done."""
        self._bytes -= self._commands.popleft().size

    def emptied(self) -> list[CommandJob | MarkJob]:
        """Take out everything."""
        jobs: list[CommandJob | MarkJob] = [*self._marks, *self._commands]
        self._marks.clear()
        self._commands.clear()
        self._bytes = self.items = 0
        return jobs
