"""Which moves an account has: money within reach, positions that may be closed, hedges."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from keelmark.accounts import Account
from keelmark.core.codes import Leg, UnitKind
from keelmark.core.errors import InvalidInput, MissingMarkPrice, UnknownAsset, nearest
from keelmark.core.excess import mark_of, price_of
from keelmark.core.model import InstrumentTerms
from keelmark.core.numbers import ZERO
from keelmark.core.unit import MarginUnit, Position
from keelmark.risk.rescues.donors import spare_counts
from keelmark.risk.rescues.moves import MoneyMove, Move, MoveKind, TradeMove
from keelmark.risk.rescues.options import Action, Hedge, Impact, Money, RescueOptions
from keelmark.risk.rescues.standing import unit_check
from keelmark.risk.rescues.target import Target

BUY, SELL = 1, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who asks for what: an account, one of its units, a target and what may be used."""

    account: Account
    unit: MarginUnit
    target: Target
    options: RescueOptions

    @property
    def currency(self) -> str:
        """What the totals of the unit are in."""
        return unit_check(self.unit, self.account).currency


def offers(question: Question) -> list[Move]:
    """Return every move that is allowed, cheapest kinds of money first.

    Raises:
        InvalidInput: An option names an instrument or asset that is not there.
    """
    _check_names(question)
    allows = question.options.allows
    found: list[Move] = []
    if allows(Action.TRANSFER):
        found += _transfers(question)
        found += _wallet(question)
    if allows(Action.DEPOSIT):
        found += _deposits(question)
    if allows(Action.CLOSE):
        found += _closes(question)
    if allows(Action.HEDGE):
        found += _hedges(question)
    return found


def main_asset(unit: MarginUnit, question: Question) -> str:
    """Return the asset that money comes in where none is named: the currency of the totals."""
    model = question.account.model
    settles = [model.instrument(p.instrument).instrument.settle for p in unit.positions]
    held = [*settles, *unit.balances]
    if not held:
        msg = f"unit {unit.unit_id} holds nothing: there is nothing to rescue"
        raise InvalidInput(msg)
    takes_any = not model.single_asset and unit.kind is UnitKind.CROSS
    return model.valuation if takes_any and model.valuation in model.assets else held[0]


def _check_names(question: Question) -> None:
    """Refuse options about instruments that are neither held nor offered."""
    options, unit = question.options, question.unit
    held = {p.instrument for p in unit.positions}
    known = held | {hedge.instrument for hedge in options.hedges}
    for what, names in (("kept", options.kept), ("fee", options.fees), ("impact", options.impacts)):
        for name in names:
            if name not in (held if what == "kept" else known):
                msg = f"{what}: unit {unit.unit_id} holds no {name}; {nearest(name, known)}"
                raise InvalidInput(msg)


# --- Money ----------------------------------------------------------------------------------


def _deposits(question: Question) -> Iterator[Move]:
    options = question.options
    named = options.deposits or (Money(asset=main_asset(question.unit, question)),)
    for money in named:
        yield _money(
            question,
            MoveKind.DEPOSIT,
            money.asset,
            options.deposit_max if money.amount_max is None else money.amount_max,
            rate=options.deposit_cost,
        )


def _wallet(question: Question) -> Iterator[Move]:
    for asset, amount in question.options.wallet.items():
        if amount:
            yield _money(question, MoveKind.WALLET, asset, amount, source="wallet")


def _transfers(question: Question) -> Iterator[Move]:
    """Yield what other units of the account can spare while they keep the target themselves."""
    account = question.account
    for donor in account.units:
        if donor.unit_id == question.unit.unit_id:
            continue
        for asset, count in spare_counts(donor, account, question.target).items():
            if count and _takes(question, asset):
                move = _money(question, MoveKind.TRANSFER, asset, None, source=donor.unit_id)
                yield replace(move, count_max=count)


def _takes(question: Question, asset: str) -> bool:
    """Whether the unit can hold an asset: any in a pool of many, else the one it is margined in."""
    unit, model = question.unit, question.account.model
    takes_any = not model.single_asset and unit.kind is UnitKind.CROSS
    return takes_any or asset == main_asset(unit, question)


def _money(
    question: Question,
    kind: MoveKind,
    asset: str,
    amount_max: Decimal | None,
    *,
    rate: Decimal = ZERO,
    source: str = "",
) -> MoneyMove:
    """Return a move of money in whole quanta."""
    model = question.account.model
    if not _takes(question, asset):
        asked = main_asset(question.unit, question)
        msg = f"{kind} {asset}: unit {question.unit.unit_id} is margined in {asked} alone"
        raise InvalidInput(msg)
    terms = model.assets.get(asset)
    if terms is None:
        msg = f"{kind} {asset}: {nearest(asset, model.assets)}"
        raise UnknownAsset(msg)
    count_max = None
    if amount_max is not None:
        count_max = int((amount_max / terms.quantum).to_integral_value(rounding=ROUND_FLOOR))
    return MoneyMove(
        kind=kind,
        name=asset,
        step=terms.quantum,
        count_max=count_max,
        price=price_of(asset, question.account.market, model),
        rate=rate,
        source=source,
    )


