"""One set of shared files, from when a writer makes it to when it is removed."""

import os
import secrets
import shutil
from pathlib import Path

import numpy.typing as npt

from keelmark.book.book import Book
from keelmark.service.columns.changes import Int32s
from keelmark.service.columns.files import Log, MappedColumn
from keelmark.service.columns.folders import Manifest, new_folder
from keelmark.service.columns.kernels import (
    LINE_BITS,
    Columns,
    Held,
    publish_kernel,
    write_words_kernel,
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
    Shape,
)

ROWS_MIN = 1024


class Generation:
    """Shared files of one writer.

    Attributes:
        folder: Where they lie.
        manifest: What readers have to know.
        with_longs: Whether lots held long are counted.
        moment: The next moment, as it is drafted; `tell` makes it visible.
        names: Log of names.
        notes: Log of notes.
    """

    def __init__(self, parent: Path, shape: Shape, *, with_longs: bool = False) -> None:
        """Make the files.

        Args:
            parent: Where their folder is made.
            shape: Of the moments.
            with_longs: Whether lots held long are counted: it doubles the cost of a unit.

        Raises:
            StorageFailed: There is no room.
        """
        self.folder, self._lock = new_folder(parent)
        self._closing: list[MappedColumn | Log] = []
        self._over: list[Log] = []
        number = secrets.randbits(62)
        self.manifest = Manifest(folder=self.folder, generation=number, shape=shape)
        try:
            self._tables = {name: self._column(name, dtype) for name, dtype in TABLES.items()}
            for table in self._tables.values():
                table.reserve(ROWS_MIN)
            self._moment = self._column("moment", WORD)
            self._moment.reserve(BODY + shape.words)
            self.names = self._log("names")
            self._logs = 0
            self.notes = self._next_log()
        except BaseException:
            self.remove()
            raise
        words = self._moment.rows
        words[Fixed.VERSION], words[Fixed.GENERATION] = VERSION, number
        words[Fixed.MAGIC] = MAGIC
        self.moment = Moment(shape)
        self.with_longs = with_longs
        self._longs = self.moment.longs if with_longs else self.moment.longs[:0]
        self._shared = self._columns()

    def copy(self, book: Book, filled: Int32s, paid: Int32s, position: int) -> None:
        """Copy units of a book, as they are at a journal position.

        Raises:
            StorageFailed: There is no room; nothing has been copied.
        """
        self._reserve(book)
        held = Held(book.units, book.positions.rows, book.balances.rows)
        publish_kernel(held, self._shared, filled, paid, position, self._longs)

    def tell(self) -> None:
        """Make the drafted moment, and everything copied before it, the present one."""
        numbers = self.moment.numbers
        numbers[Field.LOG], numbers[Field.LOG_END] = self._logs, self.notes.end
        numbers[Field.NAMES_END] = self.names.end
        write_words_kernel(self._moment.rows, self.moment.words, Fixed.SEQUENCE, BODY)
        for log in self._over:
            log.path.unlink(missing_ok=True)
        self._over.clear()

    def begin_notes(self) -> None:
        """Begin a log of notes anew; the old one is there until readers have been told.

        Raises:
            StorageFailed: There is no room.
        """
        old, self.notes = self.notes, self._next_log()
        old.close()
        self._closing.remove(old)
        self._over.append(old)

    def remove(self) -> None:
        """Tell readers that this is over and remove the files; what they have mapped stays."""
        if hasattr(self, "_moment") and len(self._moment.rows):
            self._moment.rows[Fixed.CLOSED] = 1
        for file in self._closing:
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _reserve(self, book: Book) -> None:
        wanted = {
            "units": book.units_count,
            "stamps": book.units_count,
            "lines": (book.units_count >> LINE_BITS) + 1,
            "positions": book.positions.used,
            "balances": book.balances.used,
        }
        short = [name for name, rows in wanted.items() if rows > self._tables[name].room]
        for name in short:
            self._tables[name].reserve(wanted[name])
        if short:
            self._shared = self._columns()

    def _columns(self) -> Columns:
        return Columns(**{name: column.rows for name, column in self._tables.items()})

    def _column(self, name: str, dtype: npt.DTypeLike) -> MappedColumn:
        column = MappedColumn(self.folder / name, dtype, writable=True)
        self._closing.append(column)
        return column

    def _log(self, name: str) -> Log:
        log = Log(self.folder / name)
        self._closing.append(log)
        return log

    def _next_log(self) -> Log:
        self._logs += 1
        return self._log(f"notes-{self._logs}")
