"""One answer of a venue's interface, and how its rows are read.

Venues write numbers as text, leave texts empty where there is no number, and add keys at will: an
empty text is a missing value here, and keys that nobody asks for are let be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from keelmark.accounts.decode import Table, parse_json
from keelmark.core.errors import InvalidDocument

_MILLISECONDS = 1000
_YEAR_2010 = 1_262_304_000_000
_YEAR_2100 = 4_102_444_800_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What a venue answered, as parsed JSON with exact numbers.

    Attributes:
        title: Names it in messages: a file's name, or the call it answers.
        content: Tables, lists, texts and decimals.
        kind: Alias of the call it answers, where the content does not tell.
    """

    title: str
    content: object
    kind: str | None = None


def read_payload(path: str | Path, *, kind: str | None = None) -> Payload:
    """Return the JSON in a file.

    Args:
        path: The file.
        kind: Alias of the call it answers, for content that does not tell, such as `[]`.

    Raises:
        InvalidDocument: It cannot be read, or it is no JSON.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        heading = f"{path}: cannot be read"
        raise InvalidDocument(heading, [getattr(error, "strerror", None) or str(error)]) from error
    return Payload(title=str(path), content=parse_json(text, title=str(path)), kind=kind)


class Row(Table):
    """A table of a venue's answer."""

    def get(self, key: str, *, required: bool = False) -> object:
        """Return a raw value; `None` where it is missing, null or an empty text."""
        if self.content.get(key) == "":
            self.refuse_missing(key, "is empty", required=required)
            return None
        return super().get(key, required=required)

    def refuse_missing(self, key: str, what: str, *, required: bool) -> None:
        """Note a value that is needed and not there."""
        if required:
            self.refuse(key, f"{what}; it is required")

    def rows(self, key: str, *, required: bool = False) -> list["Row"]:
        """Return a list of tables."""
        return [self._own(table) for table in self.tables(key, required=required)]

    def inner(self, key: str) -> "Row | None":
        """Return a table inside this one."""
        table = self.table(key)
        return None if table is None else self._own(table)

    def amount(self, key: str) -> Decimal:
        """Return a number, zero where there is none."""
        return self.maybe_number(key) or Decimal(0)

    def positive(self, key: str) -> Decimal | None:
        """Return a price or leverage; zero is how venues write that there is none."""
        found = self.some(key)
        if found is not None and found < 0:
            self.refuse(key, f"found {found}; it must be above 0")
            return None
        return found

    def some(self, key: str) -> Decimal | None:
        """Return a figure of either sign; zero is how venues write that there is none."""
        return self.maybe_number(key) or None

    def milliseconds(self, key: str) -> datetime | None:
        """Return a time written as milliseconds since 1970; zero is none, and so is a wild one.

        Sample answers in venues' own documentation carry times such as 1234567890.
        """
        number = self.maybe_number(key)
        if not number:
            return None
        if not _YEAR_2010 < number < _YEAR_2100:
            return None
        return datetime.fromtimestamp(int(number) / _MILLISECONDS, tz=UTC)

    def _own(self, table: Table) -> "Row":
        return Row(table.content, table.path, self.problems)


def keys_of(content: object) -> frozenset[str]:
    """Return the keys of a table, or of the first row of a list; nothing for anything else."""
    if isinstance(content, list) and content:
        content = content[0]
    return frozenset(map(str, content)) if isinstance(content, Mapping) else frozenset()
