"""The book as dictionaries of whole numbers: what the kernels are compared with."""

import copy
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from keelmark.book.book import FEES, RESIDUE, Book, Capacity
from keelmark.book.parameters import Parameters
from keelmark.book.postings import Fill, Transfer
from keelmark.book.records import ASSET, INSTRUMENT, OUTSIDE
from keelmark.core.codes import Leg

LOTS_MAX = 2**53
QUANTA_MAX = 2**62
TRILLION = 10**12

ASSETS = ("USDT", "BTC")


@dataclass(frozen=True)
class Terms:
    name: str
    settle: int
    unit_value: int
    inverse: bool


INSTRUMENTS = (
    Terms("BTCUSDT", 0, 100, inverse=False),
    Terms("ETHUSDT", 0, 1, inverse=False),
    Terms("BTCUSD", 1, 100_000_000_000, inverse=True),
    Terms("BTCUSD-DEC", 1, 7_000, inverse=True),
)


def new_book(capacity: Capacity | None = None) -> Book:
    instruments = np.zeros(len(INSTRUMENTS), dtype=INSTRUMENT)
    for row, terms in enumerate(INSTRUMENTS):
        instruments[row]["settle"] = terms.settle
        instruments[row]["unit_value"] = terms.unit_value
        instruments[row]["inverse"] = terms.inverse
    parameters = Parameters(
        instrument_names=tuple(terms.name for terms in INSTRUMENTS),
        asset_names=ASSETS,
        instruments=instruments,
        assets=np.zeros(len(ASSETS), dtype=ASSET),
    )
    return Book(parameters, capacity=capacity)


class RefusedError(Exception):
    """The model cannot store a result, or a row breaks its own rule."""


def within(number: int, limit: int = QUANTA_MAX) -> int:
    if abs(number) > limit:
        raise RefusedError
    return number


