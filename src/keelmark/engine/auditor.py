"""Follow a liquidation event by event and hold each step against its laws.

An auditor is told of every event before and after it is applied. It computes with the exact core
and with Python integers, apart from the code that decided (`engine.payers` for those who pay before
others), and collects what it finds.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from keelmark.core import invariants as laws
from keelmark.core.codes import Leg, UnitKind
from keelmark.core.margin import maintenance_excess
from keelmark.core.numbers import ZERO, exact
from keelmark.core.process import Stage
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.order_auditor import OrderAuditor
from keelmark.engine.payers import SpendingLog, Uncovered, one_lot_could_close
from keelmark.engine.state import State

RESOLVING = frozenset({"takeover", "seizure", "surplus", "deficit", "borne"})
"""Reasons of fills and transfers that belong to the end of a unit."""

OF_ORDERS = 16
"""The law about reports of a market of the user's, which end with the command that brings them."""

PARTS = 4
"""Quanta by which parts of a value may exceed their share: each of its splits rounds once."""


@dataclass(slots=True)
class Account:
    """What the events of one case say was paid.

    Attributes:
        paid: Quanta by payer (`fund`, `deleveraged`, `socialised`) and settle asset.
        worth: Equity at the marks, without haircuts, before anything was handed over.
        slack: What rounding may have moved since, valuation currency.
    """

    paid: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    worth: Decimal | None = None
    slack: Decimal = ZERO


