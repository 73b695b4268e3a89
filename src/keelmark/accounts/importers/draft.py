"""An account document in the making: several answers of a venue put together.

Answers overlap (an account overview lists positions that a position call lists in full), so every
figure is noted where it is found, the first one stays, and two that contradict each other are a
problem: the answers are then of two instants.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import TypeVar

from keelmark.accounts.decode import Problems
from keelmark.accounts.document import AccountMode, MarginMode, Unlearnt
from keelmark.accounts.legs import SIDES, leg_key

JsonValue = None | bool | str | list["JsonValue"] | dict[str, "JsonValue"]

_PRICE_DIGITS = Context(prec=12)
_APART_MAX = timedelta(minutes=1)
"""Answers further apart than this are said to be."""

_PRICES = ("liquidation_price", "bankruptcy_price")

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class PositionDraft:
    """One position or leg, as far as it is known.

    Attributes:
        path: Where it was first found.
        instrument: Symbol.
        size: Signed, units or contracts as the account document has it.
        figures: `entry_price`, `mark_price`, `leverage`, `isolated_margin`, `unrealized_pnl` and
            `notional` (signed as the venue signs it), by name; of an option also
            `implied_volatility` and `underlying_price`.
        margin_mode: Cross or isolated.
        spec: What the contract is, where the venue says it.
        tier: The venue's own row.
        reported: The venue's own figures of it, by number.
    """

    path: str
    instrument: str
    size: Decimal
    figures: dict[str, Decimal] = field(default_factory=dict)
    margin_mode: MarginMode = MarginMode.CROSS
    spec: dict[str, JsonValue] = field(default_factory=dict)
    tier: dict[str, JsonValue] = field(default_factory=dict)
    reported: dict[str, Decimal] = field(default_factory=dict)

    def report(self, number: str, value: Decimal | None) -> None:
        """Note a figure of the venue's own, to be compared; a price below zero is none."""
        if value is not None and not (number in _PRICES and value <= 0):
            self.reported.setdefault(number, value)

    def note(self, **figures: Decimal | None) -> None:
        """Note figures that are known; the first one stays."""
        for name, figure in figures.items():
            if figure is not None:
                self.figures.setdefault(name, figure)

    @property
    def entry_price(self) -> Decimal | None:
        """The entry price, as given or from notional and profit."""
        found = self.figures.get("entry_price")
        notional, profit = self.figures.get("notional"), self.figures.get("unrealized_pnl")
        if found is None and notional and profit is not None:
            return divided(_signed(notional, self.size) - profit, self.size)
        return found

    @property
    def mark_price(self) -> Decimal | None:
        """The mark price, as given, from the notional, or from entry and profit."""
        found = self.figures.get("mark_price")
        if found is not None:
            return found
        notional = self.figures.get("notional")
        if notional:
            return divided(notional, self.size).copy_abs()
        entry, profit = self.figures.get("entry_price"), self.figures.get("unrealized_pnl")
        if entry is not None and profit is not None:
            return entry + divided(profit, self.size)
        return None

    def document(self) -> dict[str, JsonValue]:
        """Return the row of the account document."""
        row: dict[str, JsonValue] = {
            "instrument": self.instrument,
            "size": plain(self.size),
            "entry_price": plain(self.entry_price),
            "mark_price": plain(self.mark_price),
        }
        for name in ("leverage", "implied_volatility", "underlying_price"):
            if name in self.figures:
                row[name] = plain(self.figures[name])
        row["margin_mode"] = self.margin_mode.value
        if self.margin_mode is MarginMode.ISOLATED:
            row["isolated_margin"] = plain(self.figures.get("isolated_margin"))
        return row | {k: v for k, v in (("tier", self.tier), ("spec", self.spec)) if v}


