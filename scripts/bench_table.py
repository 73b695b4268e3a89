"""Print a report of `keelmark bench` in eighty columns: `bench_table.py out/bench.json`.

The machine in one line, then name, value, bar and whether it is met of each figure; below a figure
what it was compared with. All else (timings, data, checks) is in the file.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

WIDTH = 80
MILLION = 1e6
HEADS = ("figure", "value", "bar", "met")
VERDICTS = {True: "met", False: "missed", None: ""}


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a report line by line."""
    yield machine_line(report["machine"])
    yield ""
    rows = report["rows"]
    cells = [HEADS, *map(row_cells, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADS))]
    yield aligned(HEADS, widths)
    for row in rows:
        yield aligned(row_cells(row), widths)
        if row["ratio"] is not None:
            text = f"{row['ratio']:,.4g} x as fast as {row['against']}"
            yield "    " + shorten(text, WIDTH - 4, placeholder=" ...")


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return the facts of a machine that a reader needs beside its figures."""
    facts = (
        machine["date"],
        f"{machine['cores']} cores",
        f"{machine['memory_gb']:g} GB",
        f"Python {machine['python']}",
        f"load {machine['load_average'][0]:g}",
        machine["cpu"],
    )
    return shorten(", ".join(facts), WIDTH, placeholder=" ...")


def row_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return name, value with its unit, bar, and whether it is met."""
    return (row["name"], f"{figure(row['value'])} {row['unit']}", row["bar"] or "", met(row))


def met(row: Mapping[str, Any]) -> str:
    """Return whether a row's bar is met, in a word; nothing where it has none."""
    return VERDICTS[row["met"]]


def figure(value: float) -> str:
    """Return a figure with four significant digits, millions as `130.1 M`."""
    if abs(value) >= MILLION:
        return f"{value / MILLION:,.4g} M"
    return f"{value:,.0f}" if abs(value) >= MILLION / 1e3 else f"{value:.4g}"


def aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return cells under each other: names and verdicts flush left, numbers flush right."""
    name, value, bar, verdict = cells
    parts = (name.ljust(widths[0]), value.rjust(widths[1]), bar.ljust(widths[2]), verdict)
    return "  ".join(parts).rstrip()


def main(arguments: Sequence[str]) -> None:
    """Print the report that is named."""
    for line in lines(json.loads(Path(arguments[0]).read_text("utf-8"))):
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
