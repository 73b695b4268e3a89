"""The report of an account says what its parts say; what one cannot have is told, not left out."""

from pathlib import Path

import numpy as np
import pytest

from keelmark.accounts import Account, load_account, read_account
from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Returns
from keelmark.risk.risk_report import ReportOptions, report_of, risk_report
from keelmark.risk.risk_report.model import Chances, Report, Reverse, Tails
from keelmark.risk.scenarios import generator_of
from keelmark.risk.stress import stress_account
from keelmark.risk.tail.account_risk import RiskOptions, risk_of
from keelmark.risk.tail.chances import chances_of
from keelmark.risk.tail.methods import Method

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
RISK = RiskOptions(paths=2_000, seed=3)


def history(*coins: str) -> Returns:
    """Return two years of days in which coins follow one market."""
    random = generator_of(5)
    market = random.standard_t(5, 700) * 0.02
    own = random.normal(0.0, 0.02, (700, len(coins)))
    moves = np.maximum(market[:, np.newaxis] + own, -0.9)
    return Returns(coins=coins, values=moves, period="a day", days=1.0, source="drawn days")


@pytest.fixture(scope="module")
def account() -> Account:
    return load_account(EXAMPLES / "two_positions.json")


@pytest.fixture(scope="module")
def report(account: Account) -> Report:
    return report_of(account, history("BTC", "ETH"), ReportOptions(title="Two", risk=RISK))


def test_losses_are_those_of_the_risk_command(account: Account, report: Report) -> None:
    risk = risk_of(account, history("BTC", "ETH"), RiskOptions(paths=2_000, seed=3))
    assert isinstance(report.tails, Tails)
    by_name = {measure.name: measure.loss for measure in report.tails.measures}
    assert by_name["VaR 99 %"] == risk.main.var
    assert by_name["ES 99 %"] == risk.main.es
    assert sum(part.amount for part in report.tails.parts) == pytest.approx(risk.main.es)
    assert len(report.tails.profits) == 700  # each past day once
    assert report.tails.share_liquidated == pytest.approx(risk.is_liquidated.mean())


def test_probabilities_are_those_of_the_probability_of_liquidation(
    account: Account, report: Report
) -> None:
    risk = risk_of(account, history("BTC", "ETH"), RiskOptions(paths=2_000, seed=3))
    assert isinstance(report.chances, Chances)
    days = [one.days for one in report.chances.curve]
    by_law = chances_of(account, risk, days)
    for one, beside in zip(report.chances.shown, report.chances.beside, strict=True):
        told = by_law[Method.FHS].units[0].by(one.days)
        student = by_law[Method.STUDENT].units[0].by(one.days)
        assert told is not None
        assert student is not None
        assert one.probability == told.probability
        assert beside.probability == student.probability
    assert days == sorted(days)
    assert any("Probability: " in limit for limit in report.limits)
    assert [one.days for one in report.chances.shown] == [1.0, 7.0, 30.0]


def test_stresses_are_those_of_the_stress_command(account: Account, report: Report) -> None:
    rows = {row.scenario.title: row for row in stress_account(account).units[0].rows}
    assert not isinstance(report.stresses, str)
    assert len(report.stresses) == len(rows)
    for row in report.stresses:
        assert row.profit == rows[row.name].pnl
        assert row.is_liquidated == rows[row.name].is_liquidatable


def test_the_likeliest_scenario_names_its_moves_and_what_moves_it(report: Report) -> None:
    assert isinstance(report.reverse, Reverse)
    assert {move.name for move in report.reverse.moves} == {"BTC", "ETH"}
    assert all(move.change < 0.0 for move in report.reverse.moves)
    farther = {one.name: one.sigmas for one in report.reverse.sensitivities}
    assert farther["close a tenth of BTCUSDT"] > 0.0
    assert farther["deposit a tenth more USDT"] > 0.0
    assert report.unit.nearest is not None
    assert report.unit.nearest.sigmas is not None
    assert report.reverse.sigmas <= report.unit.nearest.sigmas + 1e-6


def test_every_position_has_its_room(report: Report) -> None:
    assert not isinstance(report.headroom, str)
    assert [row.instrument for row in report.headroom] == ["ETHUSDT", "BTCUSDT"]
    for row in report.headroom:
        assert [name for name, _, _ in row.rules] == ["initial margin", "1 % in 7 days"]
        assert row.binding in {"initial margin", "1 % in 7 days"}


def test_the_page_is_made_of_it(account: Account) -> None:
    page = risk_report(account, history("BTC", "ETH"), ReportOptions(title="Two", risk=RISK))
    assert "seed 3" in page
    assert "drawn days" in page
    assert page == risk_report(
        account, history("BTC", "ETH"), ReportOptions(title="Two", risk=RISK)
    )


def test_coins_without_returns_leave_the_rest(account: Account) -> None:
    poor = report_of(account, history("BTC", "SOL"), ReportOptions(risk=RISK))
    for part in (poor.tails, poor.chances, poor.reverse):
        assert isinstance(part, str)
        assert "ETH" in part
    assert not isinstance(poor.stresses, str)
    assert not isinstance(poor.headroom, str)
    assert poor.headroom[0].binding == "initial margin"


def test_coins_that_stand_for_others_are_parted_for_the_likeliest_scenario(
    account: Account,
) -> None:
    options = ReportOptions(risk=RiskOptions(paths=2_000, like={"ETH": "BTC"}))
    found = report_of(account, history("BTC", "SOL"), options)
    assert isinstance(found.reverse, Reverse)
    assert "0.99" in found.reverse.method


def test_an_account_without_anything_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing"):
        report_of(read_account('{"venue": "generic@2025-10", "collateral": [], "positions": []}'))


def test_an_unknown_unit_is_refused(account: Account) -> None:
    with pytest.raises(InvalidInput, match="cros"):
        report_of(account, None, ReportOptions(unit_id="cros"))


def test_an_account_that_is_liquidatable_says_so_instead_of_a_distance() -> None:
    text = (EXAMPLES / "two_positions.json").read_text(encoding="utf-8")
    due = read_account(text.replace('"1535443.01"', '"900000"'))
    page = risk_report(due, history("BTC", "ETH"), ReportOptions(title="Due", risk=RISK))
    assert "liquidatable now" in page
    assert "there is no time to tell" in page


@pytest.mark.slow
def test_what_cancels_is_nothing_on_the_page() -> None:
    """A long beside the coin it is short of: rounding is no loss, and no share of one."""
    hedged = load_account(EXAMPLES / "usde_delta_neutral.json")
    report = report_of(hedged, None, ReportOptions(risk=RISK))
    assert isinstance(report.tails, Tails)
    assert {measure.loss for measure in report.tails.measures} == {0.0}
    assert report.tails.parts == ()
    assert set(report.tails.profits) == {0.0}
    assert isinstance(report.chances, Chances)
    assert all(one.is_bound for one in report.chances.shown)
    assert isinstance(report.reverse, Reverse)
    assert "half of 60 coins fell by 13 of their sigmas" in report.reverse.words
    page = risk_report(hedged, None, ReportOptions(risk=RISK))
    assert "0.000000" not in page
    assert "below 0.02" in page
    assert "the peg of USDE, 221.5 % of worth, is held: at 0.6" in page
