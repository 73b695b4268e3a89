"""What stays known of a unit's margin while a price of an asset or a bracket table is missing."""

from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.accounts.prices import unpriced
from keelmark.core.errors import MissingMarkPrice, MissingNumber, MissingTable
from keelmark.core.margin import (
    AssetMargin,
    MarginReport,
    PositionMargin,
    margin_report,
    position_margin,
)
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.option_rules import NothingAsked
from keelmark.core.unit import MarginUnit, Position, TierRow


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMargin:
    """What is known of a unit, valuation currency; `None` where what is missing is in it.

    Attributes:
        equity: Collateral after haircuts plus counted profit.
        effective_leverage: Sum of notionals over equity.
        initial_margin: Initial requirement, open orders included.
        liquidation_end_margin: Requirement at which a liquidation stops.
        maintenance_margin: Maintenance requirement.
    """

    equity: Decimal | None = None
    effective_leverage: Decimal | None = None
    initial_margin: Decimal | None = None
    liquidation_end_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None

    @classmethod
    def of(cls, report: MarginReport) -> "KnownMargin":
        """Return the requirements of a report: all are known."""
        return cls(
            initial_margin=report.initial_margin,
            liquidation_end_margin=report.liquidation_end_margin,
            maintenance_margin=report.maintenance_margin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPosition:
    """What is known of one position.

    Attributes:
        margin: Its value, notional and profit; its requirements only where nothing is missing.
        missing: Why its requirements are unknown; `None` where they are known.
    """

    margin: PositionMargin
    missing: str | None = None


def known_position(position: Position, market: Market, model: MarginModel) -> KnownPosition:
    """Return a position's margin, or what is known of it without its table or a price of it."""
    try:
        return KnownPosition(margin=position_margin(position, market, model))
    except MissingTable as error:
        margin = replace(position_margin(_bare(position), market, model), position=position)
        return KnownPosition(margin=margin, missing=str(error))
    except MissingMarkPrice as error:
        terms = model.instrument(position.instrument)
        if terms.option is None:
            raise
        free = replace(terms, option=replace(terms.option, rule=NothingAsked()))
        known = replace(model, instruments={**model.instruments, position.instrument: free})
        return KnownPosition(margin=position_margin(position, market, known), missing=str(error))


def known_margin(unit: MarginUnit, market: Market, model: MarginModel) -> KnownMargin:
    """Return the requirements that do not read a missing asset price.

    An asset in which nothing is required adds nothing at any price, so any price does for it.
    """
    missing = unpriced(unit, market, model)
    anything = {**market.asset_prices, **dict.fromkeys(missing, ONE)}
    try:
        report = margin_report(unit, replace(market, asset_prices=anything), model)
    except MissingTable:
        return _without_table(unit, market, model)
    except MissingNumber:
        return KnownMargin()
    lacking = [asset for asset in report.assets if asset.asset in missing]
    known = KnownMargin.of(report)
    if _asks(lacking, "initial_margin"):
        known = replace(known, initial_margin=None)
    if _asks(lacking, "maintenance_margin"):
        known = replace(known, maintenance_margin=None, liquidation_end_margin=None)
    return known


def report_without_tables(
    unit: MarginUnit, market: Market, model: MarginModel
) -> MarginReport | None:
    """Return a report in which positions without a table ask nothing: what it is worth is true.

    Its requirements are not; `None` where a price or a collateral weight is missing too.
    """
    rows = tuple(_bare(row) if _lacks_table(row, market, model) else row for row in unit.positions)
    try:
        return margin_report(replace(unit, positions=rows, orders=()), market, model)
    except MissingNumber:
        return None


def _without_table(unit: MarginUnit, market: Market, model: MarginModel) -> KnownMargin:
    report = report_without_tables(unit, market, model)
    if report is None:
        return KnownMargin()
    return KnownMargin(equity=report.equity, effective_leverage=report.effective_leverage.value)


def _bare(position: Position) -> Position:
    return replace(position, tier=TierRow(maintenance_rate=ZERO), leverage=None)


def _lacks_table(position: Position, market: Market, model: MarginModel) -> bool:
    try:
        position_margin(position, market, model)
    except MissingTable:
        return True
    except MissingNumber:
        return False
    return False


def _asks(assets: list[AssetMargin], requirement: str) -> bool:
    return any(getattr(asset, requirement) != ZERO for asset in assets)
