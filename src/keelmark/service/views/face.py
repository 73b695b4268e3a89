"""What a browser needs to margin an account by itself, in floats: the formulas' own numbers.

The face of a unit is exact where its rules are tables: a plain evaluation in float64 (written out
in `evaluated`, the definition) equals the margin report within rounding. Where a unit has none the
face says why, and the numbers of now stand alone.
"""

from dataclasses import dataclass
from typing import Any

from keelmark.accounts.account import Account
from keelmark.core.codes import RuleKind
from keelmark.core.coins import coins_without_contract
from keelmark.core.collateral import CollateralSchedule
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.excess import maintenance_rule
from keelmark.core.margin import AssetMargin, MarginReport, PositionMargin, margin_report
from keelmark.core.model import CloseFeeBasis, HaircutBase, MarginModel, MarginPrice, MarginPurpose
from keelmark.core.numbers import ZERO, exact
from keelmark.core.rules import RuleParameters
from keelmark.core.unit import MarginUnit
from keelmark.service.views.desk import Found
from keelmark.service.views.figures import Json, maybe_instant

RULES = {
    RuleKind.TIERED: "tiered",
    RuleKind.WHOLE: "whole",
    RuleKind.SIZED: "sized",
    RuleKind.SCALED: "scaled",
}


def face(found: Found) -> Json:
    """Return the face of every unit of an account."""
    account = found.account
    with exact():
        units = [_unit(unit, account) for unit in account.units]
    return {
        "position": found.position,
        "time": maybe_instant(found.time_ms),
        "account": found.name,
        "rulebook": account.rulebook.name,
        "valuation": account.model.valuation,
        "units": units,
    }


def _unit(unit: MarginUnit, account: Account) -> Json:
    model = account.model
    head: Json = {
        "unit": unit.unit_id,
        "kind": unit.kind.name.lower(),
        "currency": model.valuation,
        "trigger": model.trigger.value,
        "trigger_level": float(model.trigger_level),
        "liquidation_end": float(model.liquidation_end),
        "assets": [],
        "positions": [],
        "now": None,
    }
    try:
        report = margin_report(unit, account.market, model)
    except (MissingNumber, InvalidInput) as error:
        return head | {"exact": False, "reason": str(error)}
    if model.single_asset and report.assets:
        head["currency"] = report.assets[0].asset
    head["now"] = _now(report)
    reason = _no_face(unit, report, model)
    if reason is not None:
        return head | {"exact": False, "reason": reason}
    moving = _moving(unit, report, model)
    return head | {
        "exact": True,
        "reason": None,
        "assets": [_asset(row, unit, model, moving) for row in report.assets],
        "positions": [_position(held, model) for held in report.positions],
    }


def _now(report: MarginReport) -> Json:
    return {
        "equity": float(report.equity),
        "maintenance_margin": float(report.maintenance_margin),
        "excess": float(report.maintenance_excess),
        "initial_margin": float(report.initial_margin),
        "is_liquidatable": report.is_liquidatable,
    }


def _no_face(unit: MarginUnit, report: MarginReport, model: MarginModel) -> str | None:
    """Say why a unit cannot be margined from tables; nothing where it can."""
    if model.orders_in_maintenance and unit.orders:
        return "open orders enlarge maintenance here"
    if model.profit_terms(MarginPurpose.MAINTENANCE).cap is not None:
        return "the sum of profits that count is capped here"
    if report.groups:
        return "options share one margin here"
    reasons = (_no_table(held) for held in report.positions)
    return next((reason for reason in reasons if reason is not None), None)


def _no_table(held: PositionMargin) -> str | None:
    """Say why the requirement of a position is no table; nothing where it is one."""
    symbol = held.position.instrument
    if held.option is not None:
        return f"{symbol} is an option"
    if held.terms.whole_quanta is not None:
        return f"values of {symbol} are cut to whole quanta"
    kind = maintenance_rule(held.position, held.terms).parameters().kind
    return None if kind in RULES else f"the margin rule of {symbol} is no table"


def _moving(unit: MarginUnit, report: MarginReport, model: MarginModel) -> frozenset[str]:
    """Return the assets whose price moves with the coin of the same name."""
    held = {p.terms.instrument.base for p in report.positions}
    return frozenset({*held, *coins_without_contract(unit, model)})


def _asset(row: AssetMargin, unit: MarginUnit, model: MarginModel, moving: frozenset[str]) -> Json:
    terms = model.asset_in(unit.kind, row.asset)
    moves = row.asset in moving and model.reads_price_of(row.asset)
    return {
        "asset": row.asset,
        "cash": float(row.balance - row.accrued_interest),
        "price": float(row.price),
        "moves_with": row.asset if moves else None,
        "base": "balance" if terms.haircut_base is HaircutBase.BALANCE else "equity",
        "ask": float(row.ask),
        "loan_rate": float(terms.schedule.loan_rate),
        "gross_loan": float(row.loan_margin),
        "segments": _segments(terms.schedule),
    }


