"""The command line: one file per command, loaded when it is called."""

from keelmark.cli.program import main

__all__ = ["main"]
