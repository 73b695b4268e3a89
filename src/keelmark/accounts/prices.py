"""Which price stands for what: marks, indices and asset prices of an account document."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from keelmark.accounts.decode import Problems
from keelmark.accounts.document import AccountDocument
from keelmark.accounts.option_prices import option_prices
from keelmark.core.bound import FactorKind, reads
from keelmark.core.codes import UnitKind
from keelmark.core.coins import stands_for_the_dollar
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, MarginPrice, OpenInterestInitial
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.unit import MarginUnit
from keelmark.rulebooks import Rulebook

AS_GIVEN = "as given"
"""Name of a snapshot without a time."""


def market_of(
    document: AccountDocument,
    model: MarginModel,
    problems: Problems,
    notes: list[str],
) -> Market:
    """Return the snapshot a document describes.

    A price that is nowhere given stays out of the snapshot, so that the numbers that need it are
    unknown and no others. Assets at par without a price are one unit of the valuation, and that is
    said.
    """
    marks = _marks(document, problems)
    options = option_prices(document, model, notes)
    as_of = document.as_of
    return Market(
        marks=marks,
        indices={**options.indices, **_indices(document, model, marks, notes)},
        asset_prices=_at_par(_asset_prices(document, model, marks, notes), document, model, notes),
        open_interest=_open_interest(document, model, marks, notes),
        forwards=options.forwards,
        volatilities=options.volatilities,
        stand_ins=_stand_ins(document, model, marks),
        time=as_of,
        snapshot_id=AS_GIVEN if as_of is None else f"{as_of:%Y-%m-%dT%H:%M:%SZ}",
        advice=advice_for("{name}", quote=model.valuation),
    )


def advice_for(*names: str, quote: str | None = None) -> str:
    """Return what to write into the document for prices that are missing."""
    example = ", ".join(f'"{name}": "1.25"' for name in names)
    unit = "" if quote is None else f" in {quote}"
    plural = "s" if len(names) > 1 else ""
    return f'add "prices": {{{example}}} to the document, with the right price{plural}{unit}'


def unpriced(unit: MarginUnit, market: Market, model: MarginModel) -> list[str]:
    """Return the assets whose price the margin of a unit reads and the snapshot lacks."""
    return sorted(
        factor.name
        for factor in reads(unit, model)
        if factor.kind is FactorKind.ASSET and factor.name not in market.asset_prices
    )


def missing_prices(unit: MarginUnit, market: Market, model: MarginModel) -> str | None:
    """Return which asset prices the margin of a unit lacks, and what to write; `None` without."""
    names = unpriced(unit, market, model)
    if not names:
        return None
    return f"no price for {', '.join(names)}; {advice_for(*names, quote=model.valuation)}"


def without_empty(unit: MarginUnit, market: Market, model: MarginModel) -> MarginUnit:
    """Return a unit without the assets it holds nothing of and nobody gives a price for.

    Venues list every coin an account ever held; what a balance of nothing is worth needs no price.
    """
    kept = {p.instrument for p in unit.positions} | {o.instrument for o in unit.orders}
    settles = {model.instrument(symbol).instrument.settle for symbol in kept}
    empty = [
        name
        for name in unpriced(unit, market, model)
        if name not in settles
        and not unit.balances.get(name)
        and not unit.accrued_interest.get(name)
        and not unit.loans.get(name)
    ]
    if not empty:
        return unit
    return replace(
        unit,
        balances={a: x for a, x in unit.balances.items() if a not in empty},
        accrued_interest={a: x for a, x in unit.accrued_interest.items() if a not in empty},
        loans={a: x for a, x in unit.loans.items() if a not in empty},
    )


def still_note(units: Iterable[MarginUnit], market: Market, model: MarginModel) -> str | None:
    """Say which balances keep their price in every move that is solved; `None` without any."""
    still: set[str] = set()
    for unit in units:
        moving = {model.instrument(p.instrument).instrument.base for p in unit.positions}
        held = {asset for asset, balance in unit.balances.items() if balance} - moving
        still |= {a for a in held if unit.positions and model.reads_price_of(a)}
    still = {a for a in still & set(market.asset_prices) if stands_for_the_dollar(a, model)}
    if not still:
        return None
    names = ", ".join(sorted(still))
    return (
        f"the price of {names} stands still in every move shown: it stands for the dollar, and no "
        "contract on it is held with it"
    )


def ask_notes(
    document: AccountDocument, units: Iterable[MarginUnit], rules: Rulebook
) -> Iterator[str]:
    """Say where both sides of an asset are one price, and where asks mean nothing."""
    given = document.ask_buffers
    if given and not rules.document.ask_side:
        yield f"ask_buffers mean nothing: {rules.name} prices debts and requirements as holdings"
    if not rules.document.ask_side:
        return
    read = {f.name for unit in units for f in reads(unit, rules.model)}
    bare = [
        a for a in rules.model.assets if a in read - set(given) and rules.model.reads_price_of(a)
    ]
    if bare:
        names = ", ".join(sorted(bare))
        yield (
            f"no ask of {names}: what is owed and required is priced as what is held; "
            "`ask_buffers` of the document say how far above"
        )


def isolated_notes(units: Iterable[MarginUnit], model: MarginModel) -> Iterator[str]:
    """Say which isolated margins count at a collateral weight: the large venues have none there."""
    for unit in units:
        if unit.kind is not UnitKind.ISOLATED:
            continue
        cut = [a for a in unit.balances if not model.asset_in(unit.kind, a).schedule.is_identity]
        if cut and not model.single_asset:
            yield f"the margin of {unit.unit_id} counts at the collateral weight of {cut[0]}"


def _marks(document: AccountDocument, problems: Problems) -> dict[str, Decimal]:
    """Return marks by instrument: of positions, and of `prices` for what is only ordered."""
    marks: dict[str, Decimal] = {}
    for row in document.positions:
        known = marks.setdefault(row.instrument, row.mark_price)
        if known != row.mark_price:
            text = f"found {row.mark_price}; the other leg of {row.instrument} has {known}"
            problems.add(f"{row.path}.mark_price", text)
    for order in document.orders:
        if order.instrument in marks:
            continue
        price = document.prices.get(order.instrument)
        if price is None:
            text = f"no mark price for {order.instrument}; {advice_for(order.instrument)}"
            problems.add(f"{order.path}.instrument", text)
        else:
            marks[order.instrument] = price
    return marks


def _indices(
    document: AccountDocument,
    model: MarginModel,
    marks: dict[str, Decimal],
    notes: list[str],
) -> dict[str, Decimal]:
    """Return the indices that requirements are taken on; a missing one is the mark, and said."""
    found: dict[str, Decimal] = {}
    for symbol, mark in marks.items():
        terms = model.instrument(symbol)
        name = terms.instrument.index
        if terms.margin_price is not MarginPrice.INDEX or name is None or name in found:
            continue
        given = document.prices.get(name)
        found[name] = mark if given is None else given
        if given is None:
            notes.append(f"no index price for {name}: the mark of {symbol} stands for it")
    return found


def _at_par(
    prices: dict[str, Decimal],
    document: AccountDocument,
    model: MarginModel,
    notes: list[str],
) -> dict[str, Decimal]:
    """Return prices with those of assets that stand at par where nobody gives one."""
    settles = (model.instrument(row.instrument).instrument.settle for row in document.positions)
    named = {*document.collateral, *document.liabilities, *settles}
    missing = [a for a in model.par if a in named and a not in prices and model.reads_price_of(a)]
    if not missing:
        return prices
    names = ", ".join(missing)
    unit = model.valuation
    notes.append(
        f"no price for {names}: taken as one {unit}, a stablecoin within its peg; `prices` of the "
        f"document say it otherwise, in {unit}"
    )
    return {**prices, **dict.fromkeys(missing, ONE)}


def _open_interest(
    document: AccountDocument,
    model: MarginModel,
    marks: dict[str, Decimal],
    notes: list[str],
) -> dict[str, Decimal]:
    """Return the open interest that initial margins scale with; a missing one is none, and said."""
    found = dict(document.open_interest)
    for symbol in marks:
        rule = model.instrument(symbol).initial
        if not isinstance(rule, OpenInterestInitial) or not rule.upper or symbol in found:
            continue
        found[symbol] = ZERO
        notes.append(
            f"no open interest of {symbol}: above {rule.lower:f} its initial margin rises; add "
            f'"open_interest": {{"{symbol}": "..."}} to the document, as notional'
        )
    return found


def _asset_prices(
    document: AccountDocument,
    model: MarginModel,
    marks: dict[str, Decimal],
    notes: list[str],
) -> dict[str, Decimal]:
    """Return prices of assets; a coin with a held instrument takes its mark, and that is said."""
    settles = (model.instrument(symbol).instrument.settle for symbol in marks)
    named = (*document.collateral, *document.liabilities, *settles)
    accrued = (a for a in (*document.accrued_interest, *document.accrued_funding) if a)
    found: dict[str, Decimal] = {}
    priced = _priced_by(model, marks)
    for asset in dict.fromkeys((*named, *accrued)):
        if not model.reads_price_of(asset):
            continue
        price = document.prices.get(asset)
        symbol = priced.get(asset)
        if price is not None:
            found[asset] = price
        elif symbol is not None:
            found[asset] = marks[symbol]
            moves = ", and moves with it" if model.instrument(symbol).instrument.is_inverse else ""
            notes.append(f"no price for {asset}: the mark of {symbol} stands for it{moves}")
    return found


def _priced_by(model: MarginModel, marks: dict[str, Decimal]) -> dict[str, str]:
    """Return by coin the instrument whose mark is a price of it, the shortest symbol of them."""
    found: dict[str, str] = {}
    for symbol in sorted(marks, key=len):
        terms = model.instrument(symbol)
        if terms.option is None:  # an option's mark is a premium
            found.setdefault(terms.instrument.base, symbol)
    return found


def _stand_ins(
    document: AccountDocument, model: MarginModel, marks: dict[str, Decimal]
) -> dict[str, str]:
    """Return the coins of held contracts that nobody gave a price for, with what stands for it."""
    bases = {model.instrument(symbol).instrument.base for symbol in marks}
    unpriced_coins = (a for a in bases if a not in document.prices and model.reads_price_of(a))
    priced = _priced_by(model, marks)
    return {asset: priced[asset] for asset in unpriced_coins if asset in priced}
