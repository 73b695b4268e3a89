"""The dYdX v4 rulebook: whole quantums, equal to the protocol's own integers."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.accounts import check
from keelmark.accounts.account import Account, build_account
from keelmark.accounts.document import read_document
from keelmark.core.bound import Interval, excess_bound, reads
from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.model import InstrumentTerms, PositionFacts
from keelmark.core.numbers import exact
from keelmark.core.quantum_rule import QuantumRule
from keelmark.engine import events as e
from keelmark.rulebooks import load_rulebook
from keelmark.rulebooks.formulas.dydx import (
    OpenInterestCaps,
    QuantumAccount,
    QuantumPosition,
    scaled_initial_margin,
)
from keelmark.rulebooks.load import read_rulebook
from tests.engine.venue import Venue

D = Decimal
QUANTUM = D("0.000001")
DYDX = load_rulebook("dydx-v4")
Json = Mapping[str, Any]


def account(sizes: Mapping[str, Decimal], prices: Mapping[str, Decimal], quote: Decimal) -> Account:
    """Return an account of these sizes whose quote balance is `quote`, entered at its marks."""
    costs = sum((sizes[s] * prices[s] for s in sizes), D(0))
    rows = [
        {
            "instrument": s,
            "size": str(q),
            "entry_price": str(prices[s]),
            "mark_price": str(prices[s]),
        }
        for s, q in sizes.items()
    ]
    with exact():
        content = {
            "venue": "dydx-v4",
            "collateral": [{"asset": "USDC", "balance": str(quote + costs)}],
            "positions": rows,
        }
    return build_account(read_document(content, title="account"))


def in_quantums(
    sizes: Mapping[str, Decimal], prices: Mapping[str, Decimal], quote: Decimal
) -> QuantumAccount:
    """Return the same account in the protocol's integers."""
    digits = {"BTC-USD": 10, "ETH-USD": 9}
    positions = {
        s: QuantumPosition(
            size=int(q * 10 ** digits[s]),
            subprice=Fraction(prices[s]) * 10**6 / 10 ** digits[s],
            initial_ppm=20_000,
            maintenance_ppm=600_000,
        )
        for s, q in sizes.items()
    }
    return QuantumAccount(quote=int(quote / QUANTUM), positions=positions)


lots = st.integers(-(10**9), 10**9).filter(bool)
ticks = st.integers(1, 10**9)


@given(btc=lots, eth=lots, btc_price=ticks, eth_price=ticks, quote=st.integers(-(10**15), 10**15))
def test_equity_and_maintenance_are_the_protocols_integers(
    btc: int, eth: int, btc_price: int, eth_price: int, quote: int
) -> None:
    sizes = {"BTC-USD": btc * D("1e-10"), "ETH-USD": eth * D("1e-9")}
    prices = {"BTC-USD": btc_price * D("0.00001"), "ETH-USD": eth_price * D("0.000001")}
    found = account(sizes, prices, quote * QUANTUM)
    theirs = in_quantums(sizes, prices, quote * QUANTUM)
    report = margin_report(found.units[0], found.market, found.model)
    assert report.equity == theirs.equity * QUANTUM
    assert report.maintenance_margin == theirs.maintenance * QUANTUM
    if theirs.maintenance:  # under a quantum of maintenance the protocol liquidates nobody
        assert report.is_liquidatable == theirs.is_liquidatable
    assert maintenance_excess(found.units[0], found.market, found.model) == (
        report.equity - report.maintenance_margin
    )


