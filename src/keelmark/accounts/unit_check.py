"""One margin unit of an account: its margin, its prices, and the nearest move that ends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.accounts.figures import percent
from keelmark.accounts.known import (
    KnownMargin,
    KnownPosition,
    known_margin,
    known_position,
    report_without_tables,
)
from keelmark.accounts.levels import Level, Levels
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.prices import missing_prices
from keelmark.accounts.reasons import grouped
from keelmark.accounts.volatilities import Volatilities, beside, in_sigmas
from keelmark.core.bankruptcy import (
    bankruptcy_prices,
    held_maintenance_price,
    straight_bankruptcy,
)
from keelmark.core.bound import options_of
from keelmark.core.codes import UnitKind
from keelmark.core.coin_move import CoinMove, carries_coin, coin_moves, prices_with_coin
from keelmark.core.coins import coin_of
from keelmark.core.errors import MissingNumber
from keelmark.core.joint_move import (
    JointMove,
    all_together,
    joint_moves,
    nearest_joint_move,
    nearness,
)
from keelmark.core.liquidation_price import (
    LiquidationPrices,
    PriceStatus,
    liquidation_prices,
    straight_prices,
)
from keelmark.core.margin import MarginReport, PositionMargin, margin_report
from keelmark.core.model import LiquidationPriceForm, MarginModel
from keelmark.core.naive import naive_price
from keelmark.core.numbers import ZERO, exact
from keelmark.core.plain_lines import UnitLines
from keelmark.core.underlying_price import Underlying, underlyings
from keelmark.core.unit import MarginUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestMove:
    """The smallest move found that liquidates a unit.

    Attributes:
        instrument: Which price moves alone; `None` where a coin or all move together.
        coin: Which coin moves with everything on it; `None` where no coin does.
        words: What moves.
        distance: Relative change, signed.
        deviation: Change that is one standard deviation, fraction; `None` where it is not at hand.
        sigma_of: Whose deviation that is: of one coin, whatever the others do. `None` where all
            move: then it is of their move, as `joint` measures it.
    """

    instrument: str | None
    distance: Decimal
    coin: str | None = None
    words: str = "all together"
    deviation: float | None = None
    sigma_of: str | None = None

    @property
    def sigmas(self) -> float | None:
        """The distance in standard deviations; `None` where no volatility is at hand."""
        return in_sigmas(self.distance, self.deviation)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCheck:
    """One margin unit.

    Attributes:
        unit: What is margined.
        currency: What its totals are in.
        report: Its margin, `None` where a price it needs is missing.
        reason: Why there is no report.
        known: Its requirements, as far as they are known without a report.
        positions: Its positions.
        joint_moves: All its instruments together, down and up; empty without any.
        coin_moves: Each coin with everything on it, down and up, where that is more than a mark.
        nearest: The nearest liquidating move, joint, of one coin or of one instrument alone;
            nothing where it is due.
        together: Change of all its coins alike that is one standard deviation, as `joint` measures
            moves; `None` where it is not at hand.
        coin_deviations: Standard deviation by coin, as far as they are at hand.
        lines: What the closed forms read of it, for further moves.
    """

    unit: MarginUnit
    currency: str
    report: MarginReport | None
    reason: str | None
    known: KnownMargin
    positions: tuple[PositionCheck, ...]
    joint_moves: tuple[JointMove, ...]
    coin_moves: tuple[CoinMove, ...] = ()
    nearest: NearestMove | None = None
    together: float | None = None
    coin_deviations: Mapping[str, float] = field(default_factory=dict)
    lines: UnitLines | None = field(default=None, repr=False, compare=False)

    @property
    def is_liquidatable(self) -> bool | None:
        """Whether the trigger holds; `None` where that is unknown."""
        return None if self.report is None else self.report.is_liquidatable

    def total(self, name: str) -> Decimal | None:
        """Return a total by name; `None` where it is unknown."""
        found: Decimal | None = getattr(self.report or self.known, name, None)
        return found

    @property
    def joint_move(self) -> JointMove | None:
        """The nearer of all prices falling together and all rising together."""
        return nearest_joint_move(self.joint_moves)

    @property
    def distance(self) -> Decimal | None:
        """The nearest liquidating move, unsigned."""
        return None if self.nearest is None else abs(self.nearest.distance)

    @property
    def is_unsettled(self) -> bool:
        """Whether a move that could not be solved may be nearer than the nearest that was."""
        statuses = {p.liquidation.status for p in self.positions}
        statuses |= {move.status for move in self.joint_moves}
        return PriceStatus.UNKNOWN in statuses | {coin.move.status for coin in self.coin_moves}

    @property
    def headline(self) -> str:
        """The nearest liquidating move in a few words."""
        if self.report is None:
            return self.reason or "unknown"
        if self.report.is_liquidatable:
            return "at these prices"
        if self.nearest is None:
            return "some move is unknown" if self.is_unsettled else "no move liquidates"
        far = beside(
            percent(self.nearest.distance, signed=True), self.nearest.sigmas, self.nearest.sigma_of
        )
        return f"{self.nearest.words} {far} liquidates"

    def level(self, levels: Levels) -> Level:
        """Return the word for this unit: the same on every surface."""
        if self.report is None:
            return Level.UNKNOWN
        if self.report.is_liquidatable:
            return Level.LIQUIDATABLE
        found = levels.of_distance(self.distance)
        return Level.UNKNOWN if self.is_unsettled and found is not Level.RED else found


def check_unit(unit: MarginUnit, account: Account) -> UnitCheck:
    """Return the check of one margin unit of an account."""
    model, market = account.model, account.market
    error: MissingNumber | None = None
    if account.unlearnt is None or unit.kind is not UnitKind.CROSS:
        try:
            with exact():
                return _known_check(margin_report(unit, market, model), account)
        except MissingNumber as missing:
            error = missing
    return _unknown_check(unit, account, error)


def with_sigmas(check: UnitCheck, volatilities: Volatilities, model: MarginModel) -> UnitCheck:
    """Return a unit's check with the standard deviation beside each distance."""
    moving = (coin_of(name, model) for move in check.joint_moves for name in move.direction)
    together = volatilities.unit_of(dict.fromkeys(moving, 1.0))
    nearest = check.nearest
    if nearest is not None:
        coin = nearest.coin or (nearest.instrument and coin_of(nearest.instrument, model))
        own = volatilities.of_coin(coin) if coin else together
        nearest = replace(nearest, deviation=own, sigma_of=coin)
    positions = (
        replace(p, deviation=volatilities.of_coin(coin_of(p.held.position.instrument, model)))
        for p in check.positions
    )
    return replace(
        check,
        positions=tuple(positions),
        nearest=nearest,
        together=together,
        coin_deviations=volatilities.by_coin,
    )


