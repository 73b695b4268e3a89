"""Sizes as JSON: money and sizes as decimal text, statistics as text with twelve digits."""

from typing import Any

from keelmark.accounts.check_document import statistic_text
from keelmark.risk.sizing.account_size import AccountSize
from keelmark.risk.sizing.recommend import Recommendation

Json = dict[str, Any]


def recommendation_document(found: Recommendation) -> Json:
    """Return what every rule allows of a leverage, and which binds."""
    return {
        "leverage": statistic_text(found.leverage),
        "binding": None if found.binding is None else found.binding.name,
        "rules": [
            {"name": r.name, "leverage": statistic_text(r.leverage), "reason": r.reason}
            for r in found.rules
        ],
        "leverage_without_drift": statistic_text(found.without_drift),
        "kelly": [
            {
                "share": statistic_text(share.share),
                "leverage": statistic_text(share.leverage),
                "growth_per_year": statistic_text(share.growth),
                "growth_share": statistic_text(share.growth_share),
                "fall_to": statistic_text(share.fall),
                "fall_probability": statistic_text(share.fall_probability),
            }
            for share in found.shares
        ],
    }


def account_size_document(found: AccountSize) -> Json:
    """Return what every rule allows of a leg, and which binds."""
    binding = found.binding
    return {
        "instrument": found.instrument,
        "side": "long" if found.is_long else "short",
        "unit": found.unit_id,
        "currency": found.currency,
        "equity": statistic_text(found.equity),
        "held": f"{found.held:f}",
        "lot": f"{found.lot:f}",
        "size": None if binding is None or binding.size is None else f"{binding.size:f}",
        "trade": None if found.trade is None else f"{found.trade:f}",
        "binding": None if binding is None else binding.name,
        "rules": [
            {
                "name": rule.name,
                "size": None if rule.size is None else f"{rule.size:f}",
                "notional": statistic_text(rule.notional),
                "leverage": statistic_text(rule.leverage),
                "reason": rule.reason,
            }
            for rule in found.rules
        ],
        "notes": list(found.notes),
    }
