"""Everything the engine remembers: the book, the market, and what is going on with each unit."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from keelmark.book.book import FEES, LIQUIDITY, Book, Capacity, InHouse
from keelmark.book.kernels.holders import gross_notional
from keelmark.book.kernels.margin import Tables, excess, single_asset_price
from keelmark.book.kernels.subset import fallen_kernel
from keelmark.book.parameters import Parameters
from keelmark.book.postings import fill_value
from keelmark.book.totals import totals
from keelmark.book.universe import Universe
from keelmark.book.views import UnitView
from keelmark.core.codes import Leg
from keelmark.core.excess import price_of
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, MarginPurpose
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.process import LiquidationRules, Stage, UnitOrder
from keelmark.core.unit import MarginUnit, Position
from keelmark.engine.entries import (
    MILLION,
    USAGE_KINDS,
    Case,
    Doubt,
    FundWindow,
    LossWindow,
    Order,
    Protection,
    SoldWindow,
)
from keelmark.engine.keys import Keys
from keelmark.engine.orders import open_orders
from keelmark.engine.screen import Screen
from keelmark.engine.working import ExternalTerms, WorkingOrders
from keelmark.rulebooks.load import Rulebook
from keelmark.rulebooks.terms import terms_digest

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

DEFAULT_FUND = "default"


class State:
    """The state that events build; `apply` is its only writer.

    Attributes:
        rulebook: Rulebook in force: margin terms and liquidation process.
        terms: Digest of its terms.
        rulebook_text: The text it was set by; empty for the one the journal was begun under.
        universe: Rows of instruments, assets and prices.
        screen: Initial terms of the universe as kernels read them.
        book: Columns of record.
        prices: Price by factor row; the last is seconds since interest was last posted.
        time_ms: The clock.
        posted_ms: When interest was last posted.
        rechecked_ms: When warned units were last looked at for recovery.
        disposed_ms: When the backstop last offered its positions.
        names: Account by the caller's id.
        orders: Reserved orders by unit and order id.
        protections: Protections by unit and id.
        cases: Liquidations in progress by unit.
        grace: Until when a unit at its trigger may bring margin.
        levels: Warning level of each unit that has one.
        paused: Instruments that are paused; -1 is everything.
        untrusted: Price rows whose last price was refused, or that have none.
        rebased: Price rows whose next price is believed whatever its step: an operator resumed.
        doubts: Prices outside their band that may yet be confirmed, by price row.
        deleveraged_ms: When the backstop was last closed against winners, or nobody was found.
        seen_ms: When each price row last had a good price.
        held: Units an operator holds.
        fund_windows: Spending of a fund, by unit and asset.
        sold: Notional sold into the market in the present window, valuation currency.
        cases_count: Liquidations ever started.
        keys: Idempotency keys of the latest commands.
        external: How orders are executed outside; `None` where the market is built in.
        working: Orders that are out in a market of the user's.
    """

    def __init__(self, rulebook: Rulebook, *, capacity: Capacity | None = None) -> None:
        self.rulebook = rulebook
        self.rulebook_text = ""
        self.terms = terms_digest(rulebook)
        self.universe = Universe.build(rulebook.model)
        self.screen = Screen(self.universe)
        self._segments = _fund_by_symbol(rulebook)
        funds = (DEFAULT_FUND, *rulebook.liquidation.insurance.segments)
        self.book = Book(
            self.parameters(),
            in_house=InHouse(funds=funds, backstops=("main",)),
            capacity=capacity,
        )
        self.prices: Floats = np.full(len(self.universe.factors) + 1, np.nan)
        self.prices[-1] = 0.0
        self.time_ms = 0
        self.posted_ms = 0
        self.rechecked_ms = 0
        self.disposed_ms = 0
        self.deleveraged_ms = 0
        self.names: dict[str, int] = {}
        self.orders: defaultdict[int, dict[int, Order]] = defaultdict(dict)
        self.protections: defaultdict[int, dict[int, Protection]] = defaultdict(dict)
        self.cases: dict[int, Case] = {}
        self.grace: dict[int, int] = {}
        self.levels: dict[int, int] = {}
        self.paused: set[int] = set()
        self.untrusted: set[int] = set(range(len(self.universe.factors)))
        self.rebased: set[int] = set()
        self.doubts: dict[int, Doubt] = {}
        self.seen_ms: Int64s = np.zeros(len(self.universe.factors), np.int64)
        self.held: set[int] = set()
        self.fund_windows: dict[tuple[int, int], FundWindow] = {}
        self.loss_window = LossWindow()
        self.sold_window = SoldWindow()
        self.cases_count = 0
        self.keys = Keys()
        self.external: ExternalTerms | None = None
        self.working = WorkingOrders()
        self._market: Market | None = None
        self._reports: dict[int, MarginReport] = {}

    def set_rulebook(self, rulebook: Rulebook, text: str) -> None:
        """Put other parameters for the same instruments and assets in force."""
        self.rulebook, self.rulebook_text = rulebook, text
        self.terms = terms_digest(rulebook)
        self.universe = Universe.build(rulebook.model)
        self.screen = Screen(self.universe)
        self._segments = _fund_by_symbol(rulebook)
        self.book.parameters = self.parameters()
        self.prices_changed()

    def parameters(self) -> Parameters:
        """Return the book's parameter tables of the universe."""
        return Parameters(
            instrument_names=self.universe.symbols,
            asset_names=self.universe.assets,
            instruments=self.universe.instruments,
            assets=self.universe.asset_rows,
            tiers=self.universe.tiers,
            segments=self.universe.segments,
        )

    # --- who is who -----------------------------------------------------------------------------

    @property
    def model(self) -> MarginModel:
        """Margin terms in force."""
        return self.rulebook.model

    @property
    def rules(self) -> LiquidationRules:
        """Liquidation process in force."""
        return self.rulebook.liquidation

    @property
    def backstop(self) -> int:
        """Unit that takes positions over."""
        return self.book.in_house["backstop:main"]

    @property
    def liquidity(self) -> int:
        """The rest of the market: the other side of every order sold."""
        return LIQUIDITY

    @property
    def fees(self) -> int:
        """Unit that collects fees."""
        return FEES

    def fund_of(self, instrument: int) -> int:
        """Return the insurance fund of an instrument's market group; -1 is the default's."""
        name = DEFAULT_FUND
        if instrument >= 0:
            name = self._segments.get(self.universe.symbols[instrument], DEFAULT_FUND)
        return self.book.in_house[f"fund:{name}"]

    def fund_money(self, fund: int, asset: int) -> int:
        """Return what a fund may still spend in the present window, quanta."""
        balance = max(0, self.book.balance(fund, asset))
        window = self.fund_window(fund, asset)
        with exact():
            allowed = int(window.base * self.rules.insurance.window_share)
        return max(0, min(balance, allowed - window.spent))

    def fund_window(self, fund: int, asset: int) -> FundWindow:
        """Return the present window of a fund; a new one where the last has ended."""
        window = self.fund_windows.get((fund, asset))
        if window and self.time_ms - window.start_ms < 1000 * self.rules.insurance.window_s:
            return window
        base = max(0, self.book.balance(fund, asset))
        return FundWindow(start_ms=self.time_ms, base=base)

    @property
    def funds(self) -> dict[str, int]:
        """Insurance funds by name."""
        return {n: u for n, u in self.book.in_house.items() if n.startswith("fund:")}

    # --- the market -----------------------------------------------------------------------------

    @property
    def market(self) -> Market:
        """The present snapshot as plain values."""
        if self._market is None:
            self._market = self.universe.market(
                self.prices,
                f"{self.time_ms} ms",
                self._open_interest() if self.universe.scales_with_open_interest else None,
            )
        return self._market

    def _open_interest(self) -> dict[str, Decimal]:
        """Return the open interest of every instrument, settle asset."""
        return self.universe.open_interest(self.longs(), self.prices)

    def longs(self) -> tuple[int, ...]:
        """Return the lots held long of every instrument."""
        return totals(self.book).longs

    def prices_changed(self) -> None:
        """Forget the plain snapshot; called whenever a price or the clock moves."""
        self._market = None
        self._reports.clear()

    def forget_reports(self) -> None:
        """Forget every report: many units have changed."""
        self._reports.clear()

    def forget_reports_of(self, units: Iterable[int]) -> None:
        """Forget the reports of units that have changed, and what open interest was."""
        if self.universe.scales_with_open_interest:
            self.prices_changed()
        for unit in units:
            self._reports.pop(unit, None)

    def ticks(self, instrument: int) -> int:
        """Return the mark of an instrument in ticks."""
        row = self.universe.instruments[instrument]
        return round(float(self.prices[row["mark_factor"]]) / float(row["price_unit"]))

    def price_of(self, asset: int) -> Decimal:
        """Return the price of an asset's row in the valuation currency."""
        return price_of(self.universe.assets[asset], self.market, self.model)

    def settle_of(self, instrument: int) -> int:
        """Return the settle asset of an instrument."""
        return int(self.universe.instruments[instrument]["settle"])

    def value(self, instrument: int, lots: int, ticks: int) -> int:
        """Return the signed value of lots at a price, settle quanta, rounded up if inverse."""
        return fill_value(self.book, instrument, lots, ticks)

    def steepest(self, asset: str) -> Decimal:
        """Return the largest slope of an asset's collateral lines, at least one."""
        segments = self.model.asset(asset).schedule.segments
        return max(ONE, *(segment.slope for segment in segments))

    def is_paused(self, instrument: int) -> bool:
        """Whether nothing may be traded or liquidated in an instrument."""
        return bool(self.paused & {-1, instrument})

    # --- trust ----------------------------------------------------------------------------------

    def has_mark(self, instrument: int) -> bool:
        """Whether an instrument ever had a good mark."""
        return bool(np.isfinite(self.prices[self.universe.instruments[instrument]["mark_factor"]]))

    def is_untrusted_instrument(self, instrument: int) -> bool:
        """Whether a price that an instrument is valued or margined on is not trusted."""
        row = self.universe.instruments[instrument]
        return bool(self.untrusted & {int(row["mark_factor"]), int(row["margin_factor"])})

    def depends_on_untrusted(self, view: UnitView) -> bool:
        """Whether the margin of a unit reads a price that is not trusted."""
        if not self.untrusted:
            return False
        if any(self.untrusted & self.factors_of(p.instrument) for p in view.positions):
            return True
        factors = {int(self.universe.asset_rows[a]["price_factor"]) for a in view.balances}
        return bool(self.untrusted & factors)

    def factors_of(self, instrument: int) -> set[int]:
        """Return the price rows an instrument is valued and margined on; -1 is all there are."""
        if instrument < 0:
            return set(range(len(self.universe.factors)))
        row = self.universe.instruments[instrument]
        settle = int(self.universe.asset_rows[row["settle"]]["price_factor"])
        return {int(row["mark_factor"]), int(row["margin_factor"]), settle} - {-1}

    @property
    def accrues(self) -> bool:
        """Whether any debt counts interest before it is posted."""
        return bool(self.universe.asset_rows["borrow_rate"].any())

    def counts_orders_of(self, unit: int) -> bool:
        """Whether open orders of a unit enlarge its maintenance: the screen does not read them."""
        return self.model.orders_in_maintenance and bool(self.orders.get(unit))

    # --- levels ---------------------------------------------------------------------------------

    @property
    def usages(self) -> list[Decimal]:
        """Usages at which something happens before liquidation: warnings, then the margin call."""
        levels = list(self.rules.warn.levels) if self.rules.runs(Stage.WARN) else []
        if self.rules.runs(Stage.MARGIN_CALL) and self.rules.margin_call.usage < ONE:
            levels.append(self.rules.margin_call.usage)
        return levels

    @property
    def level_multiples(self) -> list[float]:
        """Multiples of maintenance of the levels, first level first."""
        return [float(ONE / usage) for usage in self.usages]

    @property
    def recovery_multiples(self) -> list[float]:
        """Multiples below which a level is cleared again."""
        gap = self.rules.warn.hysteresis
        return [float(ONE / max(usage - gap, usage / 2)) for usage in self.usages]

    def watch_multiple(self, unit: int) -> float:
        """Return the multiple of maintenance at which a unit is looked at next; -1 is anybody."""
        multiples = self.level_multiples[self.levels.get(unit, 0) :]
        for protection in self.protections.get(unit, {}).values():
            if protection.kind in USAGE_KINDS:
                multiples.append(MILLION / protection.trigger)
        return max(multiples, default=1.0)

    def is_reduce_only(self, unit: int) -> bool:
        """Whether a unit is past its margin call."""
        return self.calls_margin and self.levels.get(unit, 0) == len(self.usages)

    @property
    def calls_margin(self) -> bool:
        """Whether the last level is a margin call: past it a unit opens nothing more."""
        return self.rules.runs(Stage.MARGIN_CALL) and self.rules.margin_call.usage < ONE

    def may_fall(self, unit: int) -> bool:
        """Whether the screen cannot prove a unit above its trigger, and its prices are known.

        What has no kernel face comes out as NaN and is left to `core`, and so are orders that
        enlarge maintenance.
        """
        if self.counts_orders_of(unit):
            return not self.depends_on_untrusted(self.book.unit_view(unit))
        spare, error = excess(unit, 1.0, self.tables())
        if spare > error:
            return False
        return bool(spare <= error) or not self.depends_on_untrusted(self.book.unit_view(unit))

    def is_still_down(self, units: list[int]) -> list[bool]:
        """Whether the screen proves that liquidations have not recovered, unit by unit.

        `has_recovered` is false wherever this is true; it is a hundred times as fast.
        """
        fallen = np.zeros(len(units), np.bool_)
        level = float(self.model.liquidation_end)
        fallen_kernel(np.array(units, np.int32), level, self.tables(), fallen)
        return fallen.tolist()

    def rank(self, unit: int, order: UnitOrder) -> Decimal:
        """Return the key by which units that fall together are handled, smallest first."""
        report = self.report(unit)
        if order is UnitOrder.LARGEST_NOTIONAL:
            return -sum((p.notional for p in report.positions), ZERO)
        spare = report.equity - report.maintenance_margin
        return spare if order is UnitOrder.LOWEST_EXCESS else -spare

    def free_cash(self, unit: int, asset: int) -> int:
        """Return what a unit could pay out of an asset without falling below initial margin.

        Nothing while it is being liquidated or depends on a price that is not trusted; unrealised
        profit only where the venue lets it leave.
        """
        if unit in self.cases or self.depends_on_untrusted(self.book.unit_view(unit)):
            return 0
        held = self.book.balance(unit, asset)
        with exact():
            spare = self.report(unit).withdrawable
            price = self.universe.quantum(asset) * self.price_of(asset)
            return max(0, min(held, int(spare / price)))

    # --- the liquidation process ----------------------------------------------------------------

    def has_recovered(self, unit: int) -> bool:
        """Whether a liquidation of the unit stops: the trigger does not hold at its end level."""
        report = self.report(unit)
        if not report.positions and all(a.balance >= ZERO for a in report.assets):
            return True
        return not report.trigger.holds(excess=report.excess(MarginPurpose.LIQUIDATION_END))

    def free_lots(self, unit: int, instrument: int, leg: Leg) -> int:
        """Return the lots of a position that no order works for, without sign."""
        held = abs(self.book.lots(unit, instrument, leg))
        return max(0, held - self.working.lots_out(unit, instrument, int(leg)))

    def sold_left(self) -> Decimal:
        """Return the notional that may still be sold into the market in this window."""
        limit = self.rules.guards.notional_max or ZERO
        if self.time_ms < self.sold_window_end():
            limit -= self.sold_window.notional
        with exact():
            return limit - sum(
                (self._worth(*row) for row in self.working.lots_reducing().items()), ZERO
            )

    def _worth(self, instrument: int, lots: int) -> Decimal:
        """Return the notional of lots at the mark, valuation currency."""
        settle = self.settle_of(instrument)
        value = abs(self.value(instrument, lots, self.ticks(instrument)))
        return value * self.universe.quantum(settle) * self.price_of(settle)

    def sold_window_end(self) -> int:
        """Return when the window of the notional limit ends."""
        return self.sold_window.start_ms + 1000 * self.rules.guards.window_s

    def backstop_inventory(self) -> Decimal:
        """Return the notional the backstop holds, valuation currency."""
        return Decimal(repr(gross_notional(self.backstop, self.in_house_tables())))

    def backstop_equity(self) -> float:
        """Return the equity of the backstop, valuation currency; NaN while a price is missing."""
        tables = self.in_house_tables()
        value, _ = excess(self.backstop, 0.0, tables)
        value *= single_asset_price(self.backstop, tables)
        if np.isnan(value) and self._is_priced(self.backstop):  # what has no kernel face
            return float(self.report(self.backstop).equity)
        return value

    def _is_priced(self, unit: int) -> bool:
        """Whether every price that a unit reads has been there."""
        view = self.book.unit_view(unit)
        rows = {int(self.universe.asset_rows[asset]["price_factor"]) for asset in view.balances}
        rows = rows.union(*(self.factors_of(p.instrument) for p in view.positions)) - {-1}
        return bool(np.isfinite(self.prices[list(rows)]).all())

    def backstop_trigger(self) -> float | None:
        """Return the equity below which the backstop is closed against winners at once.

        `None` where it has no such trigger, holds nothing, or was looked at within its interval.
        """
        rules = self.rules.takeover
        if rules.deleverage_below is None or not self.rules.runs(Stage.TAKEOVER):
            return None
        if not self.book.units[self.backstop]["positions_count"]:
            return None
        if self.time_ms < self.backstop_retry_ms():
            return None
        return float(rules.deleverage_below)

    def backstop_retry_ms(self) -> int:
        """Return when winners may be asked again for the backstop's positions, 0 for at once."""
        if not self.deleveraged_ms:
            return 0
        return self.deleveraged_ms + 1000 * self.rules.takeover.dispose_interval_s

    def backstop_is_spent(self) -> bool:
        """Whether the backstop has lost what one window allows it to lose."""
        rules = self.rules.takeover
        if rules.loss_max is None:
            return False
        if self.time_ms - self.loss_window.start_ms >= 1000 * rules.loss_window_s:
            return False
        return self.loss_window.equity - self.backstop_equity() >= float(rules.loss_max)

    def tables(self) -> Tables:
        """Return the columns as kernels take them."""
        return Tables(
            units=self.book.units,
            positions=self.book.positions.rows,
            balances=self.book.balances.rows,
            instruments=self.universe.instruments,
            tiers=self.universe.tiers,
            assets=self.universe.asset_rows,
            segments=self.universe.segments,
            prices=self.prices,
        )

    def in_house_tables(self) -> Tables:
        """Return tables of which the rows of in-house units may be read."""
        return self.tables()

    # --- units as plain values ------------------------------------------------------------------

    def unit(self, unit: int) -> MarginUnit:
        """Return a unit as `core` reads it."""
        return self.plain(self.book.unit_view(unit))

    def plain(self, view: UnitView, orders: Iterable[Order] | None = None) -> MarginUnit:
        """Return a unit of columns, or one that might be, as `core` reads it."""
        reserved = self.orders.get(view.unit, {}).values() if orders is None else orders
        with exact():
            balances = {
                self.universe.assets[a]: quanta * self.universe.quantum(a)
                for a, quanta in view.balances.items()
            }
            positions = tuple(
                self._position(p.instrument, p.lots, p.cost, p.leg, p.leverage)
                for p in view.positions
            )
            return MarginUnit(
                unit_id=self.book.unit_name(view.unit),
                kind=view.kind,
                balances=balances,
                positions=positions,
                orders=open_orders(self.universe, reserved),
                accrued_interest=self._accrued(view.balances),
            )

    def report(self, unit: int) -> MarginReport:
        """Return a unit's margin at the present snapshot, exact; made once until either changes."""
        known = self._reports.get(unit)
        if known is None:
            known = margin_report(self.unit(unit), self.market, self.model)
            self._reports[unit] = known
        return known

    def _position(self, row: int, lots: int, cost: int, leg: int, leverage: int) -> Position:
        instrument = self.universe.instrument(row)
        settle = int(self.universe.instruments[row]["settle"])
        return Position(
            instrument=instrument.symbol,
            size=lots * instrument.lot,
            cost=cost * self.universe.quantum(settle),
            leg=leg,  # type: ignore[arg-type]  # the view holds a Leg
            leverage=Decimal(leverage) / 100 if leverage else None,
        )

    def _accrued(self, balances: Mapping[int, int]) -> dict[str, Decimal]:
        """Return interest owed since the last posting on debts that count it before."""
        owed: dict[str, Decimal] = {}
        if not self.accrues:
            return owed
        seconds = Decimal(repr(float(self.prices[-1])))
        for row, quanta in balances.items():
            rate = float(self.universe.asset_rows[row]["borrow_rate"])
            if quanta < 0 and rate > 0.0 and seconds > ZERO:
                debt = -quanta * self.universe.quantum(row)
                owed[self.universe.assets[row]] = debt * Decimal(repr(rate)) * seconds
        return owed


def _fund_by_symbol(rulebook: Rulebook) -> Mapping[str, str]:
    segments = rulebook.liquidation.insurance.segments
    return {symbol: name for name, symbols in segments.items() for symbol in symbols}
