"""The machine-readable result of `keelmark rescue`: decimal strings, now and after."""

from collections.abc import Sequence

from keelmark.accounts.check_document import (
    JsonTable,
    JsonValue,
    decimal_text,
    joint_move_document,
    price_document,
)
from keelmark.accounts.unit_check import UnitCheck
from keelmark.risk.rescues.result import Plan, Rescue, Single, Step, Way
from keelmark.risk.rescues.standing import Standing
from keelmark.risk.rescues.target import Target


def rescue_document(found: Rescue) -> JsonTable:
    """Return the whole answer of a rescue."""
    target, before, after = found.target, found.before, found.after
    table: JsonTable = {
        "rulebook": found.account.rulebook.name,
        "unit": found.unit.unit_id,
        "target": target_document(target),
        "status": found.status.value,
        "before": standing_document(found.standing),
        "after": None if found.plan is None else standing_document(found.plan.after),
        "plan": None if found.plan is None else plan_document(found.plan),
        "with_money": way_document(found.with_money, before),
        "without_money": way_document(found.without_money, before),
        "with_toxic": None if found.with_toxic is None else plan_document(found.with_toxic),
        "singles": [single_document(single) for single in found.singles],
        "positions": _positions(before, after),
        "joint_move": {
            "before": joint_move_document(before.joint_move),
            "after": joint_move_document(after.joint_move),
        },
        "notes": list(found.notes),
    }
    return table


def way_document(way: Way, before: UnitCheck) -> JsonTable:
    """Return one of the two ways: its plan and how the unit then stands, or why there is none."""
    after = way.after
    return {
        "reason": way.reason,
        "plan": None if way.plan is None else plan_document(way.plan),
        "after": None if way.plan is None else standing_document(way.plan.after),
        "positions": [] if after is None else _positions(before, after),
        "joint_move": None if after is None else joint_move_document(after.joint_move),
    }


def target_document(target: Target) -> JsonTable:
    """Return a target; of both, `value` is the ratio and `distance` stands beside it."""
    table: JsonTable = {"kind": target.kind.value, "value": decimal_text(target.value)}
    if target.distance_too is not None:
        table["distance"] = decimal_text(target.distance_too)
    return table


def standing_document(standing: Standing) -> JsonTable:
    """Return how a unit stands; ratios that do not exist are null."""
    return {
        "equity": decimal_text(standing.equity),
        "maintenance_margin": decimal_text(standing.maintenance),
        "excess": decimal_text(standing.excess),
        "margin_ratio": decimal_text(standing.ratio),
        "health": decimal_text(standing.health),
        "distance": decimal_text(standing.distance),
        "is_liquidatable": standing.is_liquidatable,
    }


def plan_document(plan: Plan) -> JsonTable:
    """Return a plan with what is proven of its cost."""
    return {
        "steps": [step_document(step) for step in plan.steps],
        "fee": decimal_text(plan.cost.fee) if plan.is_fee_known else None,
        "slippage": decimal_text(plan.cost.slippage),
        "capital": decimal_text(plan.cost.capital),
        "cost": decimal_text(plan.cost.total) if plan.is_fee_known else None,
        "money": decimal_text(plan.money),
        "own_money": decimal_text(plan.own_money),
        "adds": {asset: decimal_text(amount) for asset, amount in plan.adds.items()},
        "lower_bound": decimal_text(plan.bound),
        "spared": list(plan.spared),
        "gap": decimal_text(plan.gap),
    }


def step_document(step: Step) -> JsonTable:
    """Return one step and how the unit stands after it."""
    return {
        "action": step.kind.value,
        "name": step.name,
        "source": step.source or None,
        "amount": decimal_text(step.amount),
        "price": decimal_text(step.price),
        "notional": decimal_text(step.notional),
        "fee": decimal_text(step.cost.fee) if step.is_fee_known else None,
        "slippage": decimal_text(step.cost.slippage),
        "capital": decimal_text(step.cost.capital),
        "cost": decimal_text(step.cost.total) if step.is_fee_known else None,
        "after": standing_document(step.after),
    }


def single_document(single: Single) -> JsonTable:
    """Return one action alone."""
    return {**step_document(single.step), "reaches": single.reaches, "reason": single.reason}


def _positions(before: UnitCheck, after: UnitCheck) -> list[JsonValue]:
    """Return every position before or after with its liquidation prices."""
    names = dict.fromkeys((*_names(before), *_names(after)))
    return [_position(name, before, after) for name in names]


def _names(unit: UnitCheck) -> Sequence[tuple[str, str]]:
    held = (p.held.position for p in unit.positions)
    return [(p.instrument, p.leg.name.lower()) for p in held]


def _position(name: tuple[str, str], before: UnitCheck, after: UnitCheck) -> JsonTable:
    table: JsonTable = {"instrument": name[0], "leg": name[1]}
    for when, unit in (("before", before), ("after", after)):
        found = next(
            (
                p
                for p in unit.positions
                if (p.held.position.instrument, p.held.position.leg.name.lower()) == name
            ),
            None,
        )
        table[when] = (
            None
            if found is None
            else {
                "size": decimal_text(found.held.position.size),
                "liquidation_price": price_document(found.liquidation),
                "distance": decimal_text(found.distance),
            }
        )
    return table
