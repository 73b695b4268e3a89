"""Scenarios that people write: TOML or JSON with one table each, CSV or Parquet with one row each.

    days = 1
    source = "desk view, November"

    [[scenario]]
    label = "alts halve"
    weight = 0.25                  # all of them or none; they sum to one
    returns = { BTC = -0.1, SOL = -0.5 }
    volatility = { BTC = 0.8 }
    collateral = { USDE = -0.05 }

A table has a column a number, `returns.BTC` or `BTC`, `collateral.USDE`, `depth.SOL`, and may have
`label` and `weight`. What a scenario of a document leaves out stands still; a table leaves nothing
out.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from keelmark.accounts.decode import parse_document, parse_json
from keelmark.core.errors import KeelmarkError, UnreadableData, nearest
from keelmark.risk.scenarios.scenarios import Scenarios, Shocks

BLOCKS = ("returns", "volatility", "basis", "funding", "collateral", "depth")
_STILL = {"depth": 1.0}
_TOP = ("days", "source", "scenario")
_ROW = ("label", "weight", *BLOCKS)
_TABLES = {".csv", ".parquet"}


def read_scenarios(path: str | Path, *, days: float | None = None) -> Scenarios:
    """Return the scenarios in a file.

    Args:
        path: TOML, JSON, CSV or Parquet, by the ending of its name.
        days: Horizon; that of the file, else one day.

    Raises:
        UnreadableData: It is none of these, or does not follow the format; says where.
    """
    file = Path(path)
    try:
        if file.suffix.lower() in _TABLES:
            return _of_table(file, days)
        text = file.read_text(encoding="utf-8")
        is_toml = file.suffix.lower() == ".toml"
        read = parse_document(text, title=str(path), toml=True) if is_toml else None
        document = parse_json(text, title=str(path)) if read is None else read
        return _of_document(document, str(path), days)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        msg = f"{path}: cannot be read as scenarios ({error})"
        raise UnreadableData(msg) from error
    except UnreadableData:
        raise
    except KeelmarkError as error:
        msg = f"{path}: {error}"
        raise UnreadableData(msg) from error


def _of_document(document: object, title: str, days: float | None) -> Scenarios:
    if not isinstance(document, Mapping):
        msg = f"{title}: no table with a list `scenario`"
        raise UnreadableData(msg)
    _known(document, _TOP, title)
    rows = document.get("scenario")
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
        msg = f"{title}: no list `scenario` of tables with `returns` by coin"
        raise UnreadableData(msg)
    for number, row in enumerate(rows):
        _known(row, _ROW, f"{title}: scenario[{number}]")
    blocks = {
        name: _block(name, rows, title) for name in BLOCKS if any(name in row for row in rows)
    }
    if "returns" not in blocks:
        blocks["returns"] = Shocks(names=(), values=np.empty((len(rows), 0)))
    weights = [row.get("weight") for row in rows]
    labels = [row.get("label") for row in rows]
    span = days if days is not None else _number(document.get("days", 1.0), f"{title}: days")
    return _built(
        blocks,
        days=span,
        weights=None if all(w is None for w in weights) else weights,
        labels=None if all(x is None for x in labels) else labels,
        source=str(document.get("source", title)),
        title=title,
    )


def _block(name: str, rows: list[dict[str, Any]], title: str) -> Shocks:
    for number, row in enumerate(rows):
        if not isinstance(row.get(name, {}), dict):
            msg = f"{title}: scenario[{number}].{name} is no table of numbers by name"
            raise UnreadableData(msg)
    names = tuple(dict.fromkeys(n for row in rows for n in row.get(name, {})))
    values = np.full((len(rows), len(names)), _STILL.get(name, 0.0))
    for number, row in enumerate(rows):
        for key, value in row.get(name, {}).items():
            where = f"{title}: scenario[{number}].{name}.{key}"
            values[number, names.index(key)] = _number(value, where)
    return Shocks(names=names, values=values)


def _of_table(file: Path, days: float | None) -> Scenarios:
    frame = pl.read_csv(file) if file.suffix.lower() == ".csv" else pl.read_parquet(file)
    blocks: dict[str, dict[str, Any]] = {"returns": {}}
    for column in frame.columns:
        if column in {"label", "weight"}:
            continue
        kind, dot, name = column.partition(".")
        kind, name = (kind, name) if dot else ("returns", column)
        if kind not in BLOCKS:
            msg = f"{file}: column {column!r}; {nearest(kind, BLOCKS)}"
            raise UnreadableData(msg)
        if not frame[column].dtype.is_numeric() or frame[column].null_count():
            msg = f"{file}: column {column!r} holds something that is no number; write 0 instead"
            raise UnreadableData(msg)
        blocks.setdefault(kind, {})[name] = frame[column].to_numpy().astype(np.float64)
    if not len(frame) or not any(blocks.values()):
        msg = f"{file}: no rows, or no column of numbers by coin"
        raise UnreadableData(msg)
    found = {
        kind: Shocks(
            names=tuple(columns),
            values=np.column_stack(list(columns.values()))
            if columns
            else np.empty((len(frame), 0)),
        )
        for kind, columns in blocks.items()
    }
    return _built(
        found,
        days=1.0 if days is None else days,
        weights=frame["weight"].to_list() if "weight" in frame.columns else None,
        labels=frame["label"].to_list() if "label" in frame.columns else None,
        source=str(file),
        title=str(file),
    )


def _built(
    blocks: Mapping[str, Shocks],
    *,
    days: float,
    weights: list[Any] | None,
    labels: list[Any] | None,
    source: str,
    title: str,
) -> Scenarios:
    rows = len(blocks["returns"].values)
    given: dict[str, Any] = dict(blocks)
    if weights is not None:
        numbers = [_number(w, f"{title}: weight of row {i}") for i, w in enumerate(weights)]
        given["weights"] = np.asarray(numbers)
    if labels is not None:
        named = tuple(str(i) if x is None else str(x) for i, x in enumerate(labels))
        if len(set(named)) < rows:
            twice = next(x for x in named if named.count(x) > 1)
            msg = f"{title}: two scenarios are called {twice!r}; give each a name of its own"
            raise UnreadableData(msg)
        given["labels"] = named
    return Scenarios(**given, days=days, source=source)


def _known(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in names:
            msg = f"{where}: unknown key {key!r}; {nearest(key, names)}"
            raise UnreadableData(msg)


def _number(value: object, where: str) -> float:
    text = str(value) if isinstance(value, int | float | str | Decimal) else ""
    try:
        number = float("nan") if isinstance(value, bool) else float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        msg = f"{where} is {value!r}; write a number"
        raise UnreadableData(msg)
    return number
