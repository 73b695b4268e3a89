"""`keelmark import`: an account document from what a venue's interface answered."""

from pathlib import Path

import click

from keelmark.accounts.importers import ImportedAccount, Payload, import_account, read_payload
from keelmark.accounts.importers.run import payload_kinds
from keelmark.cli.options import named_number
from keelmark.core.errors import InvalidInput


@click.command("import")
@click.argument("files", nargs=-1, metavar="[KIND=]FILE...")
@click.option("--out", type=click.Path(path_type=Path), help="Write it here, not to the screen.")
@click.option("--venue", metavar="VENUE[@YYYY-MM]", help="Rulebook to margin the account by.")
@click.option("--price", "prices", multiple=True, metavar="NAME=PRICE", help="A price they lack.")
@click.option("--kinds", is_flag=True, help="List the answers that are known.")
def import_files(
    *,
    files: tuple[str, ...],
    out: Path | None,
    venue: str | None,
    prices: tuple[str, ...],
    kinds: bool,
) -> None:
    """Make an account document of FILES, the answers of a venue's interface for one account.

    The kind of each is told by its content; say it (KIND=FILE) where an answer is an empty list.
    """
    if kinds:
        for kind in payload_kinds():
            click.echo(f"{kind.alias:24} {kind.call}")
        return
    if out is not None and out.exists():
        msg = f"{out} exists already; remove it or choose another name"
        raise InvalidInput(msg)
    given = dict(named_number(text, "--price", "price", "BTC=31967.27") for text in prices)
    found = import_account([payload_of(file) for file in files], venue=venue, prices=given)
    if out is None:
        click.echo(found.text, nl=False)
        return
    out.write_text(found.text, encoding="utf-8")
    say(found, out)


def payload_of(file: str) -> Payload:
    """Return the answer in `FILE` or `KIND=FILE`."""
    kind, _, path = file.rpartition("=")
    return read_payload(path, kind=kind) if kind and not Path(file).exists() else read_payload(file)


def say(found: ImportedAccount, out: Path) -> None:
    """Say what was read, what is unknown, and what to do next."""
    for kind in found.kinds:
        click.echo(f"read {kind.alias} ({kind.call})")
    unknown, notes = found.document.get("unknown"), found.document.get("notes")
    for row in unknown if isinstance(unknown, list) else []:
        if isinstance(row, dict):
            click.echo(f"{row['what']} unknown: {row['why']}")
    for note in notes if isinstance(notes, list) else []:
        click.echo(f"note: {note}")
    click.echo(f"wrote {out}")
    click.echo(f"next: `keelmark check {out}`")