# --- Trades ---------------------------------------------------------------------------------


def _closes(question: Question) -> Iterator[Move]:
    unit, model, market = question.unit, question.account.model, question.account.market
    for row, held in enumerate(unit.positions):
        terms = model.instrument(held.instrument)
        if held.instrument in question.options.kept:
            continue
        steps = (abs(held.size) / terms.instrument.lot).to_integral_value(rounding=ROUND_CEILING)
        yield TradeMove(
            kind=MoveKind.CLOSE,
            row=row,
            held=held,
            terms=terms,
            sign=SELL if held.size > ZERO else BUY,
            count_max=int(steps),
            value_per_size=terms.instrument.value_per_size(mark_of(terms, market)),
            price=price_of(terms.instrument.settle, market, model),
            fee_rate=_fee(question, held.instrument),
            impact=_impact(question, held.instrument),
            leg=held.leg,
            is_fee_known=terms.option is None or is_fee_given(question.options, held.instrument),
        )


def is_fee_given(options: RescueOptions, symbol: str) -> bool:
    """Whether the asker names a fee for an instrument."""
    return options.fee is not None or symbol in options.fees


def _hedges(question: Question) -> Iterator[Move]:
    """Yield both sides of every hedge; what would close a position is left to the closes."""
    for hedge in question.options.hedges:
        held = [p for p in question.unit.positions if p.instrument == hedge.instrument]
        for sign in (BUY, SELL):
            move = _hedge(question, hedge, sign, held)
            if move is not None:
                yield move


def _hedge(question: Question, hedge: Hedge, sign: int, held: list[Position]) -> TradeMove | None:
    unit, market = question.unit, question.account.market
    model = question.account.model
    terms = model.instrument(hedge.instrument)
    is_legged = any(p.leg is not Leg.NET for p in held)
    same = [p for p in held if p.size * sign > ZERO]
    if held and not same and not is_legged:
        return None
    leg = (Leg.LONG if sign > 0 else Leg.SHORT) if is_legged else Leg.NET
    per_size = terms.instrument.value_per_size(market.mark(hedge.instrument))
    largest = hedge.notional_max or _gross(question, terms)
    steps = largest / abs(per_size) / terms.instrument.lot
    position = same[0] if same else None
    return TradeMove(
        kind=MoveKind.HEDGE,
        row=None if position is None else unit.positions.index(position),
        held=position,
        terms=terms,
        sign=sign,
        count_max=int(steps.to_integral_value(rounding=ROUND_FLOOR)),
        value_per_size=per_size,
        price=price_of(terms.instrument.settle, market, model),
        fee_rate=_fee(question, hedge.instrument),
        impact=_impact(question, hedge.instrument),
        leg=leg,
    )


def _gross(question: Question, terms: InstrumentTerms) -> Decimal:
    """Return the notional of the whole unit in the settle asset of a contract."""
    model, market = question.account.model, question.account.market
    total = ZERO
    for position in question.unit.positions:
        terms_of = model.instrument(position.instrument)
        if terms_of.option is not None:
            continue
        own = terms_of.instrument
        value = abs(own.value(position.size, market.mark(position.instrument)))
        total += value * price_of(own.settle, market, model)
    return total / price_of(terms.instrument.settle, market, model)


def _fee(question: Question, symbol: str) -> Decimal:
    """Return the fee on what is traded; of options none is known but the one that was given."""
    options, rules = question.options, question.account.rulebook
    is_option = rules.model.instrument(symbol).option is not None
    default = ZERO if is_option else rules.liquidation.taker_fee
    return options.fees.get(symbol, default if options.fee is None else options.fee)


def _impact(question: Question, symbol: str) -> Impact:
    assumed = question.account.rulebook.liquidation.reduce.impact
    linear = assumed.get(symbol, assumed.get("default", ZERO))
    return question.options.impacts.get(symbol, Impact(linear=linear))


def with_hedges(account: Account, hedges: tuple[Hedge, ...]) -> Account:
    """Return the account with the contracts and marks its hedges need.

    Raises:
        UnknownInstrument: The rulebook neither lists an instrument nor can tell what it is.
        MissingMarkPrice: It is not held and no price is given for it.
    """
    if not hedges:
        return account
    rules = account.rulebook
    found = [rules.terms_for(hedge.instrument) for hedge in hedges]
    for terms in found:
        if terms.option is not None:
            msg = f"hedge {terms.instrument.symbol}: options are not planned; name a future"
            raise InvalidInput(msg)
    rules = rules.with_terms(*found)
    marks = dict(account.market.marks)
    for hedge in hedges:
        if hedge.price is not None:
            marks.setdefault(hedge.instrument, hedge.price)
        if hedge.instrument not in marks:
            msg = f"no mark price for {hedge.instrument}; give it with `--price`"
            raise MissingMarkPrice(msg)
    return replace(account, rulebook=rules, market=replace(account.market, marks=marks))
