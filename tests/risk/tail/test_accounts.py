"""Many accounts under one set of drawn scenarios: sums of what each is alone; who is left out."""

from pathlib import Path

import numpy as np
import pytest

from keelmark.accounts import load_account
from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Returns
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.symbols import DOLLAR
from keelmark.risk.tail.accounts import risk_of_accounts

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
PAIR = EXAMPLES / "two_positions.json"
COUNT = 4_000


def test_a_book_of_one_is_that_account_under_the_same_scenarios() -> None:
    found = risk_of_accounts([("one", PAIR)], days=7.0, count=COUNT, seed=3)
    (book,) = found.books.values()
    account = load_account(PAIR)
    valuer = UnitValuer.of(account, account.units[0])
    drawn = found.law.scenarios(steps=7, count=COUNT, seed=3).returns
    values = valuer.values(Scenarios(returns=Shocks(names=drawn.names, values=drawn.values)))
    down = values.is_liquidatable
    assert 0.05 < down.mean() < 0.6
    assert book.currency == DOLLAR
    np.testing.assert_array_equal(book.of("liquidated"), down)
    np.testing.assert_allclose(book.of("lost"), -values.pnl)
    np.testing.assert_allclose(book.of("deficit"), np.where(down, np.maximum(0, -values.worth), 0))
    notional = float(
        sum(p.size * account.market.mark(p.instrument) for p in account.units[0].positions)
    )
    np.testing.assert_allclose(book.of("notional"), notional * down)
    lost = book.of("equity_lost")
    assert lost.max() <= valuer.now[2]
    np.testing.assert_allclose(lost + book.of("deficit"), np.where(down, -values.pnl, 0.0))


def test_accounts_that_are_alike_fall_together() -> None:
    one = risk_of_accounts([("a", PAIR)], count=COUNT).books[DOLLAR]
    many = risk_of_accounts([("a", PAIR), ("b", PAIR), ("c", PAIR)], count=COUNT).books[DOLLAR]
    assert many.accounts == 3
    np.testing.assert_allclose(many.amounts, 3 * one.amounts)
    assert many.expected_draw == pytest.approx(3 * one.expected_draw)
    assert many.at_risk("lost", 0.99) == pytest.approx(3 * one.at_risk("lost", 0.99))


def test_what_is_left_out_is_named_and_stops_nobody() -> None:
    naive = EXAMPLES / "naive.json"
    documents: list[tuple[str, str | Path]] = [("bad", "{"), ("naive", naive), ("pair", PAIR)]
    found = risk_of_accounts(documents, count=500)
    assert found.books[DOLLAR].accounts == 1
    assert "not JSON" in found.unread["bad"]
    assert found.unknown == {"naive": "no returns of ALPHA, BETA"}
    with pytest.raises(InvalidInput, match="no account can be read; bad"):
        risk_of_accounts([("bad", "{")])
    with pytest.raises(InvalidInput, match="knows none of their coins"):
        risk_of_accounts([("naive", naive)])


def test_who_is_liquidatable_now_is_closed_now_whatever_comes() -> None:
    found = risk_of_accounts([("due", EXAMPLES / "account.json")], count=500)
    book = found.books[DOLLAR]
    assert book.liquidatable_now == 1
    assert set(book.of("liquidated")) == {1.0}
    assert set(book.of("lost")) == {0.0}
    assert set(book.of("deficit")) == {0.0}
    assert len(set(book.of("notional"))) == 1


def test_a_history_is_read_for_their_coins_up_to_the_newest_account() -> None:
    asked: list[tuple[tuple[str, ...], int | None]] = []

    def history(coins: tuple[str, ...], newest: int | None) -> Returns:
        asked.append((coins, newest))
        moves = np.random.default_rng(1).normal(0.0, 0.03, (300, 2))
        return Returns(coins=("BTC", "ETH"), values=moves, period="a day", days=1.0, source="own")

    account = EXAMPLES / "account.json"
    found = risk_of_accounts([("one", account)], history, count=500)
    assert found.law.coins == ("BTC", "ETH")
    (coins, newest), *_ = asked
    assert set(coins) >= {"BTC", "ETH"}
    as_of = load_account(account).as_of
    assert as_of is not None
    assert newest == as_of.timestamp() * 1_000
