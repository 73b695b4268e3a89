"""The program itself: finds commands, and turns every ending into its exit code."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

import click

from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.registry import COMMANDS, SUMMARIES, available_commands, is_available
from keelmark.core.errors import (
    InvalidMark,
    InvariantViolated,
    KeelmarkError,
    MissingNumber,
    nearest,
)


class ReaderLeft(Exception):
    """The program reading our output closed it; click would end that with 1, a verdict of ours."""


class Program(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """Return the names of the commands that can be called."""
        return available_commands()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 click's signature
        """Return a command, imported now."""
        if not is_available(cmd_name):
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in available_commands()])

    def resolve_command(
        self,
        ctx: click.Context,
        args: list[str],
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command named first; a name nobody knows is answered with the nearest."""
        name = args[0]
        if not name.startswith("-") and not is_available(name):
            ctx.fail(f"no command {name!r}; {nearest(name, available_commands())}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 click's signature
        """Run the command named."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeft from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 click's signature
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002, ARG002 click's signature
        **extra: Any,  # noqa: ANN401 click's signature
    ) -> Any:  # noqa: ANN401 click's signature
        """Run a command and leave with the exit code of the contract."""
        run = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        if standalone_mode:
            leave(ending(run))
        return run()


def ending(run: Callable[[], Any]) -> int:
    """Run a command and return its exit code; what went wrong is said on standard error."""
    try:
        ended = run()
    except click.ClickException as error:
        error.show()
        return ExitCode.BAD_INPUT
    except click.Abort:
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except ReaderLeft:
        return _reader_left()
    except KeelmarkError as error:
        click.echo(f"error: {error}", err=True)
        return exit_code_of(error)
    except Exception as error:  # noqa: BLE001 whatever it is, it is ours
        from traceback import format_exc  # noqa: PLC0415 needed once, when all is lost

        click.echo(format_exc(), err=True)
        click.echo(f"error of our own: {error!r}; please report it with the lines above", err=True)
        return ExitCode.OUR_ERROR
    return ended if isinstance(ended, int) else ExitCode.OK


def exit_code_of(error: KeelmarkError) -> ExitCode:
    """Return the exit code of an error raised on purpose."""
    if isinstance(error, InvariantViolated):
        return ExitCode.OUR_ERROR
    if isinstance(error, MissingNumber | InvalidMark):
        return ExitCode.UNKNOWN
    return ExitCode.BAD_INPUT


def leave(code: int) -> NoReturn:
    """Leave with a code; what is still buffered is written first."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _reader_left()
    sys.exit(code)


def _reader_left() -> ExitCode:
    """Stop writing: the program reading our output has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.READER_LEFT


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keelmark", message="keelmark %(version)s")
def main() -> None:
    """Say how far an account is from liquidation, and why.

    Exit codes: 0 healthy or done, 1 inside the warning distance, 2 liquidatable, 3 unknown (a
    number that decides is missing), 64 bad input or usage, 70 an error of our own.
    """