@dataclass(slots=True, kw_only=True)
class Draft:
    """What the answers say so far.

    Attributes:
        problems: What could not be read.
        venue: Rulebook reference.
        wanted: The rulebook reference the caller named, empty where none was.
        as_of: When the venue answered, UTC.
        account_mode: One-way or hedge, where it is known.
        collateral: Balance by asset.
        ask_buffers: Share of the price that the ask lies above it, by asset.
        weights: Fraction of a balance that counts, by asset, as the venue counted it.
        liabilities: Owed by asset.
        accrued_interest: Owed by asset and not yet posted.
        prices: By asset, index or instrument.
        positions: By instrument and side.
        orders: Rows of the account document.
        numbered: The same by the venue's own number.
        reported: The venue's totals, by number.
        notes: What the reader of the document should know.
        learnt: The parts that some answer held.
        missing: Why a part is missing, where an answer says it.
        lost: Parts that some answer held and that are not known after all.
        times: When each answer was given, by its title.
        workings: What a venue's readers keep until every answer was read, by its type.
    """

    problems: Problems
    venue: str
    wanted: str = ""
    as_of: datetime | None = None
    account_mode: AccountMode | None = None
    collateral: dict[str, Decimal] = field(default_factory=dict)
    ask_buffers: dict[str, Decimal] = field(default_factory=dict)
    weights: dict[str, Decimal] = field(default_factory=dict)
    liabilities: dict[str, Decimal] = field(default_factory=dict)
    accrued_interest: dict[str, Decimal] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[tuple[str, str], PositionDraft] = field(default_factory=dict)
    orders: list[dict[str, JsonValue]] = field(default_factory=list)
    numbered: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    reported: dict[str, Decimal] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    learnt: set[Unlearnt] = field(default_factory=set)
    missing: dict[Unlearnt, str] = field(default_factory=dict)
    lost: set[Unlearnt] = field(default_factory=set)
    times: dict[str, datetime] = field(default_factory=dict)
    workings: dict[type, object] = field(default_factory=dict)

    def working(self, kind: type[T]) -> T:
        """Return the notes a venue's readers share: one value of this type a draft."""
        found = self.workings.setdefault(kind, kind())
        if not isinstance(found, kind):
            raise TypeError(kind)
        return found

    def seen(self, title: str, time: datetime | None) -> None:
        """Note when an answer was given; the document is as of the latest."""
        if time is not None:
            self.times[title] = time
            self.as_of = max(self.times.values())

    def unlearn(self, part: Unlearnt, why: str) -> None:
        """Say that a part is not known after all; every reason stays."""
        known = self.missing.get(part) if part in self.lost else None
        self.lost.add(part)
        if known is None:
            self.missing[part] = why
        elif why not in known:
            self.missing[part] = f"{known}; {why}"

    def check_times(self) -> None:
        """Say it where answers are of instants that are far apart: their marks differ."""
        if not self.times:
            return
        first = min(self.times, key=lambda title: self.times[title])
        last = max(self.times, key=lambda title: self.times[title])
        apart = self.times[last] - self.times[first]
        if apart > _APART_MAX:
            seconds = int(apart.total_seconds())
            self.say(
                f"{first} is {seconds} s older than {last}: its prices are stale; fetch them "
                "together"
            )

    def position(self, path: str, instrument: str, side: str, size: Decimal) -> PositionDraft:
        """Return the draft of a position; sizes of one position must agree."""
        found = self.positions.get((instrument, side))
        if found is None:
            found = PositionDraft(path=path, instrument=instrument, size=size)
            self.positions[instrument, side] = found
        elif found.size != size:
            text = (
                f"found size {size:f} of {instrument}; {found.path} has {found.size:f}: the two "
                "answers are of different instants, fetch them together"
            )
            self.problems.add(path, text)
        return found

    def name_of(self, position: PositionDraft) -> str:
        """Return what a position is called: its instrument, or its leg where two are held."""
        symbol = position.instrument
        legs = sum(held.instrument == symbol for held in self.positions.values())
        return leg_key(symbol, SIDES[position.size < 0]) if legs > 1 else symbol

    def balance(self, path: str, asset: str, amount: Decimal) -> None:
        """Note a balance; balances of one asset must agree."""
        known = self.collateral.setdefault(asset, amount)
        if known != amount:
            text = (
                f"found {amount:f} {asset}; another answer has {known:f}: they are of different "
                "instants, fetch them together"
            )
            self.problems.add(path, text)

    def order(self, number: object, row: dict[str, JsonValue], leg: str = "") -> None:
        """Note an order once; one of a leg says that the account is in hedge mode.

        Args:
            number: The venue's own, by which an order that two answers hold is one.
            row: As the account document has it.
            leg: `long` or `short`, empty in one-way mode.
        """
        if leg:
            self.account_mode = AccountMode.HEDGE
            row["leg"] = leg
        known = self.numbered.setdefault(str(number), row) if number is not None else row
        if known is row:
            self.orders.append(row)
        elif known != row:
            text = f"order {number} is given twice and differs: the answers are of two instants"
            self.problems.add("orders", f"{text}; fetch them together")

    def report(self, number: str, value: Decimal | None) -> None:
        """Note a total of the venue's own, to be compared."""
        if value is not None:
            self.reported.setdefault(number, value)

    def say(self, note: str) -> None:
        """Note something once."""
        if note not in self.notes:
            self.notes.append(note)

    def check_positions(self, advice: str) -> None:
        """Refuse positions without a price that no answer lets be worked out; say what has it."""
        for draft in self.positions.values():
            for name in ("entry_price", "mark_price"):
                if getattr(draft, name) is None:
                    text = f"no {name} of {draft.instrument} in these answers"
                    self.problems.add(draft.path, f"{text}; {advice}")
        self._say_derived()

    def _say_derived(self) -> None:
        """Say which marks are quotients of the venue's own figures."""
        names = [
            p.instrument
            for p in self.positions.values()
            if "mark_price" not in p.figures and p.mark_price is not None
        ]
        if names:
            plural = "s" if len(set(names)) > 1 else ""
            listed = ", ".join(dict.fromkeys(names))
            self.say(f"mark price{plural} of {listed} worked out from the venue's own figures")

    def document(self) -> dict[str, JsonValue]:
        """Return the account document."""
        rows: dict[str, JsonValue] = {"venue": self.venue}
        if self.as_of is not None:
            rows["as_of"] = f"{self.as_of:%Y-%m-%dT%H:%M:%SZ}"
        if self.account_mode is not None:
            rows["account_mode"] = self.account_mode.value
        rows["collateral"] = [self._balance_row(asset) for asset in self.collateral]
        rows |= {"liabilities": _amounts(self.liabilities, "amount")} if self.liabilities else {}
        for key in ("prices", "ask_buffers", "accrued_interest"):
            figures: dict[str, Decimal] = getattr(self, key)
            rows |= {key: {name: plain(x) for name, x in figures.items()}} if figures else {}
        rows["positions"] = [draft.document() for draft in self.positions.values()]
        rows["orders"] = [*self.orders]
        reported = self._reported()
        rows |= {"venue_reported": reported} if reported else {}
        rows |= {"unknown": self._unknown()} if self._unknown() else {}
        return rows | ({"notes": [*self.notes]} if self.notes else {})

    def _balance_row(self, asset: str) -> JsonValue:
        row: dict[str, JsonValue] = {"asset": asset, "balance": plain(self.collateral[asset])}
        return row | ({"weight": plain(self.weights[asset])} if asset in self.weights else {})

    def _reported(self) -> dict[str, JsonValue]:
        """Return the venue's figures by instrument or leg, and its totals where it gives none."""
        by_name: dict[str, dict[str, JsonValue]] = {}
        for position in self.positions.values():
            name = self.name_of(position)
            for number, figure in position.reported.items():
                by_name.setdefault(number, {})[name] = plain(figure)
        named: dict[str, JsonValue] = {**by_name}
        totals: dict[str, JsonValue] = {n: plain(x) for n, x in self.reported.items()}
        return totals | named

    def _unknown(self) -> list[JsonValue]:
        return [
            {"what": part.value, "why": self.missing.get(part, "no answer given holds them")}
            for part in Unlearnt
            if part not in self.learnt or part in self.lost
        ]


def plain(value: Decimal | None) -> str | None:
    """Return a decimal as plain digits; `None` stays `None`."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def divided(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Return a quotient of a venue's printed figures, to the digits such figures carry."""
    return _PRICE_DIGITS.divide(numerator, denominator)


def _signed(notional: Decimal, size: Decimal) -> Decimal:
    return abs(notional).copy_sign(size)


def _amounts(amounts: Mapping[str, Decimal], key: str) -> list[JsonValue]:
    return [{"asset": asset, key: plain(amount)} for asset, amount in amounts.items()]
