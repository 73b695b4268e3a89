"""An answer that is bent in one place: the right account, an unknown with its reason, or a refusal.

Never a traceback, and never another figure with nothing said: what was learnt of the account is
compared before and after, its figures beside everything that is said of them (notes, unknown parts,
reasons, differences from the venue's own figures).
"""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.accounts import check
from keelmark.accounts.importers import import_account
from keelmark.core.errors import KeelmarkError
from keelmark.market.datasets import find_data
from tests.accounts.importers import test_any_answer, test_ccxt
from tests.accounts.importers.reading import as_payload
from tests.accounts.importers.test_any_answer import DROP, changed, places
from tests.accounts.importers.test_ccxt_tiers import BINANCE, INVERSE
from tests.accounts.importers.test_own_rows import bybit, inverse, okx

DATED = {"binance-pm": "binance-pm@2025-12", "sample bybit": "bybit-uta@2024-01"}
"""Accounts of before the first table of their venue."""

NAMES = frozenset({"asset", "ccy", "currency", "symbol", "instFamily"})
"""Another name is another asset or table, and no fault: wallets and tables of what is not held."""

OPTIONAL = frozenset({"accruedInterest", "interest"})
"""What venues leave out where nothing is owed."""

FREE = frozenset({"reduceOnly", "closePosition", "isTrigger", "reduce_only"})
"""True and false are both an order's right."""


@dataclass(frozen=True)
class Outcome:
    """What became of answers: figures, and what is said of them; neither where refused."""

    figures: tuple[str, ...] | None
    said: frozenset[str]


@cache
def accounts() -> dict[str, list[Any]]:
    """Return accounts of every venue, and the recorded ones where they are at hand."""
    found = {name: c for name, c in test_any_answer.ACCOUNTS.items() if name != "ccxt"}
    balance = test_ccxt.balance({}, USDT=test_ccxt.USDT)
    inner = {k: v for k, v in test_ccxt.PLAIN.items() if k != "info"}
    found["ccxt"] = [balance, [test_ccxt.PLAIN], test_ccxt.TIERS]
    found["ccxt inverse"] = [[{**inner, **INVERSE, "info": {}}], BINANCE]
    found["okx own rate"] = list(okx())
    found["bybit own rate"] = [bybit()]
    found["bybit inverse"] = [inverse()]
    folder = find_data()
    if folder is not None:
        found |= dict(recorded(folder))
    return found


