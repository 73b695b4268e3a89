"""`keelmark replay`: run a population of accounts through recorded markets."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from keelmark.cli.options import json_option
from keelmark.cli.progress import Tell, progress_bar
from keelmark.cli.replay_table import print_replay
from keelmark.lab.replay.compare import Compared, compare, require_known, variants
from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.outputs import require_writable, write_outputs
from keelmark.lab.replay.run import Progress, draw_world, run_replay
from keelmark.lab.replay.spec import FEEDBACKS, ReplaySpec
from keelmark.market.datasets import find_data

ACCOUNTS = 20_000
"""A twentieth of the population's venue: large enough for every stage, done in a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for.

    Attributes:
        spec: The replay.
        out: Where its files go.
        policies: Deleverage policies to compare it with.
        compare_marks: Whether to run it on plain trades as well.
    """

    spec: ReplaySpec
    out: Path
    policies: tuple[str, ...]
    compare_marks: bool


def _listed(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return names separated by commas."""
    return tuple(name.strip() for name in value.split(",")) if value else ()


@click.command()
@click.argument("scenario", default="oct10")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the files.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of recorded data. Default: KEELMARK_DATA, then ../shared/data, then built in.",
)
@click.option("--built-in", is_flag=True, help="Use built-in prices even if data is found.")
@click.option("--accounts", default=ACCOUNTS, show_default=True, help="Accounts to draw.")
@click.option("--population", default="default", show_default=True, help="Name or TOML file.")
@click.option("--rulebook", default="generic", show_default=True, help="Name or TOML file.")
@click.option("--mark-model", help="As ema:150s, last, reference. Default: the scenario's.")
@click.option(
    "--feedback",
    type=click.Choice(FEEDBACKS),
    default=FEEDBACKS[0],
    show_default=True,
    help="Whether liquidations move execution prices alone, or marks as well.",
)
@click.option("--deleverage", help="Deleverage policy in place of the rulebook's.")
@click.option("--socialise", help="Loss policy in place of the rulebook's.")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(min=0))
@click.option("--compare-policies", callback=_listed, help="Deleverage policies, as a,b.")
@click.option("--no-compare-marks", is_flag=True, help="Leave out the run on plain trades.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def replay(**options: Any) -> None:  # noqa: ANN401 click's options
    """Run a population of accounts through the crash SCENARIO and write what came of it.

    Writes report.html, events.parquet, accounts.parquet and summary.json into the folder --out.
    """
    request = _request(options)
    silent = options["as_json"] or options["quiet"]
    say = _nothing if silent else click.echo
    say(_prices(options, request.spec.data))
    with progress_bar(hidden=silent) as part:
        measures, compared = _run(request, part)
        part("")("writing", 0, 1)
        summary = write_outputs(measures, request.out, compared)
    if options["as_json"]:
        click.echo(json.dumps(summary, indent=2))
    elif not options["quiet"]:
        print_replay(measures, compared, request.out)


def _nothing(_line: str) -> None:
    """Say nothing."""


def _request(options: dict[str, Any]) -> Request:
    """Return what was asked for; everything that can be refused early is refused here."""
    require_writable(options["out"])
    data = None if options["built_in"] else find_data(options["data"])
    return Request(
        spec=ReplaySpec(
            scenario=options["scenario"],
            accounts=options["accounts"],
            population=options["population"],
            rulebook=options["rulebook"],
            mark_model=options["mark_model"],
            feedback=options["feedback"],
            deleverage=options["deleverage"],
            socialise=options["socialise"],
            seed=options["seed"],
            data=data,
        ),
        out=options["out"],
        policies=require_known(options["compare_policies"]),
        compare_marks=not options["no_compare_marks"],
    )


def _prices(options: dict[str, Any], data: Path | None) -> str:
    """Say which prices are used."""
    if data is not None:
        return f"prices: recorded, from {data.resolve()}"
    if options["built_in"]:
        return "prices: built in, as asked"
    return "prices: built in (no recorded data found; name its folder with --data)"


def _run(
    request: Request,
    part: Callable[[str], Tell],
) -> tuple[Measures, Sequence[Compared]]:
    """Run the replay and what it is compared with, on the same prices and accounts."""
    first: Progress = part("")
    world = draw_world(request.spec, progress=first)
    measures = Measures(run_replay(request.spec, world=world, progress=first))
    others = variants(
        request.spec,
        measures.replay.mark_model,
        policies=request.policies,
        marks=request.compare_marks,
    )
    compared = [compare(other, world, part(f"{other.key}: ")) for other in others]
    return measures, compared
