"""Scenarios as one value: what coins, volatilities, bases, funding, collateral and depth do.

A scenario is what one row of each block says together. Blocks that are left out stand still. With
`r` the return of a coin, `b` its basis shock, `c` the collateral shock of an asset:

    mark of a contract on the coin      mark  * (1 + r) * (1 + b)
    index of the coin, forwards         index * (1 + r)
    price of the coin as collateral     price * (1 + r) * (1 + c)
    price of another asset (a dollar)   price * (1 + c)
    volatility of options on the coin   v     * (1 + shock)
    funding on contracts on the coin    longs pay shock * notional at the mark now, shorts get it
    depth of a book                     depth * shock, one is as now

Source: docs/model.md, "Scenarios".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput, nearest

Array = npt.NDArray[np.float64]

_AT_LEAST = {"returns": -1.0, "basis": -1.0, "collateral": -1.0, "volatility": -1.0, "depth": 0.0}
"""Where a price, a volatility or a depth would be nothing; a block's values lie above it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shocks:
    """One block: a number by scenario and name.

    Attributes:
        names: Coins, or assets for collateral.
        values: Shape (scenarios, names), fractions.
    """

    names: tuple[str, ...]
    values: Array

    def __post_init__(self) -> None:
        shape = self.values.shape
        if len(shape) != 2 or shape[1] != len(self.names):  # noqa: PLR2004 rows and columns
            msg = f"shocks of shape {shape} for {len(self.names)} names: one column a name"
            raise InvalidInput(msg)
        if len(set(self.names)) < len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            msg = f"two columns of {', '.join(twice)}: keep one"
            raise InvalidInput(msg)

    @classmethod
    def of(cls, values: Mapping[str, float | Sequence[float] | Array]) -> "Shocks":
        """Return the block of a mapping from name to one number, or to one a scenario."""
        columns = [np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in values.values()]
        rows = max((len(column) for column in columns), default=1)
        wide = [np.broadcast_to(column, rows) for column in columns]
        return cls(names=tuple(values), values=np.column_stack(wide) if wide else np.empty((1, 0)))

    def column(self, name: str) -> Array | None:
        """Return the column of a name; `None` where it stands still."""
        return self.values[:, self.names.index(name)] if name in self.names else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenarios:
    """Joint shocks, one row a scenario.

    Attributes:
        returns: Relative change of each coin over the whole horizon.
        volatility: Relative change of the implied volatilities on each coin.
        basis: Relative change of contract marks against the coin's index.
        funding: Paid by longs over the horizon, fraction of notional.
        collateral: Relative change of an asset's price beyond its coin's return.
        depth: Share of the book's depth left, by coin.
        days: Horizon.
        weights: Probability of each row, summing to one; `None` for equal ones.
        labels: Name of each row, where they have names.
        source: Where they come from, in words.
        seed: Of what was drawn; `None` where nothing was.
        notes: What was done to make them: gaps dropped, matrices repaired.
    """

    returns: Shocks
    volatility: Shocks | None = None
    basis: Shocks | None = None
    funding: Shocks | None = None
    collateral: Shocks | None = None
    depth: Shocks | None = None
    days: float = 1.0
    weights: Array | None = None
    labels: tuple[str, ...] | None = None
    source: str = "as given"
    seed: int | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not (np.isfinite(self.days) and self.days > 0.0):
            msg = f"a horizon of {self.days} days; give a number above 0"
            raise InvalidInput(msg)
        for name, block in self.blocks().items():
            self._check(name, block)
        self._check_weights()
        if self.labels is not None and len(self.labels) != len(self):
            msg = f"{len(self.labels)} labels for {len(self)} scenarios"
            raise InvalidInput(msg)

    def __len__(self) -> int:
        return int(self.returns.values.shape[0])

    def blocks(self) -> dict[str, Shocks]:
        """Return the blocks that are given, by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: block for name, block in found.items() if isinstance(block, Shocks)}

    def rows(self, rows: slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Scenarios":
        """Return some of the scenarios; weights are scaled to sum to one."""
        blocks: dict[str, Any] = {
            name: replace(block, values=block.values[rows]) for name, block in self.blocks().items()
        }
        weights = None if self.weights is None else self.weights[rows] / self.weights[rows].sum()
        labels = None
        if self.labels is not None:
            labels = tuple(np.asarray(self.labels, dtype=object)[rows])
        return replace(self, **blocks, weights=weights, labels=labels)

    def require(self, coins: Sequence[str]) -> None:
        """Refuse coins that no column of returns tells of.

        Raises:
            InvalidInput: Naming the first one and the nearest name.
        """
        missing = [coin for coin in coins if coin not in self.returns.names]
        if missing:
            hint = nearest(missing[0], self.returns.names)
            msg = f"{self.source} says nothing of {', '.join(missing)}; {hint}"
            raise InvalidInput(msg)

    def _check(self, name: str, block: Shocks) -> None:
        values = block.values
        if values.shape[0] != len(self) or not len(self):
            msg = f"{name}: {values.shape[0]} rows beside {len(self)} of returns; give one each"
            raise InvalidInput(msg)
        low = _AT_LEAST.get(name, -np.inf)
        wrong = ~np.isfinite(values) | ((values <= low) if name != "depth" else (values < low))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            msg = (
                f"{name} of {block.names[column]} in scenario {self._label(int(row))} is "
                f"{values[row, column]}; it must be a number above {low:g}"
            )
            raise InvalidInput(msg)

    def _check_weights(self) -> None:
        weights = self.weights
        if weights is None:
            return
        if weights.shape != (len(self),) or not bool(np.all(weights >= 0.0)):
            msg = f"{weights.shape} weights for {len(self)} scenarios; one each, at least 0"
            raise InvalidInput(msg)
        if abs(float(weights.sum()) - 1.0) > 1e-9:  # noqa: PLR2004 rounding of a long sum
            msg = f"the weights sum to {float(weights.sum())!r}; make them sum to 1"
            raise InvalidInput(msg)

    def _label(self, row: int) -> str:
        return str(row) if self.labels is None else self.labels[row]
