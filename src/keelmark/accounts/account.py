"""An account as margin units under a rulebook: what an account document means.

One cross unit (one per settle asset where the venue keeps assets apart) and one unit per isolated
position or leg. Where the document leaves something out, the choice made is noted in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from keelmark.accounts.decode import Problems, parse_document
from keelmark.accounts.document import (
    TOTAL,
    AccountDocument,
    AccountMode,
    InstrumentSpec,
    MarginMode,
    OrderRow,
    PositionRow,
    Unlearnt,
    decode_document,
)
from keelmark.accounts.expired import check_expired, expiry_notes
from keelmark.accounts.leverage import leverage_notes
from keelmark.accounts.one_way import check_one_way
from keelmark.accounts.prices import ask_notes, isolated_notes, market_of, still_note, without_empty
from keelmark.core.codes import Leg, UnitKind
from keelmark.core.errors import InvalidDocument, KeelmarkError, UnknownRulebook, nearest
from keelmark.core.market import Market
from keelmark.core.model import InstrumentTerms, MarginModel
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit, OpenOrders, Position
from keelmark.rulebooks import Rulebook, load_rulebook
from keelmark.rulebooks.document import InstrumentDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What an account document means under its rulebook.

    Attributes:
        document: What it was built from.
        rulebook: The venue's rules, with the document's own instruments added.
        as_of: Time of the snapshot, UTC.
        units: Cross units first, then isolated ones in the order of the document.
        market: Every price the document gives or implies.
        reported: The venue's own figures, by number and instrument or leg.
        notes: What was assumed where the document says nothing.
    """

    document: AccountDocument
    rulebook: Rulebook
    as_of: datetime | None
    units: tuple[MarginUnit, ...]
    market: Market
    reported: Mapping[str, Mapping[str, Decimal]]
    notes: tuple[str, ...]

    @property
    def unlearnt(self) -> str | None:
        """Why no total of the cross units can be told; `None` where they can."""
        decides = [row for row in self.document.unknown if row.what is not Unlearnt.ORDERS]
        return "; ".join(f"{row.what}: {row.why}" for row in decides) or None

    @property
    def model(self) -> MarginModel:
        """The margin terms."""
        return self.rulebook.model


def load_account(path: str | Path, *, rulebook: Rulebook | None = None) -> Account:
    """Return the account in a JSON or TOML file.

    Args:
        path: The document; JSON or TOML by the ending of its name, else by its first character.
        rulebook: Used instead of the one the document names.

    Raises:
        InvalidDocument: The file cannot be read, or it does not follow the contract; lists
            every problem with its path.
        UnknownRulebook: The venue it names is not known.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        heading = f"{path}: cannot be read"
        raise InvalidDocument(heading, [getattr(error, "strerror", None) or str(error)]) from error
    toml = {".toml": True, ".json": False}.get(file.suffix.lower())
    return read_account(text, title=str(path), toml=toml, rulebook=rulebook)


def read_account(
    text: str,
    *,
    title: str = "account",
    toml: bool | None = None,
    rulebook: Rulebook | None = None,
) -> Account:
    """Return the account in a JSON or TOML text; raises as `load_account`."""
    problems = Problems()
    document = decode_document(parse_document(text, title=title, toml=toml), problems)
    return _build(document, problems, title=title, rulebook=rulebook)


def build_account(
    document: AccountDocument,
    *,
    title: str = "account",
    rulebook: Rulebook | None = None,
) -> Account:
    """Return what a decoded document means; raises as `load_account`."""
    return _build(document, Problems(), title=title, rulebook=rulebook)


def _build(
    document: AccountDocument,
    problems: Problems,
    *,
    title: str,
    rulebook: Rulebook | None,
) -> Account:
    """Return what a document means, or raise the problems found so far with those found now.

    Rows that could not be read are left out of what is looked at here: they would only give
    problems that are not there.
    """
    rules = rulebook or _rulebook(document, problems, title)
    rules = _with_document(rules, document, problems)
    document = _readable(document, problems)
    _check_modes(document, rules, problems)
    notes = list(document.notes)
    build = _Builder(document, rules.model, problems, notes)
    with exact():
        units = build.units()
    market = market_of(document, rules.model, problems, notes)
    problems.raise_any(title)
    notes += leverage_notes(units, market, rules.model)
    notes += expiry_notes(document, rules.model)
    notes += isolated_notes(units, rules.model)
    notes += ask_notes(document, units, rules)
    notes += filter(None, [still_note(units, market, rules.model)])
    notes += [f"{row.what} unknown: {row.why}" for row in document.unknown]
    return Account(
        document=document,
        rulebook=rules,
        as_of=document.as_of,
        units=tuple(without_empty(unit, market, rules.model) for unit in units),
        market=market,
        reported=document.venue_reported,
        notes=tuple(notes),
    )


def _check_modes(document: AccountDocument, rules: Rulebook, problems: Problems) -> None:
    """Refuse isolated positions where the venue's mode has none."""
    for row in document.positions:
        if row.margin_mode is MarginMode.ISOLATED and not rules.document.isolated:
            text = f'found "isolated"; {rules.name} is cross only: name the rulebook of its mode'
            problems.add(f"{row.path}.margin_mode", text)
    if document.account_mode is AccountMode.ONE_WAY or not rules.document.hedge_mode:
        for order in document.orders:
            if order.leg is not None:
                problems.add(
                    f"{order.path}.leg", "there are legs in hedge mode alone: leave it out"
                )
    if not rules.document.hedge_mode:
        check_one_way(document, rules, problems)


