"""Find, read and check rulebooks: `venue@YYYY-MM`, `venue`, or a path to a TOML file."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date as Day  # noqa: N812 a date here is a text
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path

import msgspec

from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.errors import InvalidDocument, UnknownRulebook, nearest
from keelmark.core.model import AssetTerms, InstrumentTerms, MarginModel
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.process import LiquidationRules
from keelmark.rulebooks.build import (
    asset_terms,
    instrument_terms,
    liquidation_rules,
    margin_model,
)
from keelmark.rulebooks.document import InstrumentDocument, RulebookDocument
from keelmark.rulebooks.extend import Origin, Raw, merged

DATE = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?")
"""A month or a day; whether there is such a day is another question."""

PARTS = "parts/"
"""Folder of what built-in rulebooks share and no venue is by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """A venue's rules at a date.

    Attributes:
        document: The data as read, with sources.
        model: Margin terms.
        liquidation: The liquidation process.
        extends: The files it was merged from, nearest first.
    """

    document: RulebookDocument
    model: MarginModel
    liquidation: LiquidationRules
    extends: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The reference that loads it: `venue@YYYY-MM`."""
        return self.model.name

    def terms_for(self, symbol: str, spec: InstrumentDocument | None = None) -> InstrumentTerms:
        """Return the terms of a symbol, from the table or from the venue's naming pattern.

        Raises:
            UnknownInstrument: The rulebook neither lists it nor can tell what it is.
        """
        known = self.model.instruments.get(symbol)
        if known is not None and spec is None:
            return known
        if spec is not None:
            return instrument_terms(symbol, spec, self.document)
        return _guessed_terms(symbol, self.document)

    def with_terms(self, *terms: InstrumentTerms, assets: tuple[str, ...] = ()) -> "Rulebook":
        """Return the rulebook with further instruments, and assets on default terms."""
        instruments = {**self.model.instruments, **{t.instrument.symbol: t for t in terms}}
        wanted = (*assets, *(t.instrument.settle for t in terms))
        default = self.document.default_asset
        missing = [name for name in wanted if name not in self.model.assets]
        added = {name: asset_terms(name, default) for name in missing if default is not None}
        model = replace(
            self.model,
            instruments=instruments,
            assets={**self.model.assets, **added},
        )
        return replace(self, model=model)

    def for_documents(self) -> "Rulebook":
        """Return the rulebook with the terms that account documents have and the book does not.

        The book's columns hold one collateral schedule an asset, so an engine weighs isolated
        units by it too: its model keeps the term out, that kernels and `core` agree there.
        """
        model = replace(self.model, isolated_in_full=self.document.isolated_in_full)
        return replace(self, model=model)

    def with_weights(self, weights: Mapping[str, Decimal]) -> "Rulebook":
        """Return the rulebook with weights of assets as an account document gives them.

        They stand for the rulebook's own tiers, for every purpose.
        """
        assets = dict(self.model.assets)
        for name, weight in weights.items():
            known = assets.get(name) or AssetTerms(asset=name)
            schedule = CollateralSchedule(
                tiers=(HaircutTier(floor=ZERO, weight=weight),),
                loan_rate=known.schedule.loan_rate,
            )
            assets[name] = replace(
                known, schedule=schedule, initial_schedule=None, source="the account document"
            )
        return replace(self, model=replace(self.model, assets=assets))

    def with_asks(self, buffers: Mapping[str, Decimal]) -> "Rulebook":
        """Return the rulebook with what is owed and required priced above what is held.

        Args:
            buffers: Share of an asset's price that its ask lies above it, by asset.
        """
        assets = dict(self.model.assets)
        for name, buffer in buffers.items():
            if name in assets and self.model.reads_price_of(name):
                assets[name] = _with_ask(assets[name], ONE + buffer)
        return replace(self, model=replace(self.model, assets=assets))


def _with_ask(terms: AssetTerms, ask: Decimal) -> AssetTerms:
    initial = terms.initial_schedule
    return replace(
        terms,
        schedule=replace(terms.schedule, ask=ask),
        initial_schedule=None if initial is None else replace(initial, ask=ask),
    )


_GUESSED: dict[str, tuple[RulebookDocument, InstrumentTerms]] = {}
"""Terms by naming pattern, last asked for: thousands of documents name the same few symbols."""

_GUESSED_MAX = 4096


def _guessed_terms(symbol: str, document: RulebookDocument) -> InstrumentTerms:
    """Return what a naming pattern gives a symbol, remembered for the document it came from."""
    known = _GUESSED.get(symbol)
    if known is not None and known[0] is document:
        return known[1]
    terms = instrument_terms(symbol, InstrumentDocument(), document)
    if len(_GUESSED) >= _GUESSED_MAX:
        _GUESSED.clear()
    _GUESSED[symbol] = (document, terms)
    return terms


def rulebook_names() -> tuple[str, ...]:
    """Return the references of the built-in rulebooks, sorted."""
    return tuple(sorted(_built_in()))


def load_rulebook(reference: str) -> Rulebook:
    """Return a rulebook by `venue@YYYY-MM`, by venue (its newest table), or by path.

    With a date, YYYY-MM or a day of it, the newest table at or before it is chosen. What a file
    `extends` is found in the same ways, paths beside the file.

    Raises:
        UnknownRulebook: No such venue, no such date, or no table that old.
        InvalidDocument: The file does not follow the contract; names the place.
    """
    if reference.endswith(".toml"):
        return _built(_read(Path(reference)))
    return _read_built_in(_choose(reference))


def read_rulebook(text: str, *, title: str) -> Rulebook:
    """Return the rulebook that a TOML text describes; raises `InvalidDocument`.

    What it extends is found among the built-in rulebooks.
    """
    return _built(Origin(title, _toml(text, title), _find_built_in))


def _built(origin: Origin) -> Rulebook:
    """Return the rulebook of a file and of all it extends."""
    whole = merged(origin)
    try:
        document = msgspec.convert(whole.content, RulebookDocument, strict=False)
    except msgspec.ValidationError as error:
        where = f"rulebook {origin.name}"
        raise InvalidDocument(where, [_plain(str(error))]) from error
    return Rulebook(
        document=document,
        model=margin_model(document),
        liquidation=liquidation_rules(document.liquidation),
        extends=whole.names,
    )


def _toml(text: str, title: str) -> Raw:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        where = f"rulebook {title}"
        raise InvalidDocument(where, [str(error)]) from error


def _plain(message: str) -> str:
    """Return the decoder's message with the path first: `assets.USDT.quantum: ...`."""
    text, _, path = message.partition(" - at `$.")
    return f"{path.rstrip('`')}: {text}" if path else text


