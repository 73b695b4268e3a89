"""The same book side by side: under every venue's rules, and cross against isolated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from keelmark.accounts.account import Account
from keelmark.accounts.check import AccountCheck, Verdict
from keelmark.accounts.check import check as check_account
from keelmark.accounts.check_document import JsonTable, decimal_text, price_document
from keelmark.accounts.document import MarginMode
from keelmark.accounts.levels import WARN_DISTANCE
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.table import Table
from keelmark.accounts.unit_check import UnitCheck
from keelmark.core.errors import KeelmarkError
from keelmark.core.liquidation_price import LiquidationPrices
from keelmark.core.numbers import ONE, ZERO, exact, round_to
from keelmark.risk.apply import applied
from keelmark.risk.draft import Draft
from keelmark.risk.edits import ALL, SetMarginMode, SetVenue
from keelmark.risk.ranking import dollar_prices, is_venue
from keelmark.risk.symbols import DOLLARS
from keelmark.risk.terms_edits import set_margin_mode
from keelmark.risk.trades import moved_margin
from keelmark.rulebooks import rulebook_names

if TYPE_CHECKING:
    import polars as pl

AS_IT_IS = "as it is"
_NEVER = Decimal("Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """The book in one form.

    Attributes:
        name: The rulebook, or how collateral is shared.
        check: What it comes to; `None` where it cannot be had at all.
        reason: Why a total is unknown.
        notes: What was converted or assumed.
        dollars: Price of each currency in dollars, at the marks of the account as it is.
        is_ranked: Whether it can be the best: a set of rules that is no venue cannot.
    """

    name: str
    check: AccountCheck | None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    dollars: Mapping[str, Decimal] = field(default_factory=dict)
    is_ranked: bool = True

    @property
    def verdict(self) -> Verdict:
        """What it comes to in a word."""
        return Verdict.UNKNOWN if self.check is None else self.check.verdict

    @property
    def reason_in_short(self) -> str | None:
        """The first thing that is missing, and how many more are."""
        if self.reason is None:
            return None
        first, *_ = self.reason.split("; ")
        count = len(self.reason.split("; no bracket table")) + self.reason.count("; positions:")
        count += self.reason.count("; collateral:")
        return first if count == 1 else f"{first}, and {count - 1} more"

    @property
    def holders(self) -> tuple[UnitCheck, ...]:
        """The units that hold positions, or need margin for orders and debts without any."""
        units = () if self.check is None else self.check.units
        return tuple(u for u in units if u.unit.positions or u.total("initial_margin"))

    @property
    def currency(self) -> str | None:
        """What totals are in: of several currencies dollars; `None` where one has no price."""
        names = {unit.currency for unit in self.holders}
        if len(names) == 1:
            return next(iter(names))
        return "USD" if names and None not in map(self._dollar, names) else None

    def total(self, name: str) -> Decimal | None:
        """Return a total over the units that hold something; `None` where one is unknown."""
        if len({unit.currency for unit in self.holders}) > 1:
            return self.in_dollars(name)
        amounts = [unit.total(name) for unit in self.holders]
        if self.reason is not None or not amounts or None in amounts:
            return None
        with exact():
            return sum((amount for amount in amounts if amount is not None), ZERO)

    def in_dollars(self, name: str) -> Decimal | None:
        """Return a total in dollars, coins at the marks of the account; `None` where unknown."""
        amounts = [(unit.total(name), self._dollar(unit.currency)) for unit in self.holders]
        if self.reason is not None or not amounts:
            return None
        with exact():
            worths = [None if a is None or p is None else a * p for a, p in amounts]
            return None if None in worths else sum((w for w in worths if w is not None), ZERO)

    def _dollar(self, currency: str) -> Decimal | None:
        return ONE if currency in DOLLARS else self.dollars.get(currency)

    @property
    def is_comparable(self) -> bool:
        """Whether it can be the best: a venue that would not liquidate the book, as far as known.

        A venue with a nearer move that could not be solved is `unknown` and not among them.
        """
        return self.is_ranked and self.verdict not in {Verdict.LIQUIDATABLE, Verdict.UNKNOWN}

    @property
    def reach(self) -> Decimal | None:
        """The distance to rank by: without end where no move liquidates, `None` where unknown."""
        units = () if self.check is None else self.check.units
        if self.reason or not units or any(unit.is_unsettled for unit in units):
            return None
        return _NEVER if self.distance is None else self.distance

    @property
    def lacks_initial(self) -> bool:
        """Whether a unit has less equity than initial margin: it could not be opened as it is."""
        pairs = [(u.total("equity"), u.total("initial_margin")) for u in self.holders]
        return any(e is not None and i is not None and e < i for e, i in pairs)

    @property
    def distance(self) -> Decimal | None:
        """The nearest liquidating move, unsigned."""
        return None if self.check is None or self.reason else self.check.distance

    @property
    def at_stake(self) -> Decimal | None:
        """The equity of the unit that is nearest to its end: what goes with it."""
        nearest = None if self.check is None else self.check.nearest_unit
        return None if nearest is None or self.reason else nearest.total("equity")

    @property
    def prices(self) -> Mapping[str, LiquidationPrices]:
        """Liquidation prices by leg."""
        rows = () if self.check is None else tuple(self.check.positions)
        return {_leg(p): p.liquidation for p in rows}

    def document(self) -> JsonTable:
        """Return the alternative as JSON."""
        totals = ("equity", "initial_margin", "maintenance_margin")
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "currency": self.currency,
            **{name: decimal_text(self.total(name)) for name in totals},
            "in_dollars": {name: decimal_text(self.in_dollars(name)) for name in totals},
            "is_ranked": self.is_ranked,
            "distance": decimal_text(self.distance),
            "at_stake": decimal_text(self.at_stake),
            "liquidation_prices": {
                _leg(p): price_document(p.liquidation) | {"recovers": p.recovers}
                for p in (self.check.positions if self.check is not None else ())
            },
            "reason": self.reason,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Alternatives side by side; the first is the account as it is.

    Attributes:
        title: What is compared.
        alternatives: In the order they were asked for.
    """

    title: str
    alternatives: tuple[Alternative, ...]

    @property
    def ranked(self) -> tuple[Alternative, ...]:
        """The alternatives among which a best is looked for."""
        return tuple(a for a in self.alternatives if a.is_comparable)

    @property
    def cheapest(self) -> Mapping[str, tuple[str, ...]]:
        """The names with the least initial margin, the least maintenance, the most distance."""
        least = {name: self._least(name) for name in ("initial_margin", "maintenance_margin")}
        far = max((a.reach for a in self.ranked if a.reach is not None), default=None)
        farthest = tuple(a.name for a in self.ranked if far is not None and a.reach == far)
        found = {**least, "distance": farthest}
        return {name: names for name, names in found.items() if names}

    @property
    def in_one_currency(self) -> bool:
        """Whether every known total is in one currency, dollars counting one to one."""
        names = {a.currency for a in self.alternatives if a.total("maintenance_margin") is not None}
        return len(names) <= 1 or names <= set(DOLLARS)

    def amount(self, alternative: Alternative, name: str) -> Decimal | None:
        """Return a total in what all can be compared in: dollars, or the one currency of all."""
        if self.in_one_currency:
            return alternative.total(name)
        return alternative.in_dollars(name)

    def _least(self, name: str) -> tuple[str, ...]:
        """Return the names that ask least."""
        amounts = {a.name: self.amount(a, name) for a in self.ranked}
        least = min((amount for amount in amounts.values() if amount is not None), default=None)
        return tuple(n for n, amount in amounts.items() if least is not None and amount == least)

    @property
    def conversions(self) -> Mapping[str, Decimal]:
        """The coins whose totals are compared in dollars, and the price of each."""
        rows = (a for a in self.alternatives if not a.reason)
        pairs = {(a.currency, unit.currency) for a in rows for unit in a.holders}
        alike = self.in_one_currency
        used = {own for shown, own in pairs if own not in DOLLARS and (shown != own or not alike)}
        prices = self.alternatives[0].dollars
        return {name: prices[name] for name in sorted(used) if name in prices}

    @property
    def table(self) -> Table:
        """One alternative a row."""
        names = ("name", "verdict", "currency", "equity", "initial_margin", "maintenance_margin")
        rows = [
            (
                a.name,
                a.verdict.value,
                a.currency or "",
                *(a.total(name) for name in names[3:]),
                a.distance,
                a.at_stake,
                a.reason or "",
            )
            for a in self.alternatives
        ]
        return Table.of(self.title, (*names, "distance", "at_stake", "reason"), rows)

    def to_polars(self) -> "pl.DataFrame":
        """Return `table` as a frame; numbers are float64."""
        return self.table.to_polars()

    def document(self) -> JsonTable:
        """Return the comparison as JSON."""
        return {
            "title": self.title,
            "alternatives": [a.document() for a in self.alternatives],
            "cheapest": {name: list(names) for name, names in self.cheapest.items()},
            "conversions": {name: decimal_text(p) for name, p in self.conversions.items()},
        }

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def compare_venues(
    account: Account,
    venues: Sequence[str] | None = None,
    *,
    warn_distance: Decimal = WARN_DISTANCE,
) -> Comparison:
    """Return the book as it is and under other rulebooks.

    Args:
        account: From `load_account`.
        venues: References of rulebooks; every built-in venue where left out.
        warn_distance: Distance below which a verdict is a warning.

    Source: docs/model.md, "Comparison".
    """
    present = account.rulebook.document.name
    wanted = [v for v in venue_names() if v != present] if venues is None else list(venues)
    here = _alternative(account.rulebook.name, account, warn_distance)
    rows = [here, *(_elsewhere(account, venue, warn_distance) for venue in wanted)]
    ranked = [replace(row, is_ranked=is_venue(row.name)) for row in rows]
    return _comparison("the same book by venue", account, ranked)