def _rulebook(document: AccountDocument, problems: Problems, title: str) -> Rulebook:
    """Return the rulebook a document names; without one, what is known of it ends here."""
    if not document.venue:
        problems.raise_any(title)
    try:
        return load_rulebook(_reference(document))
    except UnknownRulebook as error:
        if problems.found:
            problems.add("venue", str(error))
        problems.raise_any(title)
        raise


def _readable(document: AccountDocument, problems: Problems) -> AccountDocument:
    """Return a document without the rows that have a problem, and the orders that need one."""
    if not problems.found:
        return document
    lost = {row.instrument for row in document.positions if problems.touch(row.path)}
    positions = [row for row in document.positions if row.instrument not in lost]
    orders = [
        row
        for row in document.orders
        if row.instrument not in lost and not problems.touch(row.path)
    ]
    return replace(document, positions=tuple(positions), orders=tuple(orders))


def _reference(document: AccountDocument) -> str:
    """Return the rulebook of the document's date; a date in the venue itself wins."""
    if "@" in document.venue or document.as_of is None or document.venue.endswith(".toml"):
        return document.venue
    return f"{document.venue}@{document.as_of:%Y-%m}"


def _with_document(rules: Rulebook, document: AccountDocument, problems: Problems) -> Rulebook:
    """Return the rulebook with the contracts and assets the document needs."""
    rows: list[tuple[str, str, InstrumentSpec | None]] = [
        *((row.path, row.instrument, row.spec) for row in document.positions),
        *((row.path, row.instrument, None) for row in document.orders),
    ]
    terms: dict[str, InstrumentTerms] = {}
    for path, symbol, spec in rows:
        is_unread = problems.touch(f"{path}.instrument") or problems.touch(f"{path}.spec")
        if is_unread or (symbol in terms and spec is None):
            continue
        try:
            terms[symbol] = rules.terms_for(symbol, _spec_document(spec))
        except KeelmarkError as error:
            problems.add(f"{path}.instrument", str(error))
    for row in document.positions:
        if row.instrument in terms:
            _check_option(row, terms[row.instrument], problems)
            check_expired(row, terms[row.instrument], document.as_of, problems)
    assets = _named_assets(document)
    known = rules.with_terms(*terms.values(), assets=tuple(filter(None, assets.values())))
    known = known.with_weights(document.weights).for_documents()
    if rules.document.ask_side:
        known = known.with_asks(document.ask_buffers)
    for path, asset in assets.items():
        if asset and asset not in known.model.assets:
            hint = nearest(asset, known.model.assets)
            problems.add(path, f"rulebook {rules.name} has no asset {asset!r}; {hint}")
    return known


def _check_option(row: PositionRow, terms: InstrumentTerms, problems: Problems) -> None:
    """Refuse what only options may say of a position that is none, and the other way round."""
    if terms.option is not None:
        if row.tier is not None:
            text = "an option has none: it is margined by the venue's option rule"
            problems.add(f"{row.path}.tier", text)
        return
    for key in ("entry_price", "mark_price"):
        if getattr(row, key) == ZERO and not problems.touch(f"{row.path}.{key}"):
            problems.add(f"{row.path}.{key}", "found 0; it must be above 0")
    for key in ("implied_volatility", "underlying_price"):
        if getattr(row, key) is not None:
            problems.add(f"{row.path}.{key}", f"{row.instrument} is no option")
    for key in ("strike", "right"):
        if row.spec is not None and getattr(row.spec, key) is not None:
            problems.add(f"{row.path}.spec.{key}", f"{row.instrument} is no option")


