"""The end of a unit that the market could not save: takeover, insurance, ADL, socialised loss.

Everything is in whole quanta of a settle asset and the parts sum to its deficit exactly; a unit
with positions in several has a bill in each (docs/decisions/0005-takeover.md). The unit ends
without positions and without balances; one that held no positions keeps what its own assets leave
after its debts.
"""

from dataclasses import asdict, dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR

import msgspec
import numpy as np

from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.process import Stage
from keelmark.engine import events as e
from keelmark.engine.adl.policies import DELEVERAGE
from keelmark.engine.entries import Case
from keelmark.engine.event_rows import BillRow
from keelmark.engine.liquidation.desk import Desk
from keelmark.engine.liquidation.shares import Holding, carried_lots, split_value, with_losses
from keelmark.engine.losses import LOSS
from keelmark.engine.state import State

WEIGHT_SCALE = 10**12
ROUNDINGS = 4
"""Quanta by which a winner may look better than it is, as the auditor counts them."""
DUST = 1000
"""A round that takes a smaller part of the lots than one in this many is worth no other."""

HeldIn = dict[int, tuple[list[Holding], list[int]]]
"""Positions at the mark and their weights, by settle asset, largest requirement first."""


@dataclass(slots=True)
class Bill:
    """Who paid what of a deficit, settle quanta."""

    asset: int
    deficit: int = 0
    fund: int = 0
    deleveraged: int = 0
    socialised: int = 0
    backstop: int = 0
    surplus: int = 0

    def ended(self, case: Case, time_ms: int, outcome: str) -> e.LiquidationEnded:
        """Return the closing event of the case, of this bill alone."""
        return e.LiquidationEnded(
            case=case.case, unit=case.unit, time_ms=time_ms, outcome=outcome, **asdict(self)
        )

    def row(self) -> BillRow:
        """Return the bill as a row beside the first."""
        return BillRow(**asdict(self))


def resolve(desk: Desk, case: Case) -> None:
    """Hand over everything a unit has and settle who pays, settle asset by settle asset."""
    state = desk.state
    if state.orders.get(case.unit):
        desk.emit(e.OrdersCancelled(unit=case.unit, instrument=-1, case=case.case))
    assets = settle_assets(state, case.unit)
    held_in = {asset: held(state, case.unit, asset) for asset in assets}
    share_out(desk, case, held_in)
    bills, outcome = [], "taken_over"
    for asset, (holdings, weights) in held_in.items():
        bill = Bill(asset=asset)
        if settle(desk, case, holdings, weights, bill):
            outcome = "deleveraged"
        bills.append(bill)
    closing = bills[0].ended(case, state.time_ms, outcome)
    desk.emit(msgspec.structs.replace(closing, others=tuple(bill.row() for bill in bills[1:])))


def settle(desk: Desk, case: Case, holdings: list[Holding], weights: list[int], bill: Bill) -> bool:
    """Hand over what settles in one asset; return whether any of it was auto-deleveraged."""
    equity = worth(desk.state, case.unit, bill.asset, holdings)
    bill.deficit = max(0, -equity)
    if not holdings:
        pay_debt(desk, case, bill)
        return False
    order = sorted(range(len(holdings)), key=lambda i: (-weights[i], holdings[i].instrument))
    bill.surplus = max(0, equity)
    equity -= pay_surplus(desk, case, holdings[order[0]].instrument, bill)
    shared = with_losses(equity, holdings, weights)
    closed = [hand_over(desk, case, shared[place], bill) for place in order]
    return any(closed)


def close_at_the_mark(desk: Desk, case: Case) -> None:
    """Move a healthy unit's positions to the backstop at the mark; its money stays where it is."""
    state = desk.state
    if state.orders.get(case.unit):
        desk.emit(e.OrdersCancelled(unit=case.unit, instrument=-1, case=case.case))
    for p in state.book.unit_view(case.unit).positions:
        holding = at_the_mark(state, p.instrument, p.lots, int(p.leg))
        transfer_position(desk, case, holding, state.backstop, holding.value, "takeover")
    bill = Bill(asset=state.universe.asset_row(state.report(case.unit).assets[0].asset))
    desk.emit(bill.ended(case, state.time_ms, "taken_over"))


