"""The table that `make bench` prints: every row within eighty columns, what matters of it first."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.bench_table import lines, main

MACHINE = {
    "date": "2026-01-02",
    "cpu": "A Processor With A Very Long Name And Many More Words In It",
    "cores": 2,
    "threads": 2,
    "memory_gb": 23.5,
    "system": "Linux-6.0",
    "python": "3.11.7",
    "versions": {"numpy": "2.4.6"},
    "load_average": [1.17, 1.79, 1.8],
    "noise": "wall-clock time on a machine that may be shared",
}


def row(name: str, value: float, unit: str, **more: object) -> dict[str, Any]:
    plain = {"bar": None, "met": None, "ratio": None, "against": "", "timings": {"p99": 3.0}}
    return {"name": name, "what": "w" * 90, "value": value, "unit": unit, **plain, **more}


REPORT = {
    "machine": MACHINE,
    "rows": [
        row("check_20", 0.7995, "ms", bar="<= 1", met=True),
        row("fills_memory", 130_100_000.0, "positions/s", bar=">= 500,000", met=False),
        row("deleverage_queue_leverage_profit", 1.711, "ms"),
        row("check_20_ccxt", 1.4, "ms", ratio=0.6213, against="a script on " + "ccxt " * 30),
        row("journal_group_100", 116200.0, "commands/s", bar=">= 1e+08", met=True),
    ],
}


def test_no_line_is_wider_than_eighty_columns() -> None:
    assert max(map(len, lines(REPORT))) <= 80


def test_the_machine_is_one_line_and_each_row_says_value_bar_and_whether_it_is_met() -> None:
    machine, _, head, *rows = list(lines(REPORT))
    assert machine.startswith("2026-01-02, 2 cores, 23.5 GB, Python 3.11.7, load 1.17, A Proc")
    assert head.split() == ["figure", "value", "bar", "met"]
    assert rows[0].split() == ["check_20", "0.7995", "ms", "<=", "1", "met"]
    assert rows[1].split() == [
        "fills_memory",
        "130.1",
        "M",
        "positions/s",
        ">=",
        "500,000",
        "missed",
    ]
    assert rows[2].split() == ["deleverage_queue_leverage_profit", "1.711", "ms"]


def test_what_a_row_was_compared_with_stands_below_it_in_short() -> None:
    found = list(lines(REPORT))
    below = found[next(i for i, line in enumerate(found) if "check_20_ccxt" in line) + 1]
    assert below.strip().startswith("0.6213 x as fast as a script on ccxt")
    assert below.endswith("...")


def test_a_report_is_printed_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(REPORT), encoding="utf-8")
    main([str(file)])
    assert capsys.readouterr().out.splitlines() == list(lines(REPORT))
