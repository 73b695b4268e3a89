"""The machine-readable results of `keelmark stress`: amounts and statistics as text."""

from collections.abc import Sequence
from datetime import datetime

from keelmark.accounts.check_document import JsonTable, JsonValue, statistic_text
from keelmark.risk.scenarios import Scenarios
from keelmark.risk.stress.account_stress import StressResult, StressRow, UnitStress
from keelmark.risk.stress.library import WHOLE, StressScenario

TINY = 1e-9
"""Shares below this are what adding floats leaves over."""


def result_document(found: StressResult) -> JsonTable:
    """Return an account under stress."""
    return {
        "rulebook": found.account.rulebook.name,
        "scale": statistic_text(found.scale),
        "units": [_unit(unit) for unit in found.units],
        "unknown": dict(found.unknown.items()),
    }


def scenario_document(scenario: StressScenario) -> JsonTable:
    """Return what a scenario is and where it comes from."""
    sources: list[JsonValue] = [
        {"name": s.name, "text": s.text, "url": s.url or None, "read": s.read}
        for s in scenario.sources.values()
    ]
    return {
        "name": scenario.name,
        "title": scenario.title,
        "kind": scenario.kind.value,
        "shape": scenario.shape.value,
        "days": statistic_text(scenario.days),
        "from": _instant(scenario.begins),
        "to": _instant(scenario.ends),
        "note": scenario.note or None,
        "sources": sources,
    }


def list_document(rows: Sequence[StressScenario]) -> list[JsonTable]:
    """Return the scenarios of a list, with every figure as it is cited."""
    return [{**scenario_document(row), "shocks": _shocks(row)} for row in rows]


def _shocks(scenario: StressScenario) -> JsonTable:
    found: JsonTable = {}
    for name, block in scenario.blocks.items():
        table: JsonTable = {
            coin: {"value": statistic_text(figure.value), "source": figure.source}
            for coin, figure in block.names.items()
        }
        whole = {
            "other": None if block.other is None else block.other.value,
            "sigmas": block.sigmas,
            "dollars": block.dollars,
            "coins": block.coins,
        }
        rest: JsonTable = {k: statistic_text(v) for k, v in whole.items() if v is not None}
        if block.is_whole:
            rest["of"] = WHOLE
        found[name] = {"source": block.source, "names": table, **rest}
    return found


def _unit(unit: UnitStress) -> JsonTable:
    equity, maintenance, worth = unit.now
    left: JsonTable = dict(unit.made.left_out)
    return {
        "unit": unit.unit_id,
        "currency": unit.currency,
        "method": unit.values.method,
        "now": {
            "equity": statistic_text(equity),
            "maintenance_margin": statistic_text(maintenance),
            "worth": statistic_text(worth),
        },
        "left_out": left,
        "scenarios": [_row(unit, at, row) for at, row in enumerate(unit.rows)],
    }


def _row(unit: UnitStress, at: int, row: StressRow) -> JsonTable:
    legs = zip(unit.valuer.legs, unit.leg_pnl[at].tolist(), strict=True)
    losers: list[JsonValue] = [
        {"name": loser.name, "pnl": statistic_text(loser.pnl)} for loser in row.losers
    ]
    stand_ins: JsonTable = dict(row.stand_ins)
    return {
        **scenario_document(row.scenario),
        "pnl": statistic_text(row.pnl),
        "equity": statistic_text(row.equity),
        "maintenance_margin": statistic_text(row.maintenance),
        "margin_ratio": statistic_text(row.ratio),
        "worth": statistic_text(row.worth),
        "is_liquidatable": row.is_liquidatable,
        "notional": statistic_text(row.notional),
        "closing_cost": statistic_text(row.closing_cost),
        "deficit": statistic_text(row.deficit),
        "loses_most": losers,
        "legs": {leg: statistic_text(pnl) for leg, pnl in legs},
        "shocks": made_document(unit.made.scenarios, at),
        "stand_ins": stand_ins,
    }


def made_document(scenarios: Scenarios, at: int) -> JsonTable:
    """Return the shocks of one row by block and name, those that move."""
    found: JsonTable = {}
    for name, block in scenarios.blocks().items():
        still = 1.0 if name == "depth" else 0.0
        values = zip(block.names, block.values[at].tolist(), strict=True)
        moved: JsonTable = {n: statistic_text(v) for n, v in values if abs(v - still) > TINY}
        if moved:
            found[name] = moved
    return found


def _instant(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat().replace("+00:00", "Z")
