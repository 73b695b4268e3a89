"""`keelmark bench`: measure this machine against every bar of the project."""

import json
import re
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from keelmark.cli.progress import progress_bar
from keelmark.lab.bench.run import BENCHES, chosen, report

SCALES = {"": 1, "k": 1_000, "m": 1_000_000}
FIGURES = ("compile_s", "cold", "median", "p99", "cpu", "runs")
VERDICTS = {True: "met", False: "missed", None: ""}


def unit_counts(ctx: click.Context, param: click.Parameter, value: str) -> list[int]:
    """Return numbers of units written as `100k,1m,10m`; an option callback."""
    counts = []
    for part in filter(None, value.lower().split(",")):
        found = re.fullmatch(r"(\d+)([km]?)", part.strip())
        if found is None or int(found[1]) == 0:
            msg = f"{part!r} is no number of units; write 100k, 1m or 250000"
            raise click.BadParameter(msg, ctx=ctx, param=param)
        counts.append(int(found[1]) * SCALES[found[2]])
    return counts


@click.command("bench")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help=f"Measure this alone; may be given again. Known: {', '.join(b.name for b in BENCHES)}.",
)
@click.option(
    "--units",
    default="",
    metavar="100k,1m,10m",
    callback=unit_counts,
    help="Sizes of the fleets; bars are set for 1m, and for 10m by `large`.",
)
@click.option("--quick", is_flag=True, help="A small fleet and few repetitions: a look, no bar.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the JSON to this file as well.")
@click.option(
    "--date", default="", metavar="YYYY-MM-DD", help="Date of the header; today's if absent."
)
def bench(**options: Any) -> None:  # noqa: ANN401 click's options
    """Measure this machine, and compare every figure with its bar.

    Results are checked against the plain method in the same run. `large` (ten million units) and
    `crash_day` take minutes and run only if they are named, or with `--units 10m`.
    """
    tasks = chosen(options["only"], options["units"], is_quick=options["quick"])
    date = options["date"] or time.strftime("%Y-%m-%d", time.gmtime())
    with progress_bar(hidden=options["as_json"]) as part:
        page = report(tasks, date=date, progress=part("measuring "))
    text = json.dumps(page, indent=2)
    if options["out"] is not None:
        options["out"].write_text(text + "\n", encoding="utf-8")
    if options["as_json"]:
        click.echo(text)
    else:
        show(page, Console())


def show(page: dict[str, Any], console: Console) -> None:
    """Print the machine and a line per figure, with what needs saying below it."""
    header = page["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in header["versions"].items())
    load = ", ".join(f"{value:g}" for value in header["load_average"])
    console.print(f"{header['cpu']}, {header['cores']} cores, {header['memory_gb']} GB")
    console.print(f"{header['system']}, Python {header['python']}, {versions}")
    console.print(f"{header['date']}, load average {load}: {header['noise']}")
    console.print(rows_table(page["rows"]))
    for row in page["rows"]:
        console.print(f"[bold]{row['name']}[/bold]  {sentence(row)}")


def rows_table(rows: list[dict[str, Any]]) -> Table:
    """Return the figures as a table."""
    table = Table("figure", "value", "bar", "", "what")
    for row in rows:
        bar = "" if row["bar"] is None else row["bar"]
        value = f"{row['value']:,.4g} {row['unit']}"
        table.add_row(row["name"], value, bar, VERDICTS[row["met"]], row["what"])
    for column in table.columns[:4]:
        column.no_wrap = True
    return table


def sentence(row: dict[str, Any]) -> str:
    """Return how a figure came about: comparison, distribution, data, checks."""
    timings = row["timings"]
    ratio = (
        "" if row["ratio"] is None else f"{row['ratio']:,.4g} times faster than {row['against']}"
    )
    figures = [f"{key} {timings[key]:,.4g}" for key in FIGURES if key in timings]
    of = f" ({timings['of']})" if "of" in timings else ""
    measured = ", ".join(figures) + of if figures else ""
    checked = f"checked: {row['checked']}" if row["checked"] else ""
    return "; ".join(filter(None, (ratio, measured, row["note"], checked, row["data"])))
