"""Arguments and options that several commands share."""

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import click

from keelmark.accounts import Account, load_account, read_account
from keelmark.accounts.decode import decimal_of, parse_json
from keelmark.accounts.levels import WARN_DISTANCE
from keelmark.rulebooks import Rulebook, load_rulebook

PERCENT = Decimal(100)

Command = TypeVar("Command", bound=Callable[..., object])


def fraction(ctx: click.Context, param: click.Parameter, value: str) -> Decimal:
    """Return a fraction written as 0.15 or 15%; an option callback."""
    text = value.strip()
    number = decimal_of(text.removesuffix("%").strip())
    if number is None or number < 0:
        msg = f"{value!r} is no fraction; write 0.15 or 15%"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return number / PERCENT if text.endswith("%") else number


def maybe_fraction(ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    """Return a fraction where one is given; an option callback."""
    return None if value is None else fraction(ctx, param, value)


def coin_fractions(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, float]:
    """Return fractions by coin, each written as BTC=0.03 or BTC=3%; an option callback."""
    found: dict[str, float] = {}
    for value in values:
        coin, sign, text = value.partition("=")
        if not coin.strip() or not sign:
            msg = f"{value!r} names no coin with a fraction; write COIN=0.03 or COIN=3%"
            raise click.BadParameter(msg, ctx=ctx, param=param)
        number = fraction(ctx, param, text)
        if not number:
            msg = f"{value!r}: a standard deviation is above 0"
            raise click.BadParameter(msg, ctx=ctx, param=param)
        found[coin.strip()] = float(number)
    return found


_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def span(ctx: click.Context, param: click.Parameter, value: str) -> timedelta:
    """Return a span written as 90s, 5m, 2h, 1d or 0; an option callback."""
    found = _SPAN.fullmatch(value.strip().lower())
    if found is None:
        msg = f"{value!r} is no span; write 90s, 5m, 2h, 1d or 0"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    try:
        return timedelta(seconds=float(found[1]) * _SECONDS[found[2]])
    except OverflowError as error:
        msg = f"{value!r} is longer than any history; write 90s, 5m, 2h, 1d or 0"
        raise click.BadParameter(msg, ctx=ctx, param=param) from error


account_argument = click.argument("file", metavar="FILE", type=click.Path())
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, decimals as text.")


def warn_option(text: str) -> Callable[[Command], Command]:
    """Return `--warn`: the distance below which an account is red."""
    return click.option(
        "--warn",
        callback=fraction,
        default=str(WARN_DISTANCE),
        show_default=True,
        envvar="KEELMARK_WARN",
        show_envvar=True,
        help=text,
    )


rulebook_option = click.option(
    "--rulebook",
    metavar="VENUE[@YYYY-MM]",
    help="Use this rulebook instead of the one the document names.",
)


def account_of(file: str, rulebook: str | None) -> Account:
    """Return the account in a file, or on standard input where the file is `-`.

    What a venue's interface answered is imported on the way.
    """
    rules = None if rulebook is None else load_rulebook(rulebook)
    if file == "-":
        text = sys.stdin.read()
        return _answered("standard input", text, rules) or read_account(
            text, title="standard input", rulebook=rules
        )
    return _answered(file, _text_of(file), rules) or load_account(file, rulebook=rules)


def named_number(text: str, option: str, what: str, example: str) -> tuple[str, Decimal]:
    """Return the name and the number above nothing of an option's value such as BTC=31967.27.

    Raises:
        click.BadParameter: It is not `what` it should be; `example` shows one.
    """
    name, _, number = text.rpartition("=")
    found = decimal_of(number)
    if not name or found is None or found <= 0:
        msg = f"{text!r} is no {what}; write it as {example}"
        raise click.BadParameter(msg, param_hint=option)
    return name, found


def _text_of(file: str) -> str:
    """Return the text of a file; nothing where it cannot be read, which loading it then says."""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _answered(title: str, text: str, rules: Rulebook | None) -> Account | None:
    """Return the account in a venue's answer; `None` where the text is no such answer."""
    if '"venue"' in text or not text.lstrip().startswith(("{", "[")):
        return None
    from keelmark.accounts.importers import Payload, import_account  # noqa: PLC0415 rarely needed
    from keelmark.accounts.importers.run import is_answer  # noqa: PLC0415 as above

    payload = Payload(title=title, content=parse_json(text, title=title))
    return import_account([payload]).account(rules) if is_answer(payload) else None
