"""Rescues told one by one: distances, hedges, transfers, limits, toxic closes, bad input."""

import sys
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import keelmark as km
from keelmark.accounts import Account, check
from keelmark.accounts.account import build_account
from keelmark.accounts.document import AccountDocument, MarginMode, PositionRow
from keelmark.core.errors import InvalidInput, MissingExtra, MissingNumber, UnknownAsset
from keelmark.core.margin import margin_report
from keelmark.core.numbers import exact
from keelmark.risk.rescues import (
    Action,
    Hedge,
    Impact,
    Money,
    RescueOptions,
    RescueStatus,
    Target,
    rescue,
)
from keelmark.risk.rescues.moves import MoveKind
from keelmark.rulebooks.load import Rulebook
from tests.risk.rescue_cases import account_of, rulebook

TIERED = rulebook("tiered")
WHOLE = rulebook("whole_notional")
CLOSES = RescueOptions(actions=frozenset({Action.CLOSE}), gap=Decimal(0))
HALF = Target.ratio(Decimal("0.5"))


def one_long(cash: str = "30") -> Account:
    """Ten coins at 100: notional 1,000, maintenance 2 % of 300, 5 % of 400, 10 % of 300: 56."""
    return account_of(TIERED, [("AAAUSDT", "10", "100", "100")], {"USDT": cash})


def distance_of(account: Account) -> Decimal | None:
    return check(account).distance


def test_a_deposit_is_the_least_that_reaches_to_the_quantum() -> None:
    found = rescue(one_long("60"), HALF)
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    (step,) = found.plan.steps
    assert (step.kind, step.name, step.amount) == (MoveKind.DEPOSIT, "USDT", Decimal("52.00"))
    assert found.plan.after.ratio == Decimal("0.5")
    assert found.plan.cost.total == 0
    assert found.plan.gap == 0


def test_a_close_is_worked_out_by_hand() -> None:
    """Closing 6 of 10 leaves 400: maintenance 6 + 5 = 11, equity 30 - 0.6 = 29.4; 5 leaves 16."""
    found = rescue(one_long(), HALF, options=CLOSES)
    assert found.plan is not None
    (step,) = found.plan.steps
    assert (step.kind, step.amount, step.price) == (MoveKind.CLOSE, Decimal(-6), Decimal(100))
    assert found.plan.cost.fee == Decimal("0.6")
    assert found.plan.after.equity == Decimal("29.4")
    assert found.plan.after.maintenance == 11
    assert [s.reaches for s in found.singles] == [True]


def test_a_unit_at_its_target_needs_nothing_done() -> None:
    found = rescue(one_long("112"), HALF)
    assert found.status is RescueStatus.MET
    assert found.plan is None
    assert found.singles == ()
    assert found.rescued == found.account


def test_a_number_is_a_target_ratio() -> None:
    assert km.rescue(one_long("112"), "0.5").status is RescueStatus.MET
    assert km.rescue(one_long("112"), Decimal("0.4")).target == Target.ratio(Decimal("0.4"))


def test_money_from_a_wallet_comes_before_money_from_outside() -> None:
    options = RescueOptions(wallet={"USDT": Decimal(50)})
    found = rescue(one_long("60"), HALF, options=options)
    assert found.plan is not None
    assert [(s.kind, s.amount) for s in found.plan.steps] == [
        (MoveKind.WALLET, Decimal(50)),
        (MoveKind.DEPOSIT, Decimal(2)),
    ]


def test_with_little_money_the_rest_is_closed_and_all_the_money_used() -> None:
    options = RescueOptions(deposits=(Money(asset="USDT", amount_max=Decimal(10)),))
    found = rescue(one_long(), HALF, options=options)
    assert found.plan is not None
    kinds = [(s.kind, s.amount) for s in found.plan.steps]
    assert kinds[-1] == (MoveKind.CLOSE, Decimal(-5))  # leaves 500: 6 + 10 = 16 of 39.5
    assert kinds[0][0] is MoveKind.DEPOSIT
    assert kinds[0][1] == Decimal("2.50")  # 29.5 + 2.5 is twice 16
    assert found.without_money.plan is not None
    assert [s.amount for s in found.without_money.plan.steps] == [Decimal(-6)]


