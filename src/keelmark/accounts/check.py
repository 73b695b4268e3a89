"""How far an account is from liquidation: every unit, position and price, and one verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from keelmark.accounts.account import Account
from keelmark.accounts.figures import percent
from keelmark.accounts.gauge import Gauge, gauge_of
from keelmark.accounts.known import (
    KnownMargin,
    KnownPosition,
    known_margin,
    known_position,
    report_without_tables,
)
from keelmark.accounts.levels import WARN_DISTANCE, WORST_FIRST, Level, Levels
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.prices import missing_prices
from keelmark.accounts.residuals import Residual, residuals_of
from keelmark.accounts.table import POSITION_COLUMNS, REQUIREMENTS, Table, position_cells
from keelmark.core.bankruptcy import (
    bankruptcy_prices,
    held_maintenance_price,
)
from keelmark.core.bound import options_of
from keelmark.core.codes import UnitKind
from keelmark.core.coin_move import CoinMove, carries_coin, coin_moves, prices_with_coin
from keelmark.core.errors import InvalidInput, MissingNumber
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
from keelmark.core.underlying_price import Underlying, underlyings
from keelmark.core.unit import MarginUnit

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from keelmark.accounts.notebook import Panel

_FAR = Decimal("Infinity")

_TOTALS = ("equity", "initial_margin", "maintenance_margin", "maintenance_excess")


class Verdict(StrEnum):
    """What the whole account comes to."""

    HEALTHY = "healthy"
    WARNING = "warning"
    LIQUIDATABLE = "liquidatable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestMove:
    """The smallest move found that liquidates a unit.

    Attributes:
        instrument: Which price moves alone; `None` where a coin or all move together.
        coin: Which coin moves with everything on it; `None` where no coin does.
        words: What moves.
        distance: Relative change, signed.
    """

    instrument: str | None
    distance: Decimal
    coin: str | None = None
    words: str = "all together"


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
        return f"{self.nearest.words} {percent(self.nearest.distance, signed=True)} liquidates"

    def level(self, levels: Levels) -> Level:
        """Return the word for this unit: the same on every surface."""
        if self.report is None:
            return Level.UNKNOWN
        if self.report.is_liquidatable:
            return Level.LIQUIDATABLE
        found = levels.of_distance(self.distance)
        return Level.UNKNOWN if self.is_unsettled and found is not Level.RED else found


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCheck:
    """What `keelmark check` says.

    Attributes:
        account: The account.
        units: In the order of the account.
        residuals: Differences from the venue's own figures.
        levels: Distances at which the words change; red is the warning distance.
    """

    account: Account
    units: tuple[UnitCheck, ...]
    residuals: tuple[Residual, ...]
    levels: Levels = field(default_factory=Levels)

    @property
    def warn_distance(self) -> Decimal:
        """Distance below which the verdict is a warning."""
        return self.levels.red

    @property
    def is_liquidatable(self) -> bool | None:
        """Whether any unit is; `None` where none is known to be and one may be."""
        states = {unit.is_liquidatable for unit in self.units}
        if self.account.unlearnt is not None:
            states.add(None)
        return True if True in states else None if None in states else False

    @property
    def distance(self) -> Decimal | None:
        """The nearest liquidating move of any unit, unsigned."""
        return None if self.nearest_unit is None else self.nearest_unit.distance

    @property
    def nearest_unit(self) -> UnitCheck | None:
        """The unit with the nearest liquidating move; `None` where no unit has one."""
        reached = [(u.distance, u) for u in self.units if u.distance is not None]
        return min(reached, key=lambda pair: pair[0], default=(None, None))[1]

    @property
    def worst(self) -> UnitCheck | None:
        """The unit that decides the account's word: of the worst level, then the nearest."""
        return min(self.units, key=self._badness, default=None)

    def _badness(self, unit: UnitCheck) -> tuple[int, Decimal]:
        """Sort key, as the verdict has it: unknown margin is worse than near, an open move less."""
        level = unit.level(self.levels)
        is_open = level is Level.UNKNOWN and unit.report is not None
        rank = WORST_FIRST.index(Level.RED if is_open else level)
        return (2 * rank + is_open, _FAR if unit.distance is None else unit.distance)

    @property
    def level(self) -> Level | None:
        """The word for the account: the worst of its units; nothing without any."""
        worst = self.worst
        if self.is_liquidatable is None:
            return Level.UNKNOWN
        return None if worst is None else worst.level(self.levels)

    @property
    def headline(self) -> str:
        """The account in one line: which unit decides, and its nearest move."""
        worst = self.worst
        if worst is None or (self.is_liquidatable is None and worst.report is not None):
            return self.account.unlearnt or "nothing is held"
        return f"{worst.unit.unit_id}: {worst.headline}"

    @property
    def verdict(self) -> Verdict:
        """Liquidatable before unknown margin before warning before unknown distance."""
        if self.is_liquidatable:
            return Verdict.LIQUIDATABLE
        if self.is_liquidatable is None:
            return Verdict.UNKNOWN
        if self.distance is not None and self.distance < self.warn_distance:
            return Verdict.WARNING
        if any(unit.is_unsettled for unit in self.units):
            return Verdict.UNKNOWN
        return Verdict.HEALTHY

    @property
    def positions(self) -> Iterator[PositionCheck]:
        """Every position of every unit."""
        return (position for unit in self.units for position in unit.positions)

    @property
    def units_table(self) -> Table:
        """Every unit, totals in its currency."""
        return Table.of(
            f"{self.account.rulebook.name}: {self.verdict.value}",
            ("unit", "currency", *_TOTALS, "distance", "reason"),
            [
                (
                    unit.unit.unit_id,
                    unit.currency,
                    *(unit.total(name) for name in _TOTALS),
                    unit.distance,
                    unit.reason or "",
                )
                for unit in self.units
            ],
        )

    @property
    def positions_table(self) -> Table:
        """Every position, amounts in its settle asset, with the prices that end it."""
        prices = ("bankruptcy_price", "liquidation_price", "liquidation_status", "distance")
        return Table.of(
            "positions",
            ("unit", *POSITION_COLUMNS, *prices),
            [
                (
                    p.unit_id,
                    *position_cells(p.held)[:-REQUIREMENTS],
                    p.initial_margin,
                    p.maintenance_margin,
                    p.bankruptcy.value,
                    p.liquidation.value,
                    p.liquidation.status.value,
                    p.distance,
                )
                for p in self.positions
            ],
        )

    def to_polars(self) -> "pl.DataFrame":
        """Return `positions_table` as a frame; numbers are float64."""
        return self.positions_table.to_polars()

    def plot_distance(self) -> "Figure":
        """Return a picture of how far each position is from its liquidation price.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        from keelmark.accounts.plots import draw_distance  # noqa: PLC0415 heavy, and optional

        return draw_distance(list(self.positions), self.levels, self.account.rulebook.name)

    def plot_gauge(self) -> "Figure":
        """Return a picture of the hull of the main unit: its maintenance over its equity.

        Raises:
            MissingExtra: matplotlib is not installed.
            InvalidInput: The unit holds no position, or its margin is unknown.
        """
        from keelmark.accounts.plots import draw_gauge  # noqa: PLC0415 heavy, and optional

        main = self.main
        gauge = None if main is None else self.gauge(main)
        if main is None or gauge is None:
            msg = "no unit with a position and a known margin: there is no gauge to draw"
            raise InvalidInput(msg)
        title = f"{self.account.rulebook.name} {main.unit.unit_id}"
        return draw_gauge(gauge, main.level(self.levels), title)

    def gauge(self, unit: UnitCheck) -> Gauge | None:
        """Return the gauge of a unit; `None` where it has none."""
        return gauge_of(unit.report, self.account.rulebook.liquidation)

    def _repr_html_(self) -> str:
        from keelmark.accounts.notebook import page  # noqa: PLC0415 only notebooks need it

        level = self.level
        head = (level, self.headline) if level is not None and len(self.units) > 1 else None
        return page([self._panel(unit) for unit in self.units], self.levels, head)

    def _panel(self, unit: UnitCheck) -> "Panel":
        from keelmark.accounts.notebook import Panel  # noqa: PLC0415 only notebooks need it

        as_of = "" if self.account.as_of is None else f", {self.account.as_of:%Y-%m-%d %H:%M} UTC"
        return Panel(
            title=f"{self.account.rulebook.name}, {unit.unit.unit_id}{as_of}",
            currency=unit.currency,
            level=unit.level(self.levels),
            headline=unit.headline,
            report=unit.report,
            gauge=self.gauge(unit),
            positions=unit.positions,
            notes=tuple(self._notes()) if unit is self.main else (),
        )

    def _notes(self) -> Iterator[str]:
        """Yield what differs from the venue, with its reason, and what was assumed."""
        for residual in self.residuals:
            if not residual.matches:
                yield f"{residual.number}: {residual.beside}. {residual.likely_reason}"
        if self.residuals and all(residual.matches for residual in self.residuals):
            yield f"all {len(self.residuals)} figures of the venue match to the printed digits"
        yield from self.account.notes

    @property
    def main(self) -> UnitCheck | None:
        """The unit the headline is about: the cross unit, else the one nearest to its end."""
        cross = [unit for unit in self.units if unit.unit.kind is UnitKind.CROSS]
        ranked = sorted(cross or self.units, key=_nearness)
        return ranked[0] if ranked else None


def check(
    account: Account,
    *,
    warn_distance: Decimal = WARN_DISTANCE,
    amber_distance: Decimal | None = None,
    reasons: bool = True,
) -> AccountCheck:
    """Return every margin figure of an account, and how far it is from liquidation.

    Args:
        account: From `load_account`.
        warn_distance: Distance below which the verdict is a warning (red), fraction.
        amber_distance: Distance below which the word is amber; twice the warning distance unless
            told otherwise.
        reasons: Whether to look for the likeliest reason of each figure of the venue that differs.

    Raises:
        InvalidInput: Amber begins nearer than red.
    """
    levels = Levels.of(warn_distance, amber_distance)
    units = tuple(_unit_check(unit, account) for unit in account.units)
    residuals = residuals_of(
        account.reported, [(u.report or u.known, u.positions, u.reason) for u in units]
    )
    if reasons and not all(residual.matches for residual in residuals):
        from keelmark.accounts.mismatch.rank import explained  # noqa: PLC0415 rarely needed

        residuals = explained(account, [unit.report for unit in units], residuals)
    return AccountCheck(account=account, units=units, residuals=residuals, levels=levels)


def _unit_check(unit: MarginUnit, account: Account) -> UnitCheck:
    model, market = account.model, account.market
    error: MissingNumber | None = None
    if account.unlearnt is None or unit.kind is not UnitKind.CROSS:
        try:
            return _known_check(margin_report(unit, market, model), account)
        except MissingNumber as missing:
            error = missing
    return _unknown_check(unit, account, error)


def _unknown_check(unit: MarginUnit, account: Account, error: MissingNumber | None) -> UnitCheck:
    """Return what stays known of a unit that lacks a number, or of which not all was learnt."""
    model, market = account.model, account.market
    with exact():
        held = [known_position(p, market, model) for p in unit.positions]
    known, reason, worth = KnownMargin(), account.unlearnt or "", None
    ends: dict[str, LiquidationPrices] = {}
    if error is not None:
        lacking = [missing_prices(unit, market, model), *(p.missing for p in held)]
        reason = "; ".join(dict.fromkeys(filter(None, lacking))) or str(error)
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
    positions = _positions(report, account)
    moves = joint_moves(unit, market, model, report=report)
    coins = coin_moves(report, market, model, moves)
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
    )


def _positions(report: MarginReport, account: Account) -> tuple[PositionCheck, ...]:
    unit, market, model = report.unit, account.market, account.model
    if not options_of(unit, model):
        return tuple(_straight_check(held, report, account) for held in report.positions)
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
        shown=_shown(report, symbol, account.model),
    )


def _straight_check(held: PositionMargin, report: MarginReport, account: Account) -> PositionCheck:
    """Return a position of a book without options."""
    symbol, market, model = held.position.instrument, account.market, account.model
    has_coin = carries_coin(report.unit, symbol, market, model)
    return PositionCheck(
        unit_id=report.unit.unit_id,
        held=held,
        liquidation=prices_with_coin(report, symbol, market, model)
        if has_coin
        else straight_prices(report, symbol, model),
        bankruptcy=bankruptcy_prices(report, symbol, market, model),
        shown=_shown(report, symbol, model),
        naive=None if has_coin else _naive_price(report, symbol),
    )


def _shown(report: MarginReport, symbol: str, model: MarginModel) -> LiquidationPrices | None:
    """Return the venue's own liquidation price where it means something else by it."""
    if model.liquidation_price_form is LiquidationPriceForm.HELD_MAINTENANCE:
        return held_maintenance_price(report, symbol)
    return None


def _naive_price(report: MarginReport, symbol: str) -> Decimal | None:
    """Return the naive price where other positions need margin too; alone it misleads nobody."""
    others = (p for p in report.positions if p.position.instrument != symbol)
    return naive_price(report, symbol) if any(p.maintenance_margin for p in others) else None


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


def _nearness(unit: UnitCheck) -> tuple[int, Decimal]:
    """Sort key: unknown and liquidatable units first, then by distance."""
    if unit.is_liquidatable is not False:
        return (0, Decimal(0))
    return (2, Decimal(0)) if unit.distance is None else (1, unit.distance)
