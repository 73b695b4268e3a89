"""A venue in plain Python: dictionaries of whole numbers, fractions, and formulas of its own.

It reads the same rulebook text's source (a plain dictionary) and the same events as the engine, and
shares no code with it. The engine is compared with it after every command: what everybody holds,
who may do what, who stands at the trigger.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from keelmark.engine import events as e

TRILLION = 10**12
RESIDUE, FEES, LIQUIDITY = 0, 1, 2


def number(value: Any) -> Fraction:  # noqa: ANN401 text or a number
    return Fraction(str(value))


@dataclass
class Asset:
    name: str
    quantum: Fraction
    weights: list[tuple[Fraction, Fraction]]
    weights_initial: list[tuple[Fraction, Fraction]]
    loan_rate: Fraction
    on_balance: bool

    def worth(self, amount: Fraction, weights: list[tuple[Fraction, Fraction]]) -> Fraction:
        """Return what an amount counts for: each slice above zero at its weight, debts in full."""
        if amount <= 0:
            return amount
        ends = [floor for floor, _ in weights[1:]] + [amount]
        slices = zip(weights, ends, strict=True)
        return sum(
            (
                weight * max(Fraction(0), min(amount, end) - floor)
                for (floor, weight), end in slices
            ),
            Fraction(0),
        )


@dataclass
class Contract:
    symbol: str
    settle: str
    inverse: bool
    size: Fraction  # contract size
    lot: Fraction
    tick: Fraction
    rule: str
    rows: list[tuple[Fraction, Fraction, Fraction | None]]  # floor, rate, leverage
    slope: Fraction
    index: str | None
    fee: Fraction
    fee_at_entry: bool

    def value(self, lots: int, price: Fraction) -> Fraction:
        size = lots * self.lot * self.size
        return -size / price if self.inverse else size * price

    def row(self, key: Fraction) -> int:
        """Return the bracket of a key; an edge belongs to the lower one."""
        return max(i for i, (floor, _, _) in enumerate(self.rows) if key > floor or i == 0)

    def maintenance(self, size: Fraction, notional: Fraction) -> Fraction:
        if self.rule == "size_scaled":
            return notional * (self.rows[0][1] + self.slope * size)
        if self.rule == "size_tiers":
            return notional * self.rows[self.row(size)][1]
        if self.rule == "whole_notional":
            return notional * self.rows[self.row(notional)][1]
        ends = [floor for floor, _, _ in self.rows[1:]] + [max(notional, self.rows[-1][0])]
        slices = zip(self.rows, ends, strict=True)
        return sum(
            (
                rate * max(Fraction(0), min(notional, end) - floor)
                for (floor, rate, _), end in slices
            ),
            Fraction(0),
        )

    def initial(self, size: Fraction, notional: Fraction, leverage: Fraction | None) -> Fraction:
        allowed = self.allowed(size, notional)
        if leverage is not None:
            return notional / (leverage if allowed is None else min(leverage, allowed))
        if self.rule == "size_scaled":
            return notional * 2 * (self.rows[0][1] + self.slope * size)
        rate = self.rows[self.row(size if self.rule == "size_tiers" else notional)][1]
        return notional / allowed if allowed is not None else notional * 2 * rate

    def allowed(self, size: Fraction, notional: Fraction) -> Fraction | None:
        """Return the largest leverage of the bracket, if it names one."""
        if self.rule == "size_scaled":
            return None
        return self.rows[self.row(size if self.rule == "size_tiers" else notional)][2]


def asset_of(name: str, row: Mapping[str, Any]) -> Asset:
    def table(key: str) -> list[tuple[Fraction, Fraction]]:
        return [(number(r["floor"]), number(r["weight"])) for r in row.get(key, [])]

    weights = table("weights") or [(Fraction(0), Fraction(1))]
    return Asset(
        name=name,
        quantum=number(row["quantum"]),
        weights=weights,
        weights_initial=table("initial_weights") or weights,
        loan_rate=number(row.get("loan_rate", 0)),
        on_balance=row.get("haircut_base") == "balance",
    )


def contract_of(symbol: str, row: Mapping[str, Any], spec: Mapping[str, Any]) -> Contract:
    table = spec["tables"][row.get("table", spec["defaults"]["table"])]
    return Contract(
        symbol=symbol,
        settle=row["settle"],
        inverse=row["kind"].startswith("inverse"),
        size=number(row.get("contract_size", 1)),
        lot=number(row.get("lot", spec["defaults"]["lot"])),
        tick=number(row.get("price_unit", spec["defaults"]["price_unit"])),
        rule=table.get("rule", "tiered"),
        rows=[
            (
                number(r["floor"]),
                number(r["rate"]),
                number(r["leverage"]) if "leverage" in r else None,
            )
            for r in table["rows"]
        ],
        slope=number(table.get("slope", 0)),
        index=row["index"] if row.get("margin_price") == "index" else None,
        fee=number(row.get("close_fee", {}).get("rate", 0)),
        fee_at_entry=row.get("close_fee", {}).get("basis") == "bankruptcy",
    )


Key = tuple[int, int, int]
"""Unit, instrument and leg."""

OrderRow = tuple[int, int, int, int, int, bool]
"""Instrument, lots, ticks, leg, leverage, and whether it may only shrink the position."""


def with_lots(order: OrderRow, lots: int) -> OrderRow:
    """Return an order with another rest."""
    instrument, _, ticks, leg, leverage, reduce_only = order
    return instrument, lots, ticks, leg, leverage, reduce_only


def takes_margin(order: OrderRow) -> bool:
    """Whether an order may open something."""
    _, lots, _, leg, _, reduce_only = order
    return not reduce_only and (leg == 0 or (leg > 0) == (lots > 0))


@dataclass
class Model:
    """What everybody holds, by plain arithmetic; prices are set from outside."""

    spec: Mapping[str, Any]
    assets: list[Asset] = field(init=False)
    contracts: list[Contract] = field(init=False)
    balances: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    positions: dict[Key, tuple[int, int]] = field(default_factory=dict)
    leverages: dict[Key, int] = field(default_factory=dict)
    orders: dict[tuple[int, int], OrderRow] = field(default_factory=dict)
    vault: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    prices: dict[tuple[str, str], Fraction] = field(default_factory=dict)
    bad: set[tuple[str, str]] = field(default_factory=set)
    rebased: set[tuple[str, str]] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    clients: list[int] = field(default_factory=list)
    in_house: int = 0

    def __post_init__(self) -> None:
        self.read(self.spec)

    def read(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.assets = [asset_of(name, row) for name, row in spec["assets"].items()]
        self.contracts = [contract_of(s, row, spec) for s, row in spec["instruments"].items()]

    def asset_row(self, name: str) -> int:
        return [asset.name for asset in self.assets].index(name)

    def settle(self, instrument: int) -> int:
        return self.asset_row(self.contracts[instrument].settle)

    # --- prices ---------------------------------------------------------------------------------

    def set_price(self, kind: str, name: str, value: float) -> None:
        """Take one price of a snapshot: what is not a positive number leaves the last one."""
        band = number(self.spec["liquidation"].get("guards", {}).get("band", 0))
        key = (kind, name)
        if not (math.isfinite(value) and value > 0):
            self.bad.add(key)
            return
        price = number(repr(value))
        if kind == "mark":
            tick = next(c.tick for c in self.contracts if c.symbol == name)
            price = round(price / tick) * tick
        before = self.prices.get(key)
        far = before is not None and band and abs(price - before) > band * before
        if price <= 0 or (far and key not in self.rebased):
            self.bad.add(key)
            return
        self.prices[key] = price
        self.bad.discard(key)
        self.rebased.discard(key)

    def priced_by(self, instrument: int) -> set[tuple[str, str]]:
        """Return the prices an instrument is valued and margined on."""
        contract = self.contracts[instrument]
        found = {("mark", contract.symbol)}
        if contract.index:
            found.add(("index", contract.index))
        if contract.settle != self.spec["valuation"]:
            found.add(("asset", contract.settle))
        return found

    def resume(self, instrument: int) -> None:
        """Believe the next price of an instrument, or of everything, whatever its step."""
        rows = range(len(self.contracts)) if instrument < 0 else [instrument]
        self.rebased |= {key for row in rows for key in self.priced_by(row)}
        if instrument < 0:
            names = [asset.name for asset in self.assets if asset.name != self.spec["valuation"]]
            self.rebased |= {("asset", name) for name in names}

    def price(self, asset: int) -> Fraction:
        name = self.assets[asset].name
        return Fraction(1) if name == self.spec["valuation"] else self.prices["asset", name]

    def reads(self, unit: int) -> set[tuple[str, str]]:
        """Return the prices a unit's margin reads."""
        found = set()
        for asset in self.held_assets(unit):
            if self.assets[asset].name != self.spec["valuation"]:
                found.add(("asset", self.assets[asset].name))
        for instrument in self.held_instruments(unit):
            found |= self.priced_by(instrument)
        return found

    def is_blind(self, unit: int) -> bool:
        """Whether a price a unit reads is bad or was never there."""
        wanted = self.reads(unit)
        return bool(wanted & self.bad) or not wanted <= self.prices.keys()

    def held_instruments(self, unit: int) -> list[int]:
        return sorted({key[1] for key in self.positions if key[0] == unit})

    def mixes_modes(self, key: Key) -> bool:
        """Whether a new position would stand beside one of the other mode in its instrument."""
        unit, instrument, leg = key
        held = {k[2] for k in self.positions if k[:2] == (unit, instrument)}
        return leg not in held and any((other == 0) != (leg == 0) for other in held)

    def held_assets(self, unit: int) -> set[int]:
        """Return the assets of a unit: balances ever touched, and what its positions settle in."""
        touched = {asset for owner, asset in self.balances if owner == unit}
        return touched | {self.settle(i) for i in self.held_instruments(unit)}

    # --- margin ---------------------------------------------------------------------------------

    def excess(self, unit: int, purpose: str = "maintenance", **trial: Any) -> Fraction:  # noqa: ANN401 plain
        """Return the excess that decides for a purpose, clamped into its order."""
        equity, maintenance = self.margin(unit, "maintenance", **trial)
        at_maintenance = equity - maintenance
        if purpose == "maintenance":
            return at_maintenance
        end = number(self.spec.get("liquidation_end", 1))
        at_end = min(equity - end * maintenance, at_maintenance)
        if purpose == "end":
            return at_end
        equity, initial = self.margin(unit, "initial", **trial)
        return min(equity - initial, at_end)

    def margin(
        self,
        unit: int,
        purpose: str,
        *,
        cash: Mapping[int, int] | None = None,
        held: Mapping[Key, tuple[int, int]] | None = None,
        orders: Iterable[OrderRow] | None = None,
        leverages: Mapping[Key, int] | None = None,
    ) -> tuple[Fraction, Fraction]:
        """Return equity and requirement of a unit, or of what it might be."""
        if leverages is not None:
            real, self.leverages = self.leverages, {**self.leverages, **leverages}
            try:
                return self.margin(unit, purpose, cash=cash, held=held, orders=orders)
            finally:
                self.leverages = real
        positions = self.positions if held is None else held
        own = {key: row for key, row in positions.items() if key[0] == unit}
        extra = cash or {}
        chosen = self.orders_of(unit) if orders is None else list(orders)
        chosen = [order for order in chosen if takes_margin(order)]
        rows = self.held_assets(unit) | set(extra)
        rows |= {self.settle(key[1]) for key in own} | {self.settle(o[0]) for o in chosen}
        equity = required = gains = Fraction(0)
        for asset in sorted(rows):
            terms = self.assets[asset]
            amount = (self.balances.get((unit, asset), 0) + extra.get(asset, 0)) * terms.quantum
            needed = lost = profit = Fraction(0)
            for key, (lots, cost) in own.items():
                if self.settle(key[1]) == asset:
                    counted = self.profit(key[1], lots, cost, purpose)
                    profit += counted
                    gains += self.price(asset) * max(Fraction(0), counted)
                    needed += self.requirement(key, lots, cost, purpose)
            if purpose == "initial":
                extra_initial, lost = self.order_margin(asset, own, chosen)
                needed += extra_initial
            weights = terms.weights_initial if purpose == "initial" else terms.weights
            cut = amount if terms.on_balance else amount + profit
            needed += terms.loan_rate * max(Fraction(0), -cut)
            worth = terms.worth(cut, weights) + (profit if terms.on_balance else 0)
            equity += self.price(asset) * (worth - lost)
            required += self.price(asset) * needed
        cap = self.spec.get("profit", {}).get(purpose, {}).get("cap")
        return equity - (max(Fraction(0), gains - number(cap)) if cap else 0), required

    def profit(self, instrument: int, lots: int, cost: int, purpose: str) -> Fraction:
        contract = self.contracts[instrument]
        quantum = self.assets[self.settle(instrument)].quantum
        profit = contract.value(lots, self.prices["mark", contract.symbol]) - cost * quantum
        terms = self.spec.get("profit", {}).get(purpose, {})
        return profit * number(terms.get("weight", 1)) if profit > 0 else profit

    def notional(self, instrument: int, lots: int) -> Fraction:
        contract = self.contracts[instrument]
        on_index = contract.index is not None
        key = ("index", contract.index) if on_index else ("mark", contract.symbol)
        return abs(contract.value(lots, self.prices[key]))  # type: ignore[index]  # the name is set

    def requirement(self, key: Key, lots: int, cost: int, purpose: str) -> Fraction:
        contract, leverage = self.contracts[key[1]], self.leverage(key)
        size, notional = abs(lots) * contract.lot, self.notional(key[1], lots)
        fee = contract.fee * notional
        if contract.fee_at_entry and leverage is not None:
            entry = abs(cost) * self.assets[self.settle(key[1])].quantum
            fee = contract.fee * entry * (1 - (1 if lots > 0 else -1) / leverage)
        if purpose == "maintenance":
            return contract.maintenance(size, notional) + fee
        return contract.initial(size, notional, leverage) + fee

    def leverage(self, key: Key) -> Fraction | None:
        hundredths = self.leverages.get(key, 0)
        return Fraction(hundredths, 100) if hundredths else None

    def excess_to_leave(self, unit: int, asset: int, quanta: int) -> Fraction:
        """Return the initial excess after a payment, less what positive profit adds to it."""
        added = gains = Fraction(0)
        own = {key: row for key, row in self.positions.items() if key[0] == unit}
        for row in {self.settle(key[1]) for key in own}:
            terms = self.assets[row]
            amount = (self.balances.get((unit, row), 0) - quanta * (row == asset)) * terms.quantum
            profits = [
                self.profit(key[1], lots, cost, "initial")
                for key, (lots, cost) in own.items()
                if self.settle(key[1]) == row
            ]
            gains += self.price(row) * sum((max(Fraction(0), x) for x in profits), Fraction(0))
            net = max(Fraction(0), sum(profits, Fraction(0)))
            cuts = (amount, amount if terms.on_balance else amount + net)
            without, counted = (
                terms.worth(cut, terms.weights_initial) - terms.loan_rate * max(Fraction(0), -cut)
                for cut in cuts
            )
            added += self.price(row) * (counted - without + (net if terms.on_balance else 0))
        cap = self.spec.get("profit", {}).get("initial", {}).get("cap")
        added -= max(Fraction(0), gains - number(cap)) if cap else 0
        excess = self.excess(unit, "initial", cash={asset: -quanta})
        return excess - max(Fraction(0), added)

    def orders_of(self, unit: int) -> list[OrderRow]:
        return [row for (owner, _), row in self.orders.items() if owner == unit]

    def order_margin(
        self,
        asset: int,
        own: Mapping[Key, tuple[int, int]],
        orders: list[OrderRow],
    ) -> tuple[Fraction, Fraction]:
        """Return what orders settled in an asset add to initial margin, and lose at once."""
        added = lost = Fraction(0)
        for instrument in sorted({o[0] for o in orders if self.settle(o[0]) == asset}):
            contract = self.contracts[instrument]
            here = [order for order in orders if order[0] == instrument]
            held = {key: row for key, row in sorted(own.items()) if key[1] == instrument}
            buys = [(order[1], order[2]) for order in here if order[1] > 0]
            sells = [(-order[1], order[2]) for order in here if order[1] < 0]
            worst = self.worst_case(held, here)
            asked = [Fraction(order[4], 100) for order in here if order[4]]
            leverage = next((self.leverage(key) for key in held), None)
            leverage = min(asked) if asked else leverage
            notional = self.notional(instrument, worst)
            whole = contract.initial(worst * contract.lot, notional, leverage)
            alone = sum(
                (
                    contract.initial(
                        abs(lots) * contract.lot,
                        self.notional(instrument, lots),
                        self.leverage(key),
                    )
                    for key, (lots, _) in held.items()
                ),
                Fraction(0),
            )
            added += max(Fraction(0), whole - alone)
            mark = self.prices["mark", contract.symbol]
            over = [
                sum(
                    (
                        sign
                        * (contract.value(lots, t * contract.tick) - contract.value(lots, mark))
                        for lots, t in side
                    ),
                    Fraction(0),
                )
                for sign, side in ((1, buys), (-1, sells))
            ]
            lost += max(Fraction(0), *over)
        return added, lost

    def worst_case(self, held: Mapping[Key, tuple[int, int]], orders: list[OrderRow]) -> int:
        """Return the lots of an instrument if all orders that add up to the most are filled."""
        bought = sum(order[1] for order in orders if order[1] > 0)
        sold = -sum(order[1] for order in orders if order[1] < 0)
        if any(key[2] for key in held) or any(order[3] for order in orders):
            return sum(abs(lots) for lots, _ in held.values()) + bought + sold
        net = sum(lots for lots, _ in held.values())
        return max(abs(net + bought), abs(net - sold), abs(net))

    def is_at_trigger(self, unit: int) -> bool:
        """Whether a unit is liquidatable: it holds or owes something, and the trigger holds."""
        owes = any(quanta < 0 for key, quanta in self.balances.items() if key[0] == unit)
        if not (self.held_instruments(unit) or owes):
            return False
        excess = self.excess(unit)
        return excess < 0 or (excess == 0 and self.spec.get("trigger") == "at_or_below")

    # --- postings -------------------------------------------------------------------------------

    def pay(self, unit: int, asset: int, quanta: int) -> None:
        self.balances[unit, asset] += quanta

    def value_of(self, instrument: int, lots: int, ticks: int) -> int:
        """Return the quanta a taker of lots pays, rounded up."""
        contract = self.contracts[instrument]
        value = contract.value(lots, ticks * contract.tick)
        return math.ceil(value / self.assets[self.settle(instrument)].quantum)

    def after_fill(self, key: Key, lots: int, value: int) -> tuple[int, int, int]:
        """Return lots, cost and cash gained after lots come in at a value."""
        held, cost = self.positions.get(key, (0, 0))
        closed = min(abs(lots), abs(held)) if held * lots < 0 else 0
        paid = math.ceil(Fraction(value * closed, abs(lots)))
        released = math.ceil(Fraction(cost * closed, abs(held))) if held else 0
        opened = value - paid if abs(lots) > closed else 0
        return held + lots, cost - released + opened, -paid - released

    def fill(self, key: Key, lots: int, value: int, fee: int, leverage: int) -> None:
        held, _ = self.positions.get(key, (0, 0))
        after, cost, cash = self.after_fill(key, lots, value)
        if after:
            self.positions[key] = (after, cost)
            if leverage or held == 0:
                self.leverages[key] = leverage
        else:
            self.positions.pop(key, None)
            self.leverages.pop(key, None)
        self.pay(key[0], self.settle(key[1]), cash - fee)

    def holdings(self) -> dict[int, tuple[dict[int, int], dict[tuple[int, int], tuple[int, int]]]]:
        """Return what every unit holds: balances that are not zero, and positions."""
        units = {unit for unit, _ in self.balances} | {key[0] for key in self.positions}
        return {
            unit: (
                {asset: q for (owner, asset), q in self.balances.items() if owner == unit and q},
                {key[1:]: held for key, held in self.positions.items() if key[0] == unit},
            )
            for unit in units
        }

    # --- events ---------------------------------------------------------------------------------

    def take(self, event: Any) -> None:  # noqa: ANN401, C901, PLR0912 one branch an event
        """Follow one event of the engine."""
        match event:
            case e.AccountOpened() | e.IsolatedOpened():
                self.clients.append(event.unit)
            case e.Deposited():
                self.vault[event.asset] += event.quanta
                self.pay(event.unit, event.asset, event.quanta)
            case e.Withdrawn():
                self.vault[event.asset] -= event.quanta
                self.pay(event.unit, event.asset, -event.quanta)
            case e.Transferred():
                self.pay(event.source, event.asset, -event.quanta)
                self.pay(event.target, event.asset, event.quanta)
            case e.Filled():
                self._filled(event)
            case e.Deleveraged():
                rows = zip(event.victims, event.victim_legs, event.lots, event.values, strict=True)
                for victim, leg, lots, value in rows:
                    self.fill((event.unit, event.instrument, event.leg), lots, value, 0, 0)
                    self.fill((victim, event.instrument, leg), -lots, -value, 0, 0)
            case e.LossSocialised():
                for payer, quanta in zip(event.payers, event.quanta, strict=True):
                    self.pay(payer, event.asset, -quanta)
                    self.pay(event.unit, event.asset, quanta)
            case e.Resumed():
                self.resume(event.instrument)
            case e.FundingPosted():
                self._funded(event)
            case e.InterestPosted():
                self._charged(event)
            case e.Settled():
                self._settled(event)
            case e.OrderReserved():
                self.orders[event.unit, event.order] = (
                    event.instrument,
                    event.lots,
                    event.ticks,
                    event.leg,
                    event.leverage,
                    event.reduce_only,
                )
            case e.OrderReleased():
                row = self.orders.pop((event.unit, event.order))
                if event.lots:
                    self.orders[event.unit, event.order] = with_lots(row, event.lots)
            case e.LeverageSet():
                self.leverages[event.unit, event.instrument, event.leg] = event.leverage
            case e.OrdersCancelled():
                self.orders = {
                    key: row
                    for key, row in self.orders.items()
                    if key[0] != event.unit or event.instrument not in {-1, row[0]}
                }
            case _:
                pass

    def _filled(self, event: e.Filled) -> None:
        unit = (event.unit, event.instrument, event.leg)
        other = (event.counterparty, event.instrument, event.counterparty_leg)
        self.fill(unit, event.lots, event.value, event.fee, event.leverage)
        leverage = event.counterparty_leverage
        self.fill(other, -event.lots, -event.value, event.counterparty_fee, leverage)
        fees = event.fee + event.counterparty_fee
        if fees:
            self.pay(FEES, self.settle(event.instrument), fees)

    def _funded(self, event: e.FundingPosted) -> None:
        for instrument, rate, ticks in zip(
            event.instruments, event.rates, event.ticks, strict=True
        ):
            contract, asset = self.contracts[instrument], self.settle(instrument)
            for (unit, row, _), (lots, _) in list(self.positions.items()):
                if row != instrument or rate == 0:
                    continue
                signed = rate if lots > 0 else -rate
                exact = abs(contract.value(lots, ticks * contract.tick))
                exact /= self.assets[asset].quantum
                notional = math.ceil(exact) if signed > 0 else math.floor(exact)
                paid = math.ceil(Fraction(notional * signed, TRILLION))
                self.pay(unit, asset, -paid)
                self.pay(RESIDUE, asset, paid)

    def _charged(self, event: e.InterestPosted) -> None:
        for asset, rate in zip(event.assets, event.rates, strict=True):
            debts = {u: -q for (u, a), q in self.balances.items() if a == asset and q < 0}
            debts = {unit: debt for unit, debt in debts.items() if unit >= self.in_house}
            owed = {unit: math.ceil(Fraction(d * rate, TRILLION)) for unit, d in debts.items()}
            lent = math.floor(Fraction(sum(debts.values()) * rate, TRILLION))
            for unit, interest in owed.items():
                self.pay(unit, asset, -interest)
            self.pay(FEES, asset, lent)
            self.pay(RESIDUE, asset, sum(owed.values()) - lent)

    def _settled(self, event: e.Settled) -> None:
        contract, asset = self.contracts[event.instrument], self.settle(event.instrument)
        for key, (lots, cost) in list(self.positions.items()):
            if key[1] == event.instrument:
                exact = contract.value(lots, event.ticks * contract.tick)
                value = math.floor(exact / self.assets[asset].quantum)
                self.pay(key[0], asset, value - cost)
                self.pay(RESIDUE, asset, -value)
                del self.positions[key]
                self.leverages.pop(key, None)