def _unknown_check(unit: MarginUnit, account: Account, error: MissingNumber | None) -> UnitCheck:
    """Return what stays known of a unit that lacks a number, or of which not all was learnt."""
    model, market = account.model, account.market
    with exact():
        held = [known_position(p, market, model) for p in unit.positions]
    known, reason, worth = KnownMargin(), account.unlearnt or "", None
    ends: dict[str, LiquidationPrices] = {}
    if error is not None:
        lacking = [(p.margin.position.instrument, p.missing) for p in held if p.missing]
        unpriced = missing_prices(unit, market, model)
        parts = dict.fromkeys([unpriced, *grouped(lacking)])
        reason = "; ".join(filter(None, parts)) or str(error)
        known = known_margin(unit, market, model)
        worth = None if options_of(unit, model) else report_without_tables(unit, market, model)
    if worth is not None:
        symbols = {p.instrument for p in unit.positions}
        ends = {symbol: bankruptcy_prices(worth, symbol, market, model) for symbol in symbols}
    return UnitCheck(
        unit=unit,
        currency=_currency(unit, model),
        report=None,
        reason=reason,
        known=known,
        positions=tuple(_unknown_position(unit, p, reason, ends) for p in held),
        joint_moves=_unknown_joint_moves(unit, model, reason),
    )


def _currency(unit: MarginUnit, model: MarginModel) -> str:
    return next(iter(unit.balances), "") if model.single_asset else model.valuation


def _known_check(report: MarginReport, account: Account) -> UnitCheck:
    model, market, unit = account.model, account.market, report.unit
    lines = UnitLines.of(report, model)
    positions = _positions(report, account, lines)
    moves = joint_moves(unit, market, model, report=report, lines=lines)
    coins = coin_moves(report, market, model, moves, lines)
    return UnitCheck(
        unit=unit,
        currency=_currency(unit, model),
        report=report,
        reason=None,
        known=KnownMargin.of(report),
        positions=positions,
        joint_moves=moves,
        coin_moves=coins,
        nearest=_nearest_move(report, positions, moves, coins),
        lines=lines,
    )


