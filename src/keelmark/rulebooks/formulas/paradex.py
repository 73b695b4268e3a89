"""Paradex portfolio margin: the scan of 24 scenarios, the least charge on delta, the requirement.

Amounts are in USD.

Source: docs.paradex.trade/risk/portfolio-margin (weights and formulas as published there).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.numbers import ONE, ZERO, exact

PRICE_RANGE = Decimal("0.16")
PRICE_STEP = Decimal("0.04")
VOLATILITY_UP = Decimal("0.40")
VOLATILITY_DOWN = Decimal("-0.22")
TAIL = (
    ("-0.66", "0.24"),
    ("-0.33", "0.48"),
    ("0.5", "0.32"),
    ("1", "0.16"),
    ("2", "0.08"),
    ("3", "0.0533"),
    ("4", "0.04"),
    ("5", "0.032"),
)
"""Moves beyond the range and the weights the page prints for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCell:
    """A scenario.

    Attributes:
        spot: Move of the spot price, fraction.
        volatility: Shock at 30 days to expiry, fraction of the volatility.
        weight: Share of the loss that counts.
    """

    spot: Decimal
    volatility: Decimal
    weight: Decimal = ONE


def scan_cells() -> tuple[ScanCell, ...]:
    """Return the 24 scenarios: moves up to 16 % in steps of 4 %, and the tail.

    Inside the range each move is taken with volatility up and down, at its ends and in the tail
    with volatility up only.
    """
    with exact():
        steps = int(PRICE_RANGE / PRICE_STEP)
        moves = [PRICE_STEP * step for step in range(-steps, steps + 1)]
        up = [ScanCell(spot=move, volatility=VOLATILITY_UP) for move in moves]
        down = [ScanCell(spot=move, volatility=VOLATILITY_DOWN) for move in moves[1:-1]]
        tail = [
            ScanCell(spot=Decimal(move), volatility=VOLATILITY_UP, weight=Decimal(weight))
            for move, weight in TAIL
        ]
        return (*up, *down, *tail)


def extended_weights(price_range: Decimal, moves: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Return `price range / |move|` for moves beyond the range: the rule the weights follow.

    The page prints them cut to whole or hundredth percents (0.24 for 0.2424...).
    """
    with exact():
        return tuple(price_range / abs(move) for move in moves)


def scan_risk(
    change: Callable[[ScanCell], Decimal], cells: Sequence[ScanCell] | None = None
) -> Decimal:
    """Return the largest weighted loss of a portfolio, USD, not below zero.

    Args:
        change: Profit of the portfolio in a scenario, USD.
        cells: Scenarios; the 24 published ones when left out.
    """
    with exact():
        losses = [-change(cell) * cell.weight for cell in cells or scan_cells()]
        return max(ZERO, *losses)


def perpetual_scan_risk(size: Decimal, spot: Decimal) -> Decimal:
    """Return the scan of perpetuals alone: `size * spot * move` in every scenario.

    Args:
        size: Signed net size, base units.
        spot: Spot price, USD.
    """
    return scan_risk(lambda cell: size * spot * cell.spot)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaCharge:
    """Rates of the least charge.

    Attributes:
        net: On the net delta.
        hedged: On the hedged delta.
    """

    net: Decimal = Decimal("0.02")
    hedged: Decimal = Decimal("0.01")


def minimum_delta_requirement(
    deltas: Sequence[Decimal],
    spot: Decimal,
    charge: DeltaCharge = DeltaCharge(),
) -> Decimal:
    """Return the least requirement: `(2 % |net| + 1 % hedged) * spot`.

    Args:
        deltas: Signed delta of every position, base units.
        spot: Spot price, USD.
        charge: Rates.
    """
    with exact():
        held = list(deltas)
        net = abs(sum(held, ZERO))
        hedged = (sum((abs(delta) for delta in held), ZERO) - net) / 2
        return (charge.net * net + charge.hedged * hedged) * spot


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioRequirement:
    """What a portfolio requires, USD.

    Attributes:
        net: The larger of scan and least charge.
        provisions: Fees and expected funding.
    """

    net: Decimal
    provisions: Decimal = ZERO

    @property
    def initial_margin(self) -> Decimal:
        """Net requirement and provisions."""
        with exact():
            return self.net + self.provisions

    @property
    def maintenance_margin(self) -> Decimal:
        """Half of the net requirement, and provisions."""
        with exact():
            return self.net / 2 + self.provisions
