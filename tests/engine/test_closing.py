"""The end of an account: everything into cash, obligations in order, the rest to the owner."""

import pytest

from keelmark.core.errors import InvalidInput, Rejected, RejectionReason, UnknownAccount
from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.test_waterfall import COINS, fallen, override
from tests.engine.venue import Venue, merged

FEES = {"liquidation": {"taker_fee": "0.001"}}


def close(account: int = 0, **more: object) -> c.CloseAccount:
    return c.CloseAccount(account=account, reason="regulatory", **more)  # type: ignore[arg-type]  # as given


def statement(venue: Venue) -> list[tuple[str, int, int]]:
    (event,) = venue.of(e.AccountClosed)
    return [(line.payee, line.asset, line.quanta) for line in event.statement]


def test_positions_are_closed_fees_paid_and_the_rest_returned() -> None:
    # 10 lots at 950: a loss of 500 and a fee of 9.5, rounded up. 1,100 - 500 - 10 = 590.
    venue, unit, _ = fallen(FEES)
    venue.marks(A=950.0)
    venue.do(close())
    assert statement(venue) == [("fees", 0, 10), ("owner", 0, 590)]
    assert venue.state.book.unit_view(unit).positions == ()
    assert venue.balance(unit) == 0
    venue.check(replay=True)


def test_a_named_price_source_is_used_where_it_has_a_price() -> None:
    venue, _, _ = fallen()
    venue.do(close(price_source="auction", instruments=(0,), ticks=(970,)))
    assert statement(venue) == [("fees", 0, 0), ("owner", 0, 800)]
    assert venue.of(e.AccountClosed)[0].price_source == "auction"


def test_isolated_units_are_brought_together() -> None:
    venue, cross, _ = fallen()
    isolated = venue.isolated("unit", USDT=600)
    venue.trade(isolated, venue.state.liquidity, "B", -5, 1000)
    venue.marks(B=1020.0)
    venue.do(close())
    assert statement(venue) == [("fees", 0, 0), ("fees", 0, 0), ("owner", 0, 1_600)]
    assert (venue.balance(cross), venue.balance(isolated)) == (0, 0)


