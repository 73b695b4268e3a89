"""The initial terms of a universe as kernels read them: the same rows, for the other purpose."""

from decimal import Decimal

import numpy as np

from keelmark.book.kernels.initial import BY_LEVERAGE, InitialTables
from keelmark.book.records import SEGMENT, TIER
from keelmark.book.universe import Universe, kernel_rule
from keelmark.core.codes import RuleKind
from keelmark.core.model import (
    AssetTerms,
    InitialRule,
    InstrumentTerms,
    MarginModel,
    MarginPurpose,
    RuleInitial,
)
from keelmark.core.numbers import ONE, exact
from keelmark.core.rules import MaintenanceRule, RuleParameters

TierRow = tuple[float, float, float]


def initial_tables(universe: Universe) -> InitialTables:
    """Return the initial terms of a universe.

    What has no kernel face is `CORE_ONLY` there, as in the maintenance terms: initial margin that
    scales with open interest, a cap on profit, requirements priced at an ask.
    """
    model = universe.model
    instruments, assets = universe.instruments.copy(), universe.asset_rows.copy()
    tiers: list[TierRow] = []
    segments: list[tuple[float, float]] = []
    with exact():
        for row, terms in zip(instruments, model.instruments.values(), strict=True):
            quantum = model.asset(terms.instrument.settle).quantum
            row["rule_kind"] = _rule(terms, model)
            row["pnl_weight"] = float(model.profit_terms(MarginPurpose.INITIAL).weight)
            row["spare"] = 0 if isinstance(terms.initial, RuleInitial) else BY_LEVERAGE
            parameters = _schedule(terms).parameters()
            doubled = 2 if row["spare"] else 1
            row["size_slope"] = float(doubled * parameters.slope * terms.instrument.lot)
            row["edge_upper"] = parameters.edge_upper
            row["tier_start"] = len(tiers)
            tiers += _rows(terms, parameters, quantum)
            row["tier_count"] = len(tiers) - int(row["tier_start"])
        for row, name in zip(assets, universe.assets, strict=True):
            row["segment_start"] = len(segments)
            segments += _lines(model.asset(name))
            row["segment_count"] = len(segments) - int(row["segment_start"])
    fees = np.array([_fee(terms) for terms in model.instruments.values()], np.float64)
    rows = np.array(tiers, TIER), assets, np.array(segments, SEGMENT)
    return InitialTables(instruments, fees, *rows)


def _schedule(terms: InstrumentTerms) -> MaintenanceRule:
    """Return the rule whose rows initial margin goes by."""
    initial = terms.initial
    return initial.schedule if isinstance(initial, RuleInitial) else terms.maintenance


def _rule(terms: InstrumentTerms, model: MarginModel) -> RuleKind:
    known = type(terms.initial) in {InitialRule, RuleInitial}
    capped = model.profit_terms(MarginPurpose.INITIAL).cap is not None
    asks = model.asset(terms.instrument.settle).schedule.ask != ONE
    if not known or capped or asks or kernel_rule(terms, model) is RuleKind.CORE_ONLY:
        return RuleKind.CORE_ONLY
    return _schedule(terms).parameters().kind


def _rows(terms: InstrumentTerms, parameters: RuleParameters, quantum: Decimal) -> list[TierRow]:
    """Return (floor, rate, deduction), or by leverage (floor, rate, least rate with one)."""
    unit = terms.instrument.lot if parameters.kind is RuleKind.SIZED else quantum
    rows = zip(parameters.floors, parameters.rates, parameters.deductions, strict=True)
    if isinstance(terms.initial, RuleInitial):
        return [(float(f / unit), float(r), float(d / quantum)) for f, r, d in rows]
    tiers = getattr(terms.maintenance, "tiers", None)
    allowed = [None] * len(parameters.floors) if tiers is None else [t.leverage for t in tiers]
    return [
        _by_leverage(floor / unit, rate, leverage)
        for (floor, rate, _), leverage in zip(rows, allowed, strict=True)
    ]


def _by_leverage(floor: Decimal, rate: Decimal, allowed: Decimal | None) -> TierRow:
    if allowed is None:
        return float(floor), float(2 * rate), 0.0
    return float(floor), float(ONE / allowed), float(ONE / allowed)


def _fee(terms: InstrumentTerms) -> float:
    fee = terms.close_fee
    return float(fee.rate) if fee is not None and fee.in_initial else 0.0


def _lines(terms: AssetTerms) -> list[tuple[float, float]]:
    lines = terms.schedule_for(MarginPurpose.INITIAL).segments
    return [(float(line.slope), float(line.intercept / terms.quantum)) for line in lines]
