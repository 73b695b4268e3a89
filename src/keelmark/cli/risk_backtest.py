"""`keelmark risk backtest`: how good each model's forecasts of losses were on recorded bars."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from keelmark.accounts.decode import decimal_of
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.options import account_of, json_option, rulebook_option
from keelmark.cli.painting import INDENT, WIDTH, say, wrapped
from keelmark.cli.progress import progress_bar
from keelmark.core.errors import InvalidInput, StorageFailed
from keelmark.risk.backtests.document import document
from keelmark.risk.backtests.holding import Holding, of_account, of_weights
from keelmark.risk.backtests.judged import Backtest, Level
from keelmark.risk.backtests.models import MODELS
from keelmark.risk.backtests.pages import markdown, page
from keelmark.risk.backtests.rolling import REFIT, WINDOW, WINDOW_MIN, Schedule, window_for
from keelmark.risk.backtests.run import backtest as run_backtest
from keelmark.risk.backtests.wording import (
    COLUMNS,
    HEADS,
    level_text,
    row_of,
    span_text,
    summary,
    words_of,
)
from keelmark.risk.history.periods import milliseconds
from keelmark.risk.returns import AUTO, Returns, read_returns

OUT = (".html", ".md")
NO_SPAN = "0h"
_RESIDUALS = 200
"""Periods in a tenth of which a Pareto law can be fitted."""


def levels(ctx: click.Context, param: click.Parameter, value: str) -> tuple[float, ...]:
    """Return tails of confidence levels written as 99%,97.5% or 0.99; an option callback."""
    found: list[float] = []
    for text in value.split(","):
        number = decimal_of(text.strip().removesuffix("%").strip())
        if number is not None and text.strip().endswith("%"):
            number = number / 100
        if number is None or not 0.5 < number < 1:  # noqa: PLR2004 a level is beyond the middle
            msg = f"{text!r} is no confidence level; write 99%,97.5% or 0.99"
            raise click.BadParameter(msg, ctx=ctx, param=param)
        found.append(float(1 - number))
    return tuple(dict.fromkeys(found))


def names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Return names written as A,B; an option callback."""
    if value is None:
        return None
    found = [part.strip() for part in value.split(",") if part.strip()]
    if not found:
        msg = f"{value!r} names nothing; write A,B"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return found


