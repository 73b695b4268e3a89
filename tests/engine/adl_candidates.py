"""Candidates for tests: columns from rows, and a Hypothesis strategy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from keelmark.engine.adl.candidates import Candidates

COLUMNS = (
    ("unit", np.int64),
    ("closable", np.int64),
    ("lots", np.int64),
    ("pnl", np.float64),
    ("equity", np.float64),
    ("notional_total", np.float64),
    ("entry_value", np.float64),
    ("mark_value", np.float64),
    ("maintenance", np.float64),
)


def candidates(rows: Sequence[Sequence[float]]) -> Candidates:
    """Return candidates of rows in the order of `COLUMNS`."""
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    arrays: dict[str, Any] = {
        name: np.array(values, dtype=dtype)
        for (name, dtype), values in zip(COLUMNS, columns, strict=True)
    }
    return Candidates(**arrays)


def scaled(which: Candidates, money: float) -> Candidates:
    """Return the same candidates in a settle unit `money` times smaller."""
    columns = {name: getattr(which, name) for name, _ in COLUMNS}
    for name in COLUMNS[3:]:
        columns[name[0]] = columns[name[0]] * money
    return Candidates(**columns)


@st.composite
def candidate_rows(draw: st.DrawFn) -> Candidates:
    """Longs or shorts of one instrument at one mark, some with a loss, some not closable."""
    side = draw(st.sampled_from([1, -1]))
    mark = draw(st.integers(1, 1_000))
    units = draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=12, unique=True))
    rows = []
    for unit in units:
        size = draw(st.integers(1, 1_000))
        closable = draw(st.integers(0, size))
        entry = draw(st.integers(1, 1_000))
        equity = draw(st.integers(1, 10**6))
        other = draw(st.integers(0, 10**5))
        pnl = side * size * (mark - entry)
        rows.append(
            (
                unit,
                closable,
                side * size,
                pnl,
                equity,
                size * mark + other,
                entry,
                mark,
                equity // 3,
            )
        )
    return candidates(rows)
