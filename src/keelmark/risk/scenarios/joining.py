"""Scenarios put together: one set after the other, or two effects in one scenario."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array
from keelmark.risk.scenarios.scenarios import Scenarios, Shocks

_STILL = {"depth": 1.0}
_ADDS = {"funding"}


def concatenate(sets: Sequence[Scenarios], *, weights: Sequence[float] | None = None) -> Scenarios:
    """Return the scenarios of all sets; a name that a set lacks stands still there.

    Args:
        sets: One or more, of one horizon.
        weights: Probability of each set, summing to one; without, every row of them weighs what it
            weighs in its own set times the set's share of rows.

    Raises:
        InvalidInput: There is none, horizons differ, or the weights do not fit.
    """
    if not sets or len({found.days for found in sets}) > 1:
        spans = sorted({found.days for found in sets})
        msg = f"scenarios over {spans} days cannot stand in one list; give sets of one horizon"
        raise InvalidInput(msg)
    if weights is not None and (len(weights) != len(sets) or min(weights) < 0.0):
        msg = f"{len(weights)} weights for {len(sets)} sets; one each, at least 0"
        raise InvalidInput(msg)
    blocks: dict[str, Any] = {}
    for name in dict.fromkeys(name for found in sets for name in found.blocks()):
        blocks[name] = _stacked(name, sets)
    has_labels = any(found.labels is not None for found in sets)
    labels = [found.labels or [str(i) for i in range(len(found))] for found in sets]
    return Scenarios(
        **blocks,
        days=sets[0].days,
        weights=_weights(sets, weights),
        labels=tuple(label for own in labels for label in own) if has_labels else None,
        source="; ".join(dict.fromkeys(found.source for found in sets)),
        seed=next((found.seed for found in sets if found.seed is not None), None),
        notes=tuple(dict.fromkeys(note for found in sets for note in found.notes)),
    )


def combine(one: Scenarios, other: Scenarios) -> Scenarios:
    """Return one scenario a row in which both happen, returns after each other.

    Relative changes multiply, `(1 + a)(1 + b) - 1`; depths multiply; funding adds up. A set of one
    row happens beside every row of the other.

    Raises:
        InvalidInput: Both have several rows and not the same number, or both have weights.
    """
    rows = max(len(one), len(other))
    if len(one) != len(other) and 1 not in {len(one), len(other)}:
        msg = f"{len(one)} and {len(other)} scenarios cannot happen together row by row"
        raise InvalidInput(msg)
    if one.weights is not None and other.weights is not None and rows > 1:
        msg = "both sets have weights; keep those of one"
        raise InvalidInput(msg)
    blocks: dict[str, Any] = {}
    for name in dict.fromkeys((*one.blocks(), *other.blocks())):
        blocks[name] = _joined(name, one.blocks().get(name), other.blocks().get(name), rows)
    longer = one if len(one) >= len(other) else other
    return replace(
        longer,
        **blocks,
        weights=one.weights if other.weights is None else other.weights,
        source=f"{one.source}, with {other.source}",
        seed=one.seed if one.seed is not None else other.seed,
        notes=tuple(dict.fromkeys((*one.notes, *other.notes))),
    )


def _stacked(name: str, sets: Sequence[Scenarios]) -> Shocks:
    found = [each.blocks().get(name) for each in sets]
    names = tuple(dict.fromkeys(n for block in found if block is not None for n in block.names))
    parts = [_wide(block, names, len(e), name) for block, e in zip(found, sets, strict=True)]
    return Shocks(names=names, values=np.vstack(parts))


def _joined(name: str, one: Shocks | None, other: Shocks | None, rows: int) -> Shocks:
    names = tuple(dict.fromkeys((*(one.names if one else ()), *(other.names if other else ()))))
    a, b = (_wide(block, names, rows, name) for block in (one, other))
    if name in _ADDS:
        return Shocks(names=names, values=a + b)
    if name in _STILL:
        return Shocks(names=names, values=a * b)
    return Shocks(names=names, values=(1.0 + a) * (1.0 + b) - 1.0)


def _wide(block: Shocks | None, names: tuple[str, ...], rows: int, kind: str) -> Array:
    """Return the block's columns under these names; what it lacks stands still."""
    values = np.full((rows, len(names)), _STILL.get(kind, 0.0))
    if block is not None:
        for i, name in enumerate(block.names):
            values[:, names.index(name)] = block.values[:, i]
    return values


def _weights(sets: Sequence[Scenarios], weights: Sequence[float] | None) -> Array | None:
    if weights is None and all(found.weights is None for found in sets):
        return None
    total = sum(len(found) for found in sets)
    shares = [len(found) / total for found in sets] if weights is None else weights
    parts = [
        share * (np.full(len(e), 1.0 / len(e)) if e.weights is None else e.weights)
        for share, e in zip(shares, sets, strict=True)
    ]
    return np.concatenate(parts)
