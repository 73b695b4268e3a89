"""The machine-readable results of `keelmark explain`: a working, and the numbers that have one."""

from keelmark.accounts.account import Account
from keelmark.accounts.check import check
from keelmark.accounts.check_document import JsonTable, JsonValue, decimal_text
from keelmark.accounts.explain import RESIDUAL
from keelmark.core.explain import explainable
from keelmark.core.margin import margin_report
from keelmark.core.unit import MarginUnit
from keelmark.core.working import TierUsed, Working


def explain_document(account: Account, working: Working) -> JsonTable:
    """Return a working with the rulebook it was had under."""
    rules: JsonTable = {
        "rulebook": account.rulebook.name,
        "rules_source": rules_source(account),
    }
    return {**working_document(working), **rules}


def numbers_document(account: Account, unit: MarginUnit) -> JsonTable:
    """Return the names of every number of a unit that can be explained.

    Raises:
        MissingNumber: Its margin is unknown.
    """
    report = margin_report(unit, account.market, account.model)
    names = [*explainable(report, account.model), *residual_names(account)]
    return {"unit": unit.unit_id, "numbers": list(names)}


def residual_names(account: Account) -> list[str]:
    """Return the names of the venue's own figures."""
    return [f"{RESIDUAL}:{residual.number}" for residual in check(account).residuals]


def rules_source(account: Account) -> str:
    """Return where the rulebook was read, and when."""
    document = account.rulebook.document
    read = "" if document.read is None else f", read {document.read}"
    return f"{document.source}{read}"


def working_document(working: Working) -> JsonTable:
    """Return a working as JSON, decimals as text."""
    tier = working.tier
    inputs: JsonValue = {name: decimal_text(number) for name, number in working.inputs}
    return {
        "name": working.name,
        "value": decimal_text(working.value),
        "unit": working.unit,
        "formula": working.formula,
        "inputs": inputs,
        "tier": None if tier is None else _tier_document(tier),
        "rounding": working.rounding,
        "source": working.source,
        "note": working.note or None,
        "parts": [working_document(part) for part in working.parts],
    }


def _tier_document(tier: TierUsed) -> JsonTable:
    return {
        "number": None if tier.number is None else str(tier.number),
        "floor": decimal_text(tier.floor),
        "ceiling": decimal_text(tier.ceiling),
        "rate": decimal_text(tier.rate),
        "deduction": decimal_text(tier.deduction),
        "owner": tier.owner,
    }
