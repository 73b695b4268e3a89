"""What an account document means: units, legs, prices, notes."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keelmark.accounts import Account, check, load_account, read_account
from keelmark.accounts.account import build_account
from keelmark.accounts.check import Verdict
from keelmark.accounts.check_document import check_document, decimal_text
from keelmark.accounts.document import read_document
from keelmark.core.codes import Leg, UnitKind
from keelmark.core.errors import InvalidDocument, UnknownRulebook
from keelmark.core.instrument import InstrumentKind
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.model import MarginPrice
from keelmark.rulebooks import Rulebook, load_rulebook

D = Decimal
GENERIC = load_rulebook("generic")


def row(instrument: str = "BTCUSDT", size: str = "1", **changes: object) -> dict[str, object]:
    base = {"instrument": instrument, "size": size, "entry_price": "60000", "mark_price": "60000"}
    return {**base, "leverage": "10", **changes}


def account(rulebook: Rulebook | None = None, **changes: Any) -> Account:  # noqa: ANN401 a document
    content = {
        "venue": "generic",
        "collateral": [{"asset": "USDT", "balance": "10000"}],
        "positions": [row()],
        **changes,
    }
    document = read_document(content, title="account")
    return build_account(document, rulebook=rulebook)


def refused(rulebook: Rulebook | None = None, **changes: Any) -> list[str]:  # noqa: ANN401 a document
    with pytest.raises(InvalidDocument) as error:
        account(rulebook, **changes)
    return list(error.value.problems)


def single_asset() -> Rulebook:
    model = replace(GENERIC.model, single_asset=True)
    return replace(GENERIC, model=model)


def test_a_cross_account_is_one_unit() -> None:
    (unit,) = account(positions=[row(), row("ETHUSDT", "-8")]).units
    assert (unit.unit_id, unit.kind) == ("cross", UnitKind.CROSS)
    assert [(p.instrument, p.size, p.leg) for p in unit.positions] == [
        ("BTCUSDT", D(1), Leg.NET),
        ("ETHUSDT", D(-8), Leg.NET),
    ]
    assert [p.cost for p in unit.positions] == [D(60_000), D(-480_000)]
    assert unit.balances == {"USDT": D(10_000)}


def test_two_rows_of_one_instrument_are_hedge_legs() -> None:
    (unit,) = account(positions=[row(), row(size="-0.4")]).units
    assert [p.leg for p in unit.positions] == [Leg.LONG, Leg.SHORT]
    (alone,) = account(account_mode="hedge").units
    assert alone.positions[0].leg is Leg.LONG


def test_each_isolated_position_or_leg_is_a_unit_of_its_own() -> None:
    isolated = {"margin_mode": "isolated", "isolated_margin": "3000"}
    found = account(positions=[row(**isolated), row(size="-0.4", **isolated), row("ETHUSDT")])
    assert [u.unit_id for u in found.units] == [
        "cross",
        "isolated:BTCUSDT/long",
        "isolated:BTCUSDT/short",
    ]
    cross, long, short = found.units
    assert cross.balances == {"USDT": D(10_000)}
    assert long.balances == short.balances == {"USDT": D(3_000)}
    assert [p.instrument for p in cross.positions] == ["ETHUSDT"]
    assert long.kind is UnitKind.ISOLATED


def test_an_account_of_isolated_positions_alone_has_no_cross_unit() -> None:
    isolated = row(margin_mode="isolated", isolated_margin="3000")
    found = account(collateral=[], positions=[isolated])
    assert [u.unit_id for u in found.units] == ["isolated:BTCUSDT"]


def test_a_venue_that_keeps_assets_apart_has_a_cross_unit_for_each() -> None:
    found = account(
        single_asset(),
        collateral=[{"asset": "USDT", "balance": "1"}, {"asset": "BTC", "balance": "2"}],
        positions=[row(), row("BTCUSD", "100"), row("ETHUSD", "-10")],
    )
    assert [(u.unit_id, dict(u.balances)) for u in found.units] == [
        ("cross:USDT", {"USDT": D(1)}),
        ("cross:BTC", {"BTC": D(2)}),
        ("cross:ETH", {"ETH": D(0)}),
    ]
    result = check(found)
    assert [unit.currency for unit in result.units] == ["USDT", "BTC", "ETH"]
    assert found.market.asset_prices == {}


def test_inverse_contracts_are_counted_in_contracts_and_settle_in_the_coin() -> None:
    found = account(
        collateral=[{"asset": "BTC", "balance": "2"}],
        positions=[row("BTCUSD", "600", spec={"contract_size": "100"})],
    )
    (unit,) = found.units
    assert unit.positions[0].cost == D(-1)
    assert unit.balances == {"BTC": D(2)}
    assert found.model.instrument("BTCUSD").instrument.kind is InstrumentKind.INVERSE_PERPETUAL


def test_liabilities_funding_and_interest_belong_to_the_cross_unit() -> None:
    found = account(
        liabilities=[{"asset": "BTC", "amount": "0.5"}],
        accrued_funding={"USDT": "-20"},
        accrued_interest={"BTC": "0.01"},
        prices={"BTC": "60000"},
    )
    (unit,) = found.units
    assert unit.balances == {"USDT": D(9_980), "BTC": D("-0.5")}
    assert unit.accrued_interest == {"BTC": D("0.01")}
    (bare,) = account(accrued_interest="7", accrued_funding="5").units
    assert bare.accrued_interest == {"USDT": D(7)}
    assert bare.balances == {"USDT": D(10_005)}


def test_a_bare_accrual_with_several_owners_is_refused() -> None:
    found = refused(
        single_asset(),
        collateral=[{"asset": "USDT", "balance": "1"}, {"asset": "BTC", "balance": "2"}],
        positions=[],
        accrued_interest="7",
    )
    assert found == ['accrued_interest: found one number; name its asset: {"USDT": "..."}']


def test_open_orders_are_added_up_by_instrument_and_reduce_only_ones_left_out() -> None:
    def order(side: str, size: str, price: str, **more: object) -> dict[str, object]:
        return {"instrument": "BTCUSDT", "side": side, "size": size, "price": price, **more}

    (unit,) = account(
        orders=[
            order("buy", "1", "59000"),
            order("buy", "2", "58000"),
            order("sell", "3", "61000"),
            order("sell", "1", "62000", reduce_only=True),
        ]
    ).units
    (orders,) = unit.orders
    assert (orders.buy_size, orders.buy_value) == (D(3), D(175_000))
    assert (orders.sell_size, orders.sell_value) == (D(3), D(183_000))


def test_an_order_in_something_not_held_needs_its_mark() -> None:
    order = {"instrument": "ETHUSDT", "side": "buy", "size": "1", "price": "2000"}
    assert refused(orders=[order]) == [
        (
            "orders[0].instrument: no mark price for ETHUSDT; "
            'add "prices": {"ETHUSDT": "1.25"} to the document, with the right price'
        )
    ]
    found = account(orders=[order], prices={"ETHUSDT": "2100"})
    assert found.market.marks["ETHUSDT"] == D(2_100)


def test_orders_of_an_isolated_leg_stay_with_it() -> None:
    isolated = {"margin_mode": "isolated", "isolated_margin": "3000"}
    order = {"instrument": "BTCUSDT", "side": "sell", "size": "1", "price": "61000"}
    found = account(positions=[row(**isolated), row(size="-0.4", **isolated)], orders=[order])
    by_id = {unit.unit_id: unit.orders for unit in found.units}
    assert [bool(by_id[u]) for u in by_id] == [False, False, True]


def test_what_is_left_out_is_assumed_and_said() -> None:
    found = account(
        collateral=[{"asset": "USDT", "balance": "1"}, {"asset": "BTC", "balance": "1"}],
        positions=[row(leverage=None)],
    )
    assert found.notes == (
        (
            "no leverage given for BTCUSDT: initial margin is taken at the largest leverage of the "
            "tier"
        ),
        "no price for BTC: the mark of BTCUSDT stands for it",
    )
    assert found.market.asset_prices == {"BTC": D(60_000)}
    (unit,) = check(found).units
    assert unit.positions[0].held.initial_margin == D(600)  # 100x is the tier's largest


def test_a_missing_price_leaves_its_unit_unknown_and_the_rest_given() -> None:
    found = account(
        collateral=[{"asset": "USDT", "balance": "1"}, {"asset": "SOL", "balance": "9"}],
        positions=[row(), row("ETHUSDT", margin_mode="isolated", isolated_margin="9000")],
    )
    result = check(found)
    assert result.verdict is Verdict.UNKNOWN
    cross, isolated = result.units
    assert cross.report is None
    assert cross.reason == (
        'no price for SOL; add "prices": {"SOL": "1.25"} to the document, '
        "with the right price in USDT"
    )
    assert cross.positions[0].held.notional == D(60_000)
    assert cross.positions[0].liquidation.status is PriceStatus.UNKNOWN
    assert isolated.report is not None
    document = check_document(result)
    assert document["equity"] is None
    assert document["is_liquidatable"] is None
    units = document["units"]
    assert isinstance(units, list)
    assert [isinstance(u, dict) and u["is_liquidatable"] for u in units] == [None, False]


def test_an_index_that_is_not_given_is_the_mark_and_said() -> None:
    terms = GENERIC.model.instrument("BTCUSDT")
    on_index = replace(
        terms,
        instrument=replace(terms.instrument, index="BTC-index"),
        margin_price=MarginPrice.INDEX,
    )
    rules = GENERIC.with_terms(on_index)
    found = account(rules)
    assert found.market.indices == {"BTC-index": D(60_000)}
    assert found.notes == ("no index price for BTC-index: the mark of BTCUSDT stands for it",)
    given = account(rules, prices={"BTC-index": "60100"})
    assert given.market.indices == {"BTC-index": D(60_100)}


def test_legs_that_contradict_each_other_are_refused() -> None:
    assert refused(positions=[row(), row(size="2")]) == [
        "positions[1].size: BTCUSDT has two rows on one side; add their sizes and costs up"
    ]
    assert refused(positions=[row(), row(size="-2")], account_mode="one_way") == [
        'positions[1].instrument: BTCUSDT has two legs and account_mode is "one_way"'
    ]
    assert refused(positions=[row(), row(size="-2", mark_price="60001")]) == [
        "positions[1].mark_price: found 60001; the other leg of BTCUSDT has 60000"
    ]


def test_what_the_rulebook_does_not_know_is_refused_with_its_path() -> None:
    (problem,) = refused(positions=[row("WHAT")])
    assert problem.startswith("positions[0].instrument: ")
    assert "WHAT" in problem
    known = row("WHAT", spec={"kind": "linear_perpetual", "base": "WHAT", "settle": "USDT"})
    assert account(positions=[known]).units[0].positions[0].instrument == "WHAT"
    no_default = msgspec.structs.replace(GENERIC.document, default_asset=None)
    strict = replace(GENERIC, document=no_default)
    (problem,) = refused(strict, collateral=[{"asset": "USDX", "balance": "1"}])
    assert problem.startswith("collateral[0].asset: rulebook generic@2025-10 has no asset 'USDX'")


def read_problems(**content: object) -> list[str]:
    with pytest.raises(InvalidDocument) as error:
        read_account(json.dumps(content))
    return list(error.value.problems)


def test_an_unknown_instrument_is_told_together_with_every_other_problem() -> None:
    found = read_problems(
        venue="generic",
        collateral=[{"asset": "USDT", "balance": "x"}],
        positions=[
            row("WHAT", mark_price="-1"),
            row("BTCUSDT", "1"),
            row("BTCUSDT", "2"),
            row("ETHUSDT", "0"),
            row("OTHER", spec={"kind": "nonsense"}),
        ],
        orders=[
            {"instrument": "SOLUSDT", "side": "buy", "size": "1", "price": "1"},
            {"instrument": "ETHUSDT", "side": "buy", "size": "1", "price": "1"},
        ],
        zzz=1,
    )
    paths = [problem.partition(": ")[0] for problem in found]
    assert paths == [
        "collateral[0].balance",
        "positions[0].mark_price",
        "positions[3].size",
        "positions[4].spec.kind",
        "zzz",
        "positions[0].instrument",  # WHAT fits no pattern
        "positions[2].size",  # two rows on one side
        "orders[0].instrument",  # no mark; ETHUSDT has one that could not be used
    ]


def test_an_unknown_venue_is_told_together_with_every_other_problem() -> None:
    found = read_problems(venue="generik", collateral=[], positions=[row(size="0")])
    assert [problem.partition(": ")[0] for problem in found] == ["positions[0].size", "venue"]
    assert "did you mean 'generic'" in found[1]
    with pytest.raises(UnknownRulebook):
        read_account(json.dumps({"venue": "generik", "collateral": [], "positions": []}))


def test_a_document_without_a_venue_is_told_what_else_is_wrong() -> None:
    found = read_problems(collateral=[{"asset": "", "balance": "1"}], positions=[row("")])
    assert [problem.partition(": ")[0] for problem in found] == [
        "venue",
        "collateral[0].asset",
        "positions[0].instrument",
    ]


def test_the_date_of_the_document_chooses_the_table() -> None:
    assert account(as_of="2026-01-01T00:00:00Z").rulebook.name == "generic@2025-10"
    with pytest.raises(UnknownRulebook, match="as old as 2020-01"):
        account(as_of="2020-01-01T00:00:00Z")
    with pytest.raises(UnknownRulebook, match="did you mean 'generic'"):
        account(venue="generik")


PUBLISHED: dict[str, Any] = {
    "collateral": [{"asset": "USDT", "balance": "1535443.01"}],
    "positions": [
        {
            "instrument": "BTCUSDT",
            "size": "109.488",
            "entry_price": "32481.98",
            "mark_price": "31967.27",
            "leverage": "20",
            "tier": {"maintenance_rate": "0.025", "maintenance_amount": "16300"},
        },
        {
            "instrument": "ETHUSDT",
            "size": "3683.979",
            "entry_price": "1456.84",
            "mark_price": "1335.18",
            "leverage": "20",
            "tier": {"maintenance_rate": "0.1", "maintenance_amount": "135365"},
        },
    ],
    "venue_reported": {
        "liquidation_price": {"BTCUSDT": "26316.89", "ETHUSDT": "1153.26"},
        "maintenance_margin": "427713.32",
        "equity": "1030000",
    },
}


def test_the_published_cross_example_comes_out_with_its_residuals() -> None:
    result = check(account(**PUBLISHED))
    assert result.verdict is Verdict.WARNING
    residuals = {r.number: r for r in result.residuals}
    assert residuals["liquidation_price:BTCUSDT"].matches
    assert residuals["liquidation_price:ETHUSDT"].matches
    assert residuals["maintenance_margin"].matches
    assert not residuals["equity"].matches
    assert residuals["equity"].difference == D("-895.55638")
    document = check_document(result)
    assert document["equity"] == "1030895.55638"
    assert document["maintenance_margin"] == "427713.319566"
    move = document["joint_move"]
    assert isinstance(move, dict)
    assert str(move["size"]).startswith("0.0769421114639629")
    assert move["direction"] == {"BTCUSDT": "-1", "ETHUSDT": "-1"}


def test_a_venue_that_prints_zero_agrees_that_there_is_no_price() -> None:
    result = check(
        account(
            collateral=[{"asset": "USDT", "balance": "900000"}],
            venue_reported={"liquidation_price": {"BTCUSDT": "0"}, "notional": {"XRPUSDT": "1"}},
        )
    )
    zero, missing = result.residuals
    assert zero.computed is None
    assert zero.matches
    assert not missing.matches
    assert missing.reason == "no position in XRPUSDT"


@pytest.mark.parametrize(
    ("balance", "verdict"),
    [
        ("900000", Verdict.HEALTHY),
        ("5000", Verdict.WARNING),
        ("100", Verdict.LIQUIDATABLE),
    ],
)
def test_the_verdict_follows_the_nearest_liquidating_move(balance: str, verdict: Verdict) -> None:
    result = check(account(collateral=[{"asset": "USDT", "balance": balance}]))
    assert result.verdict is verdict
    assert check_document(result)["is_liquidatable"] is (verdict is Verdict.LIQUIDATABLE)


def test_one_liquidatable_unit_makes_the_account_liquidatable() -> None:
    lost = row("ETHUSDT", margin_mode="isolated", isolated_margin="1")
    result = check(
        account(collateral=[{"asset": "USDT", "balance": "900000"}], positions=[row(), lost])
    )
    assert result.verdict is Verdict.LIQUIDATABLE
    assert result.main is not None
    assert result.main.unit.unit_id == "cross"
    document = check_document(result)
    assert document["is_liquidatable"] is True
    assert document["unit"] == "cross"


def test_every_missing_price_is_named_at_once() -> None:
    coins = [{"asset": asset, "balance": "9"} for asset in ("SOL", "FTT")]
    (unit,) = check(account(collateral=coins)).units
    assert unit.reason is not None
    assert unit.reason.startswith("no price for FTT, SOL; add ")
    assert '"prices": {"FTT": "1.25", "SOL": "1.25"}' in unit.reason
    assert {move.reason for move in unit.joint_moves} == {unit.reason}
    assert {p.liquidation.reason for p in unit.positions} == {unit.reason}


def test_the_nearest_move_of_a_hedged_book_is_of_one_instrument_alone() -> None:
    hedged = [row(size="1"), row("ETHUSDT", "-30", entry_price="2000", mark_price="2000")]
    result = check(account(positions=hedged))
    (unit,) = result.units
    assert unit.joint_move is not None
    assert unit.joint_move.status is PriceStatus.NONE
    assert unit.joint_move.reason == (
        "no move of all prices together, down to zero or up to +1,000 %, liquidates"
    )
    assert unit.nearest is not None
    assert unit.nearest.instrument in {"BTCUSDT", "ETHUSDT"}
    distances = [abs(p.distance) for p in unit.positions if p.distance is not None]
    assert abs(unit.nearest.distance) == unit.distance == min(distances)
    document = check_document(result)
    nearest = document["nearest_move"]
    assert isinstance(nearest, dict)
    assert nearest["instrument"] == unit.nearest.instrument


def test_the_nearest_move_of_an_account_is_that_of_the_unit_it_is_in() -> None:
    near = row("ETHUSDT", margin_mode="isolated", isolated_margin="3000")
    far = [{"asset": "USDT", "balance": "50000"}]
    result = check(account(collateral=far, positions=[row(), near]))
    document = check_document(result)
    nearest = document["nearest_move"]
    assert isinstance(nearest, dict)
    assert nearest["unit"] == "isolated:ETHUSDT"
    assert str(nearest["distance"]).lstrip("-") == document["distance"]


def test_a_distance_that_cannot_be_solved_is_unknown_and_not_healthy() -> None:
    model = replace(GENERIC.model, orders_in_maintenance=True)
    rules = replace(GENERIC, model=model)
    order = {"instrument": "BTCUSDT", "side": "buy", "size": "0.01", "price": "59000"}
    result = check(account(rules, orders=[order]))
    assert result.units[0].report is not None
    assert result.units[0].distance is None
    assert result.verdict is Verdict.UNKNOWN


def test_an_empty_account_is_healthy() -> None:
    result = check(account(collateral=[], positions=[]))
    assert (result.verdict, result.main, result.distance) == (Verdict.HEALTHY, None, None)
    move = check_document(result)["joint_move"]
    assert isinstance(move, dict)
    assert move["reason"] == "the unit holds no position"


def test_a_file_is_read_by_its_ending(tmp_path: Path) -> None:
    toml = 'venue = "generic"\ncollateral = []\npositions = []\n'
    for name in ("account.toml", "account.json", "account"):
        path = tmp_path / name
        path.write_text(
            toml
            if name != "account.json"
            else '{"venue": "generic", "collateral": [], "positions": []}'
        )
        assert load_account(path).units == ()
    with pytest.raises(InvalidDocument, match="cannot be read\n  - No such file or directory"):
        load_account(tmp_path / "nowhere.json")
    for name, said in (("a.json", "not JSON"), ("a.toml", "not TOML"), ("a", "neither JSON")):
        (tmp_path / name).write_text("hello")
        with pytest.raises(InvalidDocument, match=f"{name}: {said}"):
            load_account(tmp_path / name)
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidDocument, match="cannot be read"):
        load_account(tmp_path / "latin.json")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+3", "1000"),
        ("-0.00", "0"),
        ("1.2300", "1.23"),
        ("0E-60", "0"),
        ("0.3333333333333333333333333333333333", "0.3333333333333333333333333333"),
    ],
)
def test_decimals_are_written_in_plain_digits(value: str, text: str) -> None:
    assert decimal_text(D(value)) == text


def test_an_isolated_margin_that_counts_at_a_collateral_weight_is_said() -> None:
    row = {
        "instrument": "BTCUSD",
        "size": "100",
        "entry_price": "100000",
        "mark_price": "100000",
        "margin_mode": "isolated",
        "isolated_margin": "0.01",
    }
    text = json.dumps({"venue": "generic", "collateral": [], "positions": [row]})
    said = "the margin of isolated:BTCUSD counts at the collateral weight of BTC"

    assert said in read_account(text).notes
    linear = text.replace("BTCUSD", "BTCUSDT")
    assert not any("collateral weight" in note for note in read_account(linear).notes)
