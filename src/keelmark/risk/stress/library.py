"""The stress library: dated, cited scenarios as data, and files of one's own in the same form."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from keelmark.core.errors import InvalidDocument, InvalidInput, nearest
from keelmark.risk.stress.document import (
    BlockTable,
    FigureTable,
    ScenarioTable,
    StressFile,
    converted,
)

PACKAGE = "keelmark.risk.stress"
TABLES = frozenset({"calm.toml", "kin.toml"})
"""Files of the data folder that hold no scenarios."""

BLOCKS = ("returns", "volatility", "basis", "funding", "collateral", "depth")
FILES = (
    "october_2019",
    "march_2020",
    "may_2021",
    "terra_2022",
    "ftx_2022",
    "usdc_2023",
    "august_2024",
    "october_2025",
    "hypothetical",
)
"""Files in the order of the list: events by date, then what no one day shows."""

WHOLE = "price"
"""What a shock of collateral is of where its coin's return is in it already."""

_AT_LEAST = {"returns": -1.0, "volatility": -1.0, "basis": -1.0, "collateral": -1.0, "depth": 0.0}


class Kind(StrEnum):
    """Whether it happened."""

    HISTORICAL = "historical"
    HYPOTHETICAL = "hypothetical"


class Shape(StrEnum):
    """How the falls of several coins belong together."""

    WORST_OF_EACH = "worst_of_each"
    """Each coin at its own worst price of the window: no account met them all at once."""
    JOINT = "joint"
    """Every coin at one moment: hedges across coins held as well as they did then."""
    SIGMAS = "sigmas"
    """Every coin moves so many of its own sigmas the same way."""
    AGAINST = "against"
    """Independent coins, each against what an account holds of it: made for each account."""
    SET = "set"
    """Sizes as given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where figures are from."""

    name: str
    text: str
    read: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A shock with the name of its source."""

    value: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The shocks of one kind; see `BlockTable`.

    Attributes:
        names: Figures by coin or asset.
        source: Of every figure that names none of its own.
        other: What is not named.
        other_is: Where that figure comes from.
        sigmas: Instead, daily standard deviations of each coin.
        dollars: Assets that stand for the dollar and are not named.
        coins: Every other asset that is not named.
        is_whole: Whether the shock of a coin held is of its whole price, whatever its return.
    """

    names: Mapping[str, Figure]
    source: str
    other: Figure | None = None
    other_is: str = ""
    sigmas: float | None = None
    dollars: float | None = None
    coins: float | None = None
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StressScenario:
    """One scenario, before it is made for the coins of an account.

    Attributes:
        name: What the command line calls it.
        title: One line for people.
        kind: Whether it happened.
        shape: How several coins belong together.
        days: Horizon.
        begins: First instant of what happened.
        ends: Last instant of it.
        note: What else is to be known.
        blocks: Shocks by kind: returns, volatility, basis, funding, collateral, depth.
        sources: By name, those that its figures name.
    """

    name: str
    title: str
    kind: Kind
    shape: Shape
    days: float
    begins: datetime | None
    ends: datetime | None
    note: str
    blocks: Mapping[str, Block]
    sources: Mapping[str, Source]

    @property
    def is_own(self) -> bool:
        """Whether it depends on what an account holds."""
        return self.shape is Shape.AGAINST


@lru_cache(maxsize=1)
def stress_library() -> tuple[StressScenario, ...]:
    """Return every built-in scenario, events by date first."""
    return tuple(row for name in FILES for row in scenarios_of(data_text(f"{name}.toml"), name))


def named(names: Iterable[str], known: Iterable[StressScenario]) -> tuple[StressScenario, ...]:
    """Return the scenarios of these names in their order; all of them for no name.

    Raises:
        InvalidInput: A name is unknown; the message has the nearest.
    """
    by_name = {row.name: row for row in known}
    wanted = list(dict.fromkeys(names)) or list(by_name)
    for name in wanted:
        if name not in by_name:
            msg = f"no scenario {name!r}; {nearest(name, by_name)}"
            raise InvalidInput(msg)
    return tuple(by_name[name] for name in wanted)