def worth(state: State, unit: int, asset: int, holdings: list[Holding]) -> int:
    """Return what a unit that holds one asset is worth at the mark, quanta."""
    costs = sum(
        p.cost
        for p in state.book.unit_view(unit).positions
        if state.settle_of(p.instrument) == asset
    )
    return state.book.balance(unit, asset) + sum(h.value for h in holdings) - costs


def settle_assets(state: State, unit: int) -> list[int]:
    """Return the settle assets of a unit's positions, largest requirement first.

    Without positions, the asset of the largest debt alone.
    """
    report = state.report(unit)
    settled = {p.terms.instrument.settle for p in report.positions}
    with exact():
        rows = [
            (a.maintenance_margin * a.price, -a.balance * a.price, -i, a.asset)
            for i, a in enumerate(report.assets)
            if a.asset in settled or not settled
        ]
    ranked = [state.universe.asset_row(row[3]) for row in sorted(rows, reverse=True)]
    return ranked if settled else ranked[:1]


def share_out(desk: Desk, case: Case, held_in: HeldIn) -> None:
    """Exchange with the backstop, at the mark, until each settle asset has its share of the equity.

    Shares are in proportion to the requirements settled in each asset, in value; the first asset
    has what rounding leaves. What the unit receives rounds down, what it gives rounds up (INV-12).
    """
    state = desk.state
    first, *more = held_in
    shares = equity_shares(state, case.unit, held_in) if more else []
    for other, quanta in state.book.unit_view(case.unit).balances.items():
        if other not in held_in and quanta != 0:
            exchange(desk, case, other, quanta, first)
    for asset, share in zip(more, shares, strict=True):
        spare = worth(state, case.unit, asset, held_in[asset][0]) - share
        if spare:
            exchange(desk, case, asset, spare, first)


def equity_shares(state: State, unit: int, held_in: HeldIn) -> list[int]:
    """Return the quanta that each settle asset but the first should be worth, towards zero."""
    assets = {*state.book.unit_view(unit).balances, *held_in}
    with exact():
        quantum = {a: state.universe.quantum(a) * state.price_of(a) for a in assets}
        equity = ZERO
        for asset, price in quantum.items():
            equity += worth(state, unit, asset, held_in.get(asset, ([], []))[0]) * price
        needs = [sum(weights) * state.price_of(a) for a, (_, weights) in held_in.items()]
        needs = needs if any(needs) else [ONE] * len(held_in)
        total = sum(needs, ZERO)
        shares = zip(held_in, needs, strict=True)
        return [int(equity * need / total / quantum[asset]) for asset, need in shares][1:]


def exchange(desk: Desk, case: Case, other: int, quanta: int, asset: int) -> None:
    """Swap one balance (or debt) of a unit with the backstop for the asset of the resolution."""
    state = desk.state
    with exact():
        worth = abs(quanta) * state.universe.quantum(other) * state.price_of(other)
        amount = worth / (state.universe.quantum(asset) * state.price_of(asset))
        paid = int(amount.to_integral_value(ROUND_FLOOR if quanta > 0 else ROUND_CEILING))
    unit, backstop = case.unit, state.backstop
    giver, taker = (unit, backstop) if quanta > 0 else (backstop, unit)
    desk.emit(_moved(giver, taker, other, abs(quanta), "seizure", case))
    if paid:
        desk.emit(_moved(taker, giver, asset, abs(paid), "seizure", case))


def held(state: State, unit: int, asset: int) -> tuple[list[Holding], list[int]]:
    """Return the positions settled in `asset` at the mark, with requirements as weights."""
    report = state.report(unit)
    weights = {
        (p.position.instrument, int(p.position.leg)): p.maintenance_margin for p in report.positions
    }
    holdings, shares = [], []
    for p in state.book.unit_view(unit).positions:
        if state.settle_of(p.instrument) == asset:
            holdings.append(at_the_mark(state, p.instrument, p.lots, int(p.leg)))
            weight = weights[state.universe.symbols[p.instrument], int(p.leg)]
            shares.append(int(max(ZERO, weight) * WEIGHT_SCALE))
    return holdings, shares


def at_the_mark(state: State, instrument: int, lots: int, leg: int) -> Holding:
    """Return lots with their value at the mark, rounded against the unit (INV-12)."""
    value = -state.value(instrument, -lots, state.ticks(instrument))
    return Holding(instrument=instrument, leg=leg, lots=lots, value=value, loss=0)


