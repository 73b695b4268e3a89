"""What is told beside the losses of an account: chances of liquidation, and the nearest way there.

Together they are the whole of `keelmark risk --json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keelmark.accounts import Account
from keelmark.accounts.check_document import JsonTable
from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation import LiquidationProbability
from keelmark.risk.reverse import ReverseStress, ShockCovariance, find_reverse_stress
from keelmark.risk.tail.account_risk import AccountRisk
from keelmark.risk.tail.chances import chances_of
from keelmark.risk.tail.document import risk_document
from keelmark.risk.tail.methods import Method

NAMES = {
    Method.FHS: "filtered history",
    Method.HISTORICAL: "history as it was",
    Method.SCALED: "scaled history",
    Method.CORNISH_FISHER: "Cornish-Fisher",
    Method.POT: "POT tail",
    Method.T_COPULA: "t copula",
    Method.NORMAL: "normal",
    Method.STUDENT: "Student t",
    Method.TABLE: "built-in table",
}

OWN_SHARE = 1e-6
"""Of its variance that a coin standing for another has of its own: moves as one have no inverse."""

WEEK = 7.0
"""Days of the second horizon that a chance of liquidation is told for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What others tell of the same account.

    Attributes:
        chances: Of liquidation, by the method whose law they are had under, prices watched
            between its steps.
        reverse: The likeliest way to liquidation; why there is none to tell.
    """

    chances: Mapping[Method, LiquidationProbability]
    reverse: ReverseStress | str


def nearest_way_down(account: Account, found: AccountRisk) -> ReverseStress | str:
    """Return the likeliest way to liquidation of the weakest unit, or why it is unknown."""
    names = tuple(found.deviations)
    apart = np.array([OWN_SHARE if name in found.options.like else 0.0 for name in names])
    matrix = found.covariance + np.diag(apart * np.diag(found.covariance))
    covariance = ShockCovariance(names=names, matrix=matrix, source="these returns")
    unit = found.weakest_unit
    holds = {u.unit_id for u in account.units if u.positions}
    if unit not in holds:
        return f"{unit} holds no position"
    try:
        return find_reverse_stress(account, covariance, unit_id=unit)
    except InvalidInput as error:
        return str(error)


def beside_of(account: Account, found: AccountRisk) -> Beside:
    """Return what is told beside the losses of an account."""
    chances = chances_of(account, found, (WEEK,))
    return Beside(chances=chances, reverse=nearest_way_down(account, found))


def whole_document(found: AccountRisk, beside: Beside) -> JsonTable:
    """Return everything, as the contract of `keelmark risk --json` has it."""
    reverse = beside.reverse
    return {
        **risk_document(found),
        "liquidation": {NAMES[m]: c.document() for m, c in beside.chances.items()},
        "nearest_way_down": {"status": "unknown", "reason": reverse}
        if isinstance(reverse, str)
        else reverse.document(),
    }
