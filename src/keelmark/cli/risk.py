"""`keelmark risk`: how much an account can lose; a group, so that backtests stand beside it."""

from importlib import import_module
from importlib.util import find_spec

import click

HOMES = {
    "account": "keelmark.cli.risk_account:account",
    "backtest": "keelmark.cli.risk_backtest:backtest",
}
"""`module:attribute` by name; what is not installed is not listed."""

ACCOUNT = "account"
HELP = ("-h", "--help")


class Risk(click.Group):
    """Takes an account's file where other groups take the name of a command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """Return the commands of this installation."""
        return [name for name, home in HOMES.items() if find_spec(home.partition(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now; any other name is an account to look at."""
        home = HOMES.get(cmd_name, HOMES[ACCOUNT])
        if home not in map(HOMES.get, self.list_commands(ctx)):
            return None
        module, _, attribute = home.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; what is no command is an account and its options."""
        if args and args[0] not in (*HOMES, *HELP):
            args = [ACCOUNT, *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the uses."""
        formatter.write_usage(ctx.command_path, "FILE [OPTIONS]")
        for name in self.list_commands(ctx):
            if name != ACCOUNT:
                formatter.write_usage(ctx.command_path, f"{name} [OPTIONS]")


@click.group(cls=Risk)
def risk() -> None:
    """Say how much the account in FILE can lose, how likely, and what contributes.

    `keelmark risk FILE --help` lists the options.
    """