def _positions(
    report: MarginReport, account: Account, lines: UnitLines
) -> tuple[PositionCheck, ...]:
    unit, market, model = report.unit, account.market, account.model
    if not options_of(unit, model):
        return tuple(_straight_check(held, report, account, lines) for held in report.positions)
    searched = underlyings(unit, market, model)
    return tuple(
        _position_check(held, report, account, searched.get(held.terms.instrument.base))
        for held in report.positions
    )


def _nearest_move(
    report: MarginReport,
    positions: Sequence[PositionCheck],
    joint: Sequence[JointMove],
    coins: Sequence[CoinMove],
) -> NearestMove | None:
    """Return the nearest liquidating move; zero where it is due."""
    if report.is_liquidatable:
        return NearestMove(instrument=None, distance=ZERO)
    moves = [
        NearestMove(instrument=None, distance=found, coin=c.coin.name, words=c.coin.words)
        for c in coins
        if (found := c.distance) is not None
    ]
    for position in positions:
        distance = position.distance
        if distance is not None:
            symbol = position.held.position.instrument
            moves.append(NearestMove(instrument=symbol, distance=distance, words=symbol))
    together = nearest_joint_move(joint)
    if together is not None and (whole := together.signed) is not None:
        moves.append(NearestMove(instrument=None, distance=whole))
    return min(moves, key=lambda move: nearness(move.distance), default=None)


def _position_check(
    held: PositionMargin, report: MarginReport, account: Account, along: Underlying | None
) -> PositionCheck:
    """Return a position of a book with options: what stands on one underlying moves together."""
    unit, symbol = report.unit, held.position.instrument
    market, model = account.market, account.model
    return PositionCheck(
        unit_id=unit.unit_id,
        held=held,
        liquidation=liquidation_prices(unit, symbol, market, model, report=report, along=along),
        bankruptcy=bankruptcy_prices(report, symbol, market, model, along),
        recovers=report.is_liquidatable,
        shown=_shown(report, symbol, account.model),
    )


def _straight_check(
    held: PositionMargin, report: MarginReport, account: Account, lines: UnitLines
) -> PositionCheck:
    """Return a position of a book without options."""
    symbol, market, model = held.position.instrument, account.market, account.model
    legs = lines.positions(symbol)
    has_coin = carries_coin(report.unit, symbol, market, model)
    return PositionCheck(
        unit_id=report.unit.unit_id,
        held=held,
        liquidation=prices_with_coin(report, symbol, market, model)
        if has_coin
        else straight_prices(report, symbol, model, lines),
        bankruptcy=straight_bankruptcy(report, symbol, market, model, legs),
        recovers=report.is_liquidatable,
        shown=_shown(report, symbol, model),
        naive=None if has_coin else _naive_price(report, symbol, legs),
    )


def _shown(report: MarginReport, symbol: str, model: MarginModel) -> LiquidationPrices | None:
    """Return the venue's own liquidation price where it means something else by it."""
    if model.liquidation_price_form is LiquidationPriceForm.HELD_MAINTENANCE:
        return held_maintenance_price(report, symbol)
    return None


def _naive_price(
    report: MarginReport, symbol: str, legs: Sequence[PositionMargin]
) -> Decimal | None:
    """Return the naive price where other positions need margin too; alone it misleads nobody."""
    others = (p for p in report.positions if p.position.instrument != symbol)
    return naive_price(report, symbol, legs) if any(p.maintenance_margin for p in others) else None


def _unknown_position(
    unit: MarginUnit, held: KnownPosition, reason: str, ends: Mapping[str, LiquidationPrices]
) -> PositionCheck:
    """Return a position of a unit whose margin is unknown: so is its liquidation price.

    What it is worth may be known without a table; then its bankruptcy price is.
    """
    unknown = LiquidationPrices(status=PriceStatus.UNKNOWN, reason=reason)
    symbol = held.margin.position.instrument
    return PositionCheck(
        unit_id=unit.unit_id,
        held=held.margin,
        liquidation=unknown,
        bankruptcy=ends.get(symbol, unknown),
        missing=held.missing,
    )


def _unknown_joint_moves(
    unit: MarginUnit, model: MarginModel, reason: str
) -> tuple[JointMove, ...]:
    steps = [all_together(unit, model, down=down) for down in (True, False)]
    unknown = [
        JointMove(status=PriceStatus.UNKNOWN, direction=step, reason=reason) for step in steps
    ]
    return tuple(unknown) if unit.positions else ()
