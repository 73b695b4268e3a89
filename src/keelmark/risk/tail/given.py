"""The risk of an account under scenarios that somebody gave, with their weights."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.accounts import Account
from keelmark.accounts.check_document import JsonTable, statistic_text
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.risk.returns import Array
from keelmark.risk.scenarios.scenarios import Scenarios
from keelmark.risk.statistics import Unknown
from keelmark.risk.tail.book import RiskBook
from keelmark.risk.tail.contributions import Contributions, contributions
from keelmark.risk.tail.document import measure_document
from keelmark.risk.tail.measures import TailRisk, tail_risk


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GivenRisk:
    """An account under given scenarios.

    Attributes:
        scenarios: As they were given.
        currency: Of every amount.
        worth: Now.
        risk: VaR and ES; unknown where too few scenarios hold the level.
        parts: What each leg adds; `None` where the risk is unknown.
        mean: Mean profit.
        profits: (n,) change of worth.
        is_liquidated: (n,) whether a unit is liquidatable after it.
        probability: Weight of those.
    """

    scenarios: Scenarios
    currency: str
    worth: float
    risk: TailRisk | Unknown
    parts: Contributions | None
    mean: float
    profits: Array
    is_liquidated: npt.NDArray[np.bool_]
    probability: float

    @property
    def worst(self) -> npt.NDArray[np.intp]:
        """Rows from the largest loss on."""
        return np.argsort(self.profits, kind="stable")

    def label(self, row: int) -> str:
        """Return the name of a scenario, or its number from one."""
        labels = self.scenarios.labels
        return f"scenario {row + 1}" if labels is None else labels[row]

    def document(self) -> JsonTable:
        """Return the whole result as JSON."""
        told = self.parts
        parts: JsonTable = {}
        if told is not None:
            parts = {
                leg: statistic_text(float(es)) for leg, es in zip(told.names, told.es, strict=True)
            }
        return {
            "source": self.scenarios.source,
            "currency": self.currency,
            "worth": statistic_text(self.worth),
            "horizon_days": statistic_text(self.scenarios.days),
            "risk": measure_document(self.risk),
            "es_by_leg": parts,
            "mean": statistic_text(self.mean),
            "probability_of_liquidation": statistic_text(self.probability),
            "scenarios": [
                {
                    "label": self.label(row),
                    "profit": statistic_text(float(self.profits[row])),
                    "is_liquidated": bool(self.is_liquidated[row]),
                }
                for row in range(len(self.profits))
            ],
        }


def risk_under(
    account: Account, scenarios: Scenarios, *, level: float, unit_id: str | None = None
) -> GivenRisk:
    """Return an account under given scenarios, each revalued in full.

    Raises:
        MissingNumber: The scenarios say nothing of a coin, or the margin of a unit is unknown.
        InvalidInput: The account holds nothing, or there is no such unit.
    """
    book = RiskBook.of(account, unit_id)
    try:
        scenarios.require(book.coins)
    except InvalidInput as error:
        raise MissingNumber(str(error)) from error
    placed = book.placed(scenarios)
    legs = book.leg_pnl(placed)
    values = [valuer.values(placed) for valuer in book.valuers]
    profits = np.sum([unit.pnl for unit in values], axis=0)
    is_hit = np.logical_or.reduce([unit.is_liquidatable for unit in values])
    weights = scenarios.weights
    even = np.full(len(scenarios), 1.0 / len(scenarios)) if weights is None else weights
    risk: TailRisk | Unknown
    try:
        risk = tail_risk(profits, level, weights=weights, method=scenarios.source)
    except InvalidInput as error:
        risk = Unknown(str(error))
    known = not isinstance(risk, Unknown)
    return GivenRisk(
        scenarios=scenarios,
        currency=book.currency,
        worth=book.worth,
        risk=risk,
        parts=contributions(legs, book.legs, level, weights=weights) if known else None,
        mean=float(even @ profits),
        profits=profits,
        is_liquidated=is_hit,
        probability=float(even @ is_hit),
    )