def test_debts_are_paid_from_other_assets_then_the_fund_then_the_backstop() -> None:
    # A at 500: 500 - 5,000 = -4,500 USDT beside 1,000 USDC at 0.9, which pay 900. The fund has
    # 2,000; 1,600 are left for the backstop.
    venue = Venue(merged(COINS, {"liquidation": {"guards": {"band": "0"}}}))
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", USDT=500, USDC=1_000)
    venue.deposit(venue.state.fund_of(-1), 2_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.do(override(unit, "hold"))
    venue.marks(A=500.0, asset_USDC=0.9)
    venue.do(close())
    assert statement(venue) == [
        ("fees", 0, 0),
        ("insurance fund", 0, -2_000),
        ("backstop", 0, -1_600),
    ]
    assert venue.balance(venue.state.fund_of(-1)) == 0
    assert venue.balance(venue.state.backstop, "USDC") == 1_000
    venue.check(replay=True)


def indebted(haircuts: dict[str, str], **cash: int) -> Venue:
    """Return a venue whose first account owes 500 USDT beside the cash given, and is held."""
    assets = {asset: {"conversion_haircut": haircut} for asset, haircut in haircuts.items()}
    venue = Venue(merged(COINS, {"assets": assets}))
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", **cash)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.do(override(unit, "hold"))
    venue.marks(A=950.0)
    return venue


def test_what_pays_a_debt_is_exchanged_at_its_conversion_haircut_and_the_statement_says_so() -> (
    None
):
    # 500 USDT at 0.8 a coin of USDC: 625 are sold, worth 625; 125 is the exchange
    venue = indebted({"USDC": "0.2"}, USDC=2_000)
    venue.do(close())
    assert statement(venue) == [("fees", 0, 0), ("exchange", 0, 125), ("owner", 1, 1_375)]
    assert venue.balance(venue.state.backstop, "USDC") == 625
    assert venue.balance(venue.state.backstop) == -500


def test_the_cheapest_exchange_pays_first_and_what_has_none_last_and_at_the_mark() -> None:
    # one COIN, whole, at 1 % brings 990, of which 490 are left; USDC, at 2 %, is left alone
    venue = indebted({"USDC": "0.02", "COIN": "0.01"}, USDC=2_000, COIN=1)
    venue.do(close())
    assert statement(venue)[1:] == [("exchange", 0, 10), ("owner", 0, 490), ("owner", 1, 2_000)]
    # COIN has no exchange at all: 1,000 USDC bring 400, the other 100 come of a coin at the mark
    venue = indebted({"USDC": "0.6", "COIN": "1"}, USDC=1_000, COIN=1)
    venue.do(close())
    assert statement(venue)[1:] == [("exchange", 0, 600), ("owner", 0, 900)]
    assert venue.balance(venue.state.backstop, "COIN") == 1


def test_a_liquidation_that_is_going_on_ends_with_the_account() -> None:
    changes = {"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 60}}}
    venue, unit, _ = fallen(changes)
    venue.marks(A=930.0)
    assert unit in venue.state.cases
    venue.do(close())
    assert [x.outcome for x in venue.of(e.LiquidationEnded)] == ["released"]
    assert venue.state.cases == {}


def commands_of(unit: int, other: int) -> dict[str, c.Command]:
    return {
        "deposit": c.Deposit(unit=unit, asset=0, quanta=1),
        "withdraw": c.Withdraw(unit=unit, asset=0, quanta=1),
        "transfer from it": c.Transfer(source=unit, target=other, asset=0, quanta=1),
        "transfer to it": c.Transfer(source=other, target=unit, asset=0, quanta=1),
        "fill": c.Fill(unit=unit, counterparty=other, instrument=0, lots=1, ticks=1000),
        "counterparty": c.Fill(unit=other, counterparty=unit, instrument=0, lots=1, ticks=1000),
        "reserve": c.ReserveOrder(unit=unit, order=1, instrument=0, lots=1, ticks=1000),
        "release": c.ReleaseOrder(unit=unit, order=1),
        "protect": c.SetProtection(
            unit=unit, protection=1, kind="stop_loss", trigger=900, instrument=0
        ),
        "unprotect": c.RemoveProtection(unit=unit, protection=1),
        "override": override(unit, "hold"),
        "open isolated": c.OpenIsolated(account=0),
        "close again": close(),
    }


@pytest.mark.parametrize("name", commands_of(0, 0))
def test_a_closed_account_refuses_everything_and_never_changes(name: str) -> None:
    venue, unit, winner = fallen()
    venue.do(close())
    with pytest.raises(Rejected) as error:
        venue.do(commands_of(unit, winner)[name])
    assert error.value.reason is RejectionReason.ACCOUNT_CLOSED
    venue.marks(A=2000.0)
    venue.do(c.PostFunding(instruments=(0,), rates=(10**9,), ticks=(2000,)))
    venue.check(replay=True)  # INV-11 among them


def test_an_account_is_not_closed_at_a_mark_nobody_trusts_unless_a_price_is_named() -> None:
    venue, _, _ = fallen()
    venue.marks(A=float("nan"))
    with pytest.raises(Rejected) as error:
        venue.do(close())
    assert error.value.reason is RejectionReason.UNTRUSTED_MARK
    venue.do(close(price_source="auction", instruments=(0,), ticks=(990,)))
    assert statement(venue)[-1] == ("owner", 0, 1_000)


@pytest.mark.parametrize(
    "fields",
    [
        {"instruments": (0,), "ticks": ()},
        {"instruments": (0,), "ticks": (0,)},
        {"instruments": (0,), "ticks": (2**60,)},
        {"instruments": (7,), "ticks": (1000,)},
    ],
    ids=str,
)
def test_named_prices_that_fit_nothing_are_refused(fields: dict[str, object]) -> None:
    venue, _, _ = fallen()
    with pytest.raises(InvalidInput):
        venue.do(c.CloseAccount(account=0, reason="regulatory", **fields))  # type: ignore[arg-type]  # wrong on purpose


def test_a_reason_nobody_knows_and_an_account_nobody_opened_are_refused() -> None:
    venue, _, _ = fallen()
    with pytest.raises(InvalidInput):
        venue.do(c.CloseAccount(account=0, reason="mood"))
    with pytest.raises(UnknownAccount):
        venue.do(close(9))
