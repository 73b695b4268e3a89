"""Many accounts at once: a folder of documents, or one document a line.

A document that cannot be read is an answer like any other and stops nobody else. Likeliest reasons
of differences are not looked for unless asked: a thousand accounts are read for who is near.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from keelmark.accounts.account import Account, build_account, load_account, read_account
from keelmark.accounts.check import AccountCheck, check
from keelmark.accounts.check_document import JsonTable, check_document
from keelmark.accounts.document import AccountDocument, read_document
from keelmark.accounts.levels import WARN_DISTANCE, Levels
from keelmark.accounts.snapshot_age import Freshness
from keelmark.core.errors import InvalidInput, KeelmarkError

BATCH = 250
"""Documents a process is handed at a time."""

POOL_FROM = 1_000
"""Documents from which starting further processes pays."""

Source = str | Path | Mapping[str, object] | AccountDocument
"""A text, a file, a parsed document or a decoded one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One document of many.

    Attributes:
        name: File, or line of a file.
        check: What was found; `None` where the document cannot be read.
        error: Why not, with every problem.
    """

    name: str
    check: AccountCheck | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkTerms:
    """How every document is checked.

    Attributes:
        levels: Distances at which the words change.
        reasons: Whether to look for likeliest reasons of differences.
        freshness: When a document is called stale.
    """

    levels: Levels = field(default_factory=Levels)
    reasons: bool = False
    freshness: Freshness = field(default_factory=Freshness)


def check_many(
    documents: Iterable[Source],
    *,
    warn_distance: Decimal | None = None,
    amber_distance: Decimal | None = None,
    reasons: bool = False,
    freshness: Freshness | None = None,
) -> list[Checked]:
    """Return the check of each document, in order; one that cannot be read says why.

    Args:
        documents: Texts (JSON or TOML), `Path`s of files, parsed documents or decoded ones.
        warn_distance: As of `check`.
        amber_distance: As of `check`.
        reasons: As of `check`; off here.
        freshness: As of `check`.
    """
    red = WARN_DISTANCE if warn_distance is None else warn_distance
    terms = BulkTerms(
        levels=Levels.of(red, amber_distance),
        reasons=reasons,
        freshness=freshness or Freshness(),
    )
    return [check_one(f"document {i}", source, terms) for i, source in enumerate(documents)]


def check_one(name: str, source: Source, terms: BulkTerms) -> Checked:
    """Return the check of one document of many."""
    try:
        account = _account(name, source)
        found = check(
            account,
            warn_distance=terms.levels.red,
            amber_distance=terms.levels.amber,
            reasons=terms.reasons,
            freshness=terms.freshness,
        )
    except KeelmarkError as error:
        return Checked(name=name, error=str(error))
    return Checked(name=name, check=found)


def _account(name: str, source: Source) -> Account:
    if isinstance(source, Path):
        return load_account(source)
    if isinstance(source, str):
        return read_account(source, title=name)
    decoded = source if isinstance(source, AccountDocument) else read_document(source, title=name)
    return build_account(decoded, title=name)


LINES = frozenset({".jsonl", ".ndjson"})
"""Endings of files with a document a line."""


def is_book(path: str) -> bool:
    """Whether a path names many documents: a folder, or a file with one a line."""
    place = Path(path)
    return place.is_dir() or place.suffix.lower() in LINES


def sources(path: str) -> Iterator[tuple[str, str | Path]]:
    """Yield the documents of a folder (*.json, *.toml, by name), or of a file line by line.

    Raises:
        InvalidInput: There is no such folder or file, or nothing in it.
    """
    place = Path(path)
    if place.is_dir():
        files = sorted(f for f in place.iterdir() if f.suffix.lower() in {".json", ".toml"})
        if not files:
            msg = f"{path} holds no .json and no .toml file; name the folder of the documents"
            raise InvalidInput(msg)
        yield from ((file.name, file) for file in files)
        return
    try:
        with place.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"line {number}", line
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        msg = f"{path}: cannot be read: {reason}; a folder, or a file with a document a line"
        raise InvalidInput(msg) from error


def summaries(
    found: Iterable[tuple[str, str | Path]], terms: BulkTerms, *, processes: int | None = None
) -> Iterator[JsonTable]:
    """Yield the result of each document as `check --json` gives it, with its name, in order.

    Args:
        found: From `sources`.
        terms: How each is checked.
        processes: How many at once; without it as many as there are processors, from
            `POOL_FROM` documents on.
    """
    work = list(found)
    count = processes or (os.cpu_count() or 1 if len(work) >= POOL_FROM else 1)
    batches = _batches(work)
    if count == 1:
        for batch in batches:
            yield from _summarise(batch, terms)
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        for texts in pool.map(partial(_packed, terms=terms), batches):
            yield from json.loads(texts)


def _batches(work: Sequence[tuple[str, str | Path]]) -> list[list[tuple[str, str | Path]]]:
    rows = iter(work)
    return list(iter(lambda: list(islice(rows, BATCH)), []))


def _packed(batch: Sequence[tuple[str, str | Path]], terms: BulkTerms) -> str:
    """Return a batch as one text: between processes it is cheaper than objects."""
    return json.dumps(_summarise(batch, terms))


def _summarise(batch: Sequence[tuple[str, str | Path]], terms: BulkTerms) -> list[JsonTable]:
    return [summary(check_one(name, source, terms)) for name, source in batch]


def summary(done: Checked) -> JsonTable:
    """Return one result as `check --json` gives it, with its name; or why there is none.

    The totals are of the unit that decides the account's level.
    """
    if done.check is None:
        return {"name": done.name, "verdict": None, "error": done.error}
    return {"name": done.name, **check_document(done.check, done.check.worst), "error": None}
