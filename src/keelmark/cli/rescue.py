"""`keelmark rescue`: the cheapest way to a target, with the proof."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import click

from keelmark.accounts.decode import decimal_of
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.options import (
    account_argument,
    account_of,
    fraction,
    json_option,
    maybe_fraction,
    rulebook_option,
    warn_option,
)
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO
from keelmark.risk.rescues import (
    Action,
    Hedge,
    Impact,
    Money,
    Rescue,
    RescueOptions,
    RescueStatus,
    Target,
)
from keelmark.risk.rescues import rescue as rescue_account
from keelmark.risk.rescues.rescue import DEFAULT_TARGET

Pair = tuple[str, str | None]


def pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[Pair]:
    """Return options written NAME or NAME=VALUE; an option callback."""
    found: list[Pair] = []
    for text in values:
        name, is_given, value = text.partition("=")
        if not name or (is_given and not value):
            msg = f"{text!r}: write NAME=VALUE"
            raise click.BadParameter(msg, ctx=ctx, param=param)
        found.append((name, value or None))
    return found


@click.command()
@account_argument
@click.option(
    "--target",
    callback=maybe_fraction,
    metavar="RATIO",
    help="Maintenance over equity to get down to: 0.5 or 50%.",
)
@click.option(
    "--distance",
    callback=maybe_fraction,
    metavar="SHARE",
    help="Instead: no move of a price, alone or together, below this liquidates.",
)
@warn_option("Without --target and --distance: reach this distance, and 50 % of equity in use.")
@click.option("--unit", metavar="ID", help="Margin unit; the one in most need if left out.")
@click.option(
    "--allow",
    default=",".join(Action),
    show_default=True,
    help="Actions that may be used.",
)
@click.option(
    "--deposit",
    "deposits",
    multiple=True,
    callback=pairs,
    metavar="ASSET[=MAX]",
    help="Asset that can come in, and how much of it.",
)
@click.option("--max-deposit", metavar="AMOUNT", help="Limit of deposits that name none.")
@click.option(
    "--deposit-cost",
    callback=fraction,
    default="0",
    metavar="SHARE",
    help="What deposited money costs: 0.01 or 1%.",
)
@click.option(
    "--wallet",
    multiple=True,
    callback=pairs,
    metavar="ASSET=AMOUNT",
    help="What lies ready in a funding wallet; moving it costs nothing.",
)
@click.option("--no-close", "kept", multiple=True, metavar="SYMBOL", help="Leave this one alone.")
@click.option(
    "--hedge",
    "hedges",
    multiple=True,
    callback=pairs,
    metavar="SYMBOL[=MAX]",
    help="Instrument in which a position may be opened, up to a notional.",
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    callback=pairs,
    metavar="SYMBOL=PRICE",
    help="Mark of a hedge that is not held.",
)
@click.option(
    "--fee",
    "fees",
    multiple=True,
    callback=pairs,
    metavar="[SYMBOL=]SHARE",
    help="Fee on traded notional; the rulebook's taker fee if left out.",
)
@click.option(
    "--impact",
    "impacts",
    multiple=True,
    callback=pairs,
    metavar="SYMBOL=A[,B]",
    help="Slippage of notional n costs A n**2 + B n**1.5; the rulebook's if left out.",
)
@click.option(
    "--toxic",
    is_flag=True,
    help="Allow closes that cost more than they free: they lower the excess.",
)
@rulebook_option
@json_option
def rescue(*, file: str, as_json: bool, **given: Any) -> None:  # noqa: ANN401 click's values
    """Say the cheapest way to bring the account in FILE to a target, and prove it.

    Exit code 0 when the target is met or a plan reaches it; out of reach: 2 if the account is
    liquidatable now, else 64; 3 if a number that decides is missing.
    """
    account = account_of(file, given["rulebook"])
    found = rescue_account(account, target_of(given), unit=given["unit"], options=options_of(given))
    if as_json:
        _print_json(found)
    else:
        _print_table(found, file)
    click.get_current_context().exit(code_of(found))


def _print_json(found: Rescue) -> None:
    from keelmark.risk.rescues.document import rescue_document  # noqa: PLC0415 not needed in tables

    click.echo(json.dumps(rescue_document(found), indent=2))


def _print_table(found: Rescue, file: str) -> None:
    from keelmark.cli.rescue_table import print_rescue  # noqa: PLC0415 not needed for JSON

    print_rescue(found, file)


def code_of(found: Rescue) -> ExitCode:
    """Return the exit code of an answer."""
    if found.status is RescueStatus.UNKNOWN:
        return ExitCode.UNKNOWN
    if found.status is not RescueStatus.OUT_OF_REACH:
        return ExitCode.OK
    return ExitCode.LIQUIDATABLE if found.standing.is_liquidatable else ExitCode.BAD_INPUT


def target_of(given: dict[str, Any]) -> Target:
    """Return the target asked for; where none is, out of red and half of equity in use."""
    ratio, distance = given["target"], given["distance"]
    if ratio is not None and distance is not None:
        msg = "--target and --distance are two questions; ask one of them"
        raise click.UsageError(msg)
    if distance is not None:
        return Target.distance(distance)
    if ratio is not None:
        return Target.ratio(ratio)
    return Target.both(DEFAULT_TARGET.value, given["warn"])


def options_of(given: dict[str, Any]) -> RescueOptions:
    """Return what may be used, at which price and up to which limit."""
    default, by_symbol = _fees(given["fees"])
    return RescueOptions(
        actions=frozenset(_actions(given["allow"])),
        deposits=tuple(_deposits(given)),
        deposit_max=_maybe("--max-deposit", given["max_deposit"]),
        deposit_cost=given["deposit_cost"],
        wallet={name: _number("--wallet", name, value) for name, value in given["wallet"]},
        toxic=given["toxic"],
        kept=frozenset(given["kept"]),
        hedges=tuple(_hedges(given["hedges"], dict(given["prices"]))),
        fee=default,
        fees=by_symbol,
        impacts={name: _impact(name, value) for name, value in given["impacts"]},
    )


def _actions(text: str) -> Iterator[Action]:
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word not in list(Action):
            msg = f"--allow {word}: known are {', '.join(Action)}"
            raise click.UsageError(msg)
        yield Action(word)


def _deposits(given: dict[str, Any]) -> Iterator[Money]:
    for asset, text in given["deposits"]:
        limit = None if text is None else _number("--deposit", asset, text)
        yield Money(asset=asset, amount_max=limit)


def _hedges(hedges: list[Pair], prices: dict[str, str | None]) -> Iterator[Hedge]:
    for symbol, text in hedges:
        price = prices.get(symbol)
        hedge = Hedge(
            instrument=symbol,
            price=None if price is None else _number("--price", symbol, price),
        )
        if text is not None:
            hedge = replace(hedge, notional_max=_number("--hedge", symbol, text))
        yield hedge
    unused = set(prices) - {symbol for symbol, _ in hedges}
    if unused:
        msg = f"--price {min(unused)}: no --hedge of it; prices of what is held are in the document"
        raise click.UsageError(msg)


def _fees(fees: list[Pair]) -> tuple[Decimal | None, dict[str, Decimal]]:
    """Return the fee for all, and those by symbol: an option without a name is for all."""
    default: Decimal | None = None
    by_symbol: dict[str, Decimal] = {}
    for name, value in fees:
        if value is None:
            default = _share("--fee", name)
        else:
            by_symbol[name] = _share("--fee", value)
    return default, by_symbol


def _share(option: str, text: str) -> Decimal:
    number = decimal_of(text.removesuffix("%").strip())
    if number is None or number < ZERO:
        msg = f"{option} {text}: write a fraction, 0.0005 or 0.05%"
        raise InvalidInput(msg)
    return number / 100 if text.endswith("%") else number


def _impact(name: str, value: str | None) -> Impact:
    linear, _, root = (value or "").partition(",")
    return Impact(
        linear=_number("--impact", name, linear),
        root=_number("--impact", name, root) if root else ZERO,
    )


def _maybe(option: str, text: str | None) -> Decimal | None:
    return None if text is None else _number(option, "", text)


def _number(option: str, name: str, text: str | None) -> Decimal:
    found = decimal_of(text)
    if found is None:
        shown = f"{name}=" if name else ""
        msg = f"{option} {shown}{text or ''}: a decimal number is needed, such as {shown}1234.5"
        raise InvalidInput(msg)
    return found
