"""Carry what a book of alerts decides to its store, and what others left there to the book.

Nothing is lost to a disk that is full for a while: what could not be written is written later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keelmark.service.alerts.book import AlertBook
from keelmark.service.alerts.store import Acknowledgement, AlertStore
from keelmark.service.alerts.values import Alert


@dataclass(slots=True)
class Keeper:
    """Stands between the one who decides and the file.

    Attributes:
        book: Decides.
        store: Keeps.
    """

    book: AlertBook
    store: AlertStore
    _owed: list[Alert] = field(default_factory=list)
    _taken: list[Acknowledgement] = field(default_factory=list)
    _notes: dict[str, bytes] = field(default_factory=dict)

    def take(self) -> None:
        """Let the book know who acknowledged what, before it decides who escalates.

        Raises:
            StorageFailed: The file cannot be read.
        """
        known = set(self._taken)
        for said in self.store.acknowledgements(only_new=True):
            if said not in known:
                self.book.acknowledge(said.subject, said.who, since_ms=said.since_ms)
                self._taken.append(said)

    def keep(
        self, alerts: Sequence[Alert], notes: Mapping[str, bytes] | None = None
    ) -> list[Alert]:
        """Write what was decided, in one step; return the alerts that are on disk now.

        Args:
            alerts: To be told.
            notes: What else has changed with them, by name.

        Raises:
            StorageFailed: The disk says no; the next call writes it.
        """
        self._owed += alerts
        self._notes |= notes or {}
        book = self.book
        changed = {name: book.standings[name] for name in book.changed if name in book.standings}
        if not (self._owed or changed or book.gone or self._taken or self._notes):
            return []
        self.store.keep(self._owed, changed, gone=book.gone, taken=self._taken, notes=self._notes)
        kept, self._owed = self._owed, []
        self._taken, self._notes = [], {}
        book.changed.clear()
        book.gone.clear()
        return kept
