"""Options in account documents: what symbols say, which price stands for what, the unknown."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keelmark.accounts import Account, check
from keelmark.accounts.account import build_account
from keelmark.accounts.check import Verdict
from keelmark.accounts.check_document import check_document
from keelmark.accounts.document import read_document
from keelmark.accounts.written import written
from keelmark.core.errors import InvalidDocument
from keelmark.core.explain import explain, explainable
from keelmark.core.instrument import InstrumentKind
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.payoff import Right
from keelmark.rulebooks import load_rulebook

D = Decimal
RULES = load_rulebook(str(Path(__file__).with_name("rulebooks") / "options.toml"))
CALL = "BTC-27DEC24-60000-C"


def row(instrument: str = CALL, size: str = "-3", **changes: object) -> dict[str, object]:
    base = {"instrument": instrument, "size": size, "entry_price": "0.012", "mark_price": "0.0105"}
    return {**base, **changes}


PERP = row("BTC-PERPETUAL", "1000", entry_price="48000", mark_price="50000", leverage="10")


def content(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 a document
    return {
        "venue": "options",
        "as_of": "2024-12-01T00:00:00Z",
        "collateral": [{"asset": "BTC", "balance": "1"}],
        "prices": {"BTC": "50000", "BTC-27DEC24": "50500"},
        "positions": [row()],
        **changes,
    }


def account(**changes: Any) -> Account:  # noqa: ANN401 a document
    return build_account(read_document(content(**changes), title="account"), rulebook=RULES)


def refused(**changes: Any) -> list[str]:  # noqa: ANN401 a document
    with pytest.raises(InvalidDocument) as error:
        account(**changes)
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("symbol", "kind", "settle", "strike", "right"),
    [
        (CALL, InstrumentKind.INVERSE_OPTION, "BTC", "60000", Right.CALL),
        ("ETH-3JAN25-2500-P", InstrumentKind.INVERSE_OPTION, "ETH", "2500", Right.PUT),
        ("XRP_USDC-27DEC24-2d35-P", InstrumentKind.LINEAR_OPTION, "USDC", "2.35", Right.PUT),
    ],
)
def test_a_symbol_says_what_the_option_is(
    symbol: str, kind: InstrumentKind, settle: str, strike: str, right: Right
) -> None:
    instrument = RULES.terms_for(symbol).instrument
    assert (instrument.kind, instrument.settle) == (kind, settle)
    assert instrument.payoff is not None
    assert (instrument.payoff.strike, instrument.payoff.right) == (D(strike), right)


def test_an_option_delivers_at_eight() -> None:
    assert RULES.terms_for(CALL).instrument.expiry == datetime(2024, 12, 27, 8, tzinfo=UTC)


def test_a_spec_says_it_of_any_name() -> None:
    spec = {
        "kind": "linear_option",
        "base": "SOL",
        "settle": "USDC",
        "strike": "200",
        "right": "put",
        "expiry": "2025-03-28T08:00:00Z",
    }
    found = account(
        positions=[row("MY OWN", "2", spec=spec)], collateral=[{"asset": "USDC", "balance": "9"}]
    )
    instrument = found.model.instrument("MY OWN").instrument
    assert instrument.payoff is not None
    assert (instrument.base, instrument.payoff.strike) == ("SOL", D(200))
    assert (
        json.loads(json.dumps(written(found.document)))["positions"][0]["spec"]["strike"] == "200"
    )


def test_a_short_is_asked_a_share_of_its_coin_and_its_premium_is_cash() -> None:
    (unit,) = check(account()).units
    assert unit.report is not None
    assert unit.report.equity == 1
    assert unit.report.equity_raw == D("0.9685")
    assert unit.report.maintenance_margin == 3 * D("0.0855")
    assert unit.report.initial_margin == 3 * D("0.1105")  # out of the money by more than 5 %
    assert unit.positions[0].held.unrealized_pnl == D("0.0045")


def test_the_liquidation_price_of_an_option_is_one_of_its_underlying() -> None:
    found = check(account(positions=[row(), PERP]))
    option, perp = found.positions
    assert option.liquidation.underlying == D(50500)
    assert perp.liquidation.underlying is None
    assert option.liquidation.value is not None
    assert perp.liquidation.value is not None
    assert option.distance is not None
    assert perp.distance is not None
    assert abs(option.distance - perp.distance) < D("1e-20")
    document = json.loads(json.dumps(check_document(found)))["positions"]
    assert document[0]["liquidation_price"]["of"] == "underlying"
    assert "of" not in document[1]["liquidation_price"]
    assert document[0]["notional"] == "3"
    assert (document[0]["strike"], document[0]["right"]) == ("60000", "call")
    assert document[0]["expiry"] == "2024-12-27T08:00:00Z"


def test_every_number_of_an_option_opens_to_its_working() -> None:
    found = account(positions=[row(), PERP])
    (unit,) = found.units
    report = check(found).units[0].report
    assert report is not None
    for number in explainable(report):
        assert explain(unit, found.market, found.model, number).formula
    work = explain(unit, found.market, found.model, f"position:{CALL}.maintenance")
    assert work.formula == "units * (0.075 + mark)"
    assert dict(work.inputs)["forward"] == D(50500)
    price = explain(unit, found.market, found.model, f"liquidation_price:{CALL}")
    assert price.parts[0].value is not None
    assert abs(price.parts[0].value) < D("1e-9")


@pytest.mark.parametrize(
    ("changes", "forward", "note"),
    [
        ({"positions": [row(underlying_price="51000")]}, "51000", None),
        ({}, "50500", None),
        (
            {"positions": [row(), row("BTC-27DEC24", "10", entry_price="1", mark_price="50700")]},
            "50700",
            None,
        ),
        (
            {"prices": {"BTC": "50000"}},
            "50000",
            "no future of 2024-12-27: the index of BTC stands for its price",
        ),
        (
            {"prices": {}, "positions": [row(), PERP]},
            "50000",
            "no index price for BTC: the mark of a perpetual stands for it",
        ),
    ],
    ids=["given", "prices", "a future", "the index", "a perpetual"],
)
def test_the_price_of_the_underlying_is_found(
    changes: dict[str, Any], forward: str, note: str | None
) -> None:
    found = account(**changes)
    assert found.market.forwards[CALL] == D(forward)
    assert [n for n in found.notes if "stands for" in n][:1] == ([] if note is None else [note])


def test_without_a_price_of_the_underlying_the_requirement_is_unknown_and_the_rest_is_not() -> None:
    found = check(account(prices={}))
    (option,) = found.positions
    assert option.maintenance_margin is None
    assert option.initial_margin is None
    assert option.held.unrealized_pnl == D("0.0045")
    assert option.missing is not None
    assert "no forward price for BTC-27DEC24-60000-C" in option.missing
    assert found.verdict is Verdict.UNKNOWN
    document = check_document(found)
    assert document["is_liquidatable"] is None


def test_a_long_option_alone_needs_no_price_of_its_underlying() -> None:
    (unit,) = check(account(prices={}, positions=[row(size="3")])).units
    assert unit.report is not None
    assert unit.report.equity == 1
    assert unit.report.effective_leverage.value == 3  # coin per coin


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"as_of": None}, "no time to expiry of BTC-27DEC24-60000-C"),
        ({"positions": [row(mark_price="0")]}, "implies no volatility"),
    ],
)
def test_without_time_or_volatility_the_prices_are_unknown_and_the_margin_is_not(
    changes: dict[str, Any], reason: str
) -> None:
    (unit,) = check(account(**changes)).units
    assert unit.report is not None
    price = unit.positions[0].liquidation
    assert price.status is PriceStatus.UNKNOWN
    assert reason in (price.reason or "")
    assert {m.status for m in unit.joint_moves} == {PriceStatus.UNKNOWN}


def test_a_given_volatility_far_from_the_mark_is_said() -> None:
    assert any(
        "reprices it at" in n for n in account(positions=[row(implied_volatility="2")]).notes
    )
    near = account(positions=[row(implied_volatility="0.5642")])
    assert not any("reprices it at" in n for n in near.notes)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (row(tier={"maintenance_rate": "0.1"}), "positions[0].tier: an option has none"),
        (
            {**PERP, "implied_volatility": "0.5"},
            "positions[0].implied_volatility: BTC-PERPETUAL is",
        ),
        ({**PERP, "mark_price": "0"}, "positions[0].mark_price: found 0; it must be above 0"),
        ({**PERP, "entry_price": "0"}, "positions[0].entry_price: found 0; it must be above 0"),
        (row(mark_price="-1"), "positions[0].mark_price: found '-1'; it must be above 0"),
        (
            {**PERP, "spec": {"kind": "inverse_perpetual", "strike": "60000"}},
            "positions[0].spec.strike: BTC-PERPETUAL is no option",
        ),
        (row(implied_volatility="0"), "positions[0].implied_volatility: found '0'"),
        (
            row("BTC-27DEC24-60000-X"),
            "positions[0].instrument: rulebook options: BTC-27DEC24-60000-X",
        ),
    ],
)
def test_what_an_option_cannot_say_is_refused(changed: dict[str, Any], problem: str) -> None:
    (found,) = refused(positions=[changed])
    assert found.startswith(problem)


def test_a_leverage_of_an_option_is_said_to_mean_nothing() -> None:
    notes = account(positions=[row(leverage="10")]).notes
    assert f"leverage of {CALL} means nothing: it is an option" in notes
    assert not any("no leverage given" in note for note in notes)


def test_a_rulebook_without_option_margin_refuses_them() -> None:
    spec = {"kind": "linear_option", "base": "BTC", "settle": "USDT", "strike": "1"}
    spec |= {"right": "call", "expiry": "2026-01-01T08:00:00Z"}
    changed = content(venue="generic", as_of=None, positions=[row("X", spec=spec)])
    document = read_document(changed, title="account")
    with pytest.raises(InvalidDocument, match="it margins no options"):
        build_account(document)


def test_orders_in_options_are_asked_for() -> None:
    orders = [{"instrument": CALL, "side": "sell", "size": "1", "price": "0.02"}]
    (unit,) = account(
        positions=[], orders=orders, prices={**content()["prices"], CALL: "0.0105"}
    ).units
    report = check(account(positions=[row()], orders=orders)).units[0].report
    assert len(unit.orders) == 1
    assert report is not None
    assert report.orders[0].initial == 4 * (D("0.10") + D("0.02")) - 3 * D("0.1105")