def pay_surplus(desk: Desk, case: Case, instrument: int, bill: Bill) -> int:
    """Pass the fund its share of what is left; return what was paid."""
    with exact():
        paid = int(bill.surplus * desk.state.rules.insurance.surplus_share)
    if paid > 0:
        fund = desk.state.fund_of(instrument)
        desk.emit(_moved(case.unit, fund, bill.asset, paid, "surplus", case))
    return paid


def hand_over(desk: Desk, case: Case, holding: Holding, bill: Bill) -> bool:
    """Dispose of one position; return whether any of it was auto-deleveraged.

    The fund pays first: what it can carry changes hands at the mark, with the backstop as far as
    that has room, else with winners, who then lose nothing. Only the lots it cannot carry are
    deleveraged at the transfer price.
    """
    carried = holding
    if holding.loss > 0:
        money = fund_available(desk.state, holding.instrument, bill.asset)
        carried = holding.part(carried_lots(holding, money))
    uncarried = holding.rest(carried)
    if carried.loss > 0:
        pay_fund(desk, case, carried.instrument, carried.loss, bill)
        carried = replace(carried, loss=0)
    taken = carried.part(_smaller(carried.lots, backstop_capacity(desk.state, carried)))
    if taken.lots:
        value = taken.transfer_value
        transfer_position(desk, case, taken, desk.state.backstop, value, "takeover")
    rests = [part for part in (carried.rest(taken), uncarried) if part.lots]
    closed = [deleverage(desk, case, part, bill) for part in rests]
    return any(closed)


def deleverage(desk: Desk, case: Case, rest: Holding, bill: Bill) -> bool:
    """Close lots against winners at the transfer price; socialise what finds nobody.

    A winner that has been closed against in part may have room for a little more, because what is
    closable is bounded from below: winners are asked until none has any (INV-09), or until a
    round moves no more than rounding does. Parts of a loss round down, so that a winner at its
    limit always has room for a few lots more, and millions of lots would be closed by twos.
    """
    any_closed = False
    while rest.lots and desk.state.rules.runs(Stage.AUTO_DELEVERAGE):
        matched = close_against_winners(desk, case, rest, bill)
        if not matched.lots:
            break
        is_dust = any_closed and is_rounding(matched, rest)
        any_closed = True
        rest = rest.rest(matched)
        if is_dust:
            break
    if rest.lots:
        force_on_backstop(desk, case, rest, bill)
    return any_closed


def is_rounding(matched: Holding, rest: Holding) -> bool:
    """Whether what winners took of a loss is rounding: few quanta, and few of the lots."""
    few_quanta = rest.loss > 0 and matched.loss <= ROUNDINGS
    return few_quanta and abs(matched.lots) * DUST < abs(rest.lots)


def close_against_winners(desk: Desk, case: Case, rest: Holding, bill: Bill) -> Holding:
    """Close what the policy finds among the candidates of this moment; return that part."""
    per_lot = max(0, rest.loss) / abs(rest.lots)
    needed = abs(rest.lots)
    sided = desk.candidates(rest.instrument, -1 if rest.lots > 0 else 1, per_lot, needed)
    lots = DELEVERAGE[desk.state.rules.deleverage](needed, sided.candidates)
    chosen = np.flatnonzero(lots)
    closed = [int(n) for n in lots[chosen]]
    matched = rest.part(_signed(sum(closed), rest.lots))
    if not closed:
        return matched
    victims = sided.candidates.unit[chosen].tolist()
    cancel_victims_orders(desk, case.case, victims, rest.instrument)
    values = split_value(matched.transfer_value, closed)
    desk.emit(
        e.Deleveraged(
            case=case.case,
            unit=case.unit,
            instrument=rest.instrument,
            leg=rest.leg,
            victims=tuple(victims),
            victim_legs=tuple(sided.legs[chosen].tolist()),
            lots=tuple(-_signed(n, rest.lots) for n in closed),
            values=tuple(-value for value in values),
            loss=max(0, matched.loss),
        ),
    )
    bill.deleveraged += max(0, matched.loss)
    return matched


def force_on_backstop(desk: Desk, case: Case, left: Holding, bill: Bill) -> None:
    """Give the backstop what nobody takes: at the mark as far as claims pay the loss."""
    if left.loss <= 0:
        value = left.transfer_value
        transfer_position(desk, case, left, desk.state.backstop, value, "takeover")
        return
    paid = socialise(desk, case, left, bill)
    borne = left.loss - paid
    bill.backstop += borne
    value = left.value + borne
    transfer_position(desk, case, left, desk.state.backstop, value, "takeover")