def _named_assets(document: AccountDocument) -> dict[str, str]:
    """Return every asset a document names, by path."""
    found = {f"collateral[{i}].asset": asset for i, asset in enumerate(document.collateral)}
    found |= {f"liabilities[{i}].asset": asset for i, asset in enumerate(document.liabilities)}
    for key in ("accrued_interest", "accrued_funding"):
        found |= {f"{key}.{asset}": asset for asset in getattr(document, key) if asset != TOTAL}
    return found


def _spec_document(spec: InstrumentSpec | None) -> InstrumentDocument | None:
    if spec is None:
        return None
    return InstrumentDocument(**{name: getattr(spec, name) for name in spec.__slots__})


class _Builder:
    """Sorts balances, positions and orders into units."""

    def __init__(
        self,
        document: AccountDocument,
        model: MarginModel,
        problems: Problems,
        notes: list[str],
    ) -> None:
        self.document = document
        self.model = model
        self.problems = problems
        self.notes = notes
        self.legs = self._legs()

    def units(self) -> tuple[MarginUnit, ...]:
        """Return every unit."""
        cross = [r for r in self.document.positions if r.margin_mode is MarginMode.CROSS]
        isolated = [r for r in self.document.positions if r.margin_mode is MarginMode.ISOLATED]
        found = [*self._cross(cross), *(self._isolated(row) for row in isolated)]
        self._note_leverage()
        return tuple(found)

    def _legs(self) -> dict[str, Leg]:
        """Return the leg of every row, by path; two rows of one instrument are hedge legs."""
        by_symbol: dict[str, list[PositionRow]] = {}
        for row in self.document.positions:
            by_symbol.setdefault(row.instrument, []).append(row)
        found: dict[str, Leg] = {}
        for rows in by_symbol.values():
            hedged = len(rows) > 1 or self.document.account_mode is AccountMode.HEDGE
            for row in rows:
                side = Leg.LONG if row.size > ZERO else Leg.SHORT
                found[row.path] = side if hedged else Leg.NET
            self._check_legs(rows, found)
        return found

    def _check_legs(self, rows: list[PositionRow], legs: Mapping[str, Leg]) -> None:
        sides = [legs[row.path] for row in rows]
        last = rows[-1]
        if len(rows) > len(set(sides)):
            text = f"{last.instrument} has two rows on one side; add their sizes and costs up"
            self.problems.add(f"{last.path}.size", text)
        elif len(rows) > 1 and self.document.account_mode is AccountMode.ONE_WAY:
            text = f'{last.instrument} has two legs and account_mode is "one_way"'
            self.problems.add(f"{last.path}.instrument", text)

    def _cross(self, rows: list[PositionRow]) -> list[MarginUnit]:
        """Return the cross unit, or one per asset where the venue keeps assets apart."""
        assets = dict.fromkeys((*self.document.collateral, *self.document.liabilities))
        assets.update(dict.fromkeys(self._settle(row.instrument) for row in rows))
        orders = [o for o in self.document.orders if not self._is_isolated(o.instrument)]
        assets.update(dict.fromkeys(self._settle(order.instrument) for order in orders))
        if not assets:
            return []
        groups = [[a] for a in assets] if self.model.single_asset else [list(assets)]
        self._check_bare_accruals(several=len(groups) > 1)
        return [self._cross_unit(group, rows, orders, alone=len(groups) == 1) for group in groups]

    def _check_bare_accruals(self, *, several: bool) -> None:
        """Refuse a bare accrual where several units could own it."""
        for key in ("accrued_interest", "accrued_funding"):
            if several and TOTAL in getattr(self.document, key):
                self.problems.add(key, 'found one number; name its asset: {"USDT": "..."}')

    def _cross_unit(
        self,
        assets: list[str],
        rows: list[PositionRow],
        orders: list[OrderRow],
        *,
        alone: bool,
    ) -> MarginUnit:
        held = tuple(self._position(row) for row in rows if self._settle(row.instrument) in assets)
        first = self._settle(held[0].instrument) if held else assets[0]
        funding = self._accrued(self.document.accrued_funding, assets, first)
        balances = {
            asset: self.document.collateral.get(asset, ZERO)
            - self.document.liabilities.get(asset, ZERO)
            + funding.get(asset, ZERO)
            for asset in assets
        }
        return MarginUnit(
            unit_id="cross" if alone else f"cross:{assets[0]}",
            kind=UnitKind.CROSS,
            balances=balances,
            positions=held,
            orders=self._orders([o for o in orders if self._settle(o.instrument) in assets]),
            accrued_interest=self._accrued(self.document.accrued_interest, assets, first),
            loans={a: x for a, x in self.document.liabilities.items() if a in assets},
        )

    def _accrued(
        self,
        amounts: Mapping[str, Decimal],
        assets: list[str],
        settle: str,
    ) -> dict[str, Decimal]:
        """Return accruals of these assets; a bare number belongs to the settle asset."""
        named = {asset: amount for asset, amount in amounts.items() if asset in assets}
        if TOTAL in amounts:
            named[settle] = named.get(settle, ZERO) + amounts[TOTAL]
        return named

    def _isolated(self, row: PositionRow) -> MarginUnit:
        leg = self.legs[row.path]
        suffix = f"/{leg.name.lower()}" if leg else ""
        settle = self._settle(row.instrument)
        return MarginUnit(
            unit_id=f"isolated:{row.instrument}{suffix}",
            kind=UnitKind.ISOLATED,
            balances={settle: row.isolated_margin or ZERO},
            positions=(self._position(row),),
            orders=self._orders(
                [o for o in self.document.orders if self._belongs(o, row)],
            ),
        )

    def _belongs(self, order: OrderRow, row: PositionRow) -> bool:
        """Whether an order belongs to an isolated row: its instrument, and its side in hedges."""
        leg = self.legs[row.path]
        opens_leg = leg is Leg.NET or (leg is Leg.LONG) == order.opens_by_buying
        return order.instrument == row.instrument and opens_leg

    def _is_isolated(self, symbol: str) -> bool:
        rows = [r for r in self.document.positions if r.instrument == symbol]
        return bool(rows) and all(r.margin_mode is MarginMode.ISOLATED for r in rows)

    def _is_option(self, symbol: str) -> bool:
        return self.model.instrument(symbol).instrument.is_option

    def _settle(self, symbol: str) -> str:
        return self.model.instrument(symbol).instrument.settle

    def _position(self, row: PositionRow) -> Position:
        instrument = self.model.instrument(row.instrument).instrument
        if instrument.is_option and row.leverage is not None:
            self.notes.append(f"leverage of {row.instrument} means nothing: it is an option")
        return Position(
            instrument=row.instrument,
            size=row.size,
            cost=instrument.value(row.size, row.entry_price),
            leg=self.legs[row.path],
            leverage=None if instrument.is_option else row.leverage,
            tier=row.tier,
        )

    def _orders(self, rows: list[OrderRow]) -> tuple[OpenOrders, ...]:
        """Return unfilled orders added up by instrument; orders that only close ask no margin."""
        opening = [row for row in rows if not row.only_closes]
        self._note_legs(opening)
        symbols = dict.fromkeys(row.instrument for row in opening)
        return tuple(
            self._order(symbol, [row for row in opening if row.instrument == symbol])
            for symbol in symbols
        )

    def _order(self, symbol: str, rows: list[OrderRow]) -> OpenOrders:
        instrument = self.model.instrument(symbol).instrument
        sides = {is_buy: [row for row in rows if row.is_buy is is_buy] for is_buy in (True, False)}
        size = {side: sum((r.size for r in group), ZERO) for side, group in sides.items()}
        value = {
            side: sum((instrument.value(r.size, r.price) for r in group), ZERO)
            for side, group in sides.items()
        }
        return OpenOrders(
            instrument=symbol,
            buy_size=size[True],
            sell_size=size[False],
            buy_value=value[True],
            sell_value=value[False],
            leverage=next((row.leverage for row in rows if row.leverage is not None), None),
            hedged=self._is_hedged(rows),
        )

    def _is_hedged(self, rows: list[OrderRow]) -> bool:
        """Whether buys and sells may both open: the account is in hedge mode, flat or not."""
        in_mode = self.document.account_mode is AccountMode.HEDGE
        return in_mode or any(row.leg is not None for row in rows)

    def _note_legs(self, opening: list[OrderRow]) -> None:
        if self.document.account_mode is AccountMode.HEDGE and any(o.leg is None for o in opening):
            text = "an order without a leg is taken to open one: name its `leg`"
            self.notes.extend([text] if text not in self.notes else [])

    def _note_leverage(self) -> None:
        rows = [r for r in self.document.positions if not self._is_option(r.instrument)]
        missing = [row.instrument for row in rows if row.leverage is None]
        if missing:
            symbols = ", ".join(dict.fromkeys(missing))
            text = "initial margin is taken at the largest leverage of the tier"
            self.notes.append(f"no leverage given for {symbols}: {text}")