def venue_names() -> tuple[str, ...]:
    """Return the built-in venues, without their dates."""
    return tuple(dict.fromkeys(name.partition("@")[0] for name in rulebook_names()))


def compare_modes(account: Account, *, warn_distance: Decimal = WARN_DISTANCE) -> Comparison:
    """Return the book as it is, all cross, isolated at initial margin, and with all of it split.

    "Isolated" gives every leg its initial margin and what it has lost, and leaves the rest aside;
    "split" divides the rest among the legs by maintenance margin, rounded down to the quantum.

    Args:
        account: From `load_account`.
        warn_distance: Distance below which a verdict is a warning.

    Source: docs/model.md, "Comparison".
    """
    rows = [_alternative(AS_IT_IS, account, warn_distance)]
    start = applied(account, ())
    shared = set_margin_mode(start, SetMarginMode(leg=ALL, mode=MarginMode.CROSS))
    rows.append(_alternative("cross", shared.account, warn_distance))
    for name, form in (("isolated", _isolated), ("split", _split)):
        try:
            rows.append(_alternative(name, form(shared).account, warn_distance))
        except KeelmarkError as error:
            rows.append(Alternative(name=name, check=None, reason=str(error)))
    return _comparison("cross against isolated", account, rows)


def _comparison(title: str, account: Account, rows: Sequence[Alternative]) -> Comparison:
    """Return rows that share the dollar prices of the account as it is."""
    dollars = dollar_prices(account)
    found = tuple(replace(row, dollars=dollars) for row in rows)
    return Comparison(title=title, alternatives=found)


