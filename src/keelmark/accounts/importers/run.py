"""Put a venue's answers together into an account document."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from json import dumps

from keelmark.accounts.account import Account, read_account
from keelmark.accounts.decode import Problems, parse_document
from keelmark.accounts.document import Unlearnt, read_document
from keelmark.accounts.importers import (
    binance_coinm,
    binance_market,
    binance_pm,
    binance_usdm,
    bybit,
    ccxt_unified,
    deribit,
    dydx,
    hyperliquid,
    okx,
)
from keelmark.accounts.importers.ccxt_raw import raw_answers
from keelmark.accounts.importers.draft import Draft, JsonValue
from keelmark.accounts.importers.kind import PayloadKind
from keelmark.accounts.importers.payload import Payload
from keelmark.accounts.importers.tables import say_leverages, say_tables
from keelmark.core.errors import nearest
from keelmark.rulebooks import Rulebook

_KINDS = (
    *binance_coinm.KINDS,
    *binance_pm.KINDS,
    *binance_usdm.KINDS,
    *binance_market.KINDS,
    *bybit.KINDS,
    *okx.KINDS,
    *deribit.KINDS,
    *dydx.KINDS,
    *hyperliquid.KINDS,
    *ccxt_unified.KINDS,
)
"""The stricter test of two look-alikes comes first."""
_MADE = "import: the document these answers make"
_DEPTH_MAX = 3
"""How deep a bundle of answers is searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedAccount:
    """An account document and what it was made of.

    Attributes:
        document: As the contract of account documents has it; `json.dumps` writes it.
        kinds: The calls that were answered, in the order given.
    """

    document: dict[str, JsonValue]
    kinds: tuple[PayloadKind, ...]

    @property
    def text(self) -> str:
        """The document as JSON."""
        return dumps(self.document, indent=2) + "\n"

    def account(self, rulebook: Rulebook | None = None) -> Account:
        """Return what the document means; raises as `load_account`."""
        return read_account(self.text, title="imported account", toml=False, rulebook=rulebook)


def payload_kinds() -> tuple[PayloadKind, ...]:
    """Return every kind of answer that is known."""
    return _KINDS


def is_answer(payload: Payload) -> bool:
    """Whether content is a venue's answer, or a table of such answers."""
    return any(_inside(payload, 0))


def import_account(
    payloads: Sequence[Payload],
    *,
    venue: str | None = None,
    prices: Mapping[str, Decimal] | None = None,
    notes: Sequence[str] = (),
) -> ImportedAccount:
    """Return the account document of a venue's answers.

    Args:
        payloads: Answers of one account at one instant; a table of answers is taken apart.
        venue: Rulebook to margin it by; by default the one of the venue that answered.
        prices: Prices the answers lack, by asset, index or instrument.
        notes: What the reader of the document should know beside what the answers say.

    Raises:
        InvalidDocument: An answer is of no known kind, is an error of the venue's, or cannot be
            read; answers of two venues or two instants. Lists every problem with its place.
    """
    problems = Problems()
    found = [pair for payload in payloads for pair in _told(payload, problems)]
    venues = _venues(found)
    if len(venues) > 1:
        problems.add("answers", f"of several venues ({', '.join(venues)}); import them one by one")
    if not payloads:
        problems.add("answers", "there are none; give at least one file")
    problems.raise_any("import")
    draft = Draft(problems=problems, venue=next(iter(venues), ""), wanted=venue or "")
    for payload, kind in sorted(found, key=lambda pair: _KINDS.index(pair[1])):
        kind.read(payload, draft)
        draft.learnt |= kind.parts
    for finish in dict.fromkeys(kind.finish for _, kind in found):
        if finish is not None and not problems.found:
            finish(draft)
    _say_missing(draft, found)
    draft.check_times()
    draft.prices = {**draft.prices, **(prices or {})}
    for note in notes:
        draft.say(note)
    draft.check_positions(_price_advice(found))
    problems.raise_any("import")
    draft.venue = venue or draft.venue
    say_tables(draft, {kind.alias for _, kind in found})
    say_leverages(draft)
    made = ImportedAccount(document=draft.document(), kinds=tuple(kind for _, kind in found))
    read_document(parse_document(made.text, title=_MADE, toml=False), title=_MADE)
    return made


