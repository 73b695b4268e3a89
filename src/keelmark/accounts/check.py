"""How far an account is from liquidation: every unit, position and price, and one verdict."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keelmark.accounts.account import Account
from keelmark.accounts.residuals import Residual, residuals_of
from keelmark.core.bankruptcy import bankruptcy_price
from keelmark.core.codes import UnitKind
from keelmark.core.errors import InvalidMark, MissingMarkPrice
from keelmark.core.joint_move import JointMove, all_together, joint_move
from keelmark.core.liquidation_price import LiquidationPrices, PriceStatus, liquidation_prices
from keelmark.core.margin import MarginReport, PositionMargin, margin_report, position_margin
from keelmark.core.numbers import ONE, exact
from keelmark.core.unit import MarginUnit

WARN_DISTANCE = Decimal("0.15")
"""A nearest liquidating move below this is a warning."""


class Verdict(StrEnum):
    """What the whole account comes to."""

    HEALTHY = "healthy"
    WARNING = "warning"
    LIQUIDATABLE = "liquidatable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionCheck:
    """One position with the prices that end it.

    Attributes:
        unit_id: The unit it belongs to.
        held: Its margin.
        liquidation: Prices at which its unit reaches maintenance, all else held.
        bankruptcy: Price at which its unit is worth nothing, all else held.
    """

    unit_id: str
    held: PositionMargin
    liquidation: LiquidationPrices
    bankruptcy: LiquidationPrices

    @property
    def distance(self) -> Decimal | None:
        """Liquidation price over mark, less one."""
        if self.liquidation.value is None:
            return None
        with exact():
            return self.liquidation.value / self.held.mark_price - ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCheck:
    """One margin unit.

    Attributes:
        unit: What is margined.
        currency: What its totals are in.
        report: Its margin, `None` where a price it needs is missing.
        reason: Why there is no report.
        positions: Its positions.
        joint_move: Nearest move of all its instruments together, up or down; `None` without any.
    """

    unit: MarginUnit
    currency: str
    report: MarginReport | None
    reason: str | None
    positions: tuple[PositionCheck, ...]
    joint_move: JointMove | None

    @property
    def distance(self) -> Decimal | None:
        """The nearest liquidating move, unsigned: joint, or of one instrument alone."""
        moves = [abs(p.distance) for p in self.positions if p.distance is not None]
        if self.joint_move is not None and self.joint_move.size is not None:
            moves.append(self.joint_move.size)
        return min(moves, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCheck:
    """What `keelmark check` says.

    Attributes:
        account: The account.
        units: In the order of the account.
        residuals: Differences from the venue's own figures.
        warn_distance: Distance below which the verdict is a warning.
    """

    account: Account
    units: tuple[UnitCheck, ...]
    residuals: tuple[Residual, ...]
    warn_distance: Decimal

    @property
    def is_liquidatable(self) -> bool:
        """Whether any unit is."""
        return any(unit.report.is_liquidatable for unit in self.units if unit.report is not None)

    @property
    def distance(self) -> Decimal | None:
        """The nearest liquidating move of any unit."""
        return min((u.distance for u in self.units if u.distance is not None), default=None)

    @property
    def verdict(self) -> Verdict:
        """Liquidatable before unknown before warning before healthy."""
        if self.is_liquidatable:
            return Verdict.LIQUIDATABLE
        if any(unit.report is None for unit in self.units):
            return Verdict.UNKNOWN
        if self.distance is not None and self.distance < self.warn_distance:
            return Verdict.WARNING
        return Verdict.HEALTHY

    @property
    def positions(self) -> Iterator[PositionCheck]:
        """Every position of every unit."""
        return (position for unit in self.units for position in unit.positions)

    @property
    def main(self) -> UnitCheck | None:
        """The unit the headline is about: the cross unit, else the one nearest to its end."""
        cross = [unit for unit in self.units if unit.unit.kind is UnitKind.CROSS]
        ranked = sorted(cross or self.units, key=_nearness)
        return ranked[0] if ranked else None


def check(account: Account, *, warn_distance: Decimal = WARN_DISTANCE) -> AccountCheck:
    """Return every margin figure of an account, and how far it is from liquidation.

    Args:
        account: From `load_account`.
        warn_distance: Distance below which the verdict is a warning, fraction.
    """
    units = tuple(_unit_check(unit, account) for unit in account.units)
    return AccountCheck(
        account=account,
        units=units,
        residuals=residuals_of(
            account.reported,
            [(unit.report, unit.positions) for unit in units],
        ),
        warn_distance=warn_distance,
    )


def _unit_check(unit: MarginUnit, account: Account) -> UnitCheck:
    model, market = account.model, account.market
    report, reason = None, None
    try:
        report = margin_report(unit, market, model)
    except (MissingMarkPrice, InvalidMark) as error:
        reason = str(error)
    with exact():
        held = [position_margin(p, market, model) for p in unit.positions]
    return UnitCheck(
        unit=unit,
        currency=next(iter(unit.balances), "") if model.single_asset else model.valuation,
        report=report,
        reason=reason,
        positions=tuple(_position_check(unit, p, report, account) for p in held),
        joint_move=_nearest_joint_move(unit, account),
    )


def _position_check(
    unit: MarginUnit,
    held: PositionMargin,
    report: MarginReport | None,
    account: Account,
) -> PositionCheck:
    symbol = held.position.instrument
    liquidation = liquidation_prices(unit, symbol, account.market, account.model)
    return PositionCheck(
        unit_id=unit.unit_id,
        held=held,
        liquidation=liquidation,
        bankruptcy=liquidation if report is None else bankruptcy_price(report, symbol),
    )


def _nearest_joint_move(unit: MarginUnit, account: Account) -> JointMove | None:
    """Return the nearer of all prices falling together and all rising together."""
    if not unit.positions:
        return None
    moves = [
        joint_move(
            unit,
            all_together(unit, account.model, down=down),
            account.market,
            account.model,
        )
        for down in (True, False)
    ]
    found = [move for move in moves if move.size is not None]
    if found:
        return min(found, key=lambda move: move.size or 0)
    unknown = [move for move in moves if move.status is PriceStatus.UNKNOWN]
    return (unknown or moves)[0]


def _nearness(unit: UnitCheck) -> tuple[int, Decimal]:
    """Sort key: unknown and liquidatable units first, then by distance."""
    if unit.report is None or unit.report.is_liquidatable:
        return (0, Decimal(0))
    return (2, Decimal(0)) if unit.distance is None else (1, unit.distance)