@dataclass
class Model:
    """Balances by (unit, asset), [lots, cost] by (unit, instrument, leg), vault by asset."""

    balances: dict[tuple[int, int], int] = field(default_factory=dict)
    positions: dict[tuple[int, int, int], tuple[int, int]] = field(default_factory=dict)
    vault: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(len(ASSETS)), 0))
    closed: set[int] = field(default_factory=set)

    def atomically(self, change: Callable[["Model"], None]) -> bool:
        """Whether `change` was stored; if not, nothing of it is."""
        trial = copy.deepcopy(self)
        try:
            change(trial)
        except RefusedError:
            return False
        self.__dict__.update(trial.__dict__)
        return True

    def pay(self, unit: int, asset: int, delta: int) -> None:
        before = self.balances.get((unit, asset), 0)
        self.balances[unit, asset] = within(before + within(delta))

    def post(self, movements: list[Fill | Transfer]) -> None:
        for movement in movements:
            if isinstance(movement, Fill):
                self.fill(movement)
            else:
                self.transfer(movement)

    def transfer(self, move: Transfer) -> None:
        if {move.unit, move.counterparty} & self.closed:
            raise RefusedError
        within(move.quanta)
        for unit, delta in ((move.unit, -move.quanta), (move.counterparty, move.quanta)):
            if unit == OUTSIDE:
                self.vault[move.asset] -= delta
            else:
                self.pay(unit, move.asset, delta)

    def fill(self, fill: Fill) -> None:
        if {fill.unit, fill.counterparty} & self.closed or fill.lots == 0:
            raise RefusedError
        within(fill.value)
        settle = INSTRUMENTS[fill.instrument].settle
        unit = (fill.unit, fill.instrument, int(fill.leg))
        other = (fill.counterparty, fill.instrument, int(fill.counterparty_leg))
        for key, lots, value, fee, reducing in (
            (unit, fill.lots, fill.value, fill.fee, fill.reducing & 1),
            (other, -fill.lots, -fill.value, fill.counterparty_fee, fill.reducing & 2),
        ):
            within(fee)
            self.pay(key[0], settle, within(self.change(key, lots, value, bool(reducing))) - fee)
        if fill.fee + fill.counterparty_fee != 0:
            self.pay(FEES, settle, fill.fee + fill.counterparty_fee)

    def change(self, key: tuple[int, int, int], lots: int, value: int, reducing: bool) -> int:  # noqa: FBT001 of the fill
        held, cost = self.positions.pop(key, (0, 0))
        after = within(held + lots, LOTS_MAX)
        if after * key[2] < 0 or (reducing and not (held * lots < 0 and abs(lots) <= abs(held))):
            raise RefusedError
        closed = min(abs(lots), abs(held)) if held * lots < 0 else 0
        opened = abs(lots) - closed
        paid = math.ceil(Fraction(value * closed, abs(lots)))  # for what is closed
        released = math.ceil(Fraction(cost * closed, abs(held))) if held else 0
        cost = within(cost - released + (value - paid if opened else 0))
        if after != 0:
            self.positions[key] = (after, cost)
        return -paid - released

    def take_over(self, unit: int, receiver: int, value: int) -> None:
        for _, instrument, leg in sorted(key for key in self.positions if key[0] == unit):
            lots, _ = self.positions[unit, instrument, leg]
            self.fill(
                Fill(
                    unit=receiver,
                    counterparty=unit,
                    instrument=instrument,
                    lots=lots,
                    value=value,
                    counterparty_leg=Leg(leg),
                ),
            )
        for asset in range(len(ASSETS)):
            left = self.balances.get((unit, asset), 0)
            self.transfer(Transfer(unit=unit, counterparty=receiver, asset=asset, quanta=left))

    def pay_all(self, deltas: dict[tuple[int, int], int]) -> None:
        for (unit, asset), delta in deltas.items():
            self.pay(unit, asset, delta)

    def fund(self, ticks: dict[int, int], rates: dict[int, int]) -> None:
        deltas: dict[tuple[int, int], int] = defaultdict(int)
        for (unit, instrument, _leg), (lots, _cost) in self.positions.items():
            rate = rates.get(instrument, 0) * (1 if lots > 0 else -1)
            if rate != 0:
                terms = INSTRUMENTS[instrument]
                exact = Fraction(abs(lots) * terms.unit_value * ticks[instrument])
                if terms.inverse:
                    exact = Fraction(abs(lots) * terms.unit_value, ticks[instrument])
                notional = math.ceil(exact) if rate > 0 else math.floor(exact)
                paid = math.ceil(Fraction(within(notional, 2**63 - 1) * rate, TRILLION))
                deltas[unit, terms.settle] -= within(paid)
                deltas[RESIDUE, terms.settle] += paid
        self.pay_all(deltas)

    def charge(self, asset: int, rate: int, receiver: int, in_house: int) -> None:
        debts = {
            unit: -quanta
            for (unit, held), quanta in self.balances.items()
            if held == asset and quanta < 0 and unit >= in_house
        }
        owed = {unit: math.ceil(Fraction(debt * rate, TRILLION)) for unit, debt in debts.items()}
        lent = math.floor(Fraction(sum(debts.values()) * rate, TRILLION))
        deltas: dict[tuple[int, int], int] = defaultdict(int)
        for unit, interest in owed.items():
            deltas[unit, asset] -= within(interest)
        deltas[receiver, asset] += lent
        deltas[RESIDUE, asset] += sum(owed.values()) - lent
        self.pay_all(deltas)

    def settle(self, instrument: int, ticks: int) -> None:
        terms = INSTRUMENTS[instrument]
        deltas: dict[tuple[int, int], int] = defaultdict(int)
        for key, (lots, cost) in list(self.positions.items()):
            if key[1] == instrument:
                exact = Fraction(lots * terms.unit_value * ticks)
                if terms.inverse:
                    exact = Fraction(-lots * terms.unit_value, ticks)
                value = within(math.floor(exact))
                deltas[key[0], terms.settle] += within(value - cost)
                deltas[RESIDUE, terms.settle] -= value
                del self.positions[key]
        self.pay_all(deltas)

    def holdings(self) -> dict[int, tuple[dict[int, int], dict[tuple[int, int], tuple[int, int]]]]:
        """Return what every unit holds: balances that are not zero, and positions."""
        units = {unit for unit, _ in self.balances} | {unit for unit, _, _ in self.positions}
        return {
            unit: (
                {asset: q for (owner, asset), q in self.balances.items() if owner == unit and q},
                {key[1:]: held for key, held in self.positions.items() if key[0] == unit},
            )
            for unit in units
        }


def holdings(
    book: Book,
) -> dict[int, tuple[dict[int, int], dict[tuple[int, int], tuple[int, int]]]]:
    """Return the same of a book."""
    found = {}
    for unit in range(book.units_count):
        view = book.unit_view(unit)
        balances = {asset: quanta for asset, quanta in view.balances.items() if quanta}
        positions = {(row.instrument, int(row.leg)): (row.lots, row.cost) for row in view.positions}
        found[unit] = (balances, positions)
    return found
