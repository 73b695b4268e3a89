"""Any order of any commands: the engine beside a venue in plain Python.

After each command every invariant holds, everybody holds what the model says, whoever stands at the
trigger by the model's formula is a suspect and is being dealt with, and a command was refused
exactly where the model would refuse it. At the end the journal alone gives the same state, and an
engine that looks at everybody all the time has done the same.
"""

from collections.abc import Callable
from dataclasses import astuple
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, currently_in_test_context, settings, target
from hypothesis import event as note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import structs

from keelmark.core.errors import KeelmarkError, Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.engine import Engine, Settings
from keelmark.engine.execution import ExecutionVenue, SimulatedMarket
from keelmark.market.impact import ImpactModel, LinearDensity, exponential_memory
from tests.engine.market_of_all import DEARER, PROCESSES, everything
from tests.engine.model import Key, Model, OrderRow, takes_margin, with_lots
from tests.engine.model_waterfall import Waterfall
from tests.engine.pass_watch import PassWatch
from tests.engine.venue import Spec, Venue, merged, rulebook_text

START = {
    "BTCUSDT": 60_000.0,
    "ETHUSDT": 3_000.0,
    "BTCUSD": 60_000.0,
    "BTCUSDC": 60_000.0,
    "BTCDEC": 60_500.0,
    "index_ETH": 3_000.0,
    "asset_USDC": 1.0,
    "asset_BTC": 60_000.0,
}
LOTS = (2_000, 4_000, 1_500, 2_000, 1_000)
"""Lots of an ordinary trade: about 100,000 each."""

QUANTA = (10**11, 10**11, 2 * 10**8)
"""An ordinary deposit: about 100,000 each."""

LAST_DIGIT = Fraction(1, 10**30)
"""Values of inverse contracts are quotients: exact in the model, sixty digits in the core."""

REASONS = RejectionReason
TOTAL = {"commands": 0, "refused": 0, "liquidations": 0, "sequences": 0}
"""What all sequences of this run have done together."""

COUNTS: dict[str, int] = {}
"""What the waterfalls of this run have been held against."""

shares = st.sampled_from([1, 5, 20, 50, 90, 100, 100, 120, 300])
pick = st.integers(0, 99)
instruments = st.integers(0, 4)
assets = st.integers(0, 2)
small_moves = st.integers(-300, 300).map(lambda n: 1 + n / 10_000)
big_moves = st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.3, 1.5])
legs = st.sampled_from([0, 0, 0, 1, -1])


def simulated_market() -> SimulatedMarket:
    model = ImpactModel(
        shape=LinearDensity(scale=0.0004), memory=exponential_memory(half_life_s=30.0)
    )
    return SimulatedMarket([model] * 5)


def first_reason(
    *rows: tuple[Callable[[], bool], RejectionReason | None],
) -> RejectionReason | None:
    """Return the reason of the first row that holds: the order of the rows is the precedence."""
    return next((reason for holds, reason in rows if holds()), None)