def _segments(schedule: CollateralSchedule) -> list[Json]:
    return [
        {"slope": float(line.slope), "intercept": float(line.intercept)}
        for line in schedule.segments
    ]


def _position(held: PositionMargin, model: MarginModel) -> Json:
    position, instrument = held.position, held.terms.instrument
    fee, fixed = _fee(held)
    parameters = maintenance_rule(position, held.terms).parameters()
    return {
        "instrument": instrument.symbol,
        "leg": position.leg.name.lower(),
        "side": "long" if position.size > ZERO else "short",
        "coin": instrument.base,
        "settle": instrument.settle,
        "size": float(position.size),
        "cost": float(position.cost),
        "inverse": instrument.is_inverse,
        "contract_size": float(instrument.contract_size),
        "mark": float(held.mark_price),
        "margin_price": float(held.margin_price),
        "margin_on": held.terms.margin_price.value,
        "profit_weight": float(model.profit_terms(MarginPurpose.MAINTENANCE).weight),
        "fee": fee,
        "fee_fixed": fixed,
        "rule": _rule(parameters),
    }


def _fee(held: PositionMargin) -> tuple[float, float]:
    """Return the fee to close as a fraction of notional, and the one that was fixed on entry."""
    terms = held.terms.close_fee
    if terms is None:
        return 0.0, 0.0
    if terms.basis is CloseFeeBasis.MARK or held.position.leverage is None:
        return float(terms.rate), 0.0
    return 0.0, float(held.close_fee)


def _rule(parameters: RuleParameters) -> Json:
    return {
        "kind": RULES[parameters.kind],
        "floors": [float(floor) for floor in parameters.floors],
        "rates": [float(rate) for rate in parameters.rates],
        "deductions": [float(amount) for amount in parameters.deductions],
        "slope": float(parameters.slope),
        "edge_upper": parameters.edge_upper,
    }


# --- the definition of an evaluation ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The margin of a face: what the script of the page computes."""

    equity: float
    maintenance_margin: float

    @property
    def excess(self) -> float:
        """Equity less maintenance; the trigger level is the face's."""
        return self.equity - self.maintenance_margin


def evaluated(unit: Any) -> Evaluated:  # noqa: ANN401 the JSON of a unit
    """Return the margin of one unit's face in plain floats.

    Args:
        unit: As `face` gives it, with prices, sizes and cash changed at will.
    """
    profits: dict[str, float] = {}
    required: dict[str, float] = {}
    for row in unit["positions"]:
        counted, amount = _counted_and_required(row)
        profits[row["settle"]] = profits.get(row["settle"], 0.0) + counted
        required[row["settle"]] = required.get(row["settle"], 0.0) + amount
    equity = maintenance = 0.0
    for row in unit["assets"]:
        profit = profits.get(row["asset"], 0.0)
        apart = row["base"] == "balance"
        amount = row["cash"] if apart else row["cash"] + profit
        loan = -amount * row["loan_rate"] if amount < 0.0 else 0.0
        lines = (line["slope"] * amount + line["intercept"] for line in row["segments"])
        worth = min(lines) + row["ask"] * loan + (profit if apart else 0.0)
        asked = required.get(row["asset"], 0.0) + loan + row["gross_loan"]
        equity += row["price"] * worth
        maintenance += row["price"] * row["ask"] * asked
    return Evaluated(equity, maintenance)


def _counted_and_required(row: Any) -> tuple[float, float]:  # noqa: ANN401 the JSON of a position
    """Return what a position counts for, and its requirement with the fee to close."""
    value = _value(row, row["mark"])
    profit = value - row["cost"]
    counted = profit * row["profit_weight"] if profit > 0.0 else profit
    fixed = row["margin_on"] == MarginPrice.ENTRY.value
    notional = abs(row["cost"]) if fixed else abs(_value(row, row["margin_price"]))
    amount = _requirement(row["rule"], abs(row["size"]), notional)
    return counted, amount + row["fee"] * notional + row["fee_fixed"]


def _value(row: Any, price: float) -> float:  # noqa: ANN401 the JSON of a position
    units: float = row["size"] * row["contract_size"]
    return -units / price if row["inverse"] else units * price


def _requirement(rule: Any, size: float, notional: float) -> float:  # noqa: ANN401 the JSON of a rule
    if rule["kind"] == "scaled":
        scaled: float = notional * (rule["rates"][0] + rule["slope"] * size)
        return scaled
    key = size if rule["kind"] == "sized" else notional
    floors = rule["floors"]
    row = 0
    for at, floor in enumerate(floors):
        if floor < key or (rule["edge_upper"] and floor == key):
            row = at
    amount: float = notional * rule["rates"][row]
    return amount - rule["deductions"][row] if rule["kind"] == "tiered" else amount


__all__ = ["Evaluated", "evaluated", "face"]
