"""`keelmark simulate`: workloads, faults and checks from one file and one seed."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import click

from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.options import json_option
from keelmark.lab.simulation.campaign import Campaign, reproduction, run_shards
from keelmark.lab.simulation.spec import read_simulation


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--config",
    default="crash",
    show_default=True,
    help="A TOML file, or the name of a built-in simulation.",
)
@click.option("--shard", type=click.IntRange(min=0), default=None, help="Run this shard alone.")
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Run this many independent shards of the seed.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes; the result does not depend on it.",
)
@click.option("--require-probes", is_flag=True, help="Fail if a rare branch was never reached.")
@json_option
def simulate(**options: Any) -> int:  # noqa: ANN401 click's values, typed below
    """Play random trading through a crash with faults, and check every law of the engine.

    A run is played twice: undisturbed, and with failing writes and restarts; the journals must be
    equal. A failure prints the line that shows it again.
    """
    chosen = Options(**options)
    campaign = chosen.run()
    again = [reproduction(chosen.seed, f.shard, chosen.config) for f in campaign.failures]
    silent = campaign.silent if chosen.require_probes else []
    if chosen.as_json:
        click.echo(json.dumps(_plain(campaign, again), indent=2))
    else:
        _print(campaign, again, silent)
    return ExitCode.OUR_ERROR if campaign.failures or silent else ExitCode.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command."""

    seed: int
    config: str
    shard: int | None
    shards: int
    jobs: int
    require_probes: bool
    as_json: bool

    def run(self) -> Campaign:
        """Run the shards, in one process or in several."""
        spec = read_simulation(self.config)
        shards = range(self.shards) if self.shard is None else [self.shard]
        if self.jobs == 1:
            return run_shards(spec, self.seed, shards)
        with ProcessPoolExecutor(self.jobs, mp_context=get_context("spawn")) as pool:
            return run_shards(spec, self.seed, shards, pool.map)


def _print(campaign: Campaign, again: list[str], silent: list[str]) -> None:
    batches = sum(outcome.batches for outcome in campaign.outcomes)
    click.echo(f"{len(campaign.outcomes)} runs held every law; {batches} batches")
    for name, count in sorted(campaign.fired.items(), key=lambda row: (-row[1], row[0])):
        click.echo(f"  {count:>8}  {name}")
    for failure, line in zip(campaign.failures, again, strict=True):
        click.echo(f"shard {failure.shard}: {failure.error}", err=True)
        for where in failure.where:
            click.echo(f"  {where}", err=True)
        click.echo(line, err=True)
    if silent:
        click.echo(f"never reached: {', '.join(silent)}", err=True)


def _plain(campaign: Campaign, again: list[str]) -> dict[str, object]:
    return {
        "runs": [
            {"profile": o.profile, "steps": o.steps, "batches": o.batches, "digest": o.digest}
            for o in campaign.outcomes
        ],
        "failures": [
            {"shard": f.shard, "error": f.error, "where": list(f.where), "again": line}
            for f, line in zip(campaign.failures, again, strict=True)
        ],
        "probes": dict(sorted(campaign.fired.items())),
        "silent": campaign.silent,
    }
