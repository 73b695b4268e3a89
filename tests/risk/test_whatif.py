"""`whatif`: what each edit does to an account, and the laws that hold for all of them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import keelmark as km
from keelmark.accounts import Account, check, read_account
from keelmark.accounts.check_document import check_document
from keelmark.accounts.document import MarginMode
from keelmark.accounts.written import written
from keelmark.core.errors import InvalidInput
from keelmark.core.margin import margin_report
from keelmark.risk.edit_text import FORMS, edit_words, parse_edit
from keelmark.risk.edits import Close, Deposit, SetMarginMode
from keelmark.risk.what_if import WhatIf, whatif
from tests.risk.strategies import documents

CENT = Decimal("1e-15")

BOOK: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [
        {"asset": "USDT", "balance": "10000"},
        {"asset": "ETH", "balance": "2"},
    ],
    "positions": [
        {
            "instrument": "BTCUSDT",
            "size": "1",
            "entry_price": "58000",
            "mark_price": "60000",
            "leverage": "20",
        },
        {
            "instrument": "ETHUSDT",
            "size": "-10",
            "entry_price": "3100",
            "mark_price": "3000",
            "leverage": "10",
            "margin_mode": "isolated",
            "isolated_margin": "4000",
        },
    ],
}


def account_of(content: dict[str, Any]) -> Account:
    return read_account(json.dumps(content))


def asked(*edits: str, fee: str = "0", book: dict[str, Any] | None = None) -> WhatIf:
    return whatif(account_of(book or BOOK), *edits, fee_rate=Decimal(fee))


def equity(found: WhatIf, unit_id: str = "cross", *, after: bool = True) -> Decimal:
    pair = next(pair for pair in found.units if pair.unit_id == unit_id)
    value = pair.figure("equity").after if after else pair.figure("equity").now
    assert value is not None
    return value


def row(found: WhatIf, symbol: str) -> dict[str, Any]:
    rows: Any = written(found.document)["positions"]
    return next(row for row in rows if row["instrument"] == symbol)


def collateral(found: WhatIf) -> dict[str, str]:
    rows: Any = written(found.document)["collateral"]
    return {row["asset"]: row["balance"] for row in rows}


@pytest.mark.parametrize(
    ("edit", "symbol", "expected"),
    [
        ("add BTCUSDT=1", "BTCUSDT", {"size": "2", "entry_price": "59000"}),
        ("add BTCUSDT=1@62000", "BTCUSDT", {"size": "2", "entry_price": "60000"}),
        ("add BTCUSDT=-0.25", "BTCUSDT", {"size": "0.75", "entry_price": "58000"}),
        ("add BTCUSDT=-3", "BTCUSDT", {"size": "-2", "entry_price": "60000"}),
        ("close BTCUSDT=50%", "BTCUSDT", {"size": "0.5"}),
        ("close BTCUSDT=0.1", "BTCUSDT", {"size": "0.9"}),
        ("resize BTCUSDT=-2", "BTCUSDT", {"size": "-2"}),
        ("add SOLUSDT=-7@150", "SOLUSDT", {"size": "-7", "mark_price": "150"}),
        ("leverage BTCUSDT=5x", "BTCUSDT", {"leverage": "5"}),
        ("transfer ETHUSDT=500", "ETHUSDT", {"isolated_margin": "4500"}),
        ("transfer ETHUSDT=-500", "ETHUSDT", {"isolated_margin": "3500"}),
        ("mode BTCUSDT=isolated:7000", "BTCUSDT", {"isolated_margin": "7000"}),
        ("price BTCUSDT=50000", "BTCUSDT", {"mark_price": "50000"}),
        ("price BTC=-10%", "BTCUSDT", {"mark_price": "54000"}),
        ("price all=+10%", "ETHUSDT", {"mark_price": "3300"}),
    ],
)
def test_an_edit_changes_its_row(edit: str, symbol: str, expected: dict[str, str]) -> None:
    found = row(asked(edit), symbol)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("edit", "usdt"),
    [
        ("deposit USDT=1000", "11000"),
        ("withdraw USDT=1000", "9000"),
        ("close BTCUSDT", "12000"),  # 2000 of profit become cash
        ("close BTCUSDT=0.1", "10200"),
        ("add BTCUSDT=-3", "12000"),
        ("close ETHUSDT", "15000"),  # 4000 of margin and 1000 of profit
        ("transfer ETHUSDT=500", "9500"),
        ("mode ETHUSDT=cross", "14000"),
        ("mode BTCUSDT=isolated:7000", "3000"),
        ("mode BTCUSDT=isolated", "7000"),  # 60000 / 20, nothing lost
    ],
)
def test_an_edit_moves_cash(edit: str, usdt: str) -> None:
    assert collateral(asked(edit))["USDT"] == usdt


def test_what_a_closed_part_wins_stays_in_its_isolated_margin() -> None:
    found = asked("close ETHUSDT=50%")
    assert row(found, "ETHUSDT")["isolated_margin"] == "4500"
    assert collateral(found)["USDT"] == "10000"


def test_what_is_added_to_an_isolated_leg_brings_its_initial_margin() -> None:
    found = asked("add ETHUSDT=-10")
    assert row(found, "ETHUSDT")["isolated_margin"] == "7000"  # 30000 / 10 more
    assert collateral(found)["USDT"] == "7000"
    assert any("3,000.00 USDT of initial margin moves in" in note for note in found.notes)


def test_isolating_a_losing_leg_takes_its_loss_along() -> None:
    found = asked("price BTCUSDT=57000", "mode BTCUSDT=isolated")
    assert row(found, "BTCUSDT")["isolated_margin"] == "3850"  # 57000 / 20 and 1000 lost
    assert equity(found, "isolated:BTCUSDT") == Decimal(2850)


@pytest.mark.parametrize(
    ("edit", "fee"), [("close BTCUSDT=50%", "30"), ("add BTCUSDT=1@62000", "62")]
)
def test_a_fill_costs_its_fee_and_says_so(edit: str, fee: str) -> None:
    free, paid = asked(edit), asked(edit, fee="0.001")
    assert equity(free) - equity(paid) == Decimal(fee) == paid.fees["USDT"]


def test_the_fee_is_the_rulebooks_where_none_is_given() -> None:
    account = account_of(BOOK)
    found = whatif(account, "close BTCUSDT")
    assert found.fee_rate == account.rulebook.liquidation.taker_fee
    assert found.fees == {"USDT": Decimal(60000) * found.fee_rate}


def test_one_mark_moves_alone_and_a_coin_with_all_that_is_on_it() -> None:
    alone, coin = asked("price ETHUSDT=-10%"), asked("price ETH=-10%")
    # two coins at 3000 and a weight of 0.95: the price the mark stands for stays, or falls
    assert equity(alone) == equity(alone, after=False)
    assert equity(coin, after=False) - equity(coin) == Decimal(570)


def test_the_price_of_collateral_moves_without_its_marks() -> None:
    found = asked("collateral-price ETH=-10%")
    assert equity(found, after=False) - equity(found) == Decimal(570)
    assert row(found, "ETHUSDT")["mark_price"] == "3000"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("close BTCUSDX", "did you mean 'BTCUSDT'?"),
        ("close BTCUSDT=2", "BTCUSDT is 1: cannot close 2"),
        ("add SOLUSDT=1", "no mark price for SOLUSDT; write SOLUSDT=1@PRICE"),
        ("add ???=1@5", "fits none of its naming patterns"),
        ("withdraw USDT=10001", "10,000 USDT are held; withdraw at most that"),
        ("withdraw BTC=1", "no balance in 'BTC'; known: ETH, USDT"),
        ("transfer BTCUSDT=5", "is cross: it shares all collateral; make it isolated first"),
        ("transfer ETHUSDT=10001", "shared collateral, which holds 10,000; deposit USDT first"),
        ("transfer ETHUSDT=-4001", "has 4,000 USDT of its own; take out at most that"),
        ("price XRP=-10%", "no price of 'XRP' is read"),
        ("price USDT=-10%", "totals are counted in it"),
        ("price all=5", "move `all` by a share"),
        ("mode all=isolated:5", "names 2 legs; give each its margin by itself"),
        ("venue nowhere", "no rulebook 'nowhere'"),
        ("date 2000-01", "no generic rulebook as old as 2000-01"),
    ],
)
def test_an_edit_that_cannot_be_made_is_named_with_the_way_out(edit: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        asked(edit)
    assert str(caught.value).startswith(edit_words(parse_edit(edit)))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sell BTCUSDT=1", "no edit is called 'sell'"),
        ("close", "the name of a leg is needed, or `all`"),
        ("close BTCUSDT=0%", "must be above 0% and at most 100%"),
        ("close BTCUSDT=101%", "must be above 0% and at most 100%"),
        ("close BTCUSDT=-1", "-1 must be above 0"),
        ("add BTCUSDT", "a name, `=` and a value are needed"),
        ("add BTCUSDT=0", "a size of 0 changes nothing"),
        ("add BTCUSDT=x", "'x' is no number"),
        ("deposit USDT=1,000", "'1,000' is no number"),
        ("price BTC=-100%", "-100% leaves no positive price"),
        ("price BTC=0", "0 must be above 0"),
        ("mode BTCUSDT=isolate", "did you mean 'isolated'?"),
        ("mode BTCUSDT=cross:5", "a cross position has no margin of its own"),
        ("date 2025", "write YYYY-MM"),
        ("venue ", "the name of a rulebook is needed"),
    ],
)
def test_a_text_that_says_no_edit_is_refused_with_an_example(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_edit(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", FORMS)
def test_every_example_of_an_edit_can_be_read(kind: str) -> None:
    assert edit_words(parse_edit(f"{kind} {FORMS[kind][1]}"))


def test_legs_are_told_apart_by_their_side() -> None:
    legs = [BOOK["positions"][0], {**BOOK["positions"][0], "size": "-2"}]
    book = {**BOOK, "positions": legs}
    with pytest.raises(InvalidInput, match="write BTCUSDT/long or BTCUSDT/short"):
        asked("add BTCUSDT=1", book=book)
    with pytest.raises(InvalidInput, match="names 2 legs"):
        asked("close BTCUSDT=1", book=book)
    found = asked("close BTCUSDT/short=50%", "add BTCUSDT/long=1", book=book)
    sizes = [p.held.position.size for p in found.after.positions]
    assert sizes == [Decimal(2), Decimal(-1)]
    both = asked("close BTCUSDT=50%", book=book)
    assert [p.held.position.size for p in both.after.positions] == [Decimal("0.5"), Decimal(-1)]
    with pytest.raises(InvalidInput, match="would leave no long leg"):
        asked("add BTCUSDT/long=-2", book=book)
    assert asked("close all", book=book).positions[0].after is None


def test_what_a_venue_would_refuse_is_said_and_shown() -> None:
    found = asked("withdraw ETH=2", "withdraw USDT=8000")  # 2000 of profit may not leave
    assert found.notes == (
        "withdraw 8,000 USDT: a venue would refuse it, initial margin of cross is not covered",
    )
    assert asked("withdraw USDT=100").notes == ()
    assert asked("add BTCUSDT=50").notes
    assert asked("close BTCUSDT").notes == ()


def test_what_leaves_a_unit_that_is_short_already_is_refused_too() -> None:
    poor = {**BOOK, "collateral": [{"asset": "USDT", "balance": "2000"}]}
    for edit in ("withdraw USDT=100", "add BTCUSDT=1"):
        (note,) = asked(edit, book=poor).notes
        assert "a venue would refuse it, initial margin of cross is not covered" in note
    assert asked("deposit USDT=100", book=poor).notes == ()
    assert asked("close BTCUSDT", book=poor).notes == ()


def test_a_bare_accrual_keeps_its_asset_when_its_position_is_closed() -> None:
    book = {**BOOK, "accrued_interest": "7", "collateral": BOOK["collateral"][::-1]}
    found = asked("close all", book=book)
    assert written(found.document)["accrued_interest"] == {"USDT": "7"}


def test_a_unit_is_told_by_what_it_holds_when_another_asset_joins() -> None:
    """In single-asset mode the one unit becomes one of several, under another name."""
    book = {**BOOK, "venue": "binance-usdm@2025-12", "positions": BOOK["positions"][:1]}
    found = asked("deposit BTC=1", book={**book, "collateral": BOOK["collateral"][:1]})
    pairs = {pair.unit_id: pair for pair in found.units}
    assert set(pairs) == {"cross:USDT", "cross:BTC"}
    assert pairs["cross:USDT"].now is not None
    assert pairs["cross:USDT"].after is not None
    assert not pairs["cross:USDT"].has_changed
    assert pairs["cross:BTC"].now is None


def test_nothing_asked_changes_nothing() -> None:
    found = asked()
    assert check_document(found.now) == check_document(found.after)
    assert not any(pair.has_changed for pair in found.units)
    assert found.words == "nothing changes"


def test_python_takes_values_and_words_alike() -> None:
    account = account_of(BOOK)
    values = (
        Close(leg="BTCUSDT", share=Decimal("0.5")),
        Deposit(asset="USDT", amount=Decimal(5)),
        SetMarginMode(leg="ETHUSDT", mode=MarginMode.CROSS),
    )
    words = ("close BTCUSDT=50%", "deposit USDT=5", "mode ETHUSDT=cross")
    assert km.whatif(account, *values) == km.whatif(account, *words)


def test_a_price_that_only_a_closed_leg_told_is_still_known() -> None:
    book = {**BOOK, "positions": BOOK["positions"][1:]}
    found = asked("close ETHUSDT", "add ETHUSDT=1", book=book)
    assert found.after.units[0].report is not None
    assert row(found, "ETHUSDT")["mark_price"] == "3000"
    assert equity(found) == equity(found, after=False) + 5000


def test_a_notebook_shows_both_bars_and_a_frame_holds_every_number() -> None:
    found = asked("close BTCUSDT=50%", "mode ETHUSDT=cross")
    html = found._repr_html_()
    assert "close 50 % of BTCUSDT, ETHUSDT cross" in html
    assert html.count("of equity is maintenance margin") == 2
    frame = found.to_polars()
    cross = frame.filter(frame["unit"] == "cross")
    assert cross.filter(cross["number"] == "equity")["after"].item() == float(equity(found))


@given(book=documents(), share=st.integers(1, 100))
def test_closing_and_adding_back_changes_equity_by_the_fees_alone(
    book: dict[str, Any], share: int
) -> None:
    account = account_of(book)
    size = Decimal(book["positions"][0]["size"]) * share / 100
    symbol = book["positions"][0]["instrument"]
    is_isolated = "margin_mode" in book["positions"][0]
    if share == 100 and is_isolated:
        return  # its margin has joined the rest, and the new position shares it
    found = whatif(account, f"close {symbol}={share}%", f"add {symbol}={size:f}")
    before, after = _worth(account), _worth(found.after.account)
    prices = {"USDT": Decimal(1), "BTC": account.market.asset_prices.get("BTC", Decimal(0))}
    fees = sum((fee * prices[asset] for asset, fee in found.fees.items()), Decimal(0))
    assert abs(before - after - fees) <= CENT * (abs(before) + abs(after))
    sizes = {p.held.position.instrument: p.held.position.size for p in found.after.positions}
    assert abs(sizes[symbol] - Decimal(book["positions"][0]["size"])) < CENT


def _worth(account: Account) -> Decimal:
    """What the account is worth at market, without haircuts."""
    reports = [margin_report(unit, account.market, account.model) for unit in account.units]
    return sum((report.equity_raw for report in reports), Decimal(0))


@given(book=documents(), by=st.integers(-60, 200))
def test_a_moved_price_is_the_check_of_the_moved_document(book: dict[str, Any], by: int) -> None:
    symbol = book["positions"][0]["instrument"]
    account = account_of(book)
    base = account.model.instrument(symbol).instrument.base
    found = whatif(account, f"price {base}={by}%")
    factor = 1 + Decimal(by) / 100
    moved = [
        {**row, "mark_price": str(Decimal(row["mark_price"]) * factor)}
        if row["instrument"].startswith(base)
        else row
        for row in book["positions"]
    ]
    prices = {
        name: str(Decimal(price) * factor) if name == base else price
        for name, price in book["prices"].items()
    }
    expected = check(account_of({**book, "positions": moved, "prices": prices}))
    assert check_document(found.after) == check_document(expected)


@given(book=documents(), amount=st.integers(1, 1_000_000))
def test_a_deposit_and_its_withdrawal_are_nothing(book: dict[str, Any], amount: int) -> None:
    found = whatif(account_of(book), f"deposit USDT={amount}", f"withdraw USDT={amount}")
    assert check_document(found.after) == check_document(found.now)


@given(
    book=documents(),
    edits=st.lists(
        st.sampled_from(
            ["close all=50%", "price all=-10%", "deposit ETH=1", "mode all=cross", "leverage all=3"]
        ),
        max_size=4,
    ),
)
def test_a_saved_document_means_what_was_shown(book: dict[str, Any], edits: list[str]) -> None:
    book = {**book, "prices": {**book["prices"], "ETH": "3000"}}
    found = whatif(account_of(book), *edits)
    text = json.dumps(written(found.document))
    again = check(read_account(text))
    assert written(again.account.document) == written(found.document)
    for one, other in zip(found.after.units, again.units, strict=True):
        assert one.report is not None
        assert other.report is not None
        assert abs(one.report.equity - other.report.equity) <= CENT * abs(one.report.equity_raw)
