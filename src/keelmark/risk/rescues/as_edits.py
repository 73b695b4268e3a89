"""A plan as edits of the account document: what `whatif` would be told to get the same account."""

from collections.abc import Iterator

from keelmark.accounts import Account
from keelmark.core.codes import UnitKind
from keelmark.core.unit import MarginUnit
from keelmark.risk.edits import Add, Close, Deposit, Edit, Transfer
from keelmark.risk.rescues.moves import MoveKind
from keelmark.risk.rescues.result import Plan, Step


def edits_of(plan: Plan, account: Account) -> tuple[Edit, ...]:
    """Return the edits of a plan in its order.

    Orders with slippage are fills away from the mark. Money that comes in from outside or from a
    wallet is a deposit; into an isolated unit, a deposit and a transfer.
    """
    units = {unit.unit_id: unit for unit in account.units}
    return tuple(edit for step in plan.steps for edit in _edits(step, plan, units))


def _edits(step: Step, plan: Plan, units: dict[str, MarginUnit]) -> Iterator[Edit]:
    if step.kind.is_money:
        yield from _money(step, plan, units)
    elif step.kind is MoveKind.CLOSE and not step.cost.slippage:
        yield Close(leg=step.name, size=abs(step.amount))
    else:
        yield Add(leg=step.name, size=step.amount, price=step.price)


def _money(step: Step, plan: Plan, units: dict[str, MarginUnit]) -> Iterator[Edit]:
    donor = units.get(step.source)
    if donor is None:
        yield Deposit(asset=step.name, amount=step.amount)
    elif donor.kind is UnitKind.ISOLATED:
        yield Transfer(leg=_leg(donor), amount=-step.amount)
    if units[plan.unit.unit_id].kind is UnitKind.ISOLATED:
        yield Transfer(leg=_leg(units[plan.unit.unit_id]), amount=step.amount)


def _leg(unit: MarginUnit) -> str:
    """Return the name of the leg an isolated unit holds: its id without the kind."""
    return unit.unit_id.partition(":")[2]


def command_words(edits: tuple[Edit, ...]) -> str:
    """Return edits as options of `keelmark whatif`."""
    return " ".join(_word(edit) for edit in edits)


def _word(edit: Edit) -> str:
    if isinstance(edit, Deposit):
        return f"--deposit {edit.asset}={edit.amount.normalize():f}"
    if isinstance(edit, Transfer):
        return f"--transfer {edit.leg}={edit.amount.normalize():f}"
    if isinstance(edit, Close):
        share = "" if edit.size is None else f"={edit.size.normalize():f}"
        return f"--close {edit.leg}{share}"
    assert isinstance(edit, Add)  # noqa: S101 a plan holds no other edit
    price = "" if edit.price is None else f"@{edit.price.normalize():f}"
    return f"--add {edit.leg}={edit.size.normalize():f}{price}"
