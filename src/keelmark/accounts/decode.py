"""Strict decoding of documents: every problem with its path, unknown keys with the nearest name.

Numbers are decimal strings. Bare JSON and TOML numbers are taken too, digit for digit as they are
written (they never pass through a float); NaN, infinities, thousands separators and booleans are
refused.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import NoReturn

from keelmark.core.errors import InvalidDocument, nearest

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_SHOWN_MAX = 60
_MAGNITUDE = 24
"""Powers of ten a number may have, up and down: products of two still fit the core's digits."""


def parse_document(text: str, *, title: str, toml: bool | None = None) -> Mapping[str, object]:
    """Return the content of a JSON or TOML text.

    Args:
        text: The document.
        title: Names it in messages.
        toml: Which of the two; `None` to tell by the first character (`{` is JSON).

    Raises:
        InvalidDocument: The text is neither, is no table, or holds a key twice.
    """
    is_toml = not text.lstrip().startswith(("{", "[{", "[ ")) if toml is None else toml
    try:
        content = _toml(text) if is_toml else _json(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        is_guess = toml is None and is_toml
        kind = "neither JSON (which begins with {) nor TOML" if is_guess else "not JSON"
        heading = f"{title}: {'not TOML' if toml else kind}"
        raise InvalidDocument(heading, [str(error)]) from error
    if not isinstance(content, Mapping):
        heading = f"{title}: not an account document"
        raise InvalidDocument(heading, [f"found {shown(content)}; the document must be one table"])
    return content


def parse_json(text: str, *, title: str) -> object:
    """Return the content of a JSON text of any shape, numbers exact; raises `InvalidDocument`."""
    try:
        return _json(text)
    except ValueError as error:
        heading = f"{title}: not JSON"
        raise InvalidDocument(heading, [str(error)]) from error


def _toml(text: str) -> object:
    return tomllib.loads(text, parse_float=Decimal)


def _json(text: str) -> object:
    return json.loads(
        text,
        parse_float=Decimal,
        parse_constant=_refuse_constant,
        object_pairs_hook=_table_without_copies,
    )


def _refuse_constant(name: str) -> NoReturn:
    msg = f"found {name}; numbers must be finite"
    raise ValueError(msg)


def _table_without_copies(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        msg = f"key {', '.join(twice)} is written twice in one table"
        raise ValueError(msg)
    return table


def shown(value: object) -> str:
    """Return a found value for a message, cut to a readable length."""
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."


@dataclass(slots=True)
class Problems:
    """Every problem found so far, in the order of the document."""

    found: list[str] = field(default_factory=list)

    def add(self, path: str, text: str) -> None:
        """Note a problem at a path."""
        self.found.append(f"{path}: {text}")

    def touch(self, path: str) -> bool:
        """Whether a problem was found at a path or inside it."""
        return any(text.startswith((f"{path}:", f"{path}.")) for text in self.found)

    def raise_any(self, title: str) -> None:
        """Raise them all at once, if there are any.

        Raises:
            InvalidDocument: With every problem.
        """
        if self.found:
            count = len(self.found)
            heading = f"{title}: {count} problem{'s' if count > 1 else ''}"
            raise InvalidDocument(heading, self.found)


class Table:
    """One table of a document being read: each key is asked for once, the rest are unknown."""

    def __init__(self, content: Mapping[str, object], path: str, problems: Problems) -> None:
        self.content = content
        self.path = path
        self.problems = problems
        self._asked: list[str] = []

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def refuse(self, key: str, text: str) -> None:
        """Note a problem with a key."""
        self.problems.add(self.at(key), text)

    def get(self, key: str, *, required: bool = False) -> object:
        """Return a raw value, `None` where it is missing or null."""
        self._asked.append(key)
        value = self.content.get(key)
        if value is None and required:
            known = "is null" if key in self.content else "is missing"
            self.refuse(key, f"{known}; it is required")
        return value

    def text(self, key: str, *, required: bool = False) -> str | None:
        """Return a text that is not empty."""
        value = self.get(key, required=required)
        if value is None:
            return None
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.refuse(key, f"found {shown(value)}; a text is needed")
        return None

    def choice(self, key: str, known: Iterable[str]) -> str | None:
        """Return one of a closed list of words."""
        value = self.text(key)
        names = tuple(str(name) for name in known)
        if value is None or value in names:
            return value
        self.refuse(key, f"found {value!r}; {nearest(value, names)}")
        return None

    def flag(self, key: str) -> bool | None:
        """Return true or false."""
        value = self.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(key, f"found {shown(value)}; true or false is needed")
        return None

    def number(self, key: str, *, required: bool = False, above: int | None = None) -> Decimal:
        """Return a number; zero where it is missing or wrong, with the problem noted."""
        found = self.maybe_number(key, required=required, above=above)
        return Decimal(0) if found is None else found

    def maybe_number(
        self,
        key: str,
        *,
        required: bool = False,
        above: int | None = None,
    ) -> Decimal | None:
        """Return a number or `None`; with `above`, it must be larger than that."""
        value = self.get(key, required=required)
        if value is None:
            return None
        found = decimal_of(value)
        if found is None:
            self.refuse(key, f"found {shown(value)}; {_number_hint(value)}")
        elif found and abs(found.adjusted()) > _MAGNITUDE:
            self.refuse(key, f"found {shown(value)}; outside 1e-{_MAGNITUDE} to 1e{_MAGNITUDE}")
        elif above is not None and found <= above:
            self.refuse(key, f"found {shown(value)}; it must be above {above}")
        else:
            return found
        return None

    def time(self, key: str) -> datetime | None:
        """Return a time with its zone, in UTC."""
        value = self.get(key)
        if value is None:
            return None
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            hint = "ISO 8601 with its zone is needed, such as 2025-10-10T21:00:00Z"
            self.refuse(key, f"found {shown(value)}; {hint}")
            return None
        return found.astimezone(UTC)

    def table(self, key: str) -> "Table | None":
        """Return a table inside this one."""
        value = self.get(key)
        if value is None or isinstance(value, Mapping):
            return None if value is None else Table(value, self.at(key), self.problems)
        self.refuse(key, f"found {shown(value)}; a table is needed")
        return None

    def tables(self, key: str, *, required: bool = False) -> list["Table"]:
        """Return a list of tables; empty where it is missing."""
        value = self.get(key, required=required)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(key, f"found {shown(value)}; a list of tables is needed")
            return []
        found: list[Table] = []
        for index, item in enumerate(value):
            path = f"{self.at(key)}[{index}]"
            if isinstance(item, Mapping):
                found.append(Table(item, path, self.problems))
            else:
                self.problems.add(path, f"found {shown(item)}; a table is needed")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; empty where it is missing."""
        value = self.get(key)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.refuse(key, f"found {shown(value)}; a list of texts is needed")
        return ()

    def numbers(self, key: str, *, above: int | None = None) -> dict[str, Decimal]:
        """Return a table of numbers by name."""
        inner = self.table(key)
        if inner is None:
            return {}
        found = {name: inner.maybe_number(name, above=above) for name in inner.content}
        return {name: number for name, number in found.items() if number is not None}

    def finish(self) -> None:
        """Refuse every key that was not asked for, with the nearest that was."""
        for key in self.content:
            if key not in self._asked:
                self.refuse(key, f"unknown key; {nearest(key, self._asked)}")


def decimal_of(value: object) -> Decimal | None:
    """Return a number that is written in digits, or `None`."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, str):
        text = value.strip()
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    return None


def _number_hint(value: object) -> str:
    if isinstance(value, str) and decimal_of(value.replace(",", "").replace("_", "")) is not None:
        return "write the number without thousands separators"
    return 'a decimal number is needed, such as "1234.5"'