def shares(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> dict[str, float] | None:
    """Return shares by coin written as BTC=0.5,ETH=-0.5; an option callback."""
    if value is None:
        return None
    found: dict[str, float] = {}
    for text in value.split(","):
        coin, _, share = (part.strip() for part in text.partition("="))
        number = decimal_of(share)
        if not coin or number is None or coin in found:
            msg = f"{text!r} is no share of a coin; write each coin once, as BTC=0.5,ETH=-0.5"
            raise click.BadParameter(msg, ctx=ctx, param=param)
        found[coin] = float(number)
    return found


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return milliseconds of a UTC time written as 2022-11-08 or 2022-11-08T12:00."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        msg = f"{value!r} is no time; write 2022-11-08 or 2022-11-08T12:00, UTC"
        raise click.BadParameter(msg, ctx=ctx, param=param) from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def ahead(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Return milliseconds of a span written as 8h or -5h; an option callback."""
    try:
        size = milliseconds(value.removeprefix("-").removeprefix("+")) if value != NO_SPAN else 0
    except InvalidInput as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from error
    return -size if value.startswith("-") else size


def report_path(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """Return where the report goes; its ending says which kind; an option callback."""
    if value is not None and Path(value).suffix.lower() not in OUT:
        msg = f"{value!r} names no kind of report; end it with {' or '.join(OUT)}"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return None if value is None else Path(value)


@click.command()
@click.argument("bars", metavar="BARS...", nargs=-1, required=True, type=click.Path())
@click.option("--coins", callback=names, metavar="A,B", help="Hold these in equal parts.")
@click.option("--weights", callback=shares, metavar="A=0.5,B=-0.5", help="Hold these shares.")
@click.option("--account", "file", metavar="FILE", help="Hold what this account holds.")
@rulebook_option
@click.option(
    "--every", default="1d", show_default=True, help=f"Period of a forecast: 1d, 8h, 1h or {AUTO}."
)
@click.option(
    "--window", type=int, help=f"Periods to fit on; {WINDOW}, or half of those there are."
)
@click.option("--refit", default=REFIT, show_default=True, help="Periods between fits.")
@click.option(
    "--levels",
    "tails",
    callback=levels,
    default="99%,97.5%",
    show_default=True,
    help="Confidence of value at risk and shortfall.",
)
@click.option(
    "--models", "chosen", callback=names, metavar="A,B", help=f"Of {', '.join(MODELS)}; all."
)
@click.option("--from", "start", callback=moment, metavar="TIME", help="First forecast, UTC.")
@click.option("--to", "end", callback=moment, metavar="TIME", help="Forecast before it, UTC.")
@click.option(
    "--clock", callback=ahead, default=NO_SPAN, help="How far the bars' clock is ahead of UTC: 8h."
)
@click.option("--decay", default=0.94, show_default=True, help="Of EWMA, by period.")
@click.option("--seed", default=1, show_default=True, help="Of draws.")
@click.option("--out", callback=report_path, metavar="PATH", help="Write a report, .html or .md.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def backtest(**asked: Any) -> None:  # noqa: ANN401 the options below
    """Forecast the losses of every period in BARS from the periods before, and test the forecasts.

    BARS are Parquet or CSV with ts_ms, symbol, close; several files are joined. Without --coins,
    --weights or --account every coin of the file is held in equal parts.

    Exit code 3: no model has forecasts, or they are too few to tell models apart.
    """
    request = Request(**asked)
    done = _run(request)
    if request.out is not None:
        _write(request.out, done)
    if request.as_json:
        click.echo(json.dumps(document(done), indent=2))
    else:
        for line in (*lines(done), *_after(request)):
            say(line)
    click.get_current_context().exit(ExitCode.UNKNOWN if done.is_unknown else ExitCode.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options as asked."""

    bars: tuple[str, ...]
    coins: list[str] | None
    weights: dict[str, float] | None
    file: str | None
    rulebook: str | None
    every: str
    window: int | None
    refit: int
    tails: tuple[float, ...]
    chosen: list[str] | None
    start: int | None
    end: int | None
    clock: int
    decay: float
    seed: int
    out: Path | None
    quiet: bool
    as_json: bool


def _run(request: Request) -> Backtest:
    holding = _holding(request)
    rows = _rows(holding.returns, request.start, request.end)
    window = request.window
    if window is None:
        window = _window(holding, rows, request.tails)
        if window != WINDOW:
            text = (
                f"a window of {window:,} periods was chosen, for the history has "
                f"{len(holding.profit):,}: --window sets another"
            )
            holding = replace(holding, notes=(*holding.notes, text))
    schedule = Schedule(
        tails=request.tails,
        window=window,
        refit=request.refit,
        decay=request.decay,
        seed=request.seed,
    )
    with progress_bar(hidden=request.quiet or request.as_json) as part:
        return run_backtest(holding, request.chosen, schedule, rows=rows, tell=part(""))


def _holding(request: Request) -> Holding:
    """Return what is held.

    Raises:
        InvalidInput: It is said in several ways.
    """
    ways = [w for w in (request.coins, request.weights, request.file) if w is not None]
    if len(ways) > 1:
        msg = "give one of --coins, --weights and --account: each says what is held"
        raise InvalidInput(msg)
    paths = list(request.bars)
    if request.file is not None:
        account = account_of(request.file, request.rulebook)
        returns = read_returns(paths, every=request.every, ahead_ms=request.clock)
        return of_account(account, returns)
    wanted = request.coins or (request.weights and list(request.weights)) or None
    returns = read_returns(paths, every=request.every, coins=wanted, ahead_ms=request.clock)
    coins = wanted or returns.coins
    return of_weights(returns, request.weights or dict.fromkeys(coins, 1.0 / len(coins)))


def _window(holding: Holding, rows: slice, tails: tuple[float, ...]) -> int:
    """Return the window where none is asked for: all before the first forecast, or half.

    A little more than half where a Pareto tail of residuals takes it.
    """
    first, last, _ = rows.indices(len(holding.profit))
    return window_for(first or max(last // 2, min(_RESIDUALS, last - WINDOW_MIN)), tails)


def _rows(returns: Returns, start: int | None, end: int | None) -> slice:
    """Return the rows of periods that begin in the span asked.

    Raises:
        InvalidInput: A span is asked of a table without times.
    """
    if start is None and end is None:
        return slice(None)
    if returns.times is None or returns.days is None:
        msg = f"{returns.source}: the table has no times, so --from and --to say nothing of it"
        raise InvalidInput(msg)
    begun = returns.times - round(returns.days * 86_400_000)
    first = 0 if start is None else int(begun.searchsorted(start))
    last = len(begun) if end is None else int(begun.searchsorted(end))
    return slice(first, last)


def lines(done: Backtest) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    run = done.run
    title = f"{run.holding.name}: {len(run.profit):,} forecasts of {run.holding.returns.period}"
    yield from wrapped(f"{title}, {span_text(run)} UTC", WIDTH, 0)
    for level in done.levels:
        yield ""
        expected = level.tail * len(run.profit)
        yield f"value at risk {level_text(level.tail)}, {expected:.1f} violations expected"
        yield from table(level)
        for text in words_of(level, run):
            yield from wrapped(text, WIDTH)
    yield ""
    for text in (*summary(done), HEADS):
        yield from wrapped(text, WIDTH)


def table(level: Level) -> Iterator[str]:
    """Return the models as a table, the best first."""
    order = [*level.ranked, *(name for name in level.judged if name not in level.ranked)]
    rows = [COLUMNS, *(row_of(level.judged[name]) for name in order)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=True)]
        yield INDENT + " ".join(cells)


def _after(request: Request) -> Iterator[str]:
    """Yield where the report is, or how to have one."""
    yield ""
    if request.out is not None:
        yield f"report: {request.out}"
        return
    yield "next: the same with `--out report.html` draws forecasts and violations"


def _write(path: Path, done: Backtest) -> None:
    """Write the report.

    Raises:
        StorageFailed: It cannot be written there.
    """
    text = page(done) if path.suffix.lower() == ".html" else markdown(done)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{path}: the report cannot be written ({error}); name another place"
        raise StorageFailed(msg) from error