def test_money_and_positions_are_two_ways_of_equal_rank() -> None:
    """A deposit is capital and no cost; each way has its own steps, health and prices after."""
    found = rescue(one_long("60"), HALF)
    money, positions = found.with_money, found.without_money
    assert money.plan is not None
    assert positions.plan is not None
    assert money.plan.adds == {"USDT": Decimal("52.00")}
    assert (money.plan.own_money, money.plan.cost.total) == (Decimal(52), Decimal(0))
    assert positions.plan.adds == {}
    assert positions.plan.own_money == 0
    assert [s.kind for s in positions.plan.steps] == [MoveKind.CLOSE]
    assert positions.plan.cost.total > 0
    for way in (money, positions):
        assert way.reason is None
        assert way.plan is not None
        assert way.after is not None
        assert way.after.report is not None
        assert way.after.report.health.value == way.plan.after.health
        assert way.edits
    assert set(found.to_polars()["way"]) == {"with money", "positions only"}


@pytest.mark.parametrize(
    ("options", "money", "positions"),
    [
        (CLOSES, "bringing money in is not allowed", None),
        (RescueOptions(actions=frozenset({Action.DEPOSIT})), None, "no action on positions"),
        (RescueOptions(kept=frozenset({"AAAUSDT"})), None, "nothing that may be closed"),
        (RescueOptions(fee=Decimal("0.15")), None, "every close costs more than it frees"),
        (
            RescueOptions(deposit_max=Decimal(1), deposit_cost=Decimal("0.9")),
            "money alone gets no lower than",
            None,
        ),
        (
            RescueOptions(actions=frozenset({Action.DEPOSIT}), deposit_max=Decimal(1)),
            "all that is allowed gets no lower than",
            "no action on positions",
        ),
        (replace(CLOSES, actions=frozenset({Action.TRANSFER})), "no money is within", "no action"),
    ],
)
def test_a_way_that_does_not_exist_says_why(
    options: RescueOptions, money: str | None, positions: str | None
) -> None:
    found = rescue(one_long(), HALF, options=options)
    for way, reason in ((found.with_money, money), (found.without_money, positions)):
        assert (way.plan is not None) == (reason is None)
        assert (reason or "") in (way.reason or "")
        assert (way.plan is None) == (way.after is None)


def test_positions_that_do_not_reach_alone_say_how_near_they_come() -> None:
    impact = Impact(linear=Decimal("0.0001"))
    found = rescue(one_long("57"), HALF, options=RescueOptions(impacts={"AAAUSDT": impact}))
    assert found.with_money.plan is not None
    assert found.without_money.reason is not None
    assert found.without_money.reason.startswith("trading positions alone gets no lower than")
    far = rescue(
        one_long("57"),
        Target.distance(Decimal("0.3")),
        options=replace(RescueOptions(), impacts={"AAAUSDT": impact}),
    )
    assert far.without_money.reason is not None
    assert far.without_money.reason.startswith("trading positions alone gets no further than")


def test_a_limit_too_low_is_out_of_reach_and_says_what_comes_nearest() -> None:
    options = RescueOptions(actions=frozenset({Action.DEPOSIT}), deposit_max=Decimal(10))
    found = rescue(one_long(), HALF, options=options)
    assert found.status is RescueStatus.OUT_OF_REACH
    assert found.plan is not None
    assert [s.amount for s in found.plan.steps] == [Decimal(10)]
    (single,) = found.singles
    assert single.reason == "all there is leaves 140.0 %"


def test_nothing_allowed_is_out_of_reach_without_a_step() -> None:
    found = rescue(one_long(), HALF, options=RescueOptions(actions=frozenset()))
    assert found.status is RescueStatus.OUT_OF_REACH
    assert found.plan is not None
    assert found.plan.steps == ()


