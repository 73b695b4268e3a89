"""OKX portfolio margin: what one risk unit requires, in USD.

Source: OKX help 4417291853837 (scaling of the minimum charge), 4411686631309 and
v-portfolio-margin-mode (parts), a rewrite of the rule update for the de-peg charge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.numbers import ZERO, exact
from keelmark.core.rules import TieredRule, with_deductions

Rows = Sequence[tuple[Decimal, Decimal]]


def marginal_charge(amount: Decimal, rows: Rows) -> Decimal:
    """Return `amount` charged slice by slice: each slice at the factor of its row.

    It is the sum of the de-peg charge (MR9: hedge scale and its factors) and of the scaled minimum
    charge (MR7: the raw charge and its multiples).

    Args:
        amount: What is charged, USD.
        rows: (floor, factor) with rising floors, the first 0.

    Raises:
        InvalidInput: The rows are empty, unordered or do not begin at 0.
    """
    with exact():
        return TieredRule(tiers=with_deductions(rows)).amount(ZERO, amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskParts:
    """The parts of a risk unit's margin, USD.

    Attributes:
        spot_shock: MR1, largest loss over spot and volatility shocks.
        theta_decay: MR2.
        vega_term_structure: MR3.
        basis: MR4.
        interest_rate: MR5.
        extreme_move: MR6.
        stablecoin_depeg: MR9.
    """

    spot_shock: Decimal = ZERO
    theta_decay: Decimal = ZERO
    vega_term_structure: Decimal = ZERO
    basis: Decimal = ZERO
    interest_rate: Decimal = ZERO
    extreme_move: Decimal = ZERO
    stablecoin_depeg: Decimal = ZERO

    @property
    def margin(self) -> Decimal:
        """`max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9`."""
        with exact():
            worst = max(self.spot_shock, self.theta_decay, self.extreme_move)
            added = self.vega_term_structure + self.basis + self.interest_rate
            return worst + added + self.stablecoin_depeg


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskUnit:
    """What a risk unit requires, USD.

    Attributes:
        risk: Margin of its parts.
        minimum: Minimum charge after scaling (MR7).
    """

    risk: Decimal
    minimum: Decimal

    @property
    def maintenance_margin(self) -> Decimal:
        """The larger of the two."""
        return max(self.risk, self.minimum)


def risk_unit(parts: RiskParts, minimum_raw: Decimal, rows: Rows) -> RiskUnit:
    """Return the requirement of a risk unit.

    Args:
        parts: MR1 to MR6 and MR9.
        minimum_raw: Minimum charge before scaling, USD.
        rows: (floor, multiple) of the scaling.
    """
    return RiskUnit(risk=parts.margin, minimum=marginal_charge(minimum_raw, rows))