def socialise(desk: Desk, case: Case, left: Holding, bill: Bill) -> int:
    """Charge a loss to the claims the rulebook names, fund first; return what was paid."""
    state = desk.state
    money = fund_available(state, left.instrument, bill.asset)
    from_fund = min(left.loss, money)
    pay_fund(desk, case, left.instrument, from_fund, bill)
    owed = left.loss - from_fund
    if owed == 0 or not state.rules.runs(Stage.SOCIALISE):
        return from_fund
    claims = desk.claims(bill.asset, left.instrument, case.unit)
    parts = LOSS[state.rules.socialise](owed, claims)
    chosen = np.flatnonzero(parts)
    if len(chosen) == 0:
        return from_fund
    desk.emit(
        e.LossSocialised(
            case=case.case,
            unit=case.unit,
            asset=bill.asset,
            form=state.rules.socialise,
            payers=tuple(claims.unit[chosen].tolist()),
            quanta=tuple(parts[chosen].tolist()),
            instrument=left.instrument,
            lots=left.lots,
            loss=left.loss,
        ),
    )
    paid = int(parts.sum())
    bill.socialised += paid
    return from_fund + paid


def pay_debt(desk: Desk, case: Case, bill: Bill) -> None:
    """Pay what a unit without positions owes: fund, claims, then the backstop."""
    if bill.deficit == 0:
        return
    debt = Holding(instrument=-1, leg=0, lots=0, value=0, loss=bill.deficit)
    left = bill.deficit - socialise(desk, case, debt, bill)
    if left:
        desk.emit(_moved(desk.state.backstop, case.unit, bill.asset, left, "borne", case))
        bill.backstop += left


# --- the payers ---------------------------------------------------------------------------------


def fund_available(state: State, instrument: int, asset: int) -> int:
    """Return what the fund of an instrument may still spend, quanta."""
    if not state.rules.runs(Stage.INSURANCE):
        return 0
    return state.fund_money(state.fund_of(instrument), asset)


def pay_fund(desk: Desk, case: Case, instrument: int, quanta: int, bill: Bill) -> None:
    """Let the fund pay a share of the deficit to the unit."""
    if quanta > 0:
        fund = desk.state.fund_of(instrument)
        desk.emit(_moved(fund, case.unit, bill.asset, quanta, "deficit", case))
        bill.fund += quanta


def backstop_capacity(state: State, holding: Holding) -> int:
    """Return the lots (unsigned) of a position that the backstop has room for."""
    if not state.rules.runs(Stage.TAKEOVER) or state.backstop_is_spent():
        return 0
    limit = state.rules.takeover.inventory_max
    if limit is None or holding.value == 0:
        return abs(holding.lots)
    with exact():
        room = limit - state.backstop_inventory()
        settle = state.settle_of(holding.instrument)
        quantum = state.universe.quantum(settle) * state.price_of(settle)
        share = max(ZERO, room) / (abs(holding.value) * quantum)
        return abs(holding.lots) if share >= ONE else int(abs(holding.lots) * share)


def transfer_position(
    desk: Desk,
    case: Case,
    holding: Holding,
    receiver: int,
    value: int,
    reason: str,
) -> None:
    """Move lots of the unit to a receiver at a signed value."""
    desk.emit(
        e.Filled(
            unit=case.unit,
            counterparty=receiver,
            instrument=holding.instrument,
            lots=-holding.lots,
            value=-value,
            leg=holding.leg,
            reason=reason,
            case=case.case,
        ),
    )


def cancel_victims_orders(desk: Desk, case: int, victims: list[int], instrument: int) -> None:
    """Cancel what the victims have open in the instrument, before they are closed against."""
    for victim in victims:
        orders = desk.state.orders.get(victim)
        if orders and any(order.instrument == instrument for order in orders.values()):
            desk.emit(e.OrdersCancelled(unit=victim, instrument=instrument, case=case))


def _moved(
    source: int, target: int, asset: int, quanta: int, reason: str, case: Case
) -> e.Transferred:
    return e.Transferred(
        source=source,
        target=target,
        asset=asset,
        quanta=quanta,
        reason=reason,
        case=case.case,
    )


def _signed(lots: int, like: int) -> int:
    return lots if like > 0 else -lots


def _smaller(lots: int, capacity: int) -> int:
    return _signed(min(abs(lots), capacity), lots)
