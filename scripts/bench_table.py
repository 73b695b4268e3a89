"""Print a benchmark report (JSON) as tables: `bench_table.py out/bench.json`.

Any report can be shown: a list of records becomes a table with a column per key, everything else
a row of name and figure.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

Records = list[dict[str, object]]


def records(value: object) -> Records | None:
    """Return `value` if it is a list of records, shown as a table of its own."""
    rows = value if isinstance(value, list) else []
    return rows if rows and all(isinstance(row, dict) for row in rows) else None


def leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield every figure or list of records in `value` under its dotted name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list) and records(value) is None:
        yield name, ", ".join(map(shown, value))
    else:
        yield name, value


def shown(value: object) -> str:
    """Return a figure with thousands separated and six significant digits."""
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else str(value)


def figures_table(figures: list[tuple[str, object]]) -> Table:
    """Return one row per figure."""
    table = Table("figure", "value")
    for name, value in figures:
        table.add_row(name, shown(value))
    return table


def records_table(name: str, rows: Records) -> Table:
    """Return one row per record; a record inside a record adds dotted columns."""
    flat = [dict(leaves(row)) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    table = Table(*columns, title=name)
    for row in flat:
        table.add_row(*(shown(row.get(column, "")) for column in columns))
    return table


def tables(report: object) -> Iterator[Table]:
    """Yield the tables of a report, single figures first."""
    found = list(leaves(report))
    figures = [(name, value) for name, value in found if records(value) is None]
    if figures:
        yield figures_table(figures)
    for name, value in found:
        rows = records(value)
        if rows is not None:
            yield records_table(name, rows)


def main() -> None:
    """Print the report named on the command line."""
    console = Console()
    for table in tables(json.loads(Path(sys.argv[1]).read_text("utf-8"))):
        console.print(table)


if __name__ == "__main__":
    main()
