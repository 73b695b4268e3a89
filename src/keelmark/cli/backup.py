"""`keelmark backup`: a copy of a service's folder, taken while it runs."""

import json
from pathlib import Path

import click

from keelmark.cli.options import json_option

journal_option = click.option(
    "--journal",
    default="",
    envvar="KEELMARK_JOURNAL",
    help="postgresql://... where the service has one.",
)
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("keelmark-data"),
    show_default=True,
    help="Folder of the service.",
)


@click.command()
@click.argument("copy", type=click.Path(path_type=Path))
@data_option
@journal_option
@json_option
def backup(copy: Path, data: Path, journal: str, *, as_json: bool) -> None:
    """Copy the folder of a service to COPY, a new folder; the service may run.

    The copy is of one moment and is a data folder itself: `keelmark verify --data COPY` proves it,
    `keelmark serve --data COPY` goes on from it. A journal in PostgreSQL is not copied.
    """
    from keelmark.service.backup.copying import back_up  # noqa: PLC0415 heavy
    from keelmark.service.times import iso_time, now_ms  # noqa: PLC0415 as above

    note = back_up(data, copy, journal=journal, time=iso_time(now_ms()))
    if as_json:
        told = {"copy": str(copy), "journal": note.journal, "position": note.position}
        click.echo(json.dumps({**told, "snapshots": note.snapshots, "time": note.time}))
    elif note.position is None:
        click.echo(f"{copy}: everything but the journal, which is in {note.journal}: dump it")
    else:
        click.echo(f"{copy}: journal up to position {note.position:,}")
        click.echo(f"next: `keelmark verify --data {copy}`")
