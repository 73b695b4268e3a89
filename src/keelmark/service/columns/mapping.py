"""One writer's files as a reader maps them."""

import time

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.blocks import Rows
from keelmark.book.records import BALANCE, POSITION, UNIT
from keelmark.core.errors import NewerFormat, UnreadableData
from keelmark.service.columns.errors import ColumnsBusy, WriterGone
from keelmark.service.columns.files import LogReader, MappedColumn
from keelmark.service.columns.folders import Manifest, is_written
from keelmark.service.columns.kernels import (
    BUSY,
    DONE,
    LINE_BITS,
    NO_ROOM,
    OUTSIDE,
    Columns,
    read_unit_kernel,
    read_words_kernel,
)
from keelmark.service.columns.layout import (
    BODY,
    MAGIC,
    TABLES,
    VERSION,
    WORD,
    Field,
    Fixed,
    Moment,
)

SPINS = 200
"""Times a reader asks again at once."""

PAUSE_S = 0.0002
PATIENCE_S = 5.0
"""Afterwards it pauses between, for so long altogether: a posting to a million units takes less."""

Words = npt.NDArray[np.int64]


def load_kernels() -> None:
    """Load now what the first read would wait for: a second, in a new process."""
    published: Words = np.zeros(BODY + 1, np.int64)
    published.flags.writeable = False
    read_words_kernel(published, np.zeros(1, np.int64), Fixed.SEQUENCE, BODY)


