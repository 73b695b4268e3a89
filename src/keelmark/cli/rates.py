"""Rates with the time they are for, as people write them: 80%, 4%/day, 0.01%/8h."""

import math
from decimal import Decimal

import click

from keelmark.accounts.decode import decimal_of
from keelmark.cli.options import PERCENT, span

YEAR_S = 365 * 86_400
_WORDS = {"year": YEAR_S, "y": YEAR_S, "day": 86_400, "hour": 3_600}


def yearly(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return a rate by year, which is meant where no time is told; an option callback."""
    if value is None:
        return None
    number, seconds = _parts(ctx, param, value)
    return float(number) * YEAR_S / seconds


def yearly_deviation(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return a standard deviation by year: it grows with the root of time; an option callback."""
    if value is None:
        return None
    number, seconds = _parts(ctx, param, value)
    if number <= 0:
        msg = f"{value!r}: a standard deviation is above 0"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return float(number) * math.sqrt(YEAR_S / seconds)


def _parts(ctx: click.Context, param: click.Parameter, value: str) -> tuple[Decimal, float]:
    """Return the number and the seconds of a rate."""
    text, slash, time = (part.strip() for part in value.partition("/"))
    number = decimal_of(text.removesuffix("%").strip())
    if number is None or (slash and not time):
        msg = f"{value!r} is no rate; write 80%, 4%/day or 0.01%/8h"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    if text.endswith("%"):
        number /= PERCENT
    if not slash or time in _WORDS:
        return number, float(_WORDS.get(time, YEAR_S))
    long = span(ctx, param, time if time[0].isdigit() else f"1{time}")
    if not long:
        msg = f"{value!r}: the time of a rate is above 0"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return number, long.total_seconds()
