"""`keelmark stress`: what known crashes and worse would do to an account, or to a book of them."""

import json
from pathlib import Path
from typing import Any

import click

from keelmark.accounts.bulk import is_book
from keelmark.accounts.check import check as check_account
from keelmark.cli.check import CODES
from keelmark.cli.options import account_of, json_option, rulebook_option
from keelmark.cli.painting import say
from keelmark.risk.stress.library import StressScenario, named, read_scenarios, stress_library


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(), required=False)
@click.argument("names", metavar="[NAME...]", nargs=-1)
@json_option
@rulebook_option
@click.option("--list", "is_list", is_flag=True, help="Show the scenarios and their sources.")
@click.option(
    "--file",
    "own",
    metavar="PATH",
    multiple=True,
    help="Scenarios of your own (TOML, as in the library), beside the built-in ones.",
)
@click.option(
    "--scale",
    type=float,
    default=1.0,
    show_default=True,
    help="Every shock times this, in logs: 1.5 makes -20 % a fall of 28.4 %.",
)
@click.option(
    "--moves",
    metavar="COIN|all",
    help="Instead of the library: moves of one coin, or of all, from -50 to +50 %.",
)
@click.option(
    "--bulk",
    is_flag=True,
    help="FILE is a folder of documents, or a file with one a line (.jsonl needs no flag).",
)
def stress(*, file: str | None, names: tuple[str, ...], as_json: bool, **given: Any) -> None:  # noqa: ANN401 click's values
    """Show what each scenario would do to the account in FILE (`-`: standard input).

    Without a NAME all of the library; `--list` shows it. With one NAME, its working. FILE may be
    a whole book: a folder of documents, or a file with one a line. The exit code is of the
    account now; of a book 2 where one is liquidatable now, 64 where a document cannot be read, 3
    where a unit is unknown, else 0.
    """
    ctx = click.get_current_context()
    known = (*stress_library(), *(row for path in given["own"] for row in read_scenarios(path)))
    if given["is_list"]:
        _list(_of_list(known, file, names), as_json=as_json)
        return
    if file is None:
        msg = "name an account document, or --list"
        raise click.UsageError(msg)
    wanted = _wanted(known, names, given["own"], given["moves"])
    if given["bulk"] or is_book(file):
        ctx.exit(_book(file, wanted, given, as_json=as_json))
    ctx.exit(_account(file, wanted, given, as_json=as_json))


def _of_list(
    known: tuple[StressScenario, ...], file: str | None, names: tuple[str, ...]
) -> tuple[StressScenario, ...]:
    """Return what to list: where no account is named the first word is a scenario too."""
    words = (*((file,) if file else ()), *names)
    return named([word for word in words if not Path(word).exists()], known)


def _wanted(
    known: tuple[StressScenario, ...],
    names: tuple[str, ...],
    own: tuple[str, ...],
    moves: str | None,
) -> tuple[StressScenario, ...]:
    """Return the scenarios asked for; a file of one's own without names means that file."""
    if moves is not None:
        from keelmark.risk.stress.moves import move_scenarios  # noqa: PLC0415 rarely needed

        if names:
            msg = "--moves makes its own scenarios; leave the names out"
            raise click.UsageError(msg)
        return move_scenarios(moves)
    if own and not names:
        return tuple(row for path in own for row in read_scenarios(path))
    return named(names, known)


def _list(rows: tuple[StressScenario, ...], *, as_json: bool) -> None:
    if as_json:
        from keelmark.risk.stress.result_document import list_document  # noqa: PLC0415 JSON alone

        click.echo(json.dumps(list_document(rows), indent=2))
        return
    from keelmark.cli.stress_list import list_lines  # noqa: PLC0415 the list alone

    for line in list_lines(rows):
        say(line)


def _account(
    file: str,
    wanted: tuple[StressScenario, ...],
    given: dict[str, Any],
    *,
    as_json: bool,
) -> int:
    """Print an account under stress; return the code of its health now."""
    from keelmark.risk.stress.account_stress import stress_account  # noqa: PLC0415 arrays

    account = account_of(file, given["rulebook"])
    found = stress_account(account, wanted, scale=given["scale"])
    if given["moves"] is not None:
        from keelmark.risk.stress.moves import require_known  # noqa: PLC0415 rarely needed

        require_known(given["moves"], (c for unit in found.units for c in unit.valuer.coins))
    now = check_account(account, reasons=False)
    if as_json:
        from keelmark.risk.stress.result_document import result_document  # noqa: PLC0415 as above

        document = {"verdict": now.verdict.value, **result_document(found)}
        click.echo(json.dumps(document, indent=2))
        return CODES[now.verdict]
    from keelmark.cli.stress_table import stress_lines  # noqa: PLC0415 not needed for JSON

    for line in stress_lines(found, file):
        say(line)
    return CODES[now.verdict]


def _book(
    file: str, wanted: tuple[StressScenario, ...], given: dict[str, Any], *, as_json: bool
) -> int:
    """Print a book of accounts under stress; return the code of their health now."""
    from keelmark.cli.stress_book import print_book  # noqa: PLC0415 only many need it

    if given["rulebook"] is not None:
        msg = "--rulebook is of one account; each document of a book names its own"
        raise click.UsageError(msg)
    return print_book(file, wanted, {**given, "as_json": as_json})