class Mapping:
    """Shared files of one writer, mapped to read.

    Attributes:
        manifest: Which files.
        names: Log of names.
    """

    def __init__(self, manifest: Manifest) -> None:
        """Map them.

        Raises:
            UnreadableData: A file is missing, truncated or no column of this writer.
            NewerFormat: Another release wrote them.
        """
        self.manifest = manifest
        folder = manifest.folder
        self._moment = MappedColumn(folder / "moment", WORD, writable=False)
        self._require_moment()
        self._tables = {
            name: MappedColumn(folder / name, dtype, writable=False)
            for name, dtype in TABLES.items()
        }
        self.columns = self._columns()
        self.names = LogReader(folder / "names")
        self._log: LogReader | None = None
        self._number = 0
        self._head: Rows = np.zeros(1, UNIT)
        self._positions: Rows = np.zeros(64, POSITION)
        self._balances: Rows = np.zeros(16, BALANCE)
        self._stamp: Words = np.zeros(1, np.int64)

    @property
    def is_live(self) -> bool:
        """Whether the writer lives."""
        return not self._moment.rows[Fixed.CLOSED] and is_written(self.manifest.folder)

    def read_moment(self, moment: Moment) -> None:
        """Copy the present moment out.

        Raises:
            WriterGone: The writer ended while it was writing it.
            ColumnsBusy: It is being written all the time.
        """
        wait = Patience(self, "the present moment")
        while read_words_kernel(self._moment.rows, moment.words, Fixed.SEQUENCE, BODY) != DONE:
            wait.once()
        self._follow(moment)

    def read_unit(self, unit: int) -> tuple[int, tuple[Rows, Rows, Rows]]:
        """Return the position at which a unit last changed, and a copy of its rows.

        The record names blocks that begin at row 0.

        Raises:
            WriterGone: The writer ended while it was writing the unit.
            ColumnsBusy: It is being written all the time.
            UnreadableData: Its rows lie outside the files.
        """
        wait = Patience(self, f"unit {unit}")
        while True:
            out = (self._head, self._positions, self._balances, self._stamp)
            answer = read_unit_kernel(self.columns, unit, *out)
            if answer == DONE:
                break
            if answer == NO_ROOM:
                self._positions = np.zeros(2 * len(self._positions), POSITION)
                self._balances = np.zeros(2 * len(self._balances), BALANCE)
                continue
            if answer == OUTSIDE:
                self._follow_files()
            wait.once(answer)
        head = self._head.copy()
        head["positions_start"] = head["balances_start"] = 0
        positions = self._positions[: int(head[0]["positions_count"])].copy()
        balances = self._balances[: int(head[0]["balances_count"])].copy()
        return int(self._stamp[0]) >> 1, (head, positions, balances)

    def owners(self, first: int, end: int) -> npt.NDArray[np.int32]:
        """Return the accounts of units, which never change."""
        return self.columns.units["account"][first:end].copy()

    def read_notes(self, moment: Moment) -> tuple[bool, bytes]:
        """Return whether the log of notes has begun anew, and what was written since.

        Raises:
            UnreadableData: The log is not there: there is a later moment with another one.
        """
        number, end = int(moment.numbers[Field.LOG]), int(moment.numbers[Field.LOG_END])
        is_new = number != self._number or self._log is None
        if self._log is None or is_new:
            log = LogReader(self.manifest.folder / f"notes-{number}")
            if self._log is not None:
                self._log.close()
            self._log, self._number = log, number
        return is_new, self._log.read(end)

    def close(self) -> None:
        """Let go of the files; arrays that are still used keep the memory."""
        for file in (self._moment, *self._tables.values(), self.names, self._log):
            if file is not None:
                file.close()

    def _require_moment(self) -> None:
        words, shape = self._moment.rows, self.manifest.shape
        if len(words) < BODY + shape.words:
            what = f"moment is truncated to {len(words)} words"
            raise self._damaged(what)
        if words[Fixed.MAGIC] != MAGIC:
            what = "moment is no file of shared columns"
            raise self._damaged(what)
        if words[Fixed.VERSION] != VERSION:
            msg = (
                f"{self._moment.path} is of version {words[Fixed.VERSION]}, this release reads "
                f"{VERSION}; start writer and readers of one release"
            )
            raise NewerFormat(msg)
        if words[Fixed.GENERATION] != self.manifest.generation:
            what = "moment is not the writer's that the run folder names"
            raise self._damaged(what)

    def _damaged(self, what: str) -> UnreadableData:
        return UnreadableData(f"{self.manifest.folder}/{what}; start the writer again")

    def _follow(self, moment: Moment) -> None:
        """Map what tables have grown to at a moment."""
        numbers, columns = moment.numbers, self.columns
        if (
            numbers[Field.UNITS] > len(columns.units)
            or numbers[Field.UNITS] > len(columns.stamps)
            or numbers[Field.UNITS] > len(columns.lines) << LINE_BITS
            or numbers[Field.POSITIONS] > len(columns.positions)
            or numbers[Field.BALANCES] > len(columns.balances)
        ):
            self._follow_files()
            self._require_whole(moment)

    def _follow_files(self) -> None:
        for table in self._tables.values():
            table.follow()
        self.columns = self._columns()

    def _require_whole(self, moment: Moment) -> None:
        units = int(moment.numbers[Field.UNITS])
        held = {
            "units": units,
            "stamps": units,
            "lines": units >> LINE_BITS,
            "positions": int(moment.numbers[Field.POSITIONS]),
            "balances": int(moment.numbers[Field.BALANCES]),
        }
        for name, rows in held.items():
            there = len(self._tables[name].rows)
            if rows > there:
                what = f"{name} is truncated to {there} of {rows} rows"
                raise self._damaged(what)

    def _columns(self) -> Columns:
        return Columns(**{name: column.rows for name, column in self._tables.items()})


class Patience:
    """How long a reader asks again for what is being written."""

    def __init__(self, mapping: Mapping, what: str) -> None:
        self._mapping = mapping
        self._what = what
        self._tries = 0
        self._until = 0.0

    def once(self, answer: int = BUSY) -> None:
        """Wait once.

        Raises:
            WriterGone: Nobody is writing any more.
            ColumnsBusy: It has been long enough.
            UnreadableData: It is not being written, and lies outside the files.
        """
        self._tries += 1
        if self._tries <= SPINS:
            return
        if self._tries == SPINS + 1:
            self._until = time.monotonic() + PATIENCE_S
            if not self._mapping.is_live:
                self._give_up()
        if time.monotonic() > self._until:
            if answer == OUTSIDE:
                msg = (
                    f"the rows of {self._what} lie outside the shared files; start the writer again"
                )
                raise UnreadableData(msg)
            if not self._mapping.is_live:
                self._give_up()
            msg = (
                f"{self._what} was being written for {PATIENCE_S:g} s in "
                f"{self._mapping.manifest.folder}; ask again"
            )
            raise ColumnsBusy(msg)
        time.sleep(PAUSE_S)

    def _give_up(self) -> None:
        msg = (
            f"the writer of {self._mapping.manifest.folder} ended while it was writing "
            f"{self._what}; it can be read again when a writer has started"
        )
        raise WriterGone(msg)
