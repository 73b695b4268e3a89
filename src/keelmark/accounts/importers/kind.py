"""What kinds of answers are known: by which keys one is told, and who reads it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keelmark.accounts.document import Unlearnt
from keelmark.accounts.importers.draft import Draft
from keelmark.accounts.importers.payload import Payload, Row, keys_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadKind:
    """One call of a venue's interface.

    Attributes:
        alias: Short name, to say of an answer that tells nothing of itself (an empty list).
        call: The call, as the venue documents it.
        venue: Rulebook its accounts are margined by, unless an answer says another.
        matches: Whether content is an answer to this call.
        parts: What of an account it holds whole.
        read: Notes what one answer holds.
        finish: Run once after every answer was read: what only several of them together tell.
    """

    alias: str
    call: str
    venue: str
    matches: Callable[[object], bool]
    parts: frozenset[Unlearnt]
    read: Callable[[Payload, Draft], None]
    finish: Callable[[Draft], None] | None = None


def has(*keys: str) -> Callable[[object], bool]:
    """Return a test for a table, or a list of tables, with these keys."""
    return lambda content: keys_of(content).issuperset(keys)


def lacks(*keys: str) -> Callable[[object], bool]:
    """Return a test for a table, or a list of tables, without any of these keys."""
    return lambda content: not keys_of(content).intersection(keys)


def both(*tests: Callable[[object], bool]) -> Callable[[object], bool]:
    """Return a test that holds where all of these do."""
    return lambda content: all(test(content) for test in tests)


def rows_have(path: Sequence[str], *keys: str) -> Callable[[object], bool]:
    """Return a test for an answer that lists rows with these keys, under these names."""

    def matches(content: object) -> bool:
        for name in path:
            content = content.get(name) if isinstance(content, Mapping) else None
        return isinstance(content, list) and keys_of(content).issuperset(keys)

    return matches


def rows_of(payload: Payload, draft: Draft) -> list[Row]:
    """Return the rows of an answer that is a list."""
    holder = Row({"rows": payload.content}, "", draft.problems)
    found = holder.rows("rows")
    for number, row in enumerate(found):
        row.path = f"{payload.title}[{number}]"
    return found


def table_of(payload: Payload, draft: Draft) -> Row:
    """Return an answer that is a table."""
    holder = Row({"table": payload.content}, "", draft.problems)
    row = holder.inner("table") or Row({}, "", draft.problems)
    row.path = payload.title
    return row
