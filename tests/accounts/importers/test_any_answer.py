"""Whatever is done to an answer, it becomes a document or is refused: nothing else."""

import copy
import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keelmark.accounts.document import read_document
from keelmark.accounts.importers import import_account
from keelmark.core.errors import InvalidDocument
from tests.accounts.importers import (
    answers,
    binance_answers,
    hyperliquid_answers,
    other_answers,
    test_bybit_modes,
    test_ccxt,
    test_other_venues,
)
from tests.accounts.importers.reading import as_payload

ACCOUNTS: dict[str, list[Any]] = {
    "binance-usdm": [answers.BINANCE_ACCOUNT],
    "binance-usdm positions": [
        answers.BINANCE_BALANCE,
        answers.BINANCE_RISK,
        answers.BINANCE_ORDERS,
        binance_answers.BRACKETS,
        binance_answers.SYMBOL_CONFIG,
    ],
    "binance-coinm": [
        binance_answers.COINM_BALANCE,
        binance_answers.COINM_RISK,
        binance_answers.COINM_BRACKETS,
    ],
    "binance-coinm overview": [binance_answers.COINM_ACCOUNT, binance_answers.COINM_RISK],
    "binance-pm": [
        binance_answers.PM_ACCOUNT,
        binance_answers.PM_BALANCE,
        binance_answers.PM_UM,
        binance_answers.PM_CM,
        binance_answers.ASSET_INDEX,
    ],
    "bybit": [
        answers.BYBIT_WALLET,
        answers.BYBIT_POSITIONS,
        test_bybit_modes.info("ISOLATED_MARGIN"),
        test_bybit_modes.BYBIT_LIMITS,
    ],
    "ccxt": [
        test_ccxt.balance({}, USDT=test_ccxt.USDT),
        [test_ccxt.PLAIN, {**test_ccxt.PLAIN, "symbol": "BTC/USD:BTC-260626", "hedged": True}],
        test_ccxt.TIERS,
    ],
    "ccxt around okx": [
        test_ccxt.balance(other_answers.OKX_BALANCE),
        [test_ccxt.row(info) for info in other_answers.OKX_POSITIONS["data"]],
    ],
    "hyperliquid": [
        hyperliquid_answers.MIXED,
        hyperliquid_answers.SPOT,
        hyperliquid_answers.META,
        hyperliquid_answers.ORDERS,
    ],
    "okx": [
        other_answers.OKX_CONFIG,
        other_answers.OKX_BALANCE,
        other_answers.OKX_POSITIONS,
        other_answers.OKX_INSTRUMENTS,
        other_answers.OKX_ORDERS,
        other_answers.OKX_TIERS,
    ],
    "deribit": [
        other_answers.DERIBIT_SUMMARY,
        other_answers.DERIBIT_POSITIONS,
        other_answers.DERIBIT_ORDERS,
    ],
    "deribit options": [
        other_answers.DERIBIT_SUMMARY,
        other_answers.deribit([test_other_venues.OPTION]),
    ],
    "dydx": [
        other_answers.DYDX_SUBACCOUNT,
        other_answers.DYDX_MARKETS,
        other_answers.DYDX_ORDERS,
    ],
}
DROP = object()
VALUES = [
    *(None, "", " ", "abc", "NaN", "1,000", "0", "-1", "1e400", "-0.0000001", "1" * 40),
    *(0, -1, 10**30, True, False, [], {}, [None], [[]], [{}], {"a": 1}, ["x", "y"]),
    *("0.000000000000000000000001", "999999999999999999999999", DROP),
]


def places(content: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside an answer."""
    found = [path] if path else []
    if isinstance(content, dict):
        for key, value in content.items():
            found += places(value, (*path, key))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            found += places(value, (*path, number))
    return found


def changed(content: Any, path: tuple[Any, ...], value: object) -> None:  # noqa: ANN401 any JSON
    for key in path[:-1]:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return  # an earlier change took the place away
    try:
        if value is DROP:
            del content[path[-1]]
        else:
            content[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        return


@given(data=st.data())
def test_any_change_of_an_answer_ends_in_a_document_or_a_refusal(data: st.DataObject) -> None:
    contents = copy.deepcopy(ACCOUNTS[data.draw(st.sampled_from(sorted(ACCOUNTS)))])
    for _ in range(data.draw(st.integers(1, 4))):
        answer = contents[data.draw(st.integers(0, len(contents) - 1))]
        known = places(answer)
        if not known:
            break  # everything was taken out
        path = data.draw(st.sampled_from(known))
        value = data.draw(st.sampled_from(VALUES))
        changed(answer, path, copy.deepcopy(value) if value is not DROP else DROP)
    try:
        found = import_account([as_payload(content) for content in contents])
    except InvalidDocument:
        return
    read_document(json.loads(found.text, parse_float=Decimal), title="imported")


def test_every_answer_above_is_read_as_it_is() -> None:
    for name, contents in ACCOUNTS.items():
        found = import_account([as_payload(content) for content in contents])
        assert found.document["positions"], name
