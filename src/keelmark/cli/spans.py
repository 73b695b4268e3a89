"""Options of commands that move prices: how far, along what, and where the picture goes."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import click

from keelmark.accounts.decode import decimal_of
from keelmark.core.errors import InvalidInput, StorageFailed

PERCENT = Decimal(100)
PICTURES = (".png", ".svg", ".html")


def move(ctx: click.Context, param: click.Parameter, value: str) -> Decimal:
    """Return a relative move written as -0.3 or -30%; an option callback."""
    text = value.strip()
    number = decimal_of(text.removesuffix("%").strip())
    if number is None:
        msg = f"{value!r} is no move; write -0.3 or -30%"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return number / PERCENT if text.endswith("%") else number


def vector(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, Decimal]:
    """Return relative changes by name, written as BTC=1; an option callback."""
    found: dict[str, Decimal] = {}
    for text in value:
        name, sign, step = (part.strip() for part in text.partition("="))
        number = decimal_of(step)
        if not (name and sign) or number is None or name in found:
            msg = f"{text!r} is no part of a vector; write each coin once, as BTC=1"
            raise click.BadParameter(msg, ctx=ctx, param=param)
        found[name] = number
    return found


def picture(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """Return where a picture goes; its ending says which kind; an option callback."""
    if value is None:
        return None
    path = Path(value)
    if path.suffix.lower() not in PICTURES:
        msg = f"{value!r} names no kind of picture; end it with {', '.join(PICTURES)}"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return path


unit_option = click.option(
    "--unit", "unit_id", metavar="ID", help="Margin unit, where there are several."
)
plot_option = click.option(
    "--plot",
    callback=picture,
    metavar="PATH",
    help="Draw it too, as .png, .svg or a page of its own (.html); needs keelmark[plot].",
)


def save_picture(draw: Callable[[Path], Path], path: Path | None) -> None:
    """Draw a picture where one is asked for.

    Raises:
        StorageFailed: It cannot be written.
    """
    if path is None:
        return
    try:
        draw(path)
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); choose another place for --plot"
        raise StorageFailed(msg) from error


def only_one(name: str | None, steps: dict[str, Decimal]) -> str | dict[str, Decimal]:
    """Return what moves: a name or a vector; all prices where neither is given.

    Raises:
        InvalidInput: Both are given.
    """
    if name is not None and steps:
        msg = f"{name} and --vector both say what moves; give one of them"
        raise InvalidInput(msg)
    return steps or name or "all"