def _read(path: Path) -> Origin:
    """Return a rulebook file; what it extends may be a path beside it."""
    if not path.is_file():
        msg = f"no rulebook file {path}; built in: {', '.join(rulebook_names())}"
        raise UnknownRulebook(msg)

    def find(reference: str) -> Origin:
        if reference.endswith(".toml"):
            return _read(path.parent / reference)
        return _find_built_in(reference)

    return Origin(str(path), _toml(path.read_text(encoding="utf-8"), str(path)), find)


def _find_built_in(reference: str) -> Origin:
    """Return a built-in rulebook, or one of the parts they share (`parts/NAME`)."""
    name = reference if reference.startswith(PARTS) else _choose(reference)
    return Origin(name, _content(name), _find_built_in)


@lru_cache(maxsize=64)
def _content(name: str) -> Raw:
    file = resources.files("keelmark.rulebooks").joinpath("data", f"{name}.toml")
    if not file.is_file():
        msg = f"no part {name!r} of a rulebook; parts belong to the built-in rulebooks"
        raise UnknownRulebook(msg)
    return _toml(file.read_text(encoding="utf-8"), name)


@lru_cache(maxsize=32)
def _read_built_in(name: str) -> Rulebook:
    return _built(_find_built_in(name))


@lru_cache(maxsize=1)
def _built_in() -> frozenset[str]:
    """Return the references of the files named `venue@YYYY-MM.toml`."""
    folder = resources.files("keelmark.rulebooks").joinpath("data")
    names = (item.name for item in folder.iterdir())
    return frozenset(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def _choose(reference: str) -> str:
    venue, at, date = reference.partition("@")
    dated = sorted(name for name in _built_in() if name.partition("@")[0] == venue)
    if not dated:
        venues = {name.partition("@")[0] for name in _built_in()}
        msg = f"no rulebook {reference!r}; {nearest(venue, venues)}"
        raise UnknownRulebook(msg)
    if not at:
        return _in_force(venue, None, dated)
    month = _month(date)
    if month is None:
        msg = (
            f"no rulebook {reference!r}: write the date as YYYY-MM (01 to 12) or YYYY-MM-DD; "
            f"built in: {', '.join(dated)}"
        )
        raise UnknownRulebook(msg)
    return _in_force(venue, month, dated)


def _month(date: str) -> str | None:
    """Return the month of a date, YYYY-MM or YYYY-MM-DD; `None` of anything else."""
    if DATE.fullmatch(date) is None:
        return None
    month = date[: len("YYYY-MM")]
    try:
        Day.fromisoformat(date if date != month else f"{month}-01")
    except ValueError:
        return None
    return month


def _in_force(venue: str, month: str | None, dated: Sequence[str]) -> str:
    """Return the newest table at or before a month; without one, the newest there is."""
    usable = [name for name in dated if month is None or name.partition("@")[2] <= month]
    if not usable:
        msg = f"no {venue} rulebook as old as {month}; the oldest is {dated[0]}"
        raise UnknownRulebook(msg)
    until = _content(usable[-1]).get("until")
    if until is not None and month is not None and month > until:
        msg = (
            f"no {venue} rulebook is known for {month}: {usable[-1]} holds until {until}; built "
            f"in: {', '.join(dated)}. Name one of them in `venue` to use it all the same"
        )
        raise UnknownRulebook(msg)
    return usable[-1]