def test_a_kept_instrument_is_not_closed() -> None:
    account = account_of(
        TIERED,
        [("AAAUSDT", "10", "100", "100"), ("BBBUSDT", "-3", "100", "100")],
        {"USDT": "60"},
    )
    kept = replace(CLOSES, kept=frozenset({"AAAUSDT"}))
    found = rescue(account, HALF, options=kept)
    assert found.status is RescueStatus.OUT_OF_REACH
    assert {single.step.name for single in found.singles} == {"BBBUSDT"}


def test_a_close_that_costs_more_than_it_frees_is_called_toxic_and_never_proposed() -> None:
    found = rescue(one_long(), HALF, options=replace(CLOSES, fee=Decimal("0.15")))
    assert found.status is RescueStatus.OUT_OF_REACH
    (single,) = found.singles
    assert single.reason is not None
    assert single.reason.startswith("toxic: closing costs 1500.0 bps of notional and frees 1000.0")


def test_a_close_stops_where_slippage_eats_what_it_frees() -> None:
    """At impact k n**2 the excess is best where 2 k n is the rate less the fee."""
    impact = Impact(linear=Decimal("0.0001"))
    found = rescue(one_long("57"), HALF, options=replace(CLOSES, impacts={"AAAUSDT": impact}))
    assert found.status is RescueStatus.OUT_OF_REACH
    (single,) = found.singles
    assert single.step.amount == Decimal(-3)  # 300 at 10 %; the next lot frees 5 and costs 7.1
    assert single.reason is not None
    assert single.reason.startswith("best 3.00 leaves")


# --- Distance -------------------------------------------------------------------------------


def test_a_deposit_for_a_distance_is_the_least_that_keeps_it() -> None:
    found = rescue(one_long(), Target.distance(Decimal("0.2")))
    assert found.plan is not None
    (step,) = found.plan.steps
    assert found.plan.after.distance is not None
    assert found.plan.after.distance >= Decimal("0.2")
    unit = found.plan.unit
    less = replace(
        unit, balances={**unit.balances, "USDT": unit.balances["USDT"] - Decimal("0.01")}
    )
    short = distance_of(replace(found.account, units=(less,)))
    assert short is not None
    assert short < Decimal("0.2")
    assert step.amount == 200 + 36 - 30  # loses 200, then 800 needs 36


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from([1, -1]), st.integers(20, 150)),
        min_size=1,
        max_size=2,
    ),
    st.sampled_from([TIERED, WHOLE]),
    st.integers(1, 8),
    st.integers(2, 30),
)
def test_closes_for_a_distance_are_the_cheapest_by_trying_all(
    legs: list[tuple[int, int, int]], rules: Rulebook, twentieths: int, percent: int
) -> None:
    rows = [
        (symbol, str(size * sign), str(mark), str(mark))
        for symbol, (size, sign, mark) in zip(("AAAUSDT", "BBBUSDT"), legs, strict=False)
    ]
    gross = sum(size * mark for size, _, mark in legs)
    account = account_of(rules, rows, {"USDT": str(Decimal(gross * percent) / 100)})
    target = Target.distance(Decimal(twentieths) / 20)
    found = rescue(account, target, options=CLOSES)
    least = cheapest_for_distance(account, target.value)
    if found.status is RescueStatus.MET:
        assert least == 0
    elif least is None:
        assert found.status is RescueStatus.OUT_OF_REACH
    else:
        assert found.plan is not None
        assert found.status is RescueStatus.PLAN
        assert found.plan.cost.total <= least * (1 + Decimal("1e-6"))


