"""`keelmark venues import`: a venue's full bracket table as a rulebook file."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click

from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.options import named_number
from keelmark.core.errors import InvalidInput
from keelmark.rulebooks.brackets import BRACKET_RULES, import_brackets


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--venue", required=True, metavar="VENUE", help="Built-in rulebook it extends.")
@click.option("--date", required=True, metavar="YYYY-MM", help="Month the brackets were in force.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Rulebook file.")
@click.option("--read", metavar="YYYY-MM-DD", help="Day they were read; else that of the file.")
@click.option(
    "--contract",
    "contracts",
    multiple=True,
    metavar="SYMBOL=VALUE",
    help="What one contract is worth, of tiers in contracts: ctVal * ctMult.",
)
def import_tables(
    *, file: Path, venue: str, date: str, out: Path, read: str | None, contracts: tuple[str, ...]
) -> int:
    """Write the brackets in FILE as a rulebook that extends VENUE's.

    FILE is the answer of the venue's leverageBracket call, freqtrade's binance_leverage_tiers.json,
    or Parquet; of OKX the answers of public/position-tiers and public/instruments. Every row must
    continue the row before it; contracts with one that does not are named and left out. The formula
    the table is charged by is that of VENUE, and is said.
    """
    worths = dict(
        named_number(text, "--contract", "worth of a contract", "BTC-USDT-SWAP=0.01")
        for text in contracts
    )
    for text, form, option in (
        (date, "%Y-%m", "--date"),
        (read or "2020-01-01", "%Y-%m-%d", "--read"),
    ):
        _check_day(text, form, option)
    if out.suffix != ".toml" or out.exists():
        msg = f"{out}: choose a name that ends in .toml and is not taken"
        raise InvalidInput(msg)
    found = import_brackets(file, venue, date, read or _modified(file), worths)
    for problem in found.problems:
        click.echo(f"left out: {problem}", err=True)
    if found.symbols:
        out.write_text(found.text, encoding="utf-8")
        click.echo(
            f"contracts {found.symbols}, tables {found.tables}, rows read {found.rows}: every row "
            "continues the row before it"
        )
        click.echo(f"maintenance is taken as {BRACKET_RULES[found.rule]} ({found.rule})")
        for line in _said_worths(found.worths):
            click.echo(line)
        click.echo(f"wrote {out}")
        click.echo(f'next: write "venue": "{out}" into the account document, or --rulebook {out}')
    return ExitCode.BAD_INPUT if found.problems else ExitCode.OK


def _said_worths(worths: Mapping[str, Decimal]) -> Iterator[str]:
    """Yield what contracts were taken to be worth, those of one worth on one line."""
    by_worth: dict[Decimal, list[str]] = {}
    for symbol, worth in worths.items():
        by_worth.setdefault(worth, []).append(symbol)
    for worth, symbols in by_worth.items():
        more = f" and {len(symbols) - 1} more" if len(symbols) > 1 else ""
        yield f"bounds were contracts worth {worth:f}: {symbols[0]}{more}"


def _check_day(text: str, form: str, option: str) -> None:
    try:
        found = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        found = None
    if found is None or found.strftime(form) != text:
        msg = f"{text!r} is not of the form {option} asks for"
        raise click.BadParameter(msg, param_hint=option)


def _modified(file: Path) -> str:
    """Return the day a file was last written."""
    if not file.is_file():
        return ""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%d")
