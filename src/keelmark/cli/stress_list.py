"""`keelmark stress --list`: every scenario in a line; of a few, their figures and sources."""

from collections.abc import Iterator, Sequence

from keelmark.accounts.figures import percent
from keelmark.cli.painting import GAP, INDENT, WIDTH, wrapped
from keelmark.core.numbers import exact
from keelmark.risk.stress.library import Block, StressScenario
from keelmark.risk.stress.words import SHAPES, decimal

IN_FULL = 3
"""Up to so many scenarios are told with every figure."""
COLUMNS = 4
"""Figures in a line."""


def list_lines(rows: Sequence[StressScenario]) -> Iterator[str]:
    """Return the list line by line, within eighty columns."""
    if len(rows) <= IN_FULL:
        for row in rows:
            yield from _full(row)
            yield ""
        return
    width = max(len(row.name) for row in rows)
    yield f"{len(rows)} scenarios"
    for kind in dict.fromkeys(row.kind for row in rows):
        yield ""
        yield f"{INDENT}{kind.value}"
        for row in rows:
            if row.kind is kind:
                head, *rest = wrapped(row.title, WIDTH - width - len(GAP))
                yield f"{INDENT}{row.name.ljust(width)}{GAP}{head.strip()}"
                yield from (f"{' ' * (width + len(INDENT))}{line}" for line in rest)
    yield ""
    yield f"{INDENT}next: `keelmark stress --list {rows[0].name}` shows its figures and sources"


def _full(row: StressScenario) -> Iterator[str]:
    """Return one scenario with its figures and sources."""
    days = "1 day" if row.days == 1.0 else f"{row.days:g} days"
    yield f"{row.name}{GAP}{row.kind.value}, {days}"
    yield from wrapped(row.title, WIDTH)
    yield from wrapped(SHAPES[row.shape], WIDTH)
    if row.note:
        yield from wrapped(f"note: {row.note}", WIDTH)
    for name, block in row.blocks.items():
        yield from _block(name, block)
    yield ""
    for source in row.sources.values():
        told = f"{source.name}: {source.text}" + (f", read {source.read}" if source.read else "")
        yield from wrapped(told, WIDTH)
        if source.url:
            yield f"{INDENT * 2}{source.url}"


def _block(name: str, block: Block) -> Iterator[str]:
    yield ""
    whole = ", of the whole price" if block.is_whole else ""
    yield f"{INDENT}{name} (source {block.source}){whole}"
    cells = [
        f"{coin} {_shown(figure.value, name)}"
        + ("" if figure.source == block.source else f" ({figure.source})")
        for coin, figure in sorted(block.names.items())
    ]
    plain = [cell for cell in cells if "(" not in cell]
    width = max((len(cell) for cell in plain), default=0) + len(GAP)
    for start in range(0, len(plain), COLUMNS):
        line = "".join(cell.ljust(width) for cell in plain[start : start + COLUMNS])
        yield f"{INDENT * 2}{line.rstrip()}"
    yield from (f"{INDENT * 2}{cell}" for cell in cells if "(" in cell)
    if block.other is not None:
        beside = "" if block.other.source == block.source else f" ({block.other.source})"
        told = f"others {_shown(block.other.value, name)}{beside}: {block.other_is}"
        yield from wrapped(told, WIDTH, depth=2)
    for told, value in (("dollars", block.dollars), ("coins", block.coins)):
        if value is not None:
            yield f"{INDENT * 2}{told} {_shown(value, name)}"
    if block.sigmas is not None:
        yield f"{INDENT * 2}every coin {block.sigmas:+g} of its daily sigmas"


def _shown(value: float, block: str) -> str:
    if block == "depth":
        return f"times {value:g}"
    with exact():
        digits = 2 if block == "funding" else 1
        return percent(decimal(value), signed=True, digits=digits)