def cheapest_for_distance(account: Account, target: Decimal) -> Decimal | None:
    """Return the least cost of closes after which the check finds the distance."""
    costs = []
    unit = account.units[0]
    sizes = [int(abs(p.size)) for p in unit.positions]
    first = range(sizes[0] + 1)
    second = range(sizes[1] + 1) if len(sizes) > 1 else range(1)
    for lots in ((a, b) for a in first for b in second):
        positions, cost = [], Decimal(0)
        for held, count in zip(unit.positions, lots, strict=False):
            with exact():
                cost += count * account.market.mark(held.instrument) / 1000
                share = 1 - Decimal(count) / abs(held.size)
                rest = (held.size * share, held.cost * share)
            if rest[0]:
                positions.append(replace(held, size=rest[0], cost=rest[1]))
        balances = {"USDT": unit.balances["USDT"] - cost}
        after = replace(unit, positions=tuple(positions), balances=balances)
        found = check(replace(account, units=(after,))).units[0]
        is_far = found.distance is None or found.distance >= target
        if is_far and not found.is_liquidatable:
            costs.append(cost)
    return min(costs, default=None)


def two_longs() -> Account:
    return account_of(
        TIERED,
        [("AAAUSDT", "3", "100", "100"), ("BBBUSDT", "3", "100", "100")],
        {"USDT": "100"},
    )


def test_a_hedge_carries_a_book_whose_prices_fall_together() -> None:
    """Alone each price can fall further than both together: a short stands against that."""
    options = RescueOptions(
        actions=frozenset({Action.HEDGE}),
        hedges=(Hedge(instrument="CCCUSDT", price=Decimal(50)),),
    )
    now = distance_of(two_longs())
    assert now is not None
    assert now < Decimal("0.2")
    found = rescue(two_longs(), Target.distance(Decimal("0.2")), options=options)
    assert found.status is RescueStatus.PLAN
    assert found.plan is not None
    (step,) = found.plan.steps
    assert step.kind is MoveKind.HEDGE
    assert step.name == "CCCUSDT"
    assert step.amount < 0
    assert found.plan.after.distance is not None
    assert found.plan.after.distance >= Decimal("0.2")
    assert {p.instrument for p in found.plan.unit.positions} == {"AAAUSDT", "BBBUSDT", "CCCUSDT"}


def test_a_hedge_never_lowers_a_ratio_and_says_so() -> None:
    options = RescueOptions(
        actions=frozenset({Action.HEDGE}),
        hedges=(Hedge(instrument="BBBUSDT", price=Decimal(50)),),
    )
    found = rescue(one_long(), HALF, options=options)
    assert found.status is RescueStatus.OUT_OF_REACH
    assert {s.reason for s in found.singles} == {"opening adds maintenance and frees none"}


def test_a_hedge_without_a_price_is_refused_by_name() -> None:
    options = RescueOptions(hedges=(Hedge(instrument="CCCUSDT"),))
    with pytest.raises(MissingNumber, match="no mark price for CCCUSDT"):
        rescue(two_longs(), HALF, options=options)


# --- Several units --------------------------------------------------------------------------


def with_isolated(margin: str, cash: str) -> Account:
    def row(number: int, symbol: str, mode: MarginMode, own: str | None) -> PositionRow:
        return PositionRow(
            path=f"positions[{number}]",
            instrument=symbol,
            size=Decimal(3),
            entry_price=Decimal(100),
            mark_price=Decimal(100),
            leverage=Decimal(10),
            margin_mode=mode,
            isolated_margin=None if own is None else Decimal(own),
        )

    document = AccountDocument(
        venue="grid",
        collateral={"USDT": Decimal(cash)},
        positions=(
            row(0, "AAAUSDT", MarginMode.CROSS, None),
            row(1, "BBBUSDT", MarginMode.ISOLATED, margin),
        ),
    )
    return build_account(document, rulebook=TIERED)


def test_another_unit_gives_what_it_can_spare_and_keeps_its_own_margin() -> None:
    account = with_isolated("8", "40")
    found = rescue(account, Target.ratio(Decimal("0.3")))
    assert found.unit.unit_id == "isolated:BBBUSDT"
    assert found.plan is not None
    transfer, deposit = found.plan.steps
    assert (transfer.kind, transfer.source) == (MoveKind.TRANSFER, "cross")
    assert transfer.amount == Decimal(10)  # 40 less the 30 that three coins at 10x need
    assert deposit.amount == Decimal(2)
    donor = next(unit for unit in found.rescued.units if unit.unit_id == "cross")
    report = margin_report(donor, account.market, account.model)
    assert report.excess_to_leave == 0
    assert sum(unit.balances["USDT"] for unit in found.rescued.units) == 48 + deposit.amount


