"""A report whose every number is known."""

from decimal import Decimal
from pathlib import Path

from keelmark.accounts import load_account
from keelmark.accounts.check import check
from keelmark.accounts.volatilities import Volatilities
from keelmark.risk.portfolio.portfolio import portfolio_of
from keelmark.risk.risk_report.model import (
    Chance,
    Chances,
    Headroom,
    Measure,
    Move,
    Part,
    Report,
    Reverse,
    Sensitivity,
    StressRow,
    Tails,
)

BOOK = Path(__file__).parents[3] / "docs" / "examples" / "two_positions.json"
KNOWN = Volatilities(
    by_coin={"BTC": 0.03, "ETH": 0.045},
    covariance={
        ("BTC", "BTC"): 0.0009,
        ("BTC", "ETH"): 0.00108,
        ("ETH", "BTC"): 0.00108,
        ("ETH", "ETH"): 0.002025,
    },
)
PROFITS = tuple(1000.0 * (i - 500) for i in range(1001))


def chance(days: float, probability: float) -> Chance:
    return Chance(days=days, probability=probability, low=0.9 * probability, high=1.1 * probability)


def example() -> Report:
    """Return a report of the two positions of the examples, with made-up statistics."""
    account = load_account(BOOK)
    found = check(account, volatilities=KNOWN)
    unit = found.units[0]
    return Report(
        title="Two positions",
        check=found,
        unit=unit,
        currency="USDT",
        worth=1_030_895.55638,
        portfolio=portfolio_of(account, unit.unit, volatilities=KNOWN),
        tails=Tails(
            days=1.0,
            measures=(
                Measure(name="VaR 99 %", loss=490_000.0, low=480_000.0, high=500_000.0),
                Measure(name="ES 99 %", loss=495_000.0, low=485_000.0, high=505_000.0),
            ),
            marked=("VaR 99 %", "ES 99 %"),
            parts=(Part(name="ETHUSDT", amount=505_000.0), Part(name="BTCUSDT", amount=-10_000.0)),
            parts_of="ES 99 %",
            profits=PROFITS,
            liquidated=tuple(profit < -450_000.0 for profit in PROFITS),
            method="filtered history",
        ),
        chances=Chances(
            shown=(chance(1.0, 0.0234), chance(7.0, 0.12)),
            curve=(chance(0.5, 0.001), chance(1.0, 0.0234), chance(7.0, 0.12)),
            times=((0.05, 2.5), (0.5, None)),
            method="closed form",
        ),
        reverse=Reverse(
            sigmas=2.9,
            moves=(
                Move(name="BTC", change=-0.081, sigmas=-2.7),
                Move(name="USDE", change=-0.03, is_price=True, price=0.97),
            ),
            sensitivities=(Sensitivity(name="close a tenth of ETHUSDT", sigmas=0.31),),
            words="BTC -8.1 %, USDE 0.97: a 2.9 sigma day",
            method="proved: no nearer one",
        ),
        stresses=(
            StressRow(
                name="March 2020",
                profit=-900_000.0,
                excess=-20_000.0,
                is_liquidated=True,
                note="BTC -39 %",
            ),
            StressRow(name="FTX", profit=-100_000.0, excess=400_000.0, is_liquidated=False),
        ),
        headroom=(
            Headroom(
                instrument="BTCUSDT",
                is_long=True,
                held=Decimal("109.488"),
                rules=(
                    ("initial margin", Decimal("334.976"), 10.39),
                    ("chance of liquidation", None, None),
                ),
                binding="initial margin",
            ),
        ),
        facts=(("seed", "7"), ("data", "made up")),
        limits=("Prices do not jump.",),
    )