class EngineMachine(RuleBasedStateMachine):
    """One venue, a few accounts, any commands."""

    @initialize(
        process=st.integers(0, len(PROCESSES) - 1),
        simulated=st.booleans(),
        seed=pick,
        fall=st.sampled_from([1.0, 0.95, 0.9, 0.8, 1.1, 1.25]),
    )
    def begin(self, process: int, simulated: bool, seed: int, fall: float) -> None:  # noqa: FBT001 drawn
        self.spec = self.terms(process)
        self.simulated = simulated
        self.venue = Venue(base=self.spec, market=self.market())
        self.model = Model(self.spec)
        self.model.in_house = self.venue.state.book.units_count
        self.waterfall = Waterfall(self.model, dict(self.venue.state.book.in_house), COUNTS)
        self.sent: list[Any] = []
        self.in_grace: set[int] = set()
        self.prices = dict(START)
        self.followed = 0
        self.orders = 0
        self.snapshots([dict(self.prices)])
        self.open_account()
        self.open_account()
        self.fund_the_house(seed)
        if fall != 1.0:  # before any rule: a sequence in which nobody falls is the exception
            self.snapshots([self.moved(fall, 1.0)])

    def terms(self, process: int) -> Spec:
        """Return the universe under one of the processes."""
        return everything(process)

    def heard(self, event: Any) -> None:  # noqa: ANN401 an event
        """Take note of an event before the model does."""

    def market(self) -> ExecutionVenue | None:
        """Return a new market of the kind that was drawn."""
        return simulated_market() if self.simulated else None

    def fund_the_house(self, seed: int) -> None:
        """Give the fund something, and the accounts enough to begin with."""
        state = self.venue.state
        fund = state.fund_of(-1)
        if seed % 4:
            self.send(c.Deposit(unit=fund, asset=0, quanta=(seed % 4) * 10**9), None)
        for number, unit in enumerate(self.model.clients):
            self.send(c.Deposit(unit=unit, asset=0, quanta=QUANTA[0] >> (2 * number)), None)
            self.trade_to_the_limit((number, 1), seed % 2, 98, seed % 3 == 0)

    # --- the two engines --------------------------------------------------------------------------

    def send(self, command: c.Command, expected: RejectionReason | object | None) -> None:
        """Send a command; it is refused exactly for the reason the model expects."""
        TOTAL["commands"] += 1
        self.sent.append(command)
        reason: RejectionReason | None = None
        try:
            self.venue.do(command)
        except Rejected as error:
            TOTAL["refused"] += 1
            reason = error.reason
        assert expected is ANYTHING or reason is expected, (command, reason, expected)
        self.follow()

    def snapshots(self, snapshots: list[dict[str, float]], after_ms: int = 1000) -> None:
        TOTAL["commands"] += 1
        first = self.venue.state.time_ms
        rows = [[(self.venue.factor(n), p) for n, p in prices.items()] for prices in snapshots]
        self.sent.append(
            e.MarksSet(
                times_ms=first + after_ms * np.arange(1, len(rows) + 1),
                offsets=np.cumsum([0] + [len(row) for row in rows]),
                factors=np.array([factor for row in rows for factor, _ in row], np.int32),
                prices=np.array([price for row in rows for _, price in row], np.float64),
            ),
        )
        self.venue.stream(snapshots, after_ms=after_ms)
        self.follow()
        self.everybody_at_the_trigger_is_dealt_with()

    def follow(self) -> None:
        """Let the model take what has happened; each decision is the model's own."""
        state = self.venue.state
        excused = {*self.in_grace, *state.grace, *state.held} | self.withheld()
        self.in_grace = set(state.grace)
        until: dict[int, int] = {}  # graces that begin on the way, and may be over before its end
        for event in self.venue.events[self.followed :]:
            if isinstance(event, e.TimeAdvanced):
                self.waterfall.now = event.time_ms
            if isinstance(event, e.GraceStarted):
                until[event.unit] = event.until_ms
            if isinstance(event, e.MarksSet):
                self.waterfall.settled()
                self.take_prices(event)
                self.waterfall.now = int(event.times_ms[-1])
                now = self.waterfall.now
                self.waterfall.expect({*excused, *(u for u, end in until.items() if now < end)})
            elif isinstance(event, e.LiquidationStarted):
                TOTAL["liquidations"] += 1
                self.the_decision_is_the_models(event)
            elif isinstance(event, e.AccountClosed):
                self.model.closed |= set(self.venue.state.book.units_of(event.account))
            self.heard(event)
            self.waterfall.take(event)
            self.model.take(event)
        self.waterfall.settled()
        self.followed = len(self.venue.events)

    def withheld(self) -> set[int]:
        """Return the units that a pause of something they hold may keep from being decided."""
        state = self.venue.state
        rows = {unit: self.model.held_instruments(unit) for unit in self.model.clients}
        return {u for u, held in rows.items() if any(state.is_paused(row) for row in held)}

    def take_prices(self, marks: e.MarksSet) -> None:
        factors = self.venue.state.universe.factors
        for factor, price in zip(marks.factors.tolist(), marks.prices.tolist(), strict=True):
            self.model.set_price(factors[factor].kind.value, factors[factor].name, price)

    def the_decision_is_the_models(self, event: e.LiquidationStarted) -> None:
        """The event says the model's figures at that very moment."""
        equity, maintenance = self.model.margin(event.unit, "maintenance")
        assert abs(Fraction(event.maintenance) - maintenance) < LAST_DIGIT
        assert abs(Fraction(event.equity) - equity) < LAST_DIGIT
        overridden = any(
            isinstance(x, e.Overridden) and x.action == "takeover" and x.unit == event.unit
            for x in self.venue.events[-60:]
        )
        assert overridden or self.model.is_at_trigger(event.unit)

    # --- laws -------------------------------------------------------------------------------------

    def open_clients(self) -> list[int]:
        return [unit for unit in self.model.clients if unit not in self.model.closed]

    @invariant()
    def everybody_holds_what_the_model_says(self) -> None:
        expected = self.model.holdings()
        for unit in range(self.venue.state.book.units_count):
            view = self.venue.state.book.unit_view(unit)
            held = (
                {asset: quanta for asset, quanta in view.balances.items() if quanta},
                {(p.instrument, int(p.leg)): (p.lots, p.cost) for p in view.positions},
            )
            assert held == expected.get(unit, ({}, {})), unit
        vault = self.venue.state.book.vault
        assert vault == [self.model.vault[row] for row in range(len(vault))]
        orders = {
            (unit, order): astuple(row)
            for unit, rows in self.venue.state.orders.items()
            for order, row in rows.items()
        }
        assert orders == self.model.orders

    @invariant()
    def whoever_is_at_the_trigger_is_a_suspect(self) -> None:
        suspects = set(self.venue.engine.suspects().tolist())
        for unit in self.open_clients():
            if not self.model.is_blind(unit) and self.model.is_at_trigger(unit):
                assert unit in suspects

    @invariant()
    def margins_are_the_models(self) -> None:
        state = self.venue.state
        for unit in self.open_clients():
            if not self.model.is_blind(unit):
                report = state.report(unit)
                equity, maintenance = self.model.margin(unit, "maintenance")
                _, initial = self.model.margin(unit, "initial")
                assert abs(Fraction(str(report.equity)) - equity) < LAST_DIGIT
                assert abs(Fraction(str(report.maintenance_margin)) - maintenance) < LAST_DIGIT
                assert abs(Fraction(str(report.initial_margin)) - initial) < LAST_DIGIT

    def everybody_at_the_trigger_is_dealt_with(self) -> None:
        """After a snapshot nobody stands at the trigger without a liquidation, or a reason."""
        state = self.venue.state
        for unit in self.open_clients():
            excused = unit in state.cases or unit in state.grace or unit in state.held
            paused = any(state.is_paused(row) for row in self.model.held_instruments(unit))
            if not excused and not paused and not self.model.is_blind(unit):
                assert not self.model.is_at_trigger(unit), unit

    # --- who may do what --------------------------------------------------------------------------

    def unit(self, choice: int) -> int:
        return self.model.clients[choice % len(self.model.clients)]

    def payment_refused(self, unit: int, asset: int, quanta: int) -> RejectionReason | None:
        model, state = self.model, self.venue.state
        owes = any(q < 0 for key, q in model.balances.items() if key[0] == unit)
        at_risk = bool(model.held_instruments(unit) or owes or model.orders_of(unit))
        return first_reason(
            (lambda: unit in model.closed, REASONS.ACCOUNT_CLOSED),
            (lambda: unit in state.cases, REASONS.UNIT_IN_LIQUIDATION),
            (lambda: quanta <= 0, REASONS.AMOUNT_NOT_POSITIVE),
            (
                lambda: model.balances.get((unit, asset), 0) < quanta,
                REASONS.INSUFFICIENT_BALANCE,
            ),
            (lambda: at_risk and model.is_blind(unit), REASONS.UNTRUSTED_MARK),
            (
                lambda: at_risk and model.excess_to_leave(unit, asset, quanta) < 0,
                REASONS.INSUFFICIENT_INITIAL_MARGIN,
            ),
        )

    def side_refused(self, command: c.Fill, side: int) -> RejectionReason | None:
        """Return why one side of a fill is refused: 0 the unit's, 1 the counterparty's.

        Orders and leverages it names are within their bounds by the rules that draw them.
        """
        model, state = self.model, self.venue.state
        unit = command.counterparty if side else command.unit
        leg = command.counterparty_leg if side else command.leg
        fee = command.counterparty_fee if side else command.fee
        if unit < model.in_house:
            return None
        key = (unit, command.instrument, leg)
        trial = self.after(command, key, side)
        held, _ = model.positions.get(key, (0, 0))
        after, _ = trial["held"].get(key, (0, 0))
        asked = command.counterparty_leverage if side else command.leverage

        def blind() -> bool:
            return bool(model.is_blind(unit) or model.priced_by(command.instrument) & model.bad)

        return first_reason(
            (lambda: unit in model.closed, REASONS.ACCOUNT_CLOSED),
            (lambda: unit in state.cases, REASONS.UNIT_IN_LIQUIDATION),
            (lambda: after * leg < 0, REASONS.NOTHING_TO_CLOSE),
            (lambda: model.mixes_modes(key), REASONS.POSITION_MODE),
            (lambda: bool(asked) and blind() and bool(after), REASONS.UNTRUSTED_MARK),
            (lambda: self.is_above_maximum(key, after, asked), REASONS.LEVERAGE_ABOVE_MAXIMUM),
            (lambda: self.is_covered(command, side), None),
            (
                lambda: (
                    (not after or trial["leverages"][key] == model.leverages.get(key, 0))
                    and self.only_shrinks(key, held, after, trial, fee)
                ),
                None,
            ),
            (lambda: state.is_reduce_only(unit), REASONS.REDUCE_ONLY),
            (blind, REASONS.UNTRUSTED_MARK),
            (
                lambda: model.excess(unit, "initial", **trial) < 0,
                REASONS.INSUFFICIENT_INITIAL_MARGIN,
            ),
        )

    def after(self, command: c.Fill, key: Key, side: int) -> dict[str, Any]:
        """Return what the holder of a key would have after its side of a fill."""
        model = self.model
        lots = -command.lots if side else command.lots
        value = model.value_of(command.instrument, command.lots, command.ticks)
        lots_after, cost, cash = model.after_fill(key, lots, -value if side else value)
        held = model.positions.get(key, (0, 0))[0]
        positions = {k: v for k, v in model.positions.items() if k != key}
        if lots_after:
            positions[key] = (lots_after, cost)
        leverage = command.counterparty_leverage if side else command.leverage
        number = command.counterparty_order if side else command.order
        orders = dict(model.orders)
        if number is not None:
            row, rest = orders[key[0], number], orders[key[0], number][1] - lots
            leverage = leverage or row[4]
            orders[key[0], number] = with_lots(row, rest)
        if held:
            leverage = leverage or model.leverages.get(key, 0)
        fee = command.counterparty_fee if side else command.fee
        return {
            "held": positions,
            "cash": {model.settle(command.instrument): cash - fee},
            "leverages": {key: leverage},
            "orders": [row for (unit, _), row in orders.items() if unit == key[0] and row[1]],
        }

    def is_above_maximum(self, key: Key, after: int, leverage: int) -> bool:
        """Whether a leverage set for lots is more than their bracket allows."""
        contract = self.model.contracts[key[1]]
        if not (leverage and after):
            return False
        notional = self.model.notional(key[1], after)
        allowed = contract.allowed(abs(after) * contract.lot, notional)
        return allowed is not None and Fraction(leverage, 100) > allowed

    def is_covered(self, command: c.Fill, side: int) -> bool:
        """Whether the order a side names was charged for it: no fee, no leverage of its own."""
        number = command.counterparty_order if side else command.order
        if number is None:
            return False
        unit = command.counterparty if side else command.unit
        return takes_margin(self.model.orders[unit, number])

    def only_shrinks(
        self, key: Key, held: int, after: int, trial: dict[str, Any], fee: int
    ) -> bool:
        """Whether a fill makes a position smaller and costs the excess no more than its fee."""
        model = self.model
        if not (0 <= after * (1 if held > 0 else -1) < abs(held)):
            return False
        if model.is_blind(key[0]):
            return True
        settle = model.settle(key[1])
        slopes = [weight for _, weight in model.assets[settle].weights]
        steepest = max(Fraction(1), *slopes, 1 + model.assets[settle].loan_rate)
        allowed = max(0, fee) * model.assets[settle].quantum * steepest * model.price(settle)
        return model.excess(key[0], **trial) >= model.excess(key[0]) - allowed

    # --- commands: money and accounts -------------------------------------------------------------

    @precondition(lambda self: len(self.model.clients) < 8)
    @rule()
    def open_account(self) -> None:
        self.send(c.OpenAccount(name=f"account {len(self.model.clients)}"), None)

    @precondition(lambda self: len(self.model.clients) < 8)
    @rule(choice=pick)
    def open_isolated(self, choice: int) -> None:
        account = choice % self.venue.state.book.accounts_count
        closed = self.venue.state.book.cross_unit(account) in self.model.closed
        expected = REASONS.ACCOUNT_CLOSED if closed else None
        self.send(c.OpenIsolated(account=account), expected)

    @rule(choice=pick, asset=assets, share=shares)
    def deposit(self, choice: int, asset: int, share: int) -> None:
        unit = self.unit(choice)
        expected = first_reason(
            (lambda: unit in self.model.closed, REASONS.ACCOUNT_CLOSED),
            (lambda: self.would_blind(unit, asset), REASONS.UNTRUSTED_MARK),
        )
        self.send(c.Deposit(unit=unit, asset=asset, quanta=QUANTA[asset] * share // 300), expected)

    @rule(choice=pick, asset=assets, share=shares)
    def withdraw(self, choice: int, asset: int, share: int) -> None:
        unit = self.unit(choice)
        quanta = self.model.balances.get((unit, asset), 0) * share // 100
        expected = self.payment_refused(unit, asset, quanta)
        self.send(c.Withdraw(unit=unit, asset=asset, quanta=quanta), expected)

    @rule(choice=pick, other=pick, asset=assets, share=shares)
    def transfer(self, choice: int, other: int, asset: int, share: int) -> None:
        source, target = self.unit(choice), self.unit(other)
        if source == target:
            return
        quanta = self.model.balances.get((source, asset), 0) * share // 100
        expected = self.payment_refused(source, asset, quanta)
        if target in self.model.closed:
            expected = REASONS.ACCOUNT_CLOSED
        elif expected is None and self.would_blind(target, asset):
            expected = REASONS.UNTRUSTED_MARK
        command = c.Transfer(source=source, target=target, asset=asset, quanta=quanta)
        self.send(command, expected)

    def would_blind(self, unit: int, asset: int) -> bool:
        """Whether an asset would hide the margin of a unit with positions: its price is bad."""
        key = ("asset", self.model.assets[asset].name)
        return bool(self.model.held_instruments(unit)) and key in self.model.bad

    # --- commands: trades and orders --------------------------------------------------------------

    def fill(self, command: c.Fill) -> None:
        paused = self.venue.state.is_paused(command.instrument)
        refused = self.side_refused(command, 0) or self.side_refused(command, 1)
        self.send(command, REASONS.MARKET_PAUSED if paused else refused)

    def ticks(self, instrument: int, basis_points: int = 0) -> int:
        contract = self.model.contracts[instrument]
        price = self.model.prices["mark", contract.symbol]
        return max(1, round(price / contract.tick * (10_000 + basis_points) / 10_000))

    @rule(
        sides=st.tuples(pick, pick),
        instrument=instruments,
        share=shares,
        sells=st.booleans(),
        legs=st.tuples(legs, legs),
        fees=st.tuples(st.sampled_from([0, 0, 1, 10**6]), st.sampled_from([0, 0, -1, 10**6])),
        leverages=st.tuples(*[st.sampled_from([0, 0, 0, 500, 2000, 6000])] * 2),
    )
    def trade(
        self,
        sides: tuple[int, int],
        instrument: int,
        share: int,
        sells: bool,  # noqa: FBT001 drawn
        legs: tuple[int, int],
        fees: tuple[int, int],
        leverages: tuple[int, int],
    ) -> None:
        unit, other = self.unit(sides[0]), self.unit(sides[1])
        if unit == other or sides[1] % 3 == 0:
            other = self.venue.state.liquidity
        lots = max(1, LOTS[instrument] * share // 100)
        self.fill(
            c.Fill(
                unit=unit,
                counterparty=other,
                instrument=instrument,
                lots=-lots if sells else lots,
                ticks=self.ticks(instrument, fees[0] % 7 * 30),
                leg=legs[0],
                counterparty_leg=legs[1] if other >= self.model.in_house else 0,
                fee=fees[0] if instrument != 2 else fees[0] // 100,
                counterparty_fee=fees[1] if instrument != 2 else fees[1] // 100,
                leverage=leverages[0],
                counterparty_leverage=leverages[1] if other >= self.model.in_house else 0,
            ),
        )

    @rule(choice=pick, part=st.sampled_from([1, 2, 3]), both=st.booleans())
    def execute_an_order(self, choice: int, part: int, both: bool) -> None:  # noqa: FBT001 drawn
        """Fill a reserved order within what was reserved, alone or twice in a batch."""
        keys = sorted(self.model.orders)
        if not keys:
            return
        unit, number = keys[choice % len(keys)]
        instrument, lots, ticks, leg, _, reduce_only = self.model.orders[unit, number]
        filled = (abs(lots) + part - 1) // part * (1 if lots > 0 else -1)
        held, _ = self.model.positions.get((unit, instrument, leg), (0, 0))
        command = c.Fill(
            unit=unit,
            counterparty=self.venue.state.liquidity,
            instrument=instrument,
            lots=filled,
            ticks=ticks,
            leg=leg,
            order=number,
        )
        shrinks = held * filled < 0 and abs(filled) <= abs(held)
        if (
            both
            or (reduce_only and not shrinks)
            or self.model.priced_by(instrument) & (self.model.bad)
        ):
            again = structs.replace(command, lots=lots - filled or filled)
            self.send(c.FillBatch(fills=(command, again)), ANYTHING)
        else:
            self.fill(command)

    @rule(choice=pick, leverage=st.sampled_from([0, 100, 500, 2000, 6000]))
    def set_leverage(self, choice: int, leverage: int) -> None:
        held = sorted(key for key in self.model.positions if key[0] >= self.model.in_house)
        if not held:
            return
        key = held[choice % len(held)]
        model, lots = self.model, self.model.positions[key][0]
        chosen = {key: leverage}
        expected = first_reason(
            (lambda: key[0] in self.venue.state.cases, REASONS.UNIT_IN_LIQUIDATION),
            (lambda: model.is_blind(key[0]), REASONS.UNTRUSTED_MARK),
            (lambda: self.is_above_maximum(key, lots, leverage), REASONS.LEVERAGE_ABOVE_MAXIMUM),
            (
                lambda: (
                    model.excess(key[0], "initial", leverages=chosen)
                    >= model.excess(key[0], "initial")
                ),
                None,
            ),
            (
                lambda: model.excess(key[0], "initial", leverages=chosen) < 0,
                REASONS.INSUFFICIENT_INITIAL_MARGIN,
            ),
        )
        self.send(
            c.SetLeverage(unit=key[0], instrument=key[1], leg=key[2], leverage=leverage), expected
        )

    @rule(
        sides=st.tuples(pick, pick),
        instrument=instruments,
        part=st.sampled_from([50, 90, 98]),
        sells=st.booleans(),
    )
    def trade_to_the_limit(
        self,
        sides: tuple[int, int],
        instrument: int,
        part: int,
        sells: bool,  # noqa: FBT001 drawn
    ) -> None:
        """Open about as much as initial margin allows, so that the next crash is felt."""
        unit, other = self.unit(sides[0]), self.unit(sides[1])
        if self.model.is_blind(unit) or self.model.priced_by(instrument) - self.model.prices.keys():
            return
        if unit == other or sides[1] % 2:
            other = self.venue.state.liquidity
        spare = self.model.excess(unit, "initial")
        one = self.model.notional(instrument, LOTS[instrument]) / LOTS[instrument]
        one *= self.model.price(self.model.settle(instrument))
        lots = int(spare * part / 100 / one * 15)
        while lots > 0:
            command = c.Fill(
                unit=unit,
                counterparty=other,
                instrument=instrument,
                lots=-lots if sells else lots,
                ticks=self.ticks(instrument),
            )
            if self.side_refused(command, 0) is not REASONS.INSUFFICIENT_INITIAL_MARGIN:
                self.fill(command)
                return
            lots = lots * 3 // 4  # a higher bracket asks for more

    @rule(choice=pick, part=st.sampled_from([1, 2, 3, 1]))
    def reduce_a_position(self, choice: int, part: int) -> None:
        held = sorted(key for key in self.model.positions if key[0] >= self.model.in_house)
        if not held:
            return
        key = held[choice % len(held)]
        lots, _ = self.model.positions[key]
        closed = max(1, abs(lots) // part)
        self.fill(
            c.Fill(
                unit=key[0],
                counterparty=self.venue.state.liquidity,
                instrument=key[1],
                lots=-closed if lots > 0 else closed,
                ticks=self.ticks(key[1]),
                leg=key[2],
            ),
        )

    @rule(
        choice=pick,
        instrument=instruments,
        share=shares,
        basis_points=st.integers(-90, 90),
        terms=st.tuples(legs, st.sampled_from([0, 0, 500, 2000, 6000]), st.booleans()),
    )
    def reserve(
        self,
        choice: int,
        instrument: int,
        share: int,
        basis_points: int,
        terms: tuple[int, int, bool],
    ) -> None:
        unit, model, state = self.unit(choice), self.model, self.venue.state
        self.orders += 1
        number = self.orders if share != 5 else 1
        lots = max(1, LOTS[instrument] * share // 100) * (1 if choice % 2 else -1)
        reduce_only = terms[2] and share > 50
        row = (instrument, lots, self.ticks(instrument, basis_points), *terms[:2], reduce_only)
        if (unit, number) in model.orders:
            return
        blind = model.is_blind(unit) or bool(model.priced_by(instrument) & model.bad)
        expected = first_reason(
            (lambda: unit in model.closed, REASONS.ACCOUNT_CLOSED),
            (lambda: unit in state.cases, REASONS.UNIT_IN_LIQUIDATION),
            (lambda: state.is_paused(instrument), REASONS.MARKET_PAUSED),
            (lambda: blind, REASONS.UNTRUSTED_MARK),
            (lambda: model.mixes_modes((unit, instrument, terms[0])), REASONS.POSITION_MODE),
            (
                lambda: self.would_be_above_maximum(unit, row),
                REASONS.LEVERAGE_ABOVE_MAXIMUM,
            ),
            (lambda: self.excess_with(unit, row) >= model.excess(unit, "initial"), None),
            (lambda: state.is_reduce_only(unit), REASONS.REDUCE_ONLY),
            (lambda: self.excess_with(unit, row) < 0, REASONS.INSUFFICIENT_INITIAL_MARGIN),
        )
        command = c.ReserveOrder(
            unit=unit,
            order=number,
            instrument=instrument,
            lots=lots,
            ticks=row[2],
            leg=terms[0],
            leverage=terms[1],
            reduce_only=reduce_only,
        )
        self.send(command, expected)

    def excess_with(self, unit: int, order: OrderRow) -> Fraction:
        """Return the initial excess with one more order."""
        return self.model.excess(unit, "initial", orders=[*self.model.orders_of(unit), order])

    def would_be_above_maximum(self, unit: int, order: OrderRow) -> bool:
        """Whether the leverage of an order is more than allowed if all orders are filled."""
        instrument, _, _, leg, leverage, _ = order
        if not takes_margin(order):
            return False
        here = [row for row in (*self.model.orders_of(unit), order) if row[0] == instrument]
        held = {k: v for k, v in self.model.positions.items() if k[:2] == (unit, instrument)}
        worst = self.model.worst_case(held, [row for row in here if takes_margin(row)])
        return self.is_above_maximum((unit, instrument, leg), worst, leverage)

    @rule(choice=pick, part=st.sampled_from([0, 1, 3]))
    def release(self, choice: int, part: int) -> None:
        keys = sorted(self.model.orders)
        if not keys:
            self.send(
                c.ReleaseOrder(unit=self.unit(choice), order=999),
                REASONS.ACCOUNT_CLOSED
                if self.unit(choice) in self.model.closed
                else REASONS.NO_SUCH_ORDER,
            )
            return
        unit, order = keys[choice % len(keys)]
        self.send(
            c.ReleaseOrder(unit=unit, order=order, lots=part),
            None if (part <= abs(self.model.orders[unit, order][1])) else REASONS.NO_SUCH_ORDER,
        )

    # --- commands: prices and time ----------------------------------------------------------------

    def moved(self, factor: float, dispersion: float) -> dict[str, float]:
        """Move everything that follows BTC by a factor, ETH by a little more or less."""
        for name in ("BTCUSDT", "BTCUSD", "BTCUSDC", "BTCDEC", "asset_BTC"):
            self.prices[name] *= factor
        for name in ("ETHUSDT", "index_ETH"):
            self.prices[name] *= factor * dispersion
        if not 500 < self.prices["BTCUSDT"] < 5_000_000:
            self.prices = dict(START)
        return dict(self.prices)

    @rule(moves=st.lists(small_moves, min_size=1, max_size=6), dispersion=small_moves)
    def small_marks(self, moves: list[float], dispersion: float) -> None:
        self.snapshots([self.moved(move, dispersion) for move in moves])

    @rule(move=big_moves, dispersion=small_moves)
    def a_gap(self, move: float, dispersion: float) -> None:
        self.snapshots([self.moved(move, dispersion)])

    @rule(moves=st.lists(big_moves, min_size=2, max_size=4))
    def a_crash(self, moves: list[float]) -> None:
        self.snapshots([self.moved(min(move, 0.95), 0.97) for move in moves], after_ms=700)

    @rule(rises=st.booleans(), share=st.sampled_from([0.75, 0.85, 0.9]))
    def everybody_is_leveraged_and_falls(self, rises: bool, share: float) -> None:  # noqa: FBT001 drawn
        for number in range(len(self.model.clients)):
            self.trade_to_the_limit((number, number + 2), number % 4, 98, rises)
        self.snapshots([self.moved(1 / share if rises else share, 1.0)])

    @rule(
        name=st.sampled_from(sorted(START)), price=st.sampled_from([float("nan"), 0.0, -5.0, 1e9])
    )
    def a_bad_price(self, name: str, price: float) -> None:
        self.snapshots([{name: price}])

    @rule(price=st.sampled_from([1.0, 0.999, 0.97, 0.7, 0.5, 1.02]))
    def depeg(self, price: float) -> None:
        self.prices["asset_USDC"] = price
        self.snapshots([{"asset_USDC": price}])

    @rule(name=st.sampled_from(sorted(START)), move=small_moves)
    def one_price(self, name: str, move: float) -> None:
        self.prices[name] *= move
        self.snapshots([{name: self.prices[name]}])

    @rule(seconds=st.sampled_from([1, 2, 5, 31, 61, 120]))
    def wait(self, seconds: int) -> None:
        command = c.AdvanceTime(time_ms=self.venue.state.time_ms + 1000 * seconds)
        self.send(command, None)
        self.stale_prices_are_bad()

    def stale_prices_are_bad(self) -> None:
        """Which prices are old is the engine's own word; what follows from it is not."""
        state = self.venue.state
        for row, factor in enumerate(state.universe.factors):
            if row in state.untrusted:
                self.model.bad.add((factor.kind.value, factor.name))

    # --- commands: the venue ----------------------------------------------------------------------

    @rule(
        rates=st.lists(st.integers(-2 * 10**9, 2 * 10**9), min_size=5, max_size=5),
        skipped=st.integers(0, 4),
    )
    def funding(self, rates: list[int], skipped: int) -> None:
        rows = tuple(row for row in range(5) if row != skipped)
        self.send(
            c.PostFunding(
                instruments=rows,
                rates=tuple(rates[row] for row in rows),
                ticks=tuple(self.ticks(row) for row in rows),
            ),
            None,
        )

    @rule(rates=st.tuples(*[st.integers(0, 10**9)] * 3))
    def interest(self, rates: tuple[int, int, int]) -> None:
        self.send(c.PostInterest(assets=(0, 1, 2), rates=rates), None)

    @rule(basis_points=st.integers(-200, 200), rarely=pick)
    def settle_the_future(self, basis_points: int, rarely: int) -> None:
        if rarely < 30:
            self.send(c.Settle(instrument=4, ticks=self.ticks(4, basis_points)), None)

    @rule(instrument=st.sampled_from([-1, 0, 1, 2, 3]))
    def pause(self, instrument: int) -> None:
        self.send(c.Pause(instrument=instrument, reason="test"), None)

    @rule(instrument=st.sampled_from([-1, 0, 1, 2, 3]))
    def resume(self, instrument: int) -> None:
        self.send(c.Resume(instrument=instrument, reason="test"), None)

    @precondition(lambda self: self.venue.state.paused or self.venue.state.untrusted)
    @rule()
    def back_to_normal(self) -> None:
        for instrument in sorted(self.venue.state.paused):
            self.send(c.Resume(instrument=instrument, reason="test"), None)
        self.send(c.Resume(instrument=-1, reason="believe the next prices"), None)
        self.snapshots([dict(self.prices)])

    @rule(
        choice=pick,
        kind=st.sampled_from(
            ["stop_loss", "take_profit", "equity_floor", "usage_ceiling", "top_up", "deleverage"]
        ),
        instrument=instruments,
        level=st.integers(1, 99),
    )
    def protect(self, choice: int, kind: str, instrument: int, level: int) -> None:
        unit = self.unit(choice)
        trigger, target, source = level * 10**4, 0, -1
        if kind in {"stop_loss", "take_profit"}:
            trigger = self.ticks(instrument, (level - 50) * 30)
        elif kind == "equity_floor":
            trigger = level * 10**8
        elif kind in {"top_up", "deleverage"}:
            target = trigger // 2
        if kind == "top_up":
            account = int(self.venue.state.book.units[unit]["account"])
            others = [u for u in self.venue.state.book.units_of(account) if u != unit]
            if not others:
                return
            source = others[0]
        self.send(
            c.SetProtection(
                unit=unit,
                protection=choice % 3,
                kind=kind,
                trigger=trigger,
                instrument=instrument if kind in {"stop_loss", "take_profit"} else -1,
                source=source,
                asset=0,
                target=target,
            ),
            REASONS.ACCOUNT_CLOSED if unit in self.model.closed else None,
        )

    @rule(choice=pick)
    def unprotect(self, choice: int) -> None:
        unit, number = self.unit(choice), choice % 3
        expected = None
        if unit in self.model.closed:
            expected = REASONS.ACCOUNT_CLOSED
        elif number not in self.venue.state.protections.get(unit, {}):
            expected = REASONS.NO_SUCH_ORDER
        self.send(c.RemoveProtection(unit=unit, protection=number), expected)

    @rule(
        choice=pick, action=st.sampled_from(["hold", "release", "release", "takeover"]), rarely=pick
    )
    def override(self, choice: int, action: str, rarely: int) -> None:
        if action == "takeover" and rarely > 30:
            return
        command = c.Override(
            unit=self.unit(choice), action=action, operator="tester", reason="test"
        )
        self.send(command, ANYTHING)

    @rule(choice=pick, rarely=pick)
    def close_account(self, choice: int, rarely: int) -> None:
        if rarely < 25:
            account = choice % self.venue.state.book.accounts_count
            self.send(c.CloseAccount(account=account, reason="regulatory"), ANYTHING)

    @rule(dearer=st.booleans(), rarely=pick)
    def change_the_rulebook(self, dearer: bool, rarely: int) -> None:  # noqa: FBT001 drawn
        if rarely > 40:
            return
        spec = merged(self.spec, DEARER) if dearer else self.spec
        self.model.read(spec)  # before the events: the engine decides under the new one
        self.send(c.SetRulebook(text=rulebook_text(spec)), None)

    # --- the end ----------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "venue"):
            return
        TOTAL["sequences"] += 1
        liquidations = len(self.venue.of(e.LiquidationStarted))
        if currently_in_test_context():
            note(f"liquidations: {min(liquidations, 5)}")
            target(float(liquidations), label="liquidations")
        self.venue.check(replay=True)
        self.the_slow_engine_does_the_same()

    def the_slow_engine_does_the_same(self) -> None:
        happened: list[Any] = []
        slow = Engine(
            self.venue.rulebook,
            market=self.market(),
            settings=Settings(watch=PassWatch),
            listener=happened.append,
        )
        for command in self.sent:
            send: Callable[[Any], Any] = (
                slow.submit_marks if isinstance(command, e.MarksSet) else slow.submit
            )
            try:
                send(command)
            except KeelmarkError:
                continue
        ours = [x for x in self.venue.events if not isinstance(x, e.MarksSet)]
        theirs = [x for x in happened if not isinstance(x, e.MarksSet)]
        assert ours == theirs
        assert slow.digest() == self.venue.engine.digest()


ANYTHING = object()
"""The model has no opinion on whether this is refused."""


def build_and_crash(machine: EngineMachine, process: int) -> None:
    """A leveraged book and a crash, by the rules of the machine: everybody is felt."""
    machine.begin(process=process, simulated=False, seed=process, fall=1.0)
    for number in range(4):
        machine.open_account()
        machine.deposit(choice=number + 2, asset=number % 3, share=100)
        for instrument, part in ((0, 50), (1, 50), (number % 4, 98)):
            machine.trade_to_the_limit((number + 2, 1), instrument, part, number % 2 == 1)
        machine.trade_to_the_limit((number, number + 2), 3, 90, number % 2 == 0)
    for moves in ([0.98, 0.97], [0.9], [0.7, 0.9]):
        machine.a_crash(moves) if len(moves) > 1 else machine.a_gap(moves[0], 1.01)
        machine.wait(61)
    for law in (
        machine.everybody_holds_what_the_model_says,
        machine.whoever_is_at_the_trigger_is_a_suspect,
        machine.margins_are_the_models,
    ):
        law()
    machine.teardown()


def test_the_same_rules_liquidate_and_reach_every_payer() -> None:
    """No draw of luck: the rules of the machine, in a fixed order, under every process."""
    before = dict(COUNTS)
    for process in range(len(PROCESSES)):
        build_and_crash(EngineMachine(), process)
    seen = {what for what, count in COUNTS.items() if count > before.get(what, 0)}
    wanted = {"started in order", "shared", "handed over", "fund paid", "deleveraged"}
    assert wanted <= seen, wanted - seen


quick = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
EngineMachine.TestCase.settings = quick
TestEngine = EngineMachine.TestCase


def test_random_sequences_liquidate_too() -> None:
    """Ten of them, always the same: the quick profile is no run in which nothing happens."""

    class Few(EngineMachine):
        pass

    Few.TestCase.settings = settings(quick, max_examples=10, derandomize=True, database=None)
    before = dict(TOTAL), dict(COUNTS)
    Few.TestCase("runTest").runTest()
    assert TOTAL["liquidations"] >= before[0]["liquidations"] + 5
    for what in ("started in order", "handed over"):
        assert COUNTS.get(what, 0) > before[1].get(what, 0), what


@pytest.mark.nightly
def test_the_engine_is_the_model_through_long_sequences() -> None:
    class Long(EngineMachine):
        pass

    Long.TestCase.settings = settings(quick, max_examples=2_000, stateful_step_count=80)
    Long.TestCase("runTest").runTest()
    assert TOTAL["liquidations"] > 0
