"""The laws of the system in one numbered list, held against a running engine.

Laws of one moment read the state; laws of a step are followed event by event by an `Auditor`, whose
findings they repeat. Tests, simulation and the service use the same list: after a command, all of
`LAWS` hold.
"""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from keelmark.book import invariants as columns
from keelmark.core import invariants as laws
from keelmark.core.codes import Leg, UnitKind, UnitStatus
from keelmark.core.margin import MarginReport
from keelmark.core.model import MarginPurpose
from keelmark.engine.auditor import Auditor, account_text
from keelmark.engine.digest import state_digest
from keelmark.engine.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the laws are held against; what is `None` is not known and not checked.

    Attributes:
        state: The engine's state.
        suspects: Units the watch reports at or below the level they are watched at.
        auditor: Who has followed the events.
        replayed: Digest of the state that the journal alone gives.
        units: Units to look at one by one; every unit if `None`.
    """

    state: State
    suspects: Collection[int] | None = None
    auditor: Auditor | None = None
    replayed: str | None = None
    units: Collection[int] | None = None

    def open_clients(self) -> list[int]:
        """Return the units to look at that are clients' and not closed."""
        book = self.state.book
        chosen = range(book.units_count) if self.units is None else sorted(self.units)
        rows = book.units
        return [
            unit
            for unit in chosen
            if rows[unit]["kind"] != UnitKind.IN_HOUSE and rows[unit]["status"] != UnitStatus.CLOSED
        ]

    def reports(self) -> list[tuple[int, MarginReport]]:
        """Return the margin of the clients whose prices are known and trusted."""
        state = self.state
        return [
            (unit, state.report(unit))
            for unit in self.open_clients()
            if not state.depends_on_untrusted(state.book.unit_view(unit))
        ]


class Law(NamedTuple):
    """A law: `check` returns `None` where it holds, else how it fails."""

    number: int
    name: str
    check: Callable[[Subject], str | None]

    def finding(self, subject: Subject) -> str | None:
        """Return the failure with the law's number and name."""
        failure = self.check(subject)
        return None if failure is None else f"INV-{self.number:02d} {self.name}: {failure}"


def findings(subject: Subject) -> list[str]:
    """Return how each broken law fails, in the order of the list."""
    return [text for law in LAWS if (text := law.finding(subject)) is not None]


def check_all(subject: Subject | State) -> None:
    """Stop if a law is broken.

    Raises:
        InvariantViolated: With the first finding.
    """
    known = Subject(state=subject) if isinstance(subject, State) else subject
    laws.require(*findings(known))


# --- laws of one moment -------------------------------------------------------------------------


def _value(subject: Subject) -> str | None:
    return columns.value_is_conserved(subject.state.book)


def _open_interest(subject: Subject) -> str | None:
    return columns.open_interest_is_symmetric(subject.state.book)


def _funds(subject: Subject) -> str | None:
    state = subject.state
    return laws.fund_is_not_negative(
        {
            f"{name} {asset}": state.book.balance(unit, row)
            for name, unit in state.funds.items()
            for row, asset in enumerate(state.universe.assets)
        },
    )


def _order(subject: Subject) -> str | None:
    for unit, report in subject.reports():
        failure = laws.excess_is_ordered(*(report.excess(purpose) for purpose in MarginPurpose))
        if failure is not None:
            return f"unit {unit}: {failure}"
    return None


def _watched(subject: Subject) -> str | None:
    if subject.suspects is None:
        return None
    at_trigger = [unit for unit, report in subject.reports() if report.is_liquidatable]
    return laws.nobody_at_the_trigger_is_unwatched(at_trigger, subject.suspects)


def _replayed(subject: Subject) -> str | None:
    if subject.replayed is None:
        return None
    return laws.digests_are_equal(state_digest(subject.state), subject.replayed)


def _closed(subject: Subject) -> str | None:
    if subject.auditor is None:
        return None
    closed = subject.auditor.closed
    return laws.closed_accounts_stay_as_they_are(
        closed,
        {account: account_text(subject.state, account) for account in closed},
    )


def _rows(subject: Subject) -> str | None:
    return columns.rows_are_owned_once(subject.state.book)


def _tidy(subject: Subject) -> str | None:
    return columns.rows_are_in_order(subject.state.book, subject.units)


def _out(subject: Subject) -> str | None:
    """What works, and is not being cancelled, closes no more than its unit holds."""
    state = subject.state
    out: defaultdict[tuple[int, int, int], int] = defaultdict(int)
    for order in state.working.rows():
        if not order.is_cancelling:
            side = 1 if order.lots > 0 else -1
            out[order.unit, order.instrument, order.leg] += side * order.rest
    for (unit, instrument, leg), lots in out.items():
        held = state.book.lots(unit, instrument, Leg(leg))
        if lots and (held * lots >= 0 or abs(lots) > abs(held)):
            return f"unit {unit}, instrument row {instrument}: {lots} lots work, {held} are held"
    return None


# --- laws of a step -----------------------------------------------------------------------------


def _followed(number: int) -> Callable[[Subject], str | None]:
    """Return a check that repeats what an auditor has found about a law."""

    def check(subject: Subject) -> str | None:
        return None if subject.auditor is None else subject.auditor.first(number)

    return check


LAWS = (
    Law(1, "value is conserved exactly, per asset, after every event", _value),
    Law(2, "open interest is as long as it is short, in-house units included", _open_interest),
    Law(3, "no insurance fund is negative", _funds),
    Law(4, "the parts of a loss sum to the deficit", _followed(4)),
    Law(5, "the excess that decides is ordered by purpose", _order),
    Law(6, "no unit at its trigger is outside the suspects", _watched),
    Law(7, "a liquidation step raises the excess or is a transfer", _followed(7)),
    Law(8, "deleveraging takes the needed lots of solvent opposite holders", _followed(8)),
    Law(9, "others' principal is touched last", _followed(9)),
    Law(10, "the journal alone gives the same state", _replayed),
    Law(11, "a closed account never changes", _closed),
    Law(12, "rounding never favours the account against the fund", _followed(12)),
    Law(13, "every row is in one block", _rows),
    Law(14, "no row is flat or doubled, and every position has its settle balance", _tidy),
    Law(15, "nobody has more out in a market than they hold", _out),
    Law(16, "an execution is booked once and whole, and told where it is odd", _followed(16)),
)
"""The list. Add to it; never weaken one."""
