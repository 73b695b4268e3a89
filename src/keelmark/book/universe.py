"""From a margin model to columns and back: indices, scales, kernel parameters, plain values.

A `Universe` fixes which row stands for which instrument, asset and price. Kernels read its record
tables; `core` is handed the plain unit and market it rebuilds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from keelmark.book.records import ASSET, INSTRUMENT, SEGMENT, TIER
from keelmark.core.bound import Factor, FactorKind, margin_factor, mark_factor
from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput, UnknownAsset, UnknownInstrument, nearest
from keelmark.core.instrument import Instrument
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    CloseFeeBasis,
    HaircutBase,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
    OpenInterestInitial,
)
from keelmark.core.numbers import ONE, ZERO, exact, to_units
from keelmark.core.rules import RuleParameters

Rows = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]

EQUITY_BASE, BALANCE_BASE = 0, 1
"""`ASSET.spare`: what the haircut applies to."""
NAMES_MAX = 5
"""Names that a message lists before it breaks off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """The instruments, assets and prices of a book, by row.

    Attributes:
        model: The venue's terms.
        symbols: Instrument by row.
        assets: Asset by row.
        factors: Price by row; the last row of the price column is time and has no factor.
        instruments: INSTRUMENT records.
        tiers: TIER records.
        asset_rows: ASSET records.
        segments: SEGMENT records.
        scales_with_open_interest: Whether any initial margin reads open interest.
    """

    model: MarginModel
    symbols: tuple[str, ...]
    assets: tuple[str, ...]
    factors: tuple[Factor, ...]
    instruments: Rows
    tiers: Rows
    asset_rows: Rows
    segments: Rows
    scales_with_open_interest: bool
    _names: "_Names" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Lay out what is looked up by name: once a universe, not once a snapshot."""
        object.__setattr__(self, "_names", _Names.of(self))

    @classmethod
    def build(cls, model: MarginModel) -> "Universe":
        """Lay out a model in the order of its mappings.

        Raises:
            InvalidInput: A scale does not fit whole quanta, an instrument is an option, or a
                requirement reads what no column holds; names it and the fix.
            MissingTable: An instrument has no bracket table.
        """
        _require_columns(model)
        _require_no_options(model)
        symbols, assets = tuple(model.instruments), tuple(model.assets)
        factors = _factors(model)
        rows = {factor: row for row, factor in enumerate(factors)}
        with exact():
            instruments, tiers = _instrument_rows(model, assets, rows)
            asset_rows, segments = _asset_rows(model, assets, rows)
        return cls(
            model=model,
            symbols=symbols,
            assets=assets,
            factors=factors,
            instruments=instruments,
            tiers=tiers,
            asset_rows=asset_rows,
            segments=segments,
            scales_with_open_interest=any(
                isinstance(terms.initial, OpenInterestInitial)
                for terms in model.instruments.values()
            ),
        )

    @property
    def time_factor(self) -> int:
        """Row of the price column that holds seconds since interest was posted."""
        return len(self.factors)

    def instrument_row(self, symbol: str) -> int:
        """Return the row of a symbol.

        Raises:
            UnknownInstrument: There is none.
        """
        row = self._names.symbols.get(symbol)
        if row is None:
            msg = f"no instrument {symbol} in this book; {nearest(symbol, self.symbols)}"
            raise UnknownInstrument(msg)
        return row

    def asset_row(self, asset: str) -> int:
        """Return the row of an asset.

        Raises:
            UnknownAsset: There is none.
        """
        row = self._names.assets.get(asset)
        if row is None:
            msg = f"no asset {asset} in this book; {nearest(asset, self.assets)}"
            raise UnknownAsset(msg)
        return row

    def factor_row(self, factor: Factor) -> int:
        """Return the row of a price.

        Raises:
            UnknownInstrument: No formula of this book reads it.
        """
        if factor not in self.factors:
            msg = f"no formula of this book reads the {factor.kind.value} price of {factor.name}"
            raise UnknownInstrument(msg)
        return self.factors.index(factor)

    def instrument(self, row: int) -> Instrument:
        """Return the contract of a row."""
        return self.model.instruments[self.symbols[row]].instrument

    def asset(self, row: int) -> AssetTerms:
        """Return the terms of an asset's row."""
        return self.model.assets[self.assets[row]]

    def quantum(self, row: int) -> Decimal:
        """Return the smallest amount of an asset's row."""
        return self.asset(row).quantum

    def open_interest(self, longs: Sequence[int], prices: Floats) -> dict[str, Decimal]:
        """Return the open interest of every instrument at the marks, settle asset.

        Args:
            longs: Lots held long, by row.
            prices: Price column.
        """
        marks = self.market(prices, "open interest").marks
        found = {}
        with exact():
            for symbol, lots in zip(self.symbols, longs, strict=True):
                instrument = self.model.instruments[symbol].instrument
                mark = marks[symbol]
                known = mark.is_finite() and mark > ZERO
                size = lots * instrument.lot
                found[symbol] = abs(instrument.value(size, mark)) if known else ZERO
        return found

    def market(
        self,
        prices: Floats,
        snapshot_id: str,
        open_interest: Mapping[str, Decimal] | None = None,
    ) -> Market:
        """Return the plain snapshot of a price column, converted as it is read."""
        names = self._names
        return Market(
            marks=_Prices(prices, names.prices[FactorKind.MARK], names.grids),
            indices=_Prices(prices, names.prices[FactorKind.INDEX], {}),
            asset_prices=_Prices(prices, names.prices[FactorKind.ASSET], {}),
            open_interest=open_interest or {},
            snapshot_id=snapshot_id,
        )