def _told(payload: Payload, problems: Problems) -> Iterable[tuple[Payload, PayloadKind]]:
    """Return an answer with its kind, or the answers inside a bundle with theirs."""
    if payload.kind is not None:
        return _named(payload, problems)
    found = list(_inside(payload, 0))
    if not found:
        problems.add(payload.title, _why_untold(payload.content))
    return found


def _named(payload: Payload, problems: Problems) -> list[tuple[Payload, PayloadKind]]:
    aliases = {kind.alias: kind for kind in _KINDS}
    kind = aliases.get(payload.kind or "")
    error = _error_in(payload.content)
    if error is not None:
        problems.add(payload.title, error)
        return []
    if kind is None:
        problems.add(payload.title, f"kind {payload.kind!r}; {nearest(str(payload.kind), aliases)}")
        return []
    return [(payload, kind)]


def _kind_of(content: object) -> PayloadKind | None:
    return next((kind for kind in _KINDS if kind.matches(content)), None)


def _inside(payload: Payload, depth: int) -> Iterator[tuple[Payload, PayloadKind]]:
    raw = next(_raw(payload), None)
    kind = _kind_of(payload.content)
    if raw is not None:
        yield from raw
    elif kind is not None:
        yield payload, kind
    elif isinstance(payload.content, Mapping) and depth < _DEPTH_MAX:
        for key, value in payload.content.items():
            inner = replace(payload, title=f"{payload.title}: {key}", content=value)
            yield from _inside(inner, depth + 1)


def _raw(payload: Payload) -> Iterator[list[tuple[Payload, PayloadKind]]]:
    """Return the venue's own answers inside what ccxt made of them, where they are known."""
    for contents in raw_answers(payload.content):
        kinds = [_kind_of(content) for content in contents]
        if kinds and all(kind is not None and kind.venue for kind in kinds):
            title = f"{payload.title}: info"
            pairs = zip(contents, kinds, strict=True)
            yield [(Payload(title=title, content=c), k) for c, k in pairs if k is not None]


def _error_in(content: object) -> str | None:
    """Return what a venue says went wrong, where it says that."""
    if not isinstance(content, Mapping):
        return None
    code = content.get("code", content.get("retCode"))
    text = content.get("msg", content.get("retMsg"))
    inner = content.get("error")
    if isinstance(inner, Mapping):
        code, text = inner.get("code"), inner.get("message")
    if text is None or str(code) in {"None", "0"}:
        return None
    return f"the venue answered with an error: {code} {text}"


def _why_untold(content: object) -> str:
    """Say what is wrong with content of no known kind; a venue's own error is repeated."""
    error = _error_in(content)
    if error is not None:
        return error
    if content in ([], {}):
        example = _KINDS[0].alias
        return f"is empty and tells nothing of itself; name its kind, such as {example}=FILE"
    return "is no answer of a known kind; `keelmark import --kinds` lists them"


def _venues(found: Sequence[tuple[Payload, PayloadKind]]) -> list[str]:
    """Return the venues of the answers; market data of a venue's family belongs to its account."""
    found = [(payload, kind) for payload, kind in found if kind.venue]
    told = [kind.venue for _, kind in found if kind.parts] or [kind.venue for _, kind in found]
    families = {venue.partition("-")[0] for venue in told}
    others = [k.venue for _, k in found if k.venue.partition("-")[0] not in families]
    return list(dict.fromkeys((*told, *others)))


def _price_advice(found: Sequence[tuple[Payload, PayloadKind]]) -> str:
    """Return which call of the venue has the prices of positions."""
    given = {kind.alias for _, kind in found}
    venues = {kind.venue for _, kind in found}
    calls = [
        kind.call
        for kind in _KINDS
        if kind.venue in venues and Unlearnt.POSITIONS in kind.parts and kind.alias not in given
    ]
    return f"add the answer to {calls[-1]}" if calls else "save the answer whole"


def _say_missing(draft: Draft, found: Sequence[tuple[Payload, PayloadKind]]) -> None:
    """Say of each part that no answer holds which call holds it."""
    venue = next(iter(_venues(found)), "")
    given = ", ".join(dict.fromkeys(kind.alias for _, kind in found))
    for part in Unlearnt:
        calls = [k.call for k in _KINDS if part in k.parts and k.venue == venue]
        wanted = f"; add the answer to {calls[0]}" if calls else ""
        draft.missing.setdefault(part, f"{given} does not hold it{wanted}")
