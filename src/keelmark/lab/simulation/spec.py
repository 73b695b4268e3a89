"""What is simulated: one TOML document."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from pydantic import Field

from keelmark.core.errors import InvalidDocument
from keelmark.lab.documents import Document, read_extended, validated
from keelmark.rulebooks.build import liquidation_rules
from keelmark.rulebooks.document import InstrumentDocument, LiquidationDocument
from keelmark.rulebooks.load import Rulebook, load_rulebook

PACKAGE = "keelmark.lab.simulation"
Share = Field(default=0.0, ge=0.0, le=1.0)


class PricesTable(Document):
    """`[prices]`: how prices move.

    Attributes:
        volatility: Standard deviation of the logarithm over one snapshot.
        crash: Largest fall, fraction; every run falls (or rises) by a random part of it.
        crash_share: Part of the run the crash takes.
    """

    volatility: float = Field(default=0.001, ge=0.0, lt=0.1)
    crash: float = Field(default=0.5, ge=0.0, lt=1.0)
    crash_share: float = Field(default=0.2, gt=0.0, le=1.0)


class FaultsTable(Document):
    """`[faults]`: how often something goes wrong.

    Attributes:
        price_gap: A jump of a price, by minute.
        stale_feed: A price is silent for minutes, by minute.
        bad_price: A price that is no price, by minute.
        duplicated_feed: A minute of marks is sent again, by minute.
        reordered: Two neighbouring steps change places, by step.
        journal_fails: A write fails before or after it is durable, by batch.
        restart: The process ends between two batches, by batch.
        thin_book: The market holds a fiftieth of its depth, by run.
    """

    price_gap: float = Share
    stale_feed: float = Share
    bad_price: float = Share
    duplicated_feed: float = Share
    reordered: float = Share
    journal_fails: float = Share
    restart: float = Share
    thin_book: float = Share


class ProfileTable(Document):
    """`[[profile]]`: changes to the rulebook's liquidation process; a run draws one.

    Attributes:
        name: For messages.
        liquidation: Keys of the rulebook's `[liquidation]`; tables are merged.
    """

    name: str
    liquidation: dict[str, Any] = Field(default_factory=dict)


class SimulationSpec(Document):
    """A whole simulation file.

    Attributes:
        title: One line.
        extends: Name of the built-in document this one changes.
        rulebook: Reference of the rulebook.
        instruments: Symbols added to it, with the keys of a rulebook's `[instruments.SYMBOL]`.
        accounts: Clients.
        minutes: Length of a run.
        snapshots: Snapshots of prices in a minute.
        commands: Commands a minute.
        deposit: Median of the first deposits, valuation currency.
        leverage: Largest leverage of a first position.
        fund: What the insurance fund begins with, valuation currency.
        depth: What the market absorbs in a move of 1 %, valuation currency.
        prices: How prices move.
        weights: Relative frequency of each kind of command; kinds left out keep theirs.
        faults: How often something goes wrong.
        profile: Variants of the liquidation process.
    """

    title: str
    extends: str = ""
    rulebook: str = "generic"
    instruments: dict[str, dict[str, Any]] = Field(default_factory=dict)
    accounts: int = Field(default=12, ge=2, le=100_000)
    minutes: int = Field(default=8, ge=1, le=100_000)
    snapshots: int = Field(default=12, ge=1, le=60)
    commands: int = Field(default=5, ge=0, le=1000)
    deposit: float = Field(default=20_000.0, gt=0.0)
    leverage: float = Field(default=60.0, ge=1.0)
    fund: float = Field(default=2_000.0, ge=0.0)
    depth: float = Field(default=2_000_000.0, gt=0.0)
    prices: PricesTable = PricesTable()
    weights: dict[str, float] = Field(default_factory=dict)
    faults: FaultsTable = FaultsTable()
    profile: tuple[ProfileTable, ...] = Field(default=(ProfileTable(name="plain"),), min_length=1)

    def rulebook_of(self, profile: ProfileTable) -> Rulebook:
        """Return the rulebook of a run.

        Raises:
            InvalidDocument: The profile names a key that a liquidation process does not have.
        """
        base = load_rulebook(self.rulebook)
        raw = _merged(msgspec.to_builtins(base.document.liquidation), profile.liquidation)
        try:
            added = [
                base.terms_for(
                    symbol, msgspec.convert(_text(keys), InstrumentDocument, strict=False)
                )
                for symbol, keys in self.instruments.items()
            ]
            document = msgspec.convert(raw, LiquidationDocument, strict=False)
        except msgspec.ValidationError as error:
            msg = f"instruments, or profile {profile.name!r}"
            raise InvalidDocument(msg, [str(error)]) from error
        return replace(base.with_terms(*added), liquidation=liquidation_rules(document))


def read_simulation(name: str) -> SimulationSpec:
    """Return the simulation of a TOML file, or a built-in one by name.

    Raises:
        InvalidDocument: The document is missing or wrong; lists every problem.
    """
    raw, title = read_extended(name, package=PACKAGE)
    return validated(SimulationSpec, raw, title=title)


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        is_table = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if is_table else _text(value)
    return merged


def _text(value: Any) -> Any:  # noqa: ANN401 a TOML value
    """Return numbers as text: a rulebook's decimals are exact."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, list | tuple):
        return [_text(part) for part in value]
    return {k: _text(v) for k, v in value.items()} if isinstance(value, Mapping) else str(value)
