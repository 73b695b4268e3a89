"""Venue formulas beyond their published figures: edges, laws and refusals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import exact
from keelmark.rulebooks.formulas import bybit, deribit, derive, hyperliquid, okx, paradex
from keelmark.rulebooks.formulas.volatility import VegaPowers, volatility_shock

D = Decimal
POWERS = VegaPowers(short=0.3, long=0.13)
TERMS = deribit.MatrixTerms(
    price_range=D("0.16"), annualised_move_risk=D("0.075"), annualised_move_min=D("0.01")
)
amounts = st.decimals(-1000, 1000, places=3)
positive = st.decimals(D("0.001"), 1000, places=3)


def test_a_shock_grows_towards_expiry_and_stops_at_its_floor() -> None:
    shocks = [volatility_shock(0.4, days, POWERS, days_min=1) for days in (90, 30, 7, 1, 0)]
    assert shocks == sorted(shocks)
    assert shocks[1] == pytest.approx(0.4)
    assert shocks[3] == shocks[4]
    assert volatility_shock(0.4, 60, POWERS) == pytest.approx(0.4 * 0.5**0.13)


def test_an_expired_option_has_no_shock() -> None:
    with pytest.raises(InvalidInput, match="leave expired options out"):
        volatility_shock(0.4, 0, POWERS)


def test_a_shocked_volatility_keeps_its_floors() -> None:
    terms = deribit.VolatilityTerms(range_up=0.5, range_down=0.9, powers=POWERS, up_min=0.5)
    down, up = deribit.shocked_volatilities(0.4, 1, terms)
    assert down == 0
    assert up == pytest.approx(0.4 * (1 + 0.5 * 30**0.3))
    assert deribit.shocked_volatilities(0.1, 30, terms)[1] == 0.5


@given(amounts, amounts)
def test_an_inverse_future_moves_by_its_own_payoff(value: Decimal, price: Decimal) -> None:
    with exact():
        mark = abs(price) + 1
        contracts = value * mark
        for move in TERMS.moves:
            paid = contracts * (1 / mark - 1 / (mark * (1 + move)))
            change = deribit.MatrixFuture(value=value).change(move)
            assert abs(change - paid) <= D("1e-40") * (1 + abs(value))


@given(amounts)
def test_a_linear_book_loses_the_range_on_its_bad_side(value: Decimal) -> None:
    margin = deribit.matrix_margin({"X": deribit.MatrixFuture(value=value, inverse=False)}, TERMS)
    assert margin.worst_case == abs(value) * D("0.16")
    assert margin.roll_shock == abs(value) * D("0.01")
    assert margin.maintenance_margin <= margin.initial_margin + D("1e-9")


def test_the_extended_table_is_damped_towards_zero_and_never_across() -> None:
    held = {"X": deribit.MatrixFuture(value=D(100), inverse=False)}
    assert list(deribit.matrix_margin(held, TERMS).extended) == [-16, -16, 0, 0, 0, 0, 0, 0]
    some = deribit.MatrixTerms(
        price_range=D("0.16"),
        annualised_move_risk=D(0),
        annualised_move_min=D(0),
        extended_dampener=D(8),
        pnl_offset=D(1),
        pnl_offset_max=D(5),
    )
    # (0.33 / 0.16 - 1) * 8 = 8.5 of the loss of 16 are forgiven; (0.66 / 0.16 - 1) * 8 = 25 > 16
    assert list(deribit.matrix_margin(held, some).extended) == [0, D("-7.5"), 0, 0, 0, 0, 0, 0]
    assert max(deribit.matrix_margin(held, some).standard) == 5


def test_a_delta_beyond_the_threshold_has_no_margin_rather_than_a_wrong_one() -> None:
    terms = deribit.MatrixTerms(
        price_range=D("0.16"),
        annualised_move_risk=D(0),
        annualised_move_min=D(0),
        delta_threshold=D(10),
    )
    assert deribit.matrix_margin({"X": deribit.MatrixFuture(value=D(10))}, terms).roll_shock == 0
    with pytest.raises(InvalidInput, match="does not publish"):
        deribit.matrix_margin({"X": deribit.MatrixFuture(value=D(11))}, terms)


def test_older_contingencies_count_offsets_and_net_shorts_only() -> None:
    sizes = {"A": D(100), "B": D(-30), "C": D(-20)}
    assert deribit.offset_futures_contingency(sizes, D("0.02")) == D(1)
    assert deribit.offset_futures_contingency({"A": D(100)}, D("0.02")) == 0
    at_strikes = {"1": (D(10), D(-20)), "2": (D(5),), "3": (D(-1), D(-1))}
    assert deribit.short_options_contingency(at_strikes, D("0.01")) == D("0.12")


def test_the_scan_has_the_24_published_scenarios() -> None:
    cells = paradex.scan_cells()
    assert len(cells) == len(set(cells)) == 24
    assert sum(cell.volatility > 0 for cell in cells) == 17
    rule = paradex.extended_weights(D("0.16"), [D(move) for move, _ in paradex.TAIL])
    printed = [D(weight) for _, weight in paradex.TAIL]
    assert all(0 <= r - w < D("0.005") for r, w in zip(rule, printed, strict=True))


@given(amounts)
def test_a_perpetual_alone_is_scanned_at_the_end_of_the_range(size: Decimal) -> None:
    assert paradex.perpetual_scan_risk(size, D(100)) == abs(size) * 16


def test_the_least_charge_counts_net_and_hedged_delta() -> None:
    deltas = [D(1), D("-1.5")]
    assert paradex.minimum_delta_requirement(deltas, D(70000)) == 1400
    required = paradex.PortfolioRequirement(net=D(1400), provisions=D(10))
    assert (required.initial_margin, required.maintenance_margin) == (D(1410), D(710))


@given(positive, positive)
def test_a_marginal_charge_is_continuous_and_slice_by_slice(low: Decimal, more: Decimal) -> None:
    rows = [(D(0), D(1)), (low, D(2)), (low + more, D(4))]
    assert okx.marginal_charge(low + more, rows) == low + 2 * more
    assert okx.marginal_charge(low + 2 * more, rows) == low + 6 * more


def test_a_risk_unit_adds_its_parts_to_the_worst_and_keeps_its_minimum() -> None:
    parts = okx.RiskParts(
        spot_shock=D(5),
        theta_decay=D(7),
        extreme_move=D(6),
        vega_term_structure=D(1),
        basis=D(2),
        interest_rate=D(3),
        stablecoin_depeg=D(4),
    )
    rows = [(D(0), D(2))]
    assert parts.margin == 17
    assert okx.risk_unit(parts, D(3), rows).maintenance_margin == 17
    assert okx.risk_unit(parts, D(10), rows).maintenance_margin == 20


def test_a_unified_account_that_is_worth_nothing_has_no_rate() -> None:
    account = bybit.unified_account(D(1), D(-1), D(1))
    with pytest.raises(InvalidInput, match="worth nothing"):
        _ = account.initial_rate


def test_order_losses_and_haircuts_raise_the_rates() -> None:
    account = bybit.UnifiedAccount(
        wallet=D(100),
        unrealized_pnl=D(0),
        initial_margin=D(45),
        maintenance_margin=D(9),
        haircut_loss=D(5),
        order_loss=D(-5),
    )
    assert (account.initial_rate, account.maintenance_rate, account.available) == (
        D("0.5"),
        D("0.1"),
        D(50),
    )


def test_a_wallet_of_nothing_implies_no_ratio() -> None:
    with pytest.raises(InvalidInput, match="says no ratio"):
        bybit.WalletCoin(
            total_equity=D(0),
            total_wallet=D(0),
            equity=D(0),
            wallet=D(0),
            unrealized_pnl=D(0),
        )


def test_funding_is_the_interest_inside_the_band_and_follows_the_premium_outside() -> None:
    inside = hyperliquid.funding(D(9999), D(10001), D(10000))
    assert (inside.premium, inside.rate) == (D(0), D("0.0001"))
    below = hyperliquid.funding(D(9800), D(9900), D(10000))
    assert (below.premium, below.rate) == (D("-0.01"), D("-0.0095"))


def test_nothing_borrowed_has_no_health_factor() -> None:
    with pytest.raises(InvalidInput, match="something borrowed"):
        hyperliquid.health_factor([], D(0))


@given(positive, positive, st.decimals(0, 1, places=2))
def test_borrowing_ends_before_a_part_and_a_part_before_all(
    balance: Decimal, price: Decimal, ltv: Decimal
) -> None:
    token = hyperliquid.BorrowCollateral(balance=balance, price=price, ltv=ltv)
    limits = hyperliquid.borrow_thresholds(token)
    assert token.borrowable <= limits.partial <= limits.full <= token.value
    if ltv:
        locked = hyperliquid.locked_collateral(token.borrowable, price, ltv)
        assert abs(locked - balance) <= D("1e-50") * balance


def test_a_borrow_rate_rises_beyond_a_utilisation_of_80_percent() -> None:
    assert hyperliquid.borrow_rate(D("0.8")) == D("0.05")
    assert hyperliquid.borrow_rate(D(1)) == D("1")


def token(**changes: Decimal) -> hyperliquid.BorrowableToken:
    values = {
        "balance": D(100),
        "collateral_balance": D(10),
        "price": D(40),
        "ltv": D("0.5"),
        "borrowed": D(2),
        "borrow_cap": D(1000),
        "supply_cap": D(100),
    }
    return hyperliquid.BorrowableToken(**{**values, **changes})


def test_a_portfolio_ratio_is_the_worst_token_and_knows_its_caps() -> None:
    # twenty and sixty and a debt of 80, over a balance of 100 and three quarters of 400
    assert hyperliquid.portfolio_margin_ratio([token()], D(60)) == D("0.4")
    capped = token(borrow_cap=D(100))
    assert hyperliquid.portfolio_margin_ratio([token(), capped], D(60)) == D("0.8")
    assert hyperliquid.portfolio_margin_ratio([token(supply_cap=D(0))], D(60)) == D("1.6")
    assert hyperliquid.portfolio_margin_ratio([token(balance=D(-300))], D(60)) is None


def test_a_unified_ratio_leaves_out_tokens_used_up_by_isolated_margin() -> None:
    tokens = [
        hyperliquid.UnifiedToken(cross_maintenance=D(5), spot_total=D(30), isolated_margin=D(10)),
        hyperliquid.UnifiedToken(cross_maintenance=D(5), spot_total=D(10), isolated_margin=D(10)),
    ]
    assert hyperliquid.unified_account_ratio(tokens) == D("0.25")
    assert hyperliquid.unified_account_ratio([]) == 0


def test_the_discount_of_a_solvent_auction_is_continuous_and_ends_at_one() -> None:
    found = [derive.solvent_discount(D(m)) for m in (-1, 0, 15, 375, 735, 9999)]
    assert found == [D("0.05"), D("0.05"), D("0.3"), D("0.65"), 1, 1]


def test_a_liquidation_ends_at_a_buffer_margin_of_zero() -> None:
    account = derive.Auctioned(mark_to_market=D(98000), buffer_margin=D(-62000))
    with exact():
        share = derive.fraction_max(account, D("0.12"))
        paid = derive.liquidator_cost(account, share, D("0.12"))
        assert abs(account.buffer_margin * (1 - share) + paid) < D("1e-40")
    assert derive.liquidator_cash(account, D("0.2"), D("0.12")) == D(29648)
    assert derive.buffer_margin(D(-100), D(900)) == D(-250)


@pytest.mark.parametrize(("value", "buffer"), [(1, 0), (1, 5), (0, -5), (-1, -5)])
def test_only_a_solvent_account_below_its_buffer_is_auctioned(value: int, buffer: int) -> None:
    with pytest.raises(InvalidInput, match="no solvent auction"):
        derive.Auctioned(mark_to_market=D(value), buffer_margin=D(buffer))


def test_an_insolvent_offer_starts_at_the_loss_and_stays_at_maintenance() -> None:
    offers = [derive.insolvent_offer(D(-4000), D(-15000), D(m)) for m in (0, 60, 600)]
    assert offers == [-4000, -15000, -15000]
    assert derive.insolvent_offer(D(4000), D(-6000), D(30)) == -3000


def test_a_debt_that_nobody_shares_has_no_fee() -> None:
    with pytest.raises(InvalidInput, match="must not be zero"):
        derive.withdrawal_fee(D(0), D(0))


def test_contingencies_begin_at_their_thresholds() -> None:
    assert derive.depeg_contingency(D(100), D(1), D("0.99")) == 0
    assert derive.oracle_contingency(D(100), D(1), D("0.55")) == 0
    assert derive.oracle_contingency(D(100), D(1), D("0.54")) == D(-46)
    assert derive.loss_multiple(D(1)) == D("1.25")
