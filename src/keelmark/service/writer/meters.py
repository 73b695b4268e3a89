"""What a writer counts."""

from pathlib import Path

from keelmark.service.counters import Counters, Histogram, histogram_names

COUNTS = (
    "position",  # of the journal
    "time_ms",  # the engine's clock
    "is_behind",  # 1 while the journal cannot be written
    "turned_ms",  # when its loop went round last, on the monotone clock that processes share
    "started_ms",  # when it was ready, the machine's clock
    "peers",  # connections now
    "subscribers",  # of them, who hear every batch
    "queue_items",  # commands that wait now
    "queue_marks",  # messages with marks that wait now
    "clock_drift_ms",  # the machine's clock less the service's
    "clock_steps",  # steps forward that were followed
    "commands",  # carried out
    "repeated",  # known by their key
    "rejected",
    "invalid",
    "busy",  # answered at once: too much waits
    "unavailable",  # answered `behind`
    "mark_messages",
    "snapshots",
    "prices",  # in them
    "marks_refused",
    "wakes",  # times the clock was moved
    "batches",  # made durable
    "recoveries",
    "subscribers_dropped",
    "peers_refused",  # hung up on for what they sent
)
"""Names of single cells, with their meaning."""

HISTOGRAMS = (
    "mark_to_decision_us",  # from the receipt of marks until all they cause is durable
    "command_to_durable_us",  # from the receipt of a command
    "commit_us",  # a durable write
    "group_batches",  # in it
    "turn_us",  # drain, carry out, make durable, answer
)
"""Names of histograms."""


class Meters:
    """The writer's own cells.

    Attributes:
        counters: All of them.
        mark_to_decision, command_to_durable, commit, group, turn: The histograms.
    """

    def __init__(self, path: Path) -> None:
        names = [*COUNTS, *(cell for name in HISTOGRAMS for cell in histogram_names(name))]
        self.counters = Counters.create(path, names)
        self.mark_to_decision = Histogram(self.counters, "mark_to_decision_us")
        self.command_to_durable = Histogram(self.counters, "command_to_durable_us")
        self.commit = Histogram(self.counters, "commit_us")
        self.group = Histogram(self.counters, "group_batches")
        self.turn = Histogram(self.counters, "turn_us")

    def count(self, name: str, amount: int = 1) -> None:
        """Count."""
        self.counters.add(name, amount)

    def set(self, name: str, amount: int) -> None:
        """Set a cell."""
        self.counters.set(name, amount)

    def brief(self) -> dict[str, int]:
        """Return the single cells by name."""
        return {name: self.counters.get(name) for name in COUNTS}
