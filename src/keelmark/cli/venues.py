"""`keelmark venues`: which rulebooks there are, where their numbers come from, what is missing."""

import json
from typing import Any

import click

from keelmark.cli.options import json_option
from keelmark.cli.venues_facts import facts_of, summary
from keelmark.cli.venues_import import import_tables
from keelmark.rulebooks import load_rulebook, rulebook_names

TABLES_SHOWN = 8
"""Tables that are named one by one; more are counted."""


WIDTH = 80
NEXT = "next: `keelmark venues NAME`: where each number was read, and what is not covered"


class _Venues(click.Group):
    """Takes a rulebook's name where other groups take the name of a command."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return `import` by its name; any other name is a rulebook to show."""
        return super().get_command(ctx, cmd_name) or _show

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the arguments, and what is left for it."""
        if args and args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return _show.name, _show, args

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both uses."""
        formatter.write_usage(ctx.command_path, "[VENUE[@YYYY-MM]] [--json]")
        formatter.write_usage(ctx.command_path, "import FILE --venue VENUE --date YYYY-MM")


@click.group(cls=_Venues, invoke_without_command=True)
@json_option
@click.pass_context
def venues(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001 an option
    """List the rulebooks, or say everything about one: name, VENUE@YYYY-MM or a TOML file."""
    ctx.obj = as_json
    if ctx.invoked_subcommand is None:
        rows = [summary(load_rulebook(name)) for name in rulebook_names()]
        listed = [*map(_line, rows), "", NEXT]
        click.echo(json.dumps(rows, indent=2) if as_json else "\n".join(listed))


@click.command("show")
@click.argument("venue", metavar="VENUE[@YYYY-MM]")
@json_option
@click.pass_context
def _show(ctx: click.Context, venue: str, as_json: bool) -> None:  # noqa: FBT001 an option
    """Say everything about one rulebook."""
    facts = facts_of(load_rulebook(venue))
    as_text = not (as_json or ctx.obj)
    click.echo(_page(facts) if as_text else json.dumps(facts, indent=2, ensure_ascii=False))


venues.add_command(import_tables)


def _line(row: dict[str, Any]) -> str:
    line = f"{row['name']:<27} {_when(row) or 'own figures':<15}  {row['source']}"
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."


def _when(row: dict[str, Any]) -> str:
    """Return when the source was read; empty where the figures are nobody else's."""
    return "" if row["read"] is None else f"read {row['read']}"


def _page(row: dict[str, Any]) -> str:
    lines = [
        f"{row['name']}  valued in {row['valuation']}, liquidates {row['trigger']} maintenance",
        f"  source: {_cited(row)}",
        f"  dates: {', '.join(row['dates']) or 'this file alone'}",
        *([f"  made from: {', '.join(row['extends'])}"] if row["extends"] else []),
        f"  instruments: {', '.join(row['instruments']) or 'by naming pattern'}",
        f"  assets: {', '.join(row['assets'])}",
        *(f"  {what}: {text}" for what, text in row["formulas"].items()),
        *_tables(row["tables"]),
        f"  stages: {' - '.join(row['stages'])}",
        *(f"  {what}: {name}" for what, name in row["policies"].items()),
        f"  engine: {row['engine'] or 'can run it'}",
        "  sources:",
        *(f"    - {_cited(s)}: {_entries(s['entries'])}" for s in row["sources"]),
    ]
    gaps = row["not_covered"] or ["the file does not say; its key `not_covered` is for that"]
    return "\n".join([*lines, "  not covered:", *(f"    - {gap}" for gap in gaps)])


def _cited(row: dict[str, Any]) -> str:
    when = _when(row)
    return f"{row['source']}{f' ({when})' if when else ''}"


def _tables(tables: dict[str, str]) -> list[str]:
    """Return a line a table, or one for all where there are many."""
    if len(tables) <= TABLES_SHOWN:
        return [f"  table {name}: {text}" for name, text in tables.items()]
    faces = dict.fromkeys(text.rpartition(": ")[2] for text in tables.values())
    return [f"  tables: {len(tables)}, {' or '.join(faces)}"]


def _entries(names: list[str]) -> str:
    if len(names) <= TABLES_SHOWN:
        return ", ".join(names)
    kinds: dict[str, int] = {}
    for name in names:
        kind = name.partition(".")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in kinds.items())
