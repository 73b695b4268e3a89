"""What stays known of a unit's margin while the price of an asset is missing."""

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
    """The requirements of a unit, valuation currency; `None` where a missing price is in them.

    Attributes:
        initial_margin: Initial requirement, open orders included.
        liquidation_end_margin: Requirement at which a liquidation stops.
        maintenance_margin: Maintenance requirement.
    """

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
        bare = replace(position, tier=TierRow(maintenance_rate=ZERO), leverage=None)
        margin = replace(position_margin(bare, market, model), position=position)
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
    except MissingNumber:
        return KnownMargin()
    lacking = [asset for asset in report.assets if asset.asset in missing]
    known = KnownMargin.of(report)
    if _asks(lacking, "initial_margin"):
        known = replace(known, initial_margin=None)
    if _asks(lacking, "maintenance_margin"):
        known = replace(known, maintenance_margin=None, liquidation_end_margin=None)
    return known


def _asks(assets: list[AssetMargin], requirement: str) -> bool:
    return any(getattr(asset, requirement) != ZERO for asset in assets)