@dataclass(frozen=True, slots=True)
class _Names:
    """Rows by name.

    Attributes:
        symbols: Row of each instrument.
        assets: Row of each asset.
        prices: Row of each price, by what kind of price it is.
        grids: Price unit of each mark.
    """

    symbols: Mapping[str, int]
    assets: Mapping[str, int]
    prices: Mapping[FactorKind, Mapping[str, int]]
    grids: Mapping[str, Decimal]

    @classmethod
    def of(cls, universe: Universe) -> "_Names":
        """Return the names of a universe."""
        prices: dict[FactorKind, dict[str, int]] = {kind: {} for kind in FactorKind}
        for row, factor in enumerate(universe.factors):
            prices[factor.kind][factor.name] = row
        terms = universe.model.instruments
        return cls(
            symbols={symbol: row for row, symbol in enumerate(universe.symbols)},
            assets={asset: row for row, asset in enumerate(universe.assets)},
            prices=prices,
            grids={mark: terms[mark].instrument.price_unit for mark in prices[FactorKind.MARK]},
        )


class _Prices(Mapping[str, Decimal]):
    """Prices by name over a float column: marks land on their grid, others keep every digit."""

    __slots__ = ("_cache", "_column", "_grids", "_rows")

    def __init__(
        self,
        column: Floats,
        rows: Mapping[str, int],
        grids: Mapping[str, Decimal],
    ) -> None:
        self._column, self._rows, self._grids = column.copy(), rows, grids
        self._cache: dict[str, Decimal] = {}

    def __getitem__(self, name: str) -> Decimal:
        price = self._cache.get(name)
        if price is None:
            price = self._cache[name] = self._exact(name)
        return price

    def _exact(self, name: str) -> Decimal:
        value = float(self._column[self._rows[name]])
        grid = self._grids.get(name)
        if grid is None or not np.isfinite(value):
            return Decimal(repr(value))
        with exact():
            return round(Decimal(repr(value)) / grid) * grid

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _require_columns(model: MarginModel) -> None:
    """Refuse a model whose requirements read what no column holds."""
    if model.trigger_level != ONE:
        msg = (
            f"rulebook {model.name} liquidates at {model.trigger_level} times maintenance; the "
            "kernels know one time only, so an engine cannot run it: use it for account documents"
        )
        raise InvalidInput(msg)
    if model.margins_gross_loans:
        names = [
            name
            for name, terms in model.assets.items()
            if terms.gross_loan_rate or terms.gross_loan_rate_initial
        ]
        shown = ", ".join(names[:NAMES_MAX]) + (", ..." if len(names) > NAMES_MAX else "")
        msg = (
            f"rulebook {model.name} asks margin on what is borrowed of {shown}; the book keeps "
            "balances and no loans, so an engine cannot run it: use it for account documents"
        )
        raise InvalidInput(msg)


def _require_no_options(model: MarginModel) -> None:
    """Refuse options by name: no book posts premiums, so none may look as if it margined them."""
    options = [s for s, terms in model.instruments.items() if terms.instrument.is_option]
    if options:
        msg = (
            f"{model.name}: {', '.join(options)}: the book holds no options; take them out of the "
            "rulebook's [instruments], accounts can be checked without it"
        )
        raise InvalidInput(msg)


def _factors(model: MarginModel) -> tuple[Factor, ...]:
    marks = [mark_factor(terms) for terms in model.instruments.values()]
    margins = [margin_factor(terms) for terms in model.instruments.values()]
    assets = [Factor(FactorKind.ASSET, a) for a in model.assets if model.reads_price_of(a)]
    return tuple(dict.fromkeys((*marks, *margins, *assets)))