def _leg(position: PositionCheck) -> str:
    held = position.held.position
    return f"{held.instrument} {'long' if held.size > ZERO else 'short'}"


def _isolated(shared: Draft) -> Draft:
    return set_margin_mode(shared, SetMarginMode(leg=ALL, mode=MarginMode.ISOLATED))


def _split(shared: Draft) -> Draft:
    """Return every leg isolated, with what is left of its settle asset divided by maintenance."""
    draft = _isolated(shared)
    needs = {_leg(p): p.held for p in check_account(draft.account).positions}
    by_asset: dict[str, Decimal] = {}
    with exact():
        for held in needs.values():
            by_asset[held.settle] = by_asset.get(held.settle, ZERO) + held.maintenance_margin
    left = {asset: draft.document.collateral.get(asset, ZERO) for asset in by_asset}
    for row in draft.document.positions:
        held = needs[f"{row.instrument} {'long' if row.size > ZERO else 'short'}"]
        if left[held.settle] <= ZERO or not by_asset[held.settle]:
            continue
        with exact():
            share = left[held.settle] * held.maintenance_margin / by_asset[held.settle]
        quantum = draft.account.model.asset(held.settle).quantum
        draft = moved_margin(draft, row.path, round_to(share, quantum, up=False))
    return draft


def _elsewhere(account: Account, venue: str, warn_distance: Decimal) -> Alternative:
    """Return the book under another rulebook; what it cannot margin is unknown, with the reason."""
    try:
        draft = applied(account, (SetVenue(reference=venue),))
        found = _alternative(draft.account.rulebook.name, draft.account, warn_distance)
    except KeelmarkError as error:
        return Alternative(name=venue, check=None, reason=str(error))
    return replace(found, notes=(*draft.notes, *_idle(draft.account)))


def _idle(account: Account) -> Iterable[str]:
    """Say which credits back nothing where assets are kept apart."""
    if not account.model.single_asset:
        return
    backing = {asset for unit in account.units if unit.positions for asset in unit.balances}
    for unit in account.units:
        for asset, balance in unit.balances.items():
            if backing and asset not in backing and balance > ZERO:
                name = account.rulebook.name
                yield f"{balance:f} {asset} backs nothing at {name}, which keeps assets apart"


def _alternative(name: str, account: Account, warn_distance: Decimal) -> Alternative:
    found = check_account(account, warn_distance=warn_distance)
    reasons = dict.fromkeys(_reasons(found))
    return Alternative(name=name, check=found, reason="; ".join(reasons) or None)


def _reasons(found: AccountCheck) -> Iterable[str]:
    """Return why totals are unknown: what could not be mapped first."""
    if found.account.unlearnt is not None:
        return (found.account.unlearnt,)
    return (unit.reason for unit in found.units if unit.reason and unit.unit.positions)
