"""Checking accounts: one of twenty positions, thousands at once, and a process from its start.

The comparison is what a user of ccxt does: `ccxt_script`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from keelmark.accounts import AccountCheck, check, read_account
from keelmark.accounts.bulk import BulkTerms, summaries
from keelmark.accounts.check_document import check_document
from keelmark.lab.bench.ccxt_script import CcxtScript, HandFigures, answers
from keelmark.lab.bench.timing import Stopwatch, timed
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.rulebooks import load_rulebook

COUNT = 20
DOCUMENTS = 10_000
CHECK_BAR_MS, PROCESS_BAR_MS, BULK_BAR_S = 1.0, 300.0, 5.0
TOLERANCE = 1e-9
ASTRAY = 1e-3
COINS = 60
CHECK_LINE = "from keelmark.cli import main; main()"


def desk_rows(size: Size) -> list[Row]:
    """Time checks of single accounts, in a warm process and in a new one, and of many."""
    return [check_row(size), ccxt_row(size), process_row(size), bulk_row(size)]


def document(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Return an account document of some positions, long and short, of sizes from 1 to 400."""
    rows: list[dict[str, str]] = []
    for coin in rng.choice(COINS, count, replace=False):
        price = 100 + 7 * int(coin)
        size = int(rng.integers(1, 400)) * int(rng.choice([-1, 1]))
        mark = price + int(rng.integers(-5, 6))
        rows.append(
            {
                "instrument": f"C{coin:02d}USDT",
                "size": str(size),
                "entry_price": str(price),
                "mark_price": str(mark),
                "leverage": "10",
            },
        )
    notional = sum(abs(int(r["size"])) * int(r["mark_price"]) for r in rows)
    balance = round(notional * float(rng.uniform(0.1, 0.6)))
    return {
        "venue": "generic",
        "collateral": [{"asset": "USDT", "balance": str(balance)}],
        "positions": rows,
    }


def check_row(size: Size) -> Row:
    """Time `check` on one account of twenty positions in a warm process."""
    held = document(np.random.default_rng(11), COUNT)
    account = read_account(json.dumps(held))
    runs = size.times(201, 3)
    watch = timed(lambda: check(account), runs)
    text = json.dumps(held)
    parts = timed(lambda: check_document(check(read_account(text))), runs)
    return Row(
        name="check_20",
        what="`km.check` of a 20-position account in a warm process",
        value=1e3 * watch.median,
        unit="ms",
        bar=size.bar("<=", CHECK_BAR_MS, units=None),
        timings=watch.timings(1e3),
        data="20 linear contracts, long and short, one cross unit, tables of six rows",
        note=f"from text to JSON, parsing and all: {1e3 * parts.median:.2f} ms",
    )


def ccxt_row(size: Size) -> Row:
    """Time reading and checking that account beside a script on ccxt's parsers."""
    held = document(np.random.default_rng(11), COUNT)
    text, runs = json.dumps(held), size.times(201, 3)
    watch = timed(lambda: check(read_account(text)), runs)
    row = Row(
        name="check_20_ccxt",
        what="the same account read and checked, beside a script on ccxt's parsers",
        value=1e3 * watch.median,
        unit="ms",
        timings=watch.timings(1e3),
        data="20 linear contracts; the script reads Binance's positionRisk and balance of them",
    )
    table = load_rulebook("generic").terms_for("C00USDT").maintenance.parameters()
    script = CcxtScript.of([r["instrument"] for r in held["positions"]], table)
    if script is None:
        return replace(row, note="ccxt is not installed: the comparison is skipped")
    positions, balances = answers(held)
    byhand = script.figures(positions, balances)
    found = check(read_account(text))
    _compare(found, byhand)
    astray = _astray(found, byhand.prices)
    theirs = timed(lambda: script.figures(positions, balances), runs)
    return replace(
        row,
        ratio=theirs.median / watch.median,
        against="ccxt's parsers, then equity, maintenance, ratio and closed forms in floats",
        checked="equity and maintenance equal the script's floats to 1e-9",
        note=f"{1e3 * theirs.median:.2f} ms by ccxt and hand; of its {COUNT} liquidation prices "
        f"{astray} are off by over 0.1 %: they stay on the present bracket",
    )


def process_row(size: Size) -> Row:
    """Time `keelmark check` of the same account, start to exit."""
    watch = Stopwatch(cold=1)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "account.json"
        held = document(np.random.default_rng(11), COUNT)
        file.write_text(json.dumps(held), encoding="utf-8")
        for _ in range(size.times(15, 2) + 1):
            with watch:
                done = subprocess.run(  # noqa: S603 our own interpreter and text
                    [sys.executable, "-c", CHECK_LINE, "check", str(file), "--warn", "0"],
                    capture_output=True,
                    text=True,
                    check=False,
                )
            require(done.returncode == 0, f"check: {done.stderr[-300:]}")
    return Row(
        name="check_20_process",
        what="`keelmark check` of a 20-position account, start to exit",
        value=1e3 * watch.median,
        unit="ms",
        bar=size.bar("<=", PROCESS_BAR_MS, units=None),
        timings=watch.timings(1e3),
        data="20 linear contracts",
        checked="exit code 0",
    )


def bulk_row(size: Size) -> Row:
    """Time many documents from text to result, in as many processes as there are processors."""
    rng = np.random.default_rng(12)
    count = size.times(DOCUMENTS, 20)
    texts = [json.dumps(document(rng, int(rng.integers(1, 8)))) for _ in range(count)]
    work = [(f"line {number}", text) for number, text in enumerate(texts)]
    watch = timed(lambda: list(summaries(work, BulkTerms())), size.times(3, 1))
    first = check_document(check(read_account(texts[0])))
    found = next(iter(summaries(work[:1], BulkTerms())))
    require(all(found[key] == value for key, value in first.items()), "one of many, alone")
    positions = sum(text.count("entry_price") for text in texts) / count
    return Row(
        name="check_bulk",
        what=f"`check --bulk` of {count:,} documents, from text to result",
        value=watch.median,
        unit="s",
        bar=size.bar("<=", BULK_BAR_S, units=None),
        timings=watch.timings(1.0),
        data=f"{positions:.1f} positions an account on average, {os.cpu_count()} processors",
        checked="the first is what it is alone",
        note="starting the further processes is inside",
    )


def _compare(found: AccountCheck, byhand: HandFigures) -> None:
    """Hold the figures by hand to the exact ones, as far as they are the same figures."""
    report = found.units[0].report
    require(report is not None, "a report")
    if report is not None:
        pairs = ((report.equity, byhand.equity), (report.maintenance_margin, byhand.maintenance))
        for exact, rough in pairs:
            require(abs(float(exact) - rough) <= TOLERANCE * abs(rough), "the floats agree")


def _astray(found: AccountCheck, prices: Sequence[float]) -> int:
    """Return how many prices by hand are over a thousandth off; below zero they mean none."""
    exact = (p.liquidation.value for p in found.positions)
    pairs = [(float(x) if x else 0.0, max(0.0, y)) for x, y in zip(exact, prices, strict=True)]
    return sum(abs(ours - theirs) > ASTRAY * ours for ours, theirs in pairs)