def recorded(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """Yield accounts as venues answered, where they are at hand."""
    payloads = folder / "samples/venue_payloads"
    for name, pair in (
        ("sample binance", ("binance_usdm_balance", "binance_usdm_position_risk")),
        ("sample bybit", ("bybit_http_get_wallet_balance", "bybit_http_get_positions")),
    ):
        files = [payloads / f"{file}.json" for file in pair]
        if all(file.is_file() for file in files):
            yield name, [json.loads(file.read_text()) for file in files]
    unified = folder / "accounts/hyperliquid_2026-09_unified.json"
    if unified.is_file():
        yield "recorded unified", [json.loads(unified.read_text())]
    vault = folder / "accounts/hyperliquid_2026-07_vault.json"
    if vault.is_file():
        saved = json.loads(vault.read_text())["selection"]
        keys = ("marginSummary", "crossMarginSummary", "crossMaintenanceMarginUsed")
        rows = [{"position": held, "type": "oneWay"} for held in saved["positions"]]
        state = {key: saved[key] for key in keys} | {"assetPositions": rows}
        yield "recorded vault", [state]


def outcome(name: str, contents: list[Any]) -> Outcome:
    """Return what became of answers; anything but a refusal of ours is raised."""
    try:
        made = import_account([as_payload(c) for c in contents], venue=DATED.get(name))
        result = check(made.account())
    except KeelmarkError:
        return Outcome(None, frozenset())
    document = made.document
    said = {str(row) for key in ("notes", "unknown") for row in _listed(document.get(key))}
    said |= {str(result.account.unlearnt), *result.account.notes}
    said |= {f"{r.number}: {r.difference}" for r in result.residuals if not r.matches}
    figures: list[object] = [result.level]
    for unit in result.units:
        said |= {str(unit.reason), *(str(p.liquidation.reason) for p in unit.positions)}
        numbers = ("equity", "initial_margin", "maintenance_margin")
        figures.append((unit.unit.unit_id, *(unit.total(number) for number in numbers)))
        figures += [(p.held.position, p.liquidation.values) for p in unit.positions]
    return Outcome(tuple(sorted(map(str, figures))), frozenset(said))


def _listed(rows: object) -> list[object]:
    return rows if isinstance(rows, list) else []


@cache
def whole(name: str) -> Outcome:
    return outcome(name, copy.deepcopy(accounts()[name]))


def bent(name: str, number: int, path: tuple[Any, ...], value: object) -> Outcome:
    contents = copy.deepcopy(accounts()[name])
    changed(contents[number], path, value if value is DROP else copy.deepcopy(value))
    return outcome(name, contents)


def at(content: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401 any JSON
    for key in path:
        content = content[key]
    return content


def spelt_otherwise(value: object) -> object:
    """Return a number as text, or a text as the number it is; `None` where it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and value.removeprefix("-").replace(".", "", 1).isdigit():
        number = float(value) if "." in value else int(value)
        return number if str(number) == value else None  # idle zeros are printed digits
    return None


def spot(data: st.DataObject, wanted: Callable[[tuple[Any, ...], object], bool]) -> Any:  # noqa: ANN401
    """Draw an account, one of its answers, a place in it that is wanted, and what stands there."""
    name = data.draw(st.sampled_from(sorted(accounts())))
    number = data.draw(st.integers(0, len(accounts()[name]) - 1))
    answer = accounts()[name][number]
    known = [path for path in places(answer) if wanted(path, at(answer, path))]
    path = data.draw(st.sampled_from(known or [()]))
    return name, number, path, at(answer, path)


def is_said(before: Outcome, after: Outcome) -> bool:
    """Whether figures are refused, as they were, or something else is said of them."""
    return after.figures in (None, before.figures) or after.said != before.said


MISSING = [None, "", DROP]
WRONG = ["abc", "NaN", "1e400", True, [], {}, [None], {"a": 1}]


@pytest.mark.parametrize("name", sorted(accounts()))
def test_the_account_as_it_is_can_be_checked(name: str) -> None:
    assert whole(name).figures is not None


@settings(max_examples=150)
@given(data=st.data())
def test_what_is_missing_or_wrong_is_said(data: st.DataObject) -> None:
    def wanted(path: tuple[Any, ...], value: object) -> bool:
        is_row = isinstance(path[-1], int) and isinstance(value, dict)
        return not is_row and path[-1] not in NAMES | OPTIONAL | FREE

    name, number, path, found = spot(data, wanted)
    value = data.draw(st.sampled_from([*MISSING, *WRONG]))
    if not path or (value == [] and isinstance(found, list)):
        return  # an empty list is an answer: nothing of that kind is held
    after = bent(name, number, path, value)
    assert is_said(whole(name), after), (name, number, path, value, whole(name), after)


@settings(max_examples=75)
@given(data=st.data())
def test_numbers_are_the_same_as_text(data: st.DataObject) -> None:
    name, number, path, found = spot(data, lambda _, value: spelt_otherwise(value) is not None)
    if path:
        after = bent(name, number, path, spelt_otherwise(found))
        assert after.figures in (None, whole(name).figures), (name, number, path, found, after)


@settings(max_examples=75)
@given(data=st.data())
def test_any_number_at_all_ends_in_a_report_or_a_refusal(data: st.DataObject) -> None:
    name, number, path, _ = spot(data, lambda _, value: spelt_otherwise(value) is not None)
    wild = ["0", 0, "-1", "1e23", "1e-23", "1e300", -7.5, "0.000", "12345678901234567890"]
    if path:
        bent(name, number, path, data.draw(st.sampled_from(wild)))


@settings(max_examples=75)
@given(data=st.data())
def test_a_row_that_is_given_twice_counts_once_or_is_said(data: st.DataObject) -> None:
    name, number, path, row = spot(
        data, lambda path, value: isinstance(path[-1], int) and isinstance(value, dict)
    )
    if not path:
        return
    contents = copy.deepcopy(accounts()[name])
    rows = at(contents[number], path[:-1])
    rows.insert(data.draw(st.integers(0, len(rows))), copy.deepcopy(row))
    after = outcome(name, contents)
    assert is_said(whole(name), after), (name, number, path, whole(name), after)


SYMBOLS = frozenset({"symbol", "instId", "instrument_name", "ticker", "coin"})
SIDES = frozenset({"positionSide", "posSide", "side", "direction", "positionIdx", "szi", "pos"})
WORDS = ["LONG", "SHORT", "BOTH", "long", "short", "net", "Buy", "Sell", "buy", "sell", 1, 2, "9"]


@settings(max_examples=75)
@given(data=st.data())
def test_symbols_and_sides_nobody_knows_end_in_a_report_or_a_refusal(data: st.DataObject) -> None:
    name, number, path, _ = spot(data, lambda path, _: path[-1] in SYMBOLS | SIDES)
    if path:
        words = ["QQQUSDX", "BTC-USD-261225-100000-C", "BTCUSDT_200101", "?"]
        bent(name, number, path, data.draw(st.sampled_from([*words, *WORDS])))


@pytest.mark.parametrize("symbol", ["QQQUSDX", "BTCUSDT_200327", "?"])
@pytest.mark.parametrize("name", ["binance-usdm", "bybit own rate", "okx own rate", "dydx"])
def test_a_position_in_what_nobody_lists_is_never_margined_in_silence(
    name: str, symbol: str
) -> None:
    contents = accounts()[name]
    held = {"positionAmt", "size", "pos"}
    for number, answer in enumerate(contents):
        for path in places(answer):
            row = at(answer, path)
            if isinstance(row, dict) and held & set(row) and SYMBOLS & set(row):
                (key, *_) = sorted(SYMBOLS & set(row))
                after = bent(name, number, (*path, key), symbol)
                assert after.figures is None or is_said(whole(name), after), (path, after)
