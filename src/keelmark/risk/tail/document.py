"""The risk of an account as JSON: statistics as text with twelve digits, unknown with a reason."""

from keelmark.accounts.check_document import JsonTable, statistic_text
from keelmark.risk.statistics import Unknown
from keelmark.risk.tail.account_risk import AccountRisk
from keelmark.risk.tail.liquidity import LiquidityAdjusted
from keelmark.risk.tail.measures import TailRisk


def risk_document(found: AccountRisk) -> JsonTable:
    """Return the whole result, as the contract of `keelmark risk --json` has it."""
    asked = found.options
    realised = found.realised
    return {
        "rulebook": found.account.rulebook.name,
        "currency": found.currency,
        "worth": statistic_text(found.worth),
        "horizon_days": statistic_text(asked.days),
        "level": statistic_text(asked.level),
        "paths": str(realised.paths),
        "seed": str(asked.seed),
        "source": found.source,
        "table": None if found.table is None else found.table.name,
        "method": found.method.value,
        "risk": measure_document(found.main),
        "beside": {method.value: measure_document(r) for method, r in found.beside.items()},
        "contributions": [
            {
                "leg": leg,
                "var": statistic_text(float(found.parts.var[i])),
                "es": statistic_text(float(found.parts.es[i])),
                "es_error": statistic_text(float(found.parts.es_errors[i])),
                "notional": statistic_text(float(found.part_notionals[i])),
                "es_per_notional": statistic_text(
                    float(found.marginal[i]) if found.part_notionals[i] > 0.0 else None
                ),
            }
            for i, leg in enumerate(found.parts.names)
        ],
        "liquidity_adjusted": _adjusted(found.adjusted),
        "with_liquidations": {
            "risk": measure_document(realised.risk),
            "risk_if_none_liquidated": measure_document(realised.unliquidated),
            "on_paths_of": found.walked.value,
            "outcomes": str(realised.outcomes),
            "probability": statistic_text(realised.probability),
            "probability_error": statistic_text(realised.error),
            "mean_loss_if_liquidated": statistic_text(realised.loss),
            "liquidatable_now": list(realised.now),
            "units": {unit: statistic_text(p) for unit, p in realised.units.items()},
            "looked_every_days": statistic_text(realised.step_days),
            "endings": list(realised.endings),
        },
        "deviations_daily": {c: statistic_text(d) for c, d in found.deviations.items()},
        "notes": list(found.notes),
    }


def measure_document(risk: TailRisk | Unknown) -> JsonTable:
    """Return VaR and ES with how sure they are; unknown with the reason."""
    if isinstance(risk, Unknown):
        return {"status": "unknown", "reason": risk.why}
    interval, es_interval = risk.var_interval, risk.es_interval
    return {
        "status": "known",
        "var": statistic_text(risk.var),
        "es": statistic_text(risk.es),
        "var_interval": None if interval is None else [statistic_text(x) for x in interval],
        "es_error": statistic_text(risk.es_error),
        "es_interval": None if es_interval is None else [statistic_text(x) for x in es_interval],
        "observations": statistic_text(risk.observations),
        "how": risk.method,
    }


def _adjusted(adjusted: LiquidityAdjusted | Unknown) -> JsonTable:
    if isinstance(adjusted, Unknown):
        return {"status": "unknown", "reason": adjusted.why}
    return {
        "status": "known",
        "var": statistic_text(adjusted.var),
        "es": statistic_text(adjusted.es),
        "cost": statistic_text(adjusted.cost),
        "scale": statistic_text(adjusted.scale),
        "days": statistic_text(adjusted.days),
        "slowest": adjusted.slowest,
        "coins": {
            coin: {
                "notional": statistic_text(cost.notional),
                "spread": statistic_text(cost.spread),
                "impact": statistic_text(cost.impact),
                "days": statistic_text(cost.days),
            }
            for coin, cost in adjusted.coins.items()
        },
        "notes": list(adjusted.notes),
    }