def _instrument_rows(
    model: MarginModel,
    assets: tuple[str, ...],
    factors: Mapping[Factor, int],
) -> tuple[Rows, Rows]:
    rows = np.zeros(len(model.instruments), INSTRUMENT)
    tiers: list[tuple[float, float, float]] = []
    for row, terms in zip(rows, model.instruments.values(), strict=True):
        parameters = terms.maintenance.parameters()
        table = _tier_records(terms, parameters, model)
        row["settle"] = assets.index(terms.instrument.settle)
        row["mark_factor"] = factors[mark_factor(terms)]
        row["margin_factor"] = factors[margin_factor(terms)]
        row["tier_start"], row["tier_count"] = len(tiers), len(table)
        row["inverse"] = terms.instrument.is_inverse
        row["rule_kind"] = kernel_rule(terms, model)
        row["edge_upper"] = parameters.edge_upper
        row["price_unit"] = float(terms.instrument.price_unit)
        row["unit_value"], row["value_scale"] = _scales(terms, model)
        row["pnl_weight"] = float(model.profit_terms(MarginPurpose.MAINTENANCE).weight)
        row["size_slope"] = float(parameters.slope * terms.instrument.lot)
        tiers += table
    return rows, np.array(tiers, TIER)


def _tier_records(
    terms: InstrumentTerms,
    parameters: RuleParameters,
    model: MarginModel,
) -> list[tuple[float, float, float]]:
    """Return (floor, rate, deduction): in quanta, floors in lots where sizes are the key."""
    quantum = model.asset(terms.instrument.settle).quantum
    by_size = parameters.kind is RuleKind.SIZED
    unit = terms.instrument.lot if by_size else quantum
    fee = terms.close_fee.rate if terms.close_fee is not None else ZERO
    rows = zip(parameters.floors, parameters.rates, parameters.deductions, strict=True)
    return [(float(f / unit), float(r + fee), float(d / quantum)) for f, r, d in rows]


def kernel_rule(terms: InstrumentTerms, model: MarginModel) -> RuleKind:
    """Return the kernels' rule for an instrument, or `CORE_ONLY` where a term has no kernel face.

    Kernels see neither orders, nor what a fee or a requirement was fixed at on entry, nor a cap on
    the sum of profits.
    """
    fee = terms.close_fee
    entry_fee = fee is not None and fee.basis is CloseFeeBasis.BANKRUPTCY
    at_entry = entry_fee or terms.margin_price is MarginPrice.ENTRY
    capped = model.profit_terms(MarginPurpose.MAINTENANCE).cap is not None
    if at_entry or terms.whole_quanta is not None or capped or model.orders_in_maintenance:
        return RuleKind.CORE_ONLY
    return terms.maintenance.parameters().kind


def _scales(terms: InstrumentTerms, model: MarginModel) -> tuple[int, float]:
    """Return (value of a lot and tick, value of a lot and price) in settle quanta."""
    instrument = terms.instrument
    quantum = model.asset(instrument.settle).quantum
    per_price = instrument.lot * instrument.contract_size / quantum
    if instrument.is_inverse:
        whole = to_units(per_price, instrument.price_unit)
    else:
        whole = to_units(per_price * instrument.price_unit, Decimal(1))
    if whole is None:
        msg = (
            f"{instrument.symbol}: lot {instrument.lot}, price unit {instrument.price_unit} and "
            f"contract size {instrument.contract_size} do not make a whole number of "
            f"{instrument.settle} quanta of {quantum}; choose a finer quantum or a coarser grid"
        )
        raise InvalidInput(msg)
    return whole, float(per_price)


def _asset_rows(
    model: MarginModel,
    assets: tuple[str, ...],
    factors: Mapping[Factor, int],
) -> tuple[Rows, Rows]:
    rows = np.zeros(len(assets), ASSET)
    segments: list[tuple[float, float]] = []
    for row, name in zip(rows, assets, strict=True):
        terms = model.assets[name]
        lines = terms.schedule.segments
        row["price_factor"] = factors.get(Factor(FactorKind.ASSET, name), -1)
        row["segment_start"], row["segment_count"] = len(segments), len(lines)
        row["value_scale"] = float(terms.quantum)
        row["borrow_rate"] = float(terms.accrual_rate)
        row["spare"] = BALANCE_BASE if terms.haircut_base is HaircutBase.BALANCE else EQUITY_BASE
        segments += [(float(s.slope), float(s.intercept / terms.quantum)) for s in lines]
    return rows, np.array(segments, SEGMENT)