def read_scenarios(path: str | Path) -> tuple[StressScenario, ...]:
    """Return the scenarios of a file in the library's form.

    Raises:
        InvalidInput: It cannot be read.
        InvalidDocument: It does not follow the form; lists every problem.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        msg = f"{path}: cannot be read: {reason}; a TOML file in the form of `keelmark stress`"
        raise InvalidInput(msg) from error
    return scenarios_of(text, str(path))


def data_text(name: str) -> str:
    """Return a file of the data folder."""
    return resources.files(PACKAGE).joinpath("data", name).read_text(encoding="utf-8")


def scenarios_of(text: str, title: str) -> tuple[StressScenario, ...]:
    """Return the scenarios of a TOML text; raises `InvalidDocument` with every problem."""
    file = converted(text, StressFile, title)
    problems = list(_problems(file))
    if problems:
        raise InvalidDocument(title, problems)
    sources = {
        name: Source(name=name, text=s.text, read=s.read, url=s.url)
        for name, s in file.sources.items()
    }
    return tuple(_scenario(row, sources) for row in file.scenarios)


def _scenario(row: ScenarioTable, sources: Mapping[str, Source]) -> StressScenario:
    blocks = {name: _block(table) for name, table in _blocks(row)}
    used = {figure.source for block in blocks.values() for figure in block.names.values()}
    used |= {block.source for block in blocks.values()}
    used |= {block.other.source for block in blocks.values() if block.other is not None}
    return StressScenario(
        name=row.name,
        title=row.title,
        kind=Kind(row.kind),
        shape=Shape(row.shape),
        days=row.days,
        begins=row.begins,
        ends=row.ends,
        note=row.note,
        blocks=blocks,
        sources={name: source for name, source in sources.items() if name in used},
    )


def _blocks(row: ScenarioTable) -> Iterator[tuple[str, BlockTable]]:
    tables = ((name, getattr(row, name)) for name in BLOCKS)
    return ((name, table) for name, table in tables if table is not None)


def _block(table: BlockTable) -> Block:
    return Block(
        names={n.upper(): _figure(found, table.source) for n, found in table.names.items()},
        source=table.source,
        other=None if table.other is None else _figure(table.other, table.source),
        other_is=table.other_is,
        sigmas=table.sigmas,
        dollars=table.dollars,
        coins=table.coins,
        is_whole=table.of == WHOLE,
    )


def _figure(found: float | FigureTable, source: str) -> Figure:
    if isinstance(found, FigureTable):
        return Figure(value=found.value, source=found.source or source)
    return Figure(value=float(found), source=source)


def _problems(file: StressFile) -> Iterator[str]:
    """Yield what types cannot say."""
    if not file.scenarios:
        yield "scenarios: none; add at least one [[scenarios]]"
    names: set[str] = set()
    for number, row in enumerate(file.scenarios):
        path = f"scenarios[{number}]"
        if row.name in names:
            yield f"{path}.name: {row.name!r} is the name of another one; names are unique"
        names.add(row.name)
        for key, kind in (("kind", Kind), ("shape", Shape)):
            if getattr(row, key) not in list(kind):
                yield f"{path}.{key}: found {getattr(row, key)!r}; one of {', '.join(kind)}"
        if not (np.isfinite(row.days) and row.days > 0.0):
            yield f"{path}.days: found {row.days}; a number above 0"
        if not any(True for _ in _blocks(row)):
            yield f"{path}: no shock; give one of {', '.join(BLOCKS)}"
        for name, table in _blocks(row):
            yield from _block_problems(f"{path}.{name}", name, table, file)
        if row.shape == Shape.AGAINST and (row.returns is None or row.returns.sigmas is None):
            yield f"{path}.returns.sigmas: missing; a scenario against an account needs them"


def _block_problems(path: str, name: str, table: BlockTable, file: StressFile) -> Iterator[str]:
    rows = {f"names.{n}": _figure(found, table.source) for n, found in table.names.items()}
    if table.other is not None:
        rows["other"] = _figure(table.other, table.source)
    for key in ("dollars", "coins"):
        value = getattr(table, key)
        if value is not None:
            rows[key] = Figure(value=value, source=table.source)
    yield from _misplaced(path, name, table)
    for key, figure in rows.items():
        low = _AT_LEAST.get(name, -np.inf)
        is_low = figure.value < low if name == "depth" else figure.value <= low
        if not np.isfinite(figure.value) or is_low:
            yield f"{path}.{key}: found {figure.value}; a number above {low:g}"
    for source in sorted({f.source for f in rows.values()} | {table.source}):
        if source not in file.sources:
            yield f"{path}: source {source!r} is not in [sources]; {nearest(source, file.sources)}"


def _misplaced(path: str, name: str, table: BlockTable) -> Iterator[str]:
    """Yield keys that mean nothing in a block."""
    for key in ("dollars", "coins"):
        if getattr(table, key) is not None and name != "collateral":
            yield f"{path}.{key}: means collateral alone"
    if table.of not in {"asset", WHOLE} or (table.of == WHOLE and name != "collateral"):
        yield f"{path}.of: found {table.of!r}; `asset`, or for collateral `{WHOLE}`"
    if name == "collateral" and table.other is not None:
        yield f"{path}.other: write `dollars` or `coins`"
    if table.sigmas is None:
        return
    if name != "returns":
        yield f"{path}.sigmas: means returns alone"
    if table.names or table.other is not None:
        yield f"{path}.sigmas: beside named figures; give one of the two"
