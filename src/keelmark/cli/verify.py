"""`keelmark verify`: what a service's folder gives, proved by reading all of it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keelmark.cli.backup import data_option, journal_option
from keelmark.cli.options import json_option

if TYPE_CHECKING:
    from keelmark.service.backup.proof import Proof


@click.command()
@data_option
@journal_option
@click.option("--at", type=click.IntRange(min=0), help="Stop at this journal position.")
@click.option("--quick", is_flag=True, help="Begin at the latest snapshot, not at the beginning.")
@json_option
def verify(data: Path, journal: str, at: int | None, *, quick: bool, as_json: bool) -> None:
    """Prove what the folder of a service, or a copy of one, gives; the service may run.

    Reads every batch, from the beginning and from the latest snapshot, compares the two, holds the
    laws, and reads the audit trail. Two folders with equal digests at one position are equal.
    """
    from keelmark.service.backup.proof import prove  # noqa: PLC0415 heavy

    proof = prove(data, journal=journal, at=at, is_quick=quick)
    click.echo(json.dumps(asdict(proof)) if as_json else _text(data, proof, is_quick=quick))


def _text(data: Path, proof: "Proof", *, is_quick: bool) -> str:
    begin = (
        "from the latest snapshot" if is_quick and proof.snapshot is not None else "from the first"
    )
    same = "the same digest" if not is_quick else "begun with"
    snapshot = f"{proof.snapshot:,}: {same}" if proof.snapshot is not None else "none"
    laws = ", ".join(f"INV-{number:02}" for number in proof.laws)
    return "\n".join(
        (
            f"{data}  {proof.venue}",
            f"  journal   whole up to position {proof.position:,}, read {begin}",
            f"  snapshot  {snapshot}",
            *(f"            left out: {reason}" for reason in proof.left_out),
            f"  laws      {laws} hold",
            f"  audit     {proof.audit_entries:,} entries, unchanged",
            f"  digest    {proof.digest}",
        )
    )
