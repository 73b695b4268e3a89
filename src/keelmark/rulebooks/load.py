"""Find, read and check rulebooks: `venue@YYYY-MM`, `venue`, or a path to a TOML file."""

import tomllib
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path

import msgspec

from keelmark.core.errors import InvalidDocument, UnknownRulebook, nearest
from keelmark.core.model import InstrumentTerms, MarginModel
from keelmark.core.process import LiquidationRules
from keelmark.rulebooks.build import (
    asset_terms,
    instrument_terms,
    liquidation_rules,
    margin_model,
)
from keelmark.rulebooks.document import InstrumentDocument, RulebookDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """A venue's rules at a date.

    Attributes:
        document: The data as read, with sources.
        model: Margin terms.
        liquidation: The liquidation process.
    """

    document: RulebookDocument
    model: MarginModel
    liquidation: LiquidationRules

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
        return instrument_terms(symbol, spec or InstrumentDocument(), self.document)

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


def rulebook_names() -> tuple[str, ...]:
    """Return the references of the built-in rulebooks, sorted."""
    return tuple(sorted(_built_in()))


def load_rulebook(reference: str) -> Rulebook:
    """Return a rulebook by `venue@YYYY-MM`, by venue (its newest table), or by path.

    With a date, the newest table at or before it is chosen.

    Raises:
        UnknownRulebook: No such venue, or no table that old.
        InvalidDocument: The file does not follow the contract; names the place.
    """
    if reference.endswith(".toml"):
        return _read(Path(reference))
    return _read_built_in(_choose(reference))


def read_rulebook(text: str, *, title: str) -> Rulebook:
    """Return the rulebook that a TOML text describes; raises `InvalidDocument`."""
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
        document = msgspec.convert(raw, RulebookDocument, strict=False)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        where = f"rulebook {title}"
        raise InvalidDocument(where, [_plain(str(error))]) from error
    return Rulebook(
        document=document,
        model=margin_model(document),
        liquidation=liquidation_rules(document.liquidation),
    )


def _plain(message: str) -> str:
    """Return the decoder's message with the path first: `assets.USDT.quantum: ...`."""
    text, _, path = message.partition(" - at `$.")
    return f"{path.rstrip('`')}: {text}" if path else text


def _read(path: Path) -> Rulebook:
    if not path.is_file():
        msg = f"no rulebook file {path}; built in: {', '.join(rulebook_names())}"
        raise UnknownRulebook(msg)
    return read_rulebook(path.read_text(encoding="utf-8"), title=str(path))


@lru_cache(maxsize=32)
def _read_built_in(name: str) -> Rulebook:
    file = _built_in()[name]
    text = resources.files("keelmark.rulebooks").joinpath("data", file).read_text(encoding="utf-8")
    return read_rulebook(text, title=name)


@lru_cache(maxsize=1)
def _built_in() -> dict[str, str]:
    """Return file names by reference; files are named `venue@YYYY-MM.toml`."""
    folder = resources.files("keelmark.rulebooks").joinpath("data")
    names = (item.name for item in folder.iterdir())
    return {name.removesuffix(".toml"): name for name in names if name.endswith(".toml")}


def _choose(reference: str) -> str:
    venue, _, date = reference.partition("@")
    dated = sorted(name for name in _built_in() if name.partition("@")[0] == venue)
    if not dated:
        venues = {name.partition("@")[0] for name in _built_in()}
        msg = f"no rulebook {reference!r}; {nearest(venue, venues)}"
        raise UnknownRulebook(msg)
    usable = [name for name in dated if not date or name.partition("@")[2] <= date]
    if not usable:
        msg = f"no {venue} rulebook as old as {date}; the oldest is {dated[0]}"
        raise UnknownRulebook(msg)
    until = _read_built_in(usable[-1]).document.until
    if until is not None and date > until and reference != usable[-1]:
        msg = (
            f"no {venue} rulebook is known for {date}: {usable[-1]} holds until {until}; built in: "
            f"{', '.join(dated)}. Name one of them in `venue` to use it all the same"
        )
        raise UnknownRulebook(msg)
    return usable[-1]
