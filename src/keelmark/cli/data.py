"""`keelmark data`: what recorded data is here, fetch more, and bring other formats into one."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from keelmark.core.errors import InvalidInput
from keelmark.market.bars import gaps
from keelmark.market.datasets import describe
from keelmark.market.download import BASE_URL, download, kline_paths
from keelmark.market.importers import import_bars

MARKETS = ("futures/um", "futures/cm", "spot")
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def data() -> None:
    """Describe, fetch and import market data."""


@data.command("list")
def list_data() -> None:
    """List the named data sets and whether they are here."""
    click.echo(describe())


@data.command("fetch")
@click.argument("symbols", nargs=-1, required=True)
@click.option("--first", type=DAY, required=True, help="First day, YYYY-MM-DD, UTC.")
@click.option("--last", type=DAY, help="Last day, both included; the first day if left out.")
@click.option("--interval", default="1m", show_default=True, help="1m, 3m, 5m, 1h, ...")
@click.option("--market", type=click.Choice(MARKETS), default=MARKETS[0], show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("data"), show_default=True)
@click.option("--base-url", default=BASE_URL, show_default=True, help="The archive.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def fetch(**options: Any) -> None:  # noqa: ANN401 click's options
    """Fetch daily bars of SYMBOLS from the public archive, checked against its checksums."""
    out: Path = options["out"]
    paths = [path for symbol in options["symbols"] for path in _paths(symbol, options)]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=options["quiet"]) as progress:
        files = download(paths, out, base_url=options["base_url"], progress=progress)
    click.echo(f"{len(files)} files in {out}, every checksum right")
    click.echo(f"next: `keelmark data import {out}/*.zip --out bars.parquet`")


def _paths(symbol: str, options: dict[str, Any]) -> tuple[str, ...]:
    first = options["first"].date()
    last = options["last"].date() if options["last"] else first
    return kline_paths(
        symbol,
        options["interval"],
        first=first,
        last=last,
        market=options["market"],
    )


@data.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Parquet to write.")
@click.option("--symbol", help="Instrument of files whose name does not say it.")
def import_files(files: tuple[Path, ...], out: Path, symbol: str | None) -> None:
    """Bring FILES (kline zip, CSV, feather, Parquet) into one Parquet of canonical bars."""
    import polars as pl  # noqa: PLC0415 start-up: listing commands must not load it

    from keelmark.market.bars import Bars  # noqa: PLC0415 as above

    if out.exists():
        msg = f"{out} exists already; remove it or choose another name"
        raise InvalidInput(msg)
    frames = [import_bars(file, symbol=symbol).frame for file in files]
    bars = Bars.from_frame(pl.concat(frames), source=", ".join(str(file) for file in files))
    bars.write(out)
    missing = gaps(bars)
    click.echo(f"{bars.frame.height} bars of {len(bars.symbols)} instruments in {out}")
    click.echo(f"gaps: {len(missing) or 'none'}")
    for gap in missing[:10]:
        click.echo(f"  {gap}")