@dataclass(slots=True)
class Auditor:
    """Collects findings about the laws of a step.

    Attributes:
        findings: (number of the law, how it fails).
        closed: What each closed account held when it was closed.
        steps: How many steps were checked, by law.
        orders: Follows orders that are executed outside.
        _helped: What fund and claims paid of the lots at hand, by case, settle quanta.
    """

    findings: list[tuple[int, str]] = field(default_factory=list)
    closed: dict[int, str] = field(default_factory=dict)
    steps: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    _excess: dict[int, Decimal] = field(default_factory=dict)
    _accounts: dict[int, Account] = field(default_factory=dict)
    _victims: list[int] = field(default_factory=list)
    _spending: SpendingLog = field(default_factory=SpendingLog)
    _helped: dict[int, int] = field(default_factory=dict)
    orders: OrderAuditor = field(default_factory=OrderAuditor)

    def first(self, number: int) -> str | None:
        """Return the first finding about a law."""
        if number == OF_ORDERS:
            self._found(number, self.orders.owed())
        return next((text for law, text in self.findings if law == number), None)

    def before(self, state: State, event: Any) -> None:  # noqa: ANN401 an event
        """Take note of what an event is about to change."""
        unit = _resolved_unit(state, event)
        if unit is not None:
            self._note_worth(state, event.case, unit)
        match event:
            case e.Filled():
                self._before_fill(state, event)
            case e.Transferred():
                self._before_transfer(state, event)
            case e.Deleveraged():
                self._before_deleverage(state, event)
            case e.LossSocialised():
                self._before_socialised(state, event)
            case oe.OrderSent():
                self._all_found(self.orders.sent(state, event))
            case oe.OrderFilled():
                self._all_found(self.orders.filled(state, event))
            case oe.ExecutionFlagged():
                self._all_found(self.orders.flagged(event))
            case _:
                pass

    def after(self, state: State, event: Any) -> None:  # noqa: ANN401 an event
        """Hold an event that was applied against the laws."""
        match event:
            case e.Filled():
                self._after_fill(state, event)
            case e.Transferred():
                self._after_transfer(state, event)
            case e.Deleveraged():
                self._after_deleverage(state, event)
            case e.LossSocialised():
                self._after_socialised(state, event)
            case e.LiquidationEnded():
                self._after_end(state, event)
            case e.AccountClosed():
                self.closed[event.account] = account_text(state, event.account)
            case _:
                pass

    def _found(self, number: int, finding: str | None) -> None:
        self.steps[number] += 1
        if finding is not None:
            self.findings.append((number, finding))

    def _all_found(self, found: Iterable[tuple[int, str | None]]) -> None:
        for number, finding in found:
            self._found(number, finding)

    # --- INV-04 ---------------------------------------------------------------------------------

    def _account(self, case: int) -> Account:
        return self._accounts.setdefault(case, Account())

    def _note_worth(self, state: State, case: int, unit: int) -> None:
        account = self._account(case)
        if account.worth is None:
            report = state.report(unit)
            account.worth = report.equity_raw
            with exact():
                rows = len(report.positions) + 2 * len(report.assets) + 2
                quanta = (
                    state.universe.quantum(state.universe.asset_row(a.asset)) * a.price
                    for a in report.assets
                )
                account.slack = rows * sum(quanta, ZERO)

    def _after_end(self, state: State, event: e.LiquidationEnded) -> None:
        self._excess.pop(event.unit, None)
        self._helped.pop(event.case, None)
        for row in event.bills:
            parts = laws.LossParts(
                case=event.case,
                deficit=row.deficit,
                fund=row.fund,
                deleveraged=row.deleveraged,
                socialised=row.socialised,
                backstop=row.backstop,
            )
            self._found(4, laws.loss_parts_sum_to_the_deficit(parts))
        account = self._accounts.pop(event.case, Account())
        if event.asset >= 0:
            self._found(4, _attribution(state, event, account))

    # --- INV-07 ---------------------------------------------------------------------------------

    def _remember_excess(self, state: State, unit: int) -> None:
        self._excess[unit] = _excess(state, unit)

    def _step_ended(self, state: State, unit: int, what: str) -> None:
        before, after = self._excess.pop(unit), _excess(state, unit)
        step = laws.Step(unit=unit, before=before, after=after, is_transfer=False)
        finding = laws.step_raises_the_excess(step)
        self._found(7, None if finding is None else f"{what}: {finding}")

    # --- fills and transfers --------------------------------------------------------------------

    def _before_fill(self, state: State, event: e.Filled) -> None:
        self._all_found(self.orders.booked(state, event))
        if event.reason == "reduce" and state.external is None:
            self._remember_excess(state, event.unit)
        if event.reason == "takeover":
            self._before_takeover(state, event)

    def _before_takeover(self, state: State, event: e.Filled) -> None:
        """INV-09 of the backstop as payer: nobody else could have borne a lot of it."""
        helped = self._helped.pop(event.case, 0)
        at_mark = -state.value(event.instrument, event.lots, state.ticks(event.instrument))
        borne = -event.value - at_mark
        if borne <= PARTS:
            return
        left = Uncovered(instrument=event.instrument, lots=-event.lots, loss=borne + helped)
        asset = state.settle_of(event.instrument)
        fund_left = self._spending.left(state, event.instrument, asset)
        could = one_lot_could_close(state, left)
        wrong = fund_left > 0 or could
        text = (
            f"case {event.case}: the backstop bears {borne} with fund {fund_left} and candidates "
            f"{could} left"
        )
        self._found(9, text if wrong else None)

    def _after_fill(self, state: State, event: e.Filled) -> None:
        if event.reason == "reduce" and state.external is None:
            self._step_ended(state, event.unit, f"reduce in case {event.case}")
        if event.ticks and _is_in_house(state, event.counterparty):
            self._found(12, _rounding(state, event))

    def _before_transfer(self, state: State, event: e.Transferred) -> None:
        case = state.cases.get(event.source)
        if event.reason == "conversion" and case is not None and case.case == event.case:
            self._remember_excess(state, event.source)
        if event.reason == "deficit":
            self._spending.note(state, event)
        if event.reason == "deficit" and event.case:
            self._account(event.case).paid["fund", event.asset] += event.quanta
            self._help(event.case, event.quanta)

    def _help(self, case: int, quanta: int) -> None:
        self._helped[case] = self._helped.get(case, 0) + quanta

    def _after_transfer(self, state: State, event: e.Transferred) -> None:
        if event.reason == "conversion" and event.target in self._excess:
            self._step_ended(state, event.target, f"conversion in case {event.case}")

    # --- INV-08, INV-09 -------------------------------------------------------------------------

    def _before_deleverage(self, state: State, event: e.Deleveraged) -> None:
        self._helped.pop(event.case, None)
        legs = zip(event.victims, event.victim_legs, strict=True)
        self._victims = [state.book.lots(v, event.instrument, Leg(leg)) for v, leg in legs]
        for victim in event.victims:
            solvent = victim not in state.cases and _excess(state, victim) > ZERO
            self._found(8, None if solvent else f"case {event.case}: unit {victim} is a suspect")
        needed = state.book.lots(event.unit, event.instrument, Leg(event.leg))
        if abs(sum(event.lots)) > abs(needed):
            self._found(8, f"case {event.case}: {sum(event.lots)} lots of {needed} needed")
        if event.case:
            self._found(9, self._fund_could_carry_a_lot(state, event))
            at_mark = -state.value(event.instrument, sum(event.lots), state.ticks(event.instrument))
            given = max(0, -sum(event.values) - at_mark)
            wrong = abs(given - event.loss) > 1 + len(event.lots)
            text = f"case {event.case}: winners gave up {given}, the event says {event.loss}"
            self._found(4, text if wrong else None)
            settle = state.settle_of(event.instrument)
            self._account(event.case).paid["deleveraged", settle] += event.loss

    def _after_deleverage(self, state: State, event: e.Deleveraged) -> None:
        record = laws.Deleverage(
            case=event.case,
            needed=sum(event.lots),
            closed=[-lots for lots in event.lots],
            sizes_before=self._victims,
            excess_after=[_excess(state, victim) for victim in event.victims],
        )
        self._found(8, laws.deleverage_is_fair(record))

    def _before_socialised(self, state: State, event: e.LossSocialised) -> None:
        quanta = sum(event.quanta)
        self._account(event.case).paid["socialised", event.asset] += quanta
        parts = laws.LossParts(
            case=event.case, deficit=0, fund=0, deleveraged=0, socialised=quanta, backstop=0
        )
        fund_left = self._spending.left(state, event.instrument, event.asset)
        self._help(event.case, quanta)
        left = one_lot_could_close(
            state, Uncovered(instrument=event.instrument, lots=event.lots, loss=event.loss)
        )
        self._found(
            9,
            laws.principal_is_touched_last(
                parts,
                fund_left=fund_left,
                candidates_left=len(left),
            ),
        )
        named = state.rules.runs(Stage.SOCIALISE) and event.form == state.rules.socialise
        text = f"case {event.case}: charged by {event.form!r}, which the rulebook does not name"
        self._found(9, None if named else text)

    def _after_socialised(self, state: State, event: e.LossSocialised) -> None:
        """INV-08 of claims: nobody is charged below maintenance."""
        below = [unit for unit in event.payers if _excess(state, unit) < ZERO]
        text = f"case {event.case}: units {below} are charged below maintenance"
        self._found(8, text if below else None)

    def _fund_could_carry_a_lot(self, state: State, event: e.Deleveraged) -> str | None:
        """INV-09 of a deleveraging at a loss: the fund could not pay one more lot of it.

        Two quanta are allowed for: shares of what it carried and of what was matched round down.
        """
        if event.loss <= 0:
            return None
        asset = state.settle_of(event.instrument)
        fund_left = self._spending.left(state, event.instrument, asset)
        per_lot = -(-event.loss // abs(sum(event.lots)))
        if fund_left < per_lot + 2:
            return None
        return (
            f"case {event.case}: winners lose {event.loss}, {per_lot} a lot, and the fund has "
            f"{fund_left} left"
        )


def account_text(state: State, account: int) -> str:
    """Return everything that the book and the processes know of an account, as text."""
    units = state.book.units_of(account)
    tables = (state.orders, state.protections, state.cases, state.grace, state.levels)
    views = [state.book.unit_view(unit) for unit in units]
    return repr((views, [[table.get(unit) or None for table in tables] for unit in units]))


def _resolved_unit(state: State, event: Any) -> int | None:  # noqa: ANN401 an event
    """Return the unit whose end an event belongs to."""
    if isinstance(event, e.Filled | e.Transferred):
        if event.reason not in RESOLVING:
            return None
    elif not isinstance(event, e.Deleveraged | e.LossSocialised):
        return None
    cases = (case.unit for case in state.cases.values() if case.case == event.case)
    return next(cases, None)


def _excess(state: State, unit: int) -> Decimal:
    return maintenance_excess(state.unit(unit), state.market, state.model)


def _is_in_house(state: State, unit: int) -> bool:
    return bool(state.book.units[unit]["kind"] == UnitKind.IN_HOUSE)


def _attribution(state: State, event: e.LiquidationEnded, account: Account) -> str | None:
    """Compare the parts of a closing event with what the events before it moved."""
    view = state.book.unit_view(event.unit)
    settled = any(row.surplus + row.deficit for row in event.bills)
    if view.positions or (any(view.balances.values()) and settled):
        return f"case {event.case}: unit {event.unit} is left with {view}"
    said = {
        (payer, row.asset): getattr(row, payer)
        for row in event.bills
        for payer in ("fund", "deleveraged", "socialised")
        if getattr(row, payer)
    }
    moved = {key: quanta for key, quanta in account.paid.items() if quanta}
    if said != moved:
        return (
            f"case {event.case}: fund, winners and claims paid {said} by the bill, {moved} by the "
            "events before it"
        )
    if account.worth is None:
        return None
    with exact():
        quantum = {
            asset: state.universe.quantum(asset) * state.price_of(asset)
            for asset in {*view.balances, *(row.asset for row in event.bills)}
        }
        kept = (quanta * quantum[asset] for asset, quanta in view.balances.items())
        rest = ((row.surplus - row.deficit) * quantum[row.asset] for row in event.bills)
        claimed = sum(rest, sum(kept, ZERO))
        if abs(claimed - account.worth) > account.slack + quantum[event.asset]:
            return f"case {event.case}: was worth {account.worth:f}, the bill says {claimed:f}"
    return None


def _rounding(state: State, event: e.Filled) -> str | None:
    """INV-12 of a fill against the house: value and fee of a client round against it."""
    row = state.universe.instruments[event.instrument]
    whole = event.lots * int(row["unit_value"])
    value = Fraction(-whole, event.ticks) if row["inverse"] else Fraction(whole * event.ticks)
    with exact():
        received = Decimal(-value.numerator) / value.denominator
        return laws.rounding_never_favours_the_account(received, -event.value)