@given(
    notional=st.integers(0, 10**18),
    open_interest=st.integers(0, 10**14),
    ppm=st.integers(1, 10**6),
)
def test_initial_margin_is_the_protocols_integer_at_any_open_interest(
    notional: int, open_interest: int, ppm: int
) -> None:
    text = (
        'name = "own"\ndate = "2026-01"\nread = "2026-01-02"\nsource = "a page"\n'
        "[tables.t]\nrows = [{ floor = '0', rate = '0.01' }]\n"
        '[instruments.X]\nkind = "linear_perpetual"\nbase = "X"\nsettle = "USDC"\ntable = "t"\n'
        f'initial = {{ rule = "open_interest", base = "{D(ppm) * QUANTUM:f}", lower = "20000000", '
        'upper = "50000000", quantum = "0.000001" }\n'
    )
    terms = read_rulebook(text, title="test").model.instrument("X")
    facts = PositionFacts(
        symbol="X",
        size=D(1),
        notional=notional * QUANTUM,
        leverage=None,
        open_interest=open_interest * QUANTUM,
        rule=terms.maintenance,
    )
    caps = OpenInterestCaps(lower=20 * 10**12, upper=50 * 10**12)
    with exact():
        amount = terms.initial.requirement(facts).amount
    assert amount == scaled_initial_margin(notional, ppm, open_interest, caps) * QUANTUM


@given(btc=lots, price=ticks, quote=st.integers(-(10**15), 10**15), width=st.integers(0, 10**6))
def test_no_point_of_a_box_lies_below_its_bound(
    btc: int, price: int, quote: int, width: int
) -> None:
    sizes, prices = {"BTC-USD": btc * D("1e-10")}, {"BTC-USD": price * D("0.00001")}
    found = account(sizes, prices, quote * QUANTUM)
    unit = found.units[0]
    high = prices["BTC-USD"] * (1 + width * QUANTUM)
    box = {f: Interval(low=prices["BTC-USD"], high=high) for f in reads(unit, found.model)}
    bound = excess_bound(unit, box, found.market, found.model)
    assert bound is not None
    for end in (prices["BTC-USD"], high):
        there = type(found.market)(marks={"BTC-USD": end})
        assert maintenance_excess(unit, there, found.model) >= bound


def test_a_liquidation_price_is_the_protocols_closed_form() -> None:
    # RULES: P' = (e - S p - MMR_other) / (|S| MMF - S), before roundings
    found = account({"BTC-USD": D(2)}, {"BTC-USD": D(50_000)}, D(-95_000))
    (position,) = check(found).positions
    with exact():
        price = (D(5_000) - 100_000) / (2 * D("0.012") - 2)
    assert position.liquidation.value is not None
    assert abs(position.liquidation.value - price) < D("1e-40")


def test_what_the_indexer_says_of_a_market_is_margined_and_the_rest_is_not_guessed() -> None:
    assert DYDX.model.instrument("BTC-USD").maintenance.parameters().kind is RuleKind.CORE_ONLY
    row = {"instrument": "BTC-USD", "size": "1", "entry_price": "100", "mark_price": "100.0000001"}
    content = {
        "venue": "dydx-v4",
        "collateral": [{"asset": "USDC", "balance": "100"}],
        "positions": [{**row, "tier": {"maintenance_rate": "0.03"}}],
    }
    found = build_account(read_document(content, title="account"))
    report = margin_report(found.units[0], found.market, found.model)
    assert report.maintenance_margin == D("3.000000")  # 100.000000 cut, times 3 %
    assert report.equity == D(100)


def test_open_interest_scales_initial_margin_and_a_missing_one_is_said() -> None:
    text = (
        'name = "own"\ndate = "2026-01"\nread = "2026-01-02"\nsource = "a page"\n'
        'valuation = "USDC"\nsingle_asset = true\n[assets.USDC]\nquantum = "0.000001"\n'
        "[tables.t]\nrows = [{ floor = '0', rate = '0.05' }]\n"
        '[instruments.SOL-USD]\nkind = "linear_perpetual"\nbase = "SOL"\nsettle = "USDC"\n'
        'table = "t"\ninitial = { rule = "open_interest", base = "0.1", lower = "20000000", '
        'upper = "50000000", quantum = "0.000001" }\n'
    )
    own = read_rulebook(text, title="test")
    row = {"instrument": "SOL-USD", "size": "10", "entry_price": "100", "mark_price": "100"}
    content: dict[str, Any] = {
        "venue": "own",
        "collateral": [{"asset": "USDC", "balance": "1000"}],
        "positions": [row],
    }

    def initial(**more: object) -> tuple[Decimal, tuple[str, ...]]:
        document = read_document({**content, **more}, title="account")
        found = build_account(document, rulebook=own)
        report = margin_report(found.units[0], found.market, found.model)
        return report.initial_margin, found.notes

    margin, notes = initial()
    assert margin == D(100)
    assert any("no open interest of SOL-USD: above 20000000" in note for note in notes)
    margin, notes = initial(open_interest={"SOL-USD": "35000000"})
    assert margin == D(550)  # half way: 10 % + half of 90 %
    assert not any("open interest" in note for note in notes)


