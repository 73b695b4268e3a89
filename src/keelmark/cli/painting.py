"""What every terminal view shares: colours with words beside them, indents, wrapped sentences."""

import os
from textwrap import wrap

import click

WIDTH = 80
INDENT = "  "
GAP = "  "

TIED_PERCENT = "\x00%"
"""Stands for " %" while a sentence is wrapped: a number keeps its sign."""

COLOURS = {
    "GREEN": (0, 158, 115),
    "AMBER": (230, 159, 0),
    "RED": (213, 94, 0),
    "LIQUIDATABLE": (213, 94, 0),
    "UNKNOWN": (204, 121, 167),
    "long": (0, 114, 178),
    "short": (230, 159, 0),
}
"""Okabe-Ito, safe for colour-blind readers; every colour has its word or its shape beside it."""


def painted(text: str, word: str, *, bold: bool = False) -> str:
    """Return a text in the colour of a word, where it has one."""
    colour = COLOURS.get(word)
    return text if colour is None else click.style(text, fg=colour, bold=bold or None)


def say(line: str) -> None:
    """Print a line; without colours where the output is no terminal or NO_COLOR is set."""
    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def wrapped(text: str, width: int, depth: int = 1) -> list[str]:
    """Return a sentence under so many indents, wrapped between words."""
    lines = wrap(
        text.replace(" %", TIED_PERCENT),
        width,
        initial_indent=INDENT * depth,
        subsequent_indent=INDENT * (depth + 1),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(TIED_PERCENT, " %") for line in lines]
