"""Account documents are read strictly: every problem, its path, the found value, the way out."""

import json
from decimal import Decimal
from typing import Any

import pytest

from keelmark.accounts.decode import decimal_of, parse_document
from keelmark.accounts.document import TOTAL, AccountMode, MarginMode, read_document
from keelmark.core.errors import InvalidDocument
from keelmark.core.instrument import InstrumentKind

D = Decimal


def position(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 anything a document may hold
    row = {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "61000"}
    return {**row, **changes}


def document(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 anything a document may hold
    whole = {
        "venue": "generic",
        "collateral": [{"asset": "USDT", "balance": "10000"}],
        "positions": [position()],
    }
    return {**whole, **changes}


def problems(content: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(InvalidDocument) as refused:
        read_document(content, title="account")
    return refused.value.problems


def test_the_example_of_the_contract_is_read_whole() -> None:
    text = """
    {"venue": "binance-usdm@2025-06", "as_of": "2025-10-10T21:00:00Z",
     "collateral": [{"asset": "USDT", "balance": "1535443.01"}],
     "prices": {"BTC": "31967.27"},
     "positions": [
       {"instrument": "BTCUSDT", "size": "109.488", "entry_price": "32481.98",
        "mark_price": "31967.27", "leverage": "20", "margin_mode": "cross",
        "isolated_margin": null,
        "tier": {"maintenance_rate": "0.025", "maintenance_amount": "16300"}}],
     "orders": [], "liabilities": [], "accrued_interest": "0", "accrued_funding": "0",
     "account_mode": null,
     "venue_reported": {"liquidation_price": {"BTCUSDT": "26316.89"}}}
    """
    found = read_document(parse_document(text, title="account"), title="account")
    (row,) = found.positions
    assert (found.venue, found.collateral) == ("binance-usdm@2025-06", {"USDT": D("1535443.01")})
    assert found.as_of is not None
    assert found.as_of.isoformat() == "2025-10-10T21:00:00+00:00"
    assert (row.size, row.leverage, row.margin_mode) == (D("109.488"), D(20), MarginMode.CROSS)
    assert row.tier is not None
    assert (row.tier.maintenance_rate, row.tier.maintenance_amount) == (D("0.025"), D(16_300))
    assert found.venue_reported == {"liquidation_price": {"BTCUSDT": D("26316.89")}}
    assert found.accrued_interest == {}
    assert found.account_mode is None


def test_json_and_toml_say_the_same() -> None:
    toml = """
    venue = "generic"
    [[collateral]]
    asset = "USDT"
    balance = 0.1
    [[positions]]
    instrument = "BTCUSDT"
    size = -0.30000000000000004
    entry_price = "60000"
    mark_price = 61000
    """
    content = {
        "venue": "generic",
        "collateral": [{"asset": "USDT", "balance": "0.1"}],
        "positions": [position(size="-0.30000000000000004")],
    }
    as_toml = read_document(parse_document(toml, title="t", toml=True), title="t")
    guessed = read_document(parse_document(toml, title="t"), title="t")
    as_json = read_document(parse_document(json.dumps(content), title="t"), title="t")
    assert as_toml == guessed == as_json


def test_a_bare_number_is_taken_digit_for_digit() -> None:
    text = json.dumps(document()).replace('"10000"', "0.1000000000000000055511151231257827")
    found = read_document(parse_document(text, title="account"), title="account")
    assert found.collateral["USDT"] == D("0.1000000000000000055511151231257827")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_finite_is_refused_where_it_stands(text: str) -> None:
    bare = json.dumps(document()).replace('"10000"', text)
    with pytest.raises(InvalidDocument, match="numbers must be finite"):
        parse_document(bare, title="account")
    (problem,) = problems(document(collateral=[{"asset": "USDT", "balance": text}]))
    assert problem.startswith(f"collateral[0].balance: found '{text}'")


REJECTIONS = [
    ("no venue", {"venue": None}, ["venue: is null; it is required"]),
    ("venue is a number", {"venue": 1}, ["venue: found 1; a text is needed"]),
    (
        "unknown key at the top",
        {"colateral": []},
        ["colateral: unknown key; did you mean 'collateral'?"],
    ),
    (
        "unknown key of a position",
        {"positions": [position(entry_prise="1")]},
        ["positions[0].entry_prise: unknown key; did you mean 'entry_price'?"],
    ),
    (
        "unknown key of a tier",
        {"positions": [position(tier={"maintenance_rate": "0.1", "maintenance": "1"})]},
        ["positions[0].tier.maintenance: unknown key; did you mean 'maintenance_rate'?"],
    ),
    (
        "thousands separators",
        {"positions": [position(size="1,000")]},
        [
            "positions[0].size: found '1,000'; write the number without thousands separators",
        ],
    ),
    (
        "words for numbers",
        {"positions": [position(size="one")]},
        [
            "positions[0].size: found 'one'; a decimal number is needed, such as \"1234.5\"",
        ],
    ),
    (
        "true for a number",
        {"positions": [position(leverage=True)]},
        ['positions[0].leverage: found True; a decimal number is needed, such as "1234.5"'],
    ),
    (
        "flat position",
        {"positions": [position(size="0")]},
        ["positions[0].size: found 0; leave flat positions out"],
    ),
    (
        "mark below zero",
        {"positions": [position(mark_price="-0.5")]},
        ["positions[0].mark_price: found '-0.5'; it must be above 0"],
    ),
    (
        "two things at once",
        {"positions": [position(entry_price="-1", mark_price=None)]},
        [
            "positions[0].entry_price: found '-1'; it must be above 0",
            "positions[0].mark_price: is null; it is required",
        ],
    ),
    (
        "isolated without margin",
        {"positions": [position(margin_mode="isolated")]},
        [
            "positions[0].isolated_margin: is missing; an isolated position needs its own margin",
        ],
    ),
    (
        "cross with isolated margin",
        {"positions": [position(isolated_margin="5")]},
        [
            (
                "positions[0].isolated_margin: is given for a cross position; "
                'set margin_mode "isolated"'
            ),
        ],
    ),
    (
        "margin mode misspelt",
        {"positions": [position(margin_mode="isolatd", isolated_margin=None)]},
        ["positions[0].margin_mode: found 'isolatd'; did you mean 'isolated'?"],
    ),
    (
        "collateral listed twice",
        {"collateral": [{"asset": "USDT", "balance": 1}, {"asset": "USDT", "balance": 2}]},
        ["collateral[1].asset: found 'USDT' a second time; add the two balances up"],
    ),
    (
        "collateral is a table",
        {"collateral": {"USDT": "1"}},
        ["collateral: found {'USDT': '1'}; a list of tables is needed"],
    ),
    (
        "position is a word",
        {"positions": ["BTC"]},
        ["positions[0]: found 'BTC'; a table is needed"],
    ),
    (
        "negative liability",
        {"liabilities": [{"asset": "USDT", "amount": "-1"}]},
        ["liabilities[0].amount: found '-1'; it must be above 0"],
    ),
    (
        "time without zone",
        {"as_of": "2025-10-10T21:00:00"},
        [
            (
                "as_of: found '2025-10-10T21:00:00'; ISO 8601 with its zone is needed, such as "
                "2025-10-10T21:00:00Z"
            ),
        ],
    ),
    (
        "right of an option misspelt",
        {"positions": [position(spec={"kind": "linear_option", "right": "cal"})]},
        ["positions[0].spec.right: found 'cal'; did you mean 'call'?"],
    ),
    (
        "kind of a contract misspelt",
        {"positions": [position(spec={"kind": "linear_perpetul"})]},
        ["positions[0].spec.kind: found 'linear_perpetul'; did you mean 'linear_perpetual'?"],
    ),
    (
        "order without side",
        {"orders": [{"instrument": "BTCUSDT", "size": "1", "price": "1"}]},
        ['orders[0].side: is missing; "buy" or "sell"'],
    ),
    (
        "price of zero",
        {"prices": {"BTC": "0"}},
        ["prices.BTC: found '0'; it must be above 0"],
    ),
    (
        "interest received",
        {"accrued_interest": {"USDT": "-1"}},
        ["accrued_interest: found -1 USDT; interest owed is positive"],
    ),
    (
        "reported price without its instrument",
        {"venue_reported": {"liquidation_price": "5"}},
        [
            (
                "venue_reported.liquidation_price: found one value; write it by instrument: "
                '{"BTCUSDT": "..."}'
            ),
        ],
    ),
    (
        "reported figure nobody computes",
        {"venue_reported": {"health_factor": "5"}},
        ["venue_reported.health_factor: unknown key; did you mean 'health'?"],
    ),
]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [case[1:] for case in REJECTIONS],
    ids=[case[0] for case in REJECTIONS],
)
def test_a_document_that_breaks_the_contract_is_refused(
    changes: dict[str, Any], expected: list[str]
) -> None:
    assert list(problems(document(**changes))) == expected


def test_every_problem_is_listed_at_once() -> None:
    row = position(size="x", levarage="3")
    found = problems({"venue": "", "positions": [row], "extra": 1})
    assert len(found) == 5
    assert [text.partition(":")[0] for text in found] == [
        "venue",
        "collateral",
        "positions[0].size",
        "positions[0].levarage",
        "extra",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not JSON"),
        ("[[collateral]\n", "nor TOML"),
        ('{"venue": "a", "venue": "b"}', "venue is written twice"),
        ("[{}]", "the document must be one table"),
        ("", "is missing; it is required"),
    ],
)
def test_a_text_that_is_no_document_is_refused(text: str, expected: str) -> None:
    with pytest.raises(InvalidDocument, match=expected.replace("[", r"\[")):
        read_document(parse_document(text, title="account"), title="account")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1e3", D(1000)),
        (" 7 ", D(7)),
        ("-.5", D("-0.5")),
        (".", None),
        ("0x10", None),
        ("1_000", None),
        ("1e9999", None),
        ("", None),
        (None, None),
        (1.5, None),  # a float has lost its digits already
    ],
)
def test_only_numbers_written_in_digits_are_numbers(
    value: object, expected: Decimal | None
) -> None:
    assert decimal_of(value) == expected


def test_the_rest_of_the_document_is_decoded() -> None:
    found = read_document(
        document(
            account_mode="hedge",
            accrued_funding="-3",
            accrued_interest={"BTC": "0.1"},
            liabilities=[{"asset": "BTC", "amount": "2"}],
            orders=[
                {"instrument": "X", "side": "sell", "size": 1, "price": 2, "reduce_only": True}
            ],
            positions=[
                position(
                    spec={
                        "kind": "linear_future",
                        "base": "BTC",
                        "settle": "USDT",
                        "contract_size": "0.1",
                        "expiry": "2025-12-26T08:00:00+00:00",
                    }
                )
            ],
        ),
        title="account",
    )
    assert found.account_mode is AccountMode.HEDGE
    assert found.accrued_funding == {TOTAL: D(-3)}
    assert found.accrued_interest == {"BTC": D("0.1")}
    assert found.liabilities == {"BTC": D(2)}
    (order,) = found.orders
    assert (order.is_buy, order.reduce_only) == (False, True)
    spec = found.positions[0].spec
    assert spec is not None
    assert (spec.kind, spec.contract_size) == (InstrumentKind.LINEAR_FUTURE, D("0.1"))
    assert spec.expiry is not None
