"""Rulebook files that build on others: `extends`, merged table over table, with sources kept.

Source: docs/decisions/0020-rulebooks-that-extend.md.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from keelmark.core.errors import InvalidDocument

Raw = Mapping[str, Any]
"""A TOML table as it was read."""

IDENTITY = ("name", "date", "until", "source", "read")
"""What a file says of itself alone: never inherited."""

GROUPS = ("assets", "tables", "instruments", "profit", "options", "kinds")
"""Sections whose entries each have a source."""

GAPS = "not_covered"
"""List that files add to: what a file does not cover, one that extends it does not either."""

REMOVES_GAP = f"{GAPS}: "
"""Begins an entry of `removes` that takes out what is covered now, named by how it begins."""

SINGLE_GROUPS = ("defaults", "default_asset", "liquidation", "auto_exchange", "group")
"""Sections that have one source themselves."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file that is extended was found.

    Attributes:
        name: Names it: `venue@YYYY-MM`, `parts/NAME` or a path.
        content: The file as read.
        find: How its own `extends` are found.
    """

    name: str
    content: Raw
    find: Callable[[str], "Origin"]


@dataclass(frozen=True, slots=True)
class Merged:
    """A file with all it extends.

    Attributes:
        content: One document, every entry with its source.
        names: The files it was merged from, nearest first, without itself.
    """

    content: Raw
    names: tuple[str, ...]


def merged(origin: Origin) -> Merged:
    """Return a file merged over what it extends, in the order named, later ones over earlier.

    Tables are merged key by key, anything else is replaced; what a file `removes` (`default_asset`,
    `assets.ETH`) is taken from what it extends. `not_covered` is added to; what a file covers after
    all it removes by its first words (`not_covered: options`). An entry that a file changes takes
    that file's source, unless the entry names its own; name, date, source and read day are never
    inherited.

    Raises:
        InvalidDocument: A file extends itself, `extends` is neither a name nor a list of them, or
            what it removes is not there.
        UnknownRulebook: A file it extends is not there.
    """
    return _merged(origin, ())


def _merged(origin: Origin, trail: tuple[str, ...]) -> Merged:
    trail = (*trail, origin.name)
    base: Raw = {}
    names: list[str] = []
    for reference in _texts(origin, "extends"):
        parent = origin.find(reference)
        if parent.name in trail:
            way = " -> ".join((*trail, parent.name))
            title = f"rulebook {origin.name}"
            raise InvalidDocument(title, [f"extends: goes round: {way}"])
        found = _merged(parent, trail)
        base = _added(base, found.content)
        names += [parent.name, *found.names]
    kept: Raw = {key: value for key, value in base.items() if key not in IDENTITY}
    for place in _texts(origin, "removes"):
        where = f"{origin.name}: removes {place!r}"
        if place.startswith(REMOVES_GAP):
            kept = _without_gap(kept, place.removeprefix(REMOVES_GAP), where)
        else:
            kept = _without(kept, place.split("."), where)
    own = {k: value for k, value in origin.content.items() if k not in {"extends", "removes"}}
    told = _with_sources(own, {**kept.get("sources", {}), **own.get("sources", {})})
    return Merged(_added(kept, told), tuple(dict.fromkeys(names)))


def _texts(origin: Origin, key: str) -> Iterator[str]:
    """Return a text, or each of a list of texts."""
    named = origin.content.get(key, [])
    for text in named if isinstance(named, list) else [named]:
        if not isinstance(text, str):
            title = f"rulebook {origin.name}"
            raise InvalidDocument(
                title, [f"{key}: found {text!r}; write a text, or a list of texts"]
            )
        yield text


def _without(content: Raw, path: list[str], where: str) -> Raw:
    """Return a table without the entry at a path."""
    key, *rest = path
    inner = content.get(key)
    if inner is None or (rest and not isinstance(inner, Mapping)):
        title = f"rulebook {where}"
        raise InvalidDocument(title, [f"nothing is called {key!r} there; it cannot be removed"])
    if rest:
        return {**content, key: _without(inner, rest, where)}
    return {name: value for name, value in content.items() if name != key}


def _without_gap(content: Raw, beginning: str, where: str) -> Raw:
    """Return a table without what it says is not covered in words that begin so."""
    gaps = content.get(GAPS)
    left = [gap for gap in gaps if not str(gap).startswith(beginning)] if _is_list(gaps) else gaps
    if left == gaps:
        title = f"rulebook {where}"
        raise InvalidDocument(title, [f"nothing in {GAPS} begins so; it cannot be removed"])
    return {**content, GAPS: left}


def _added(base: Raw, own: Raw) -> Raw:
    """Return `base` with the keys of `own`; what is not covered in either is not covered."""
    whole = _over(base, own)
    gaps, more = base.get(GAPS), own.get(GAPS)
    if not _is_list(gaps) or not _is_list(more):
        return whole
    return {**whole, GAPS: [*gaps, *(gap for gap in more if gap not in gaps)]}


def _is_list(found: object) -> TypeGuard[list[Any]]:
    return isinstance(found, list)


def _over(base: Raw, own: Raw) -> Raw:
    """Return `base` with the keys of `own`, tables merged into tables."""
    result = dict(base)
    for key, value in own.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = _over(below, value)
        else:
            result[key] = value
    return result


def _with_sources(content: Raw, known: Raw) -> Raw:
    """Return a file with a source and read day in every entry.

    An entry's `source` may be a key of `known`; what it does not say of source and day, the file
    says for it.
    """
    whole = _resolved(content, known)
    result = dict(whole)
    for section in GROUPS:
        entries = whole.get(section)
        if isinstance(entries, Mapping):
            result[section] = {
                name: _sourced(entry, whole, known) for name, entry in entries.items()
            }
    for section in SINGLE_GROUPS:
        if section in whole:
            result[section] = _sourced(whole[section], whole, known)
    return result


def _sourced(entry: Any, whole: Raw, known: Raw) -> Any:  # noqa: ANN401 whatever the file holds
    """Return an entry with its source; what is no table is left for the decoder to refuse."""
    if not isinstance(entry, Mapping):
        return entry
    told = {key: whole[key] for key in ("source", "read") if key in whole}
    return {**told, **_resolved(entry, known)}


def _resolved(entry: Raw, known: Raw) -> Raw:
    """Return an entry whose source is written out where it names one of `[sources]`."""
    source = entry.get("source")
    named = known.get(source) if isinstance(source, str) else None
    if not isinstance(named, Mapping):
        return entry
    told = {"source": named.get("text", source)}
    if "read" in named and "read" not in entry:
        told["read"] = named["read"]
    return {**entry, **told}