def test_units_that_miss_the_target_as_well_are_named() -> None:
    found = rescue(with_isolated("8", "11"), Target.ratio(Decimal("0.3")))
    assert any("cross does not meet the target" in note for note in found.notes)


def test_the_unit_asked_for_is_rescued() -> None:
    found = rescue(with_isolated("8", "11"), Target.ratio(Decimal("0.3")), unit="cross")
    assert found.unit.unit_id == "cross"
    with pytest.raises(InvalidInput, match="did you mean 'cross'"):
        rescue(with_isolated("8", "11"), HALF, unit="cros")


# --- What cannot be answered ----------------------------------------------------------------


def test_what_is_unknown_is_said_and_not_guessed() -> None:
    account = account_of(TIERED, [("AAAUSDT", "10", "100", "100")], {"USDT": "1", "XYZ": "1"})
    with pytest.raises(MissingNumber, match="XYZ"):
        rescue(account, HALF)


def test_options_about_what_is_not_there_name_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"kept: unit cross holds no AAAUSD; did you mean"):
        rescue(one_long(), HALF, options=RescueOptions(kept=frozenset({"AAAUSD"})))
    with pytest.raises(InvalidInput, match="fee: unit cross holds no BBBUSDT"):
        rescue(one_long(), HALF, options=RescueOptions(fees={"BBBUSDT": Decimal(0)}))
    with pytest.raises(UnknownAsset, match="deposit UST"):
        rescue(one_long(), HALF, options=RescueOptions(deposits=(Money(asset="UST"),)))


@pytest.mark.parametrize("value", ["0", "-1", "1.01", "NaN"])
def test_a_ratio_is_above_nothing_and_at_most_one(value: str) -> None:
    with pytest.raises(InvalidInput, match="target ratio"):
        Target.ratio(Decimal(value))


@pytest.mark.parametrize("value", ["0", "1", "-0.2"])
def test_a_distance_lies_between_nothing_and_all(value: str) -> None:
    with pytest.raises(InvalidInput, match="target distance"):
        Target.distance(Decimal(value))


@pytest.mark.parametrize(
    "wrong",
    [
        {"fee": Decimal(-1)},
        {"deposit_cost": Decimal(1)},
        {"gap": Decimal("NaN")},
        {"fees": {"AAAUSDT": Decimal(2)}},
        {"wallet": {"USDT": Decimal(-1)}},
        {"deposit_max": Decimal(-1)},
    ],
)
def test_a_number_out_of_its_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        RescueOptions(**wrong)  # type: ignore[arg-type]  # one wrong value each


def test_limits_and_coefficients_below_nothing_are_refused() -> None:
    for build in (
        lambda: Impact(linear=Decimal(-1)),
        lambda: Money(asset="USDT", amount_max=Decimal(-1)),
        lambda: Hedge(instrument="AAAUSDT", price=Decimal(0)),
        lambda: Hedge(instrument="AAAUSDT", notional_max=Decimal(0)),
    ):
        with pytest.raises(InvalidInput):
            build()


def test_without_the_solver_free_money_is_still_found_and_a_mix_names_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    money = RescueOptions(actions=frozenset({Action.DEPOSIT}))
    assert rescue(two_longs(), Target.ratio(Decimal("0.1")), options=money).plan is not None
    with pytest.raises(MissingExtra, match=r"pip install 'keelmark\[plan\]'"):
        rescue(two_longs(), Target.ratio(Decimal("0.05")), options=CLOSES)


def test_a_rescue_is_a_table_in_a_notebook() -> None:
    found = rescue(one_long(), HALF, options=CLOSES)
    frame = found.to_polars()
    assert frame["amount"].to_list() == [-6.0]
    assert frame["cost"].to_list() == [0.6]
    html = found._repr_html_()
    assert "one action alone" in html
    assert "AAAUSDT" in html
