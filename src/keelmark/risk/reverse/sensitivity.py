"""What each leg and each collateral asset does to the distance, to first order.

At the nearest liquidating move `x`, with `g` the slopes of the excess there, a change that adds `d`
to the excess at `x` adds `d / sqrt(g' S g)` to the distance: the envelope of the least length on
the boundary. What a change adds is asked of core, on the market at `x`.

Source: docs/model.md, "Reverse stress".
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.accounts.check_document import JsonTable, statistic_text
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import HaircutBase
from keelmark.core.numbers import ONE, exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.revaluation import UnitValuer

SHARE = Decimal("1e-9")
"""Change over which core's difference is taken; sixty digits leave it exact."""

TENTH = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LegSensitivity:
    """What one position does to the distance.

    Attributes:
        name: Symbol, with the side in hedge mode.
        per_size: Standard deviations per unit of size more, filled at the mark now.
        closing_a_tenth: Standard deviations that closing a tenth of it at the mark adds.
        excess_per_price: Change of the excess at the move per 1 of its mark, valuation currency.
    """

    name: str
    per_size: float
    closing_a_tenth: float
    excess_per_price: float

    def document(self) -> JsonTable:
        """Return it as JSON."""
        return {
            "name": self.name,
            "per_size": statistic_text(self.per_size),
            "closing_a_tenth": statistic_text(self.closing_a_tenth),
            "excess_per_price": statistic_text(self.excess_per_price),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSensitivity:
    """What one collateral asset does to the distance.

    Attributes:
        name: The asset.
        per_unit: Standard deviations per unit more of it.
        per_weight: Standard deviations per 1 of weight more; zero where nothing is weighed.
        excess_per_price: Change of the excess at the move per 1 of its price; `None` where no
            price is read.
    """

    name: str
    per_unit: float
    per_weight: float
    excess_per_price: float | None

    def document(self) -> JsonTable:
        """Return it as JSON."""
        return {
            "name": self.name,
            "per_unit": statistic_text(self.per_unit),
            "per_weight": statistic_text(self.per_weight),
            "excess_per_price": statistic_text(self.excess_per_price),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A unit at its nearest liquidating move, and what a unit of excess there adds to the distance.

    Attributes:
        valuer: The unit now.
        unit: The unit there.
        market: The market there.
        per_excess: Standard deviations per unit of excess.
        excess: Of the unit there.
    """

    valuer: UnitValuer
    unit: MarginUnit
    market: Market
    per_excess: float
    excess: Decimal

    def legs(self) -> tuple[LegSensitivity, ...]:
        """Return what each position does."""
        return tuple(
            self._leg(name, number)
            for number, name in enumerate(self.valuer.legs[: len(self.unit.positions)])
        )

    def assets(self) -> tuple[AssetSensitivity, ...]:
        """Return what each asset does."""
        return tuple(map(self._asset, self.valuer.asset_order))

    def _leg(self, name: str, number: int) -> LegSensitivity:
        position = self.unit.positions[number]
        with exact():
            step = position.size * SHARE
            rise = self._gain(resized(self.unit, number, step, self.valuer), self.market)
            mark = self.market.marks[position.instrument]
            up = mark * SHARE or SHARE
            marks = {**self.market.marks, position.instrument: mark + up}
            gain = self._gain(self.unit, replace(self.market, marks=marks))
            per_size = float(rise / step) * self.per_excess
            return LegSensitivity(
                name=name,
                per_size=per_size,
                closing_a_tenth=-per_size * float(position.size) * TENTH,
                excess_per_price=float(gain / up),
            )

    def _asset(self, name: str) -> AssetSensitivity:
        model = self.valuer.model
        held = self.unit.balances.get(name, Decimal(0))
        with exact():
            step = max(abs(held), ONE) * SHARE
            balances = {**self.unit.balances, name: held + step}
            rise = self._gain(replace(self.unit, balances=balances), self.market)
            per_price = None
            if model.reads_price_of(name):
                price = self.market.asset_price(name)
                prices = {**self.market.asset_prices, name: price + price * SHARE}
                moved = replace(self.market, asset_prices=prices)
                per_price = float(self._gain(self.unit, moved) / (price * SHARE))
            return AssetSensitivity(
                name=name,
                per_unit=float(rise / step) * self.per_excess,
                per_weight=float(self._weighed(name)) * self.per_excess,
                excess_per_price=per_price,
            )

    def _weighed(self, name: str) -> Decimal:
        """Return what an asset's weight is taken of at the move, valuation currency."""
        report = margin_report(self.unit, self.market, self.valuer.model)
        found = next(asset for asset in report.assets if asset.asset == name)
        terms = self.valuer.model.asset_in(self.unit.kind, name)
        cash = found.balance - found.accrued_interest
        weighed = cash if terms.haircut_base is HaircutBase.BALANCE else found.counted
        return max(Decimal(0), weighed) * found.price

    def _gain(self, unit: MarginUnit, market: Market) -> Decimal:
        """Return what another unit or market has more of excess."""
        return maintenance_excess(unit, market, self.valuer.model) - self.excess


def resized(unit: MarginUnit, number: int, step: Decimal, valuer: UnitValuer) -> MarginUnit:
    """Return a unit with more of one position, filled at the mark now; its fee is not counted.

    The caller has entered core's decimal context.
    """
    position = unit.positions[number]
    terms = valuer.model.instrument(position.instrument)
    added = terms.instrument.value(step, valuer.market.marks[position.instrument])
    larger = replace(position, size=position.size + step, cost=position.cost + added)
    positions = (*unit.positions[:number], larger, *unit.positions[number + 1 :])
    if terms.option is None:
        return replace(unit, positions=positions)
    settle = terms.instrument.settle
    balances = {
        **unit.balances,
        settle: unit.balances.get(settle, Decimal(0)) - added,
    }
    return replace(unit, positions=positions, balances=balances)
