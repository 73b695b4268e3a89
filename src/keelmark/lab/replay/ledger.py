"""Who paid each liquidation, to the quantum, from two sides that must agree.

What was lost is read off prices: what the closed positions had cost, less what they changed hands
for, with fees, what was passed to the fund, and the debt the unit came with. Who paid is read off
balances and transfers. The difference is zero because every posting is one or the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from keelmark.engine import events as e
from keelmark.lab.replay.recorder import CaseRecord


@dataclass(slots=True, kw_only=True)
class Ledger:
    """One liquidation, or the sum of many; settle quanta.

    Attributes:
        lost: What had to be paid.
        unit: Paid out of the unit's own margin; negative where closing brought it money.
        fee: Clearance fees, out of the unit's margin too.
        fund: Paid by insurance funds.
        backstop: Borne by the backstop.
        deleveraged: Given up by solvent units that were closed against.
        socialised: Shared by claims.
    """

    lost: int = 0
    unit: int = 0
    fee: int = 0
    fund: int = 0
    backstop: int = 0
    deleveraged: int = 0
    socialised: int = 0

    @property
    def residual(self) -> int:
        """What was lost less what was paid: zero (INV-04)."""
        others = self.fund + self.backstop + self.deleveraged + self.socialised
        return self.lost - self.unit - self.fee - others

    def add(self, other: "Ledger") -> None:
        """Add another one."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


@dataclass(slots=True)
class _Flows:
    """Sums over the events of a case, settle quanta; money counts from the unit's side."""

    values: int = 0
    fees: int = 0
    converted: int = 0
    surplus: int = 0
    fund: int = 0
    socialised: int = 0
    borne: int = 0


def ledger_of(record: CaseRecord, settle: int) -> Ledger:
    """Return who paid one liquidation.

    Args:
        record: As recorded.
        settle: The asset that its positions settle in.
    """
    flows = _flows(record, settle)
    balance = dict(record.started.balances).get(settle, 0)
    cost = sum(row.cost for row in record.started.holdings)
    ended = record.ended
    deleveraged = ended.deleveraged if ended else 0
    backstop = ended.backstop if ended else 0
    debt = max(0, -balance)
    lost = cost - record.cost_end + flows.values + flows.fees + flows.surplus + debt
    return Ledger(
        lost=lost + deleveraged + (backstop - flows.borne),  # both paid by a better price
        unit=max(0, balance) + flows.converted - record.balance_end - flows.fees,
        fee=flows.fees,
        fund=flows.fund,
        backstop=backstop,
        deleveraged=deleveraged,
        socialised=flows.socialised,
    )


def total(ledgers: Iterable[Ledger]) -> Ledger:
    """Return the sum."""
    result = Ledger()
    for one in ledgers:
        result.add(one)
    return result


def _flows(record: CaseRecord, settle: int) -> _Flows:
    flows = _Flows()
    for _, event in record.events:
        if isinstance(event, e.Filled):
            flows.values += event.value
            flows.fees += event.fee
        elif isinstance(event, e.Deleveraged):
            flows.values += sum(event.values)
        elif isinstance(event, e.LossSocialised):
            flows.socialised += sum(event.quanta)
        elif isinstance(event, e.Transferred) and event.asset == settle:
            _transferred(flows, event, record.unit)
    return flows


def _transferred(flows: _Flows, event: e.Transferred, unit: int) -> None:
    """Add a transfer of the unit; what others pay each other in the case is not its own."""
    if unit not in (event.source, event.target):
        return
    received = event.quanta if event.target == unit else -event.quanta
    if event.reason == "deficit":
        flows.fund += received
    elif event.reason == "borne":
        flows.borne += received
    elif event.reason == "surplus":
        flows.surplus -= received
    else:
        flows.converted += received
