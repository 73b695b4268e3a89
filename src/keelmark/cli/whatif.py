"""`keelmark whatif`: what would this account be after these changes?"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import click

from keelmark.cli.check import CODES
from keelmark.cli.options import (
    account_argument,
    account_of,
    json_option,
    maybe_fraction,
    rulebook_option,
    warn_option,
)
from keelmark.core.errors import StorageFailed
from keelmark.risk.edit_text import edit_of
from keelmark.risk.edits import Edit
from keelmark.risk.what_if import WhatIf
from keelmark.risk.what_if import whatif as whatif_of

_ORDER = "keelmark.order"

_EDITS = {
    "add": ("LEG=SIZE[@PRICE]", "Buy a signed size at the mark, or at a price."),
    "close": ("LEG[=SIZE|SHARE%]", "Close a leg at the mark: all, a size, or a share."),
    "resize": ("LEG=SIZE", "Trade until the leg has this signed size."),
    "deposit": ("ASSET=AMOUNT", "Add to the shared collateral."),
    "withdraw": ("ASSET=AMOUNT", "Take from the shared collateral."),
    "transfer": ("LEG=AMOUNT", "Move collateral into an isolated leg; negative: back."),
    "leverage": ("LEG=X", "Set the leverage of a leg, or of `all`."),
    "mode": ("LEG=isolated[:MARGIN]|cross", "Change the margin mode of a leg, or of `all`."),
    "price": ("NAME=PRICE|SHARE%", "Move a mark (BTCUSDT), a coin (BTC), or `all`."),
    "collateral-price": ("ASSET=PRICE|SHARE%", "Move the price of an asset as collateral alone."),
    "venue": ("VENUE[@YYYY-MM]", "Put the book under another rulebook."),
    "date": ("YYYY-MM", "Put the book under another date of its venue."),
}


class OrderedCommand(click.Command):
    """A command that remembers the order in which its options were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the order, then parse as ever."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_ORDER] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


def _edit_options(command: click.Command) -> click.Command:
    """Give a command one repeatable option for each kind of edit."""
    for name, (form, text) in _EDITS.items():
        option = click.Option([f"--{name}"], multiple=True, metavar=form, help=text)
        command.params.append(option)
    return command


def _edits(ctx: click.Context, given: Mapping[str, tuple[str, ...]]) -> Iterator[Edit]:
    """Return the edits in the order of the command line."""
    waiting = {name: iter(texts) for name, texts in given.items()}
    for name in ctx.meta[_ORDER]:
        if name in waiting:
            yield edit_of(name.replace("_", "-"), next(waiting[name]))


@_edit_options
@click.command(cls=OrderedCommand)
@account_argument
@json_option
@rulebook_option
@click.option(
    "--fee",
    callback=maybe_fraction,
    metavar="SHARE",
    help="Fee of fills, 0.0005 or 0.05%; the rulebook's taker fee where left out.",
)
@warn_option("Red below this distance, and the exit code is 1: 0.15 or 15%.")
@click.option("--save", metavar="PATH", help="Write the account document after the changes.")
def whatif(  # the edits: one option a kind
    *,
    file: str,
    as_json: bool,
    rulebook: str | None,
    fee: Decimal | None,
    warn: Decimal,
    save: str | None,
    **edits: tuple[str, ...],
) -> None:
    """Show the account in FILE (`-`: standard input) now and after changes, in the order given.

    For example: --close BTCUSDT=50% --deposit USDT=1000 --price ETH=-10% --venue generic.
    The exit code is that of the account after.
    """
    ctx = click.get_current_context()
    account = account_of(file, rulebook)
    found = whatif_of(account, *_edits(ctx, edits), fee_rate=fee, warn_distance=warn)
    if save is not None:
        _save(found, save)
    if as_json:
        _print_json(found)
    else:
        _print_table(found, file, save)
    ctx.exit(CODES[found.after.verdict])


def _save(found: WhatIf, path: str) -> None:
    """Write the account document after the changes."""
    from keelmark.accounts.written import written  # noqa: PLC0415 not needed without --save

    text = json.dumps(written(found.document), indent=2)
    try:
        Path(path).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); choose another place for --save"
        raise StorageFailed(msg) from error


def _print_json(found: WhatIf) -> None:
    from keelmark.risk.whatif_document import whatif_document  # noqa: PLC0415 not needed in tables

    click.echo(json.dumps(whatif_document(found), indent=2))


def _print_table(found: WhatIf, file: str, save: str | None) -> None:
    from keelmark.cli.whatif_table import print_whatif  # noqa: PLC0415 not needed for JSON

    print_whatif(found, file, save)
