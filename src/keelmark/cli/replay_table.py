"""The short table at the end of `keelmark replay`, 80 columns, readable without colour."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import click

from keelmark.lab.replay.compare import Compared
from keelmark.lab.replay.measures import Measures, share
from keelmark.lab.replay.outputs import FILES
from keelmark.lab.report.figures import THIN, clock, compact, percent, signed
from keelmark.lab.report.model import Outcome

Row = tuple[str, str, str]


def print_replay(measures: Measures, compared: Sequence[Compared], out: Path) -> None:
    """Print what came of a replay, where it is written and what to do next."""
    replay = measures.replay
    click.echo(
        f"{replay.scenario.name}  {replay.spec.rulebook}  marks {replay.mark_model}  "
        f"seed {replay.spec.seed}  digest {replay.digest[:12]}\n",
    )
    for label, figure, remark in _rows(measures):
        click.echo(_plain(f"  {label:<22} {figure:>14}   {remark}".rstrip()))
    if compared:
        click.echo(f"\n  {'compared with':<32} {'accounts':>10} {'liquidated':>14} {'ADL':>14}")
    for one in compared:
        click.echo(_plain(f"  {one.variant.key:<32} {_compared(one.run.outcome)}"))
    seconds = sum(replay.timings.values())
    click.echo(f"\n{seconds:.0f} s; written: {', '.join(FILES)}")
    click.echo(f"next: open {out / 'report.html'}")


def _rows(measures: Measures) -> list[Row]:
    currency = measures.replay.scenario.settle.asset
    funds = [measures.money(quanta) for quanta in measures.funds]
    peak = measures.peak_minute_ms
    first, least, last = measures.backstop_equities
    residuals = measures.replay.residuals
    given = measures.money(measures.paid.deleveraged)
    deficits = measures.money(measures.deficit)
    people, whole = Decimal(measures.accounts), measures.liquidated
    long = _part(measures.liquidated_long, whole)
    return [
        (
            "accounts liquidated",
            f"{measures.accounts_liquidated:,}",
            f"{_part(Decimal(measures.accounts_liquidated), people)} of {measures.accounts:,}",
        ),
        (
            f"liquidated, {currency}",
            compact(measures.liquidated),
            f"{_part(whole, measures.open_interest)} of open interest, {long} long",
        ),
        ("worst minute", clock(peak) if peak else "none", "UTC" if peak else ""),
        (
            "auto-deleveraged",
            compact(measures.deleveraged),
            f"{measures.accounts_deleveraged:,} accounts, who gave up {compact(given)}",
        ),
        ("fund", _change(funds[0], funds[-1]), f"of {compact(funds[0])}"),
        (
            "backstop",
            _change(first, last),
            f"of {compact(first)}, at worst {compact(least)}",
        ),
        (
            "bad debt",
            compact(measures.bad_debt),
            f"of {compact(deficits)} in deficits",
        ),
        ("socialised", compact(measures.money(measures.paid.socialised)), ""),
        (
            "conservation residual",
            str(sum(abs(quanta) for quanta in residuals.values())),
            f"quanta, {' '.join(residuals)}",
        ),
    ]


def _part(part: Decimal, whole: Decimal) -> str:
    return percent(share(part, whole))


def _change(first: Decimal, last: Decimal) -> str:
    change = last - first
    return signed(compact(change), change)


def _compared(outcome: Outcome) -> str:
    liquidated, deleveraged = compact(outcome.liquidated), compact(outcome.deleveraged_notional)
    return f"{outcome.accounts_liquidated:>10,} {liquidated:>14} {deleveraged:>14}"


def _plain(line: str) -> str:
    """Return a line without the typography of the page."""
    return line.replace(THIN, " ").replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", " ")