def test_bad_terms_are_refused() -> None:
    with pytest.raises(InvalidInput, match="quantum rule"):
        QuantumRule(initial=D("0.1"), fraction=D(2), quantum=QUANTUM)
    inverse = Instrument(symbol="X", kind=InstrumentKind.INVERSE_PERPETUAL, base="X", settle="X")
    rule = QuantumRule(initial=D("0.1"), fraction=D(1), quantum=QUANTUM)
    with pytest.raises(InvalidInput, match="linear contracts only"):
        InstrumentTerms(instrument=inverse, maintenance=rule, whole_quanta=QUANTUM)


# --- the process --------------------------------------------------------------------------------

PROCESS = DYDX.document.liquidation


def fallen(price: float) -> tuple[Venue, int]:
    """Return the round venue with the protocol's process, and a long of 100 lots at 1,000.

    Maintenance is 5 %; the long has 10,100 of equity at the entry price.
    """
    changes = {
        "liquidation": {
            "stages": [stage.value for stage in PROCESS.stages],
            "clearance_fee": str(PROCESS.clearance_fee),
            "clearance_fee_cap": PROCESS.clearance_fee_cap.value,
            "deleverage": PROCESS.deleverage,
            "takeover": {"usage": str(PROCESS.takeover.usage)},
            "reduce": {
                "sizing": PROCESS.reduce.sizing,
                "sizing_settings": {k: str(v) for k, v in PROCESS.reduce.sizing_settings.items()},
                "price_limit": PROCESS.reduce.price_limit,
                "price_settings": {k: str(v) for k, v in PROCESS.reduce.price_settings.items()},
                "order": PROCESS.reduce.order,
                "interval_s": PROCESS.reduce.interval_s,
                "buffer": "0",
            },
        },
    }
    venue = Venue(changes)
    venue.marks(A=1000.0, B=1000.0)
    unit, winner = venue.open("unit", USDT=10_100), venue.open("winner", USDT=10**6)
    venue.trade(unit, winner, "A", 100, 1000)
    venue.marks(A=price)
    return venue, unit


def test_a_tenth_a_second_is_sold_and_the_fee_is_at_most_the_share_of_equity() -> None:
    # at 946: equity 4,700, maintenance 4,730. 10 lots release a tenth of it; their share of the
    # equity is 470, and 1.5 % of 9,460 is 141.9: the fee
    venue, _ = fallen(946.0)
    (fill,) = [event for event in venue.of(e.Filled) if event.reason == "reduce"]
    assert (fill.lots, fill.fee) == (-10, 142)
    (ended,) = venue.of(e.LiquidationEnded)
    assert ended.outcome == "recovered"
    venue.check(replay=True)


def test_a_poor_account_pays_no_more_than_its_share_and_is_sold_on_every_second() -> None:
    # at 910: equity 1,100, maintenance 4,550: the share of a tenth is 110, under 1.5 % of 9,100
    venue, unit = fallen(910.0)
    fees = [event.fee for event in venue.of(e.Filled) if event.reason == "reduce"]
    assert fees == [110]
    assert venue.balance(venue.state.fund_of(venue.row("A"))) == 110
    for _ in range(40):
        venue.wait(1)
    assert venue.lots(unit, "A") == 0
    assert not venue.of(e.Deleveraged)
    venue.check(replay=True)


def test_below_nothing_the_other_side_is_deleveraged_and_the_fund_pays_nothing() -> None:
    venue, unit = fallen(890.0)
    assert venue.of(e.Deleveraged)
    (ended,) = venue.of(e.LiquidationEnded)
    assert (ended.deficit, ended.fund, ended.deleveraged) == (900, 0, 900)
    assert venue.lots(unit, "A") == 0
    venue.check(replay=True)
