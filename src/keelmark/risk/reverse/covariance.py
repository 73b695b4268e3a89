"""How much everything moves that a margin reads, and how together: what a sigma is measured by.

One matrix over names. A coin's name is its return; an asset's is its own shock as collateral, its
peg; `BTC volatility` is the relative change of the implied volatilities on a coin, and `BTC peg`
the own shock of a coin that also moves as a coin. What a matrix does not name stands still.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.risk.returns import Returns
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.scenarios.scenarios import Array

VOLATILITY = " volatility"
PEG = " peg"

OWN_SHARE = 1e-6
"""Of its variance that a coin standing for another has of its own."""

LEAST_EIGENVALUE = -1e-10
"""Of a correlation matrix: below that it is none, above it the rest is rounding."""


class ShockKind(StrEnum):
    """What a shock moves."""

    RETURN = "return"
    COLLATERAL = "collateral"
    VOLATILITY = "volatility"


@dataclass(frozen=True, slots=True)
class Shock:
    """One thing that moves: a coin, an asset beyond its coin, the volatilities on a coin."""

    kind: ShockKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShockCovariance:
    """Covariance by name.

    Attributes:
        names: Of rows and columns; see the module.
        matrix: Covariance, of shape (names, names), over one horizon.
        horizon: What a standard deviation spans, in words.
        source: Where it comes from.
        notes: What was assumed to make it.
    """

    names: tuple[str, ...]
    matrix: Array
    horizon: str = "a day"
    source: str = "as given"
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        count = len(self.names)
        if self.matrix.shape != (count, count):
            msg = f"{self.source}: a covariance of shape {self.matrix.shape} for {count} names"
            raise InvalidInput(msg)
        if len(set(self.names)) < count:
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            msg = f"{self.source}: two rows of {', '.join(twice)}; keep one"
            raise InvalidInput(msg)
        if not np.all(np.isfinite(self.matrix)) or not np.allclose(self.matrix, self.matrix.T):
            msg = f"{self.source}: a covariance must be finite and the same on both sides"
            raise InvalidInput(msg)

    @classmethod
    def of_returns(
        cls,
        returns: Returns,
        *,
        pegs: Mapping[str, float] | None = None,
        volatilities: Mapping[str, float] | None = None,
    ) -> "ShockCovariance":
        """Return the covariance of returns, with shocks of their own beside it.

        Args:
            returns: Of coins; a column of an asset that stands for the dollar is its peg.
            pegs: Standard deviation of an asset's own shock over the horizon, apart from all else.
            volatilities: The same of the volatilities on a coin.

        Raises:
            InvalidInput: A deviation is not above zero, or the returns tell of the asset already.
        """
        own = {(f"{a}{PEG}" if a in returns.coins else a): s for a, s in (pegs or {}).items()}
        own |= {f"{coin}{VOLATILITY}": s for coin, s in (volatilities or {}).items()}
        for name, deviation in own.items():
            if not (np.isfinite(deviation) and deviation > 0.0):
                msg = f"the standard deviation of {name} is {deviation}; give a fraction above 0"
                raise InvalidInput(msg)
        known = returns.covariance
        matrix = np.zeros((len(known) + len(own),) * 2)
        matrix[: len(known), : len(known)] = known
        places = range(len(known), len(matrix))
        matrix[places, places] = np.square(list(own.values()))
        return cls(
            names=(*returns.coins, *own),
            matrix=matrix,
            horizon=returns.horizon,
            source=returns.source,
            notes=(
                *returns.notes,
                *(f"{name} is taken to move apart from all else" for name in own),
            ),
        )

    def parted(self, names: Iterable[str]) -> "ShockCovariance":
        """Return it with a little variance of these names' own, which is noted.

        A coin that stands for another moves as one with it, and that has no inverse.
        """
        own = np.array([OWN_SHARE if name in set(names) else 0.0 for name in self.names])
        if not own.any():
            return self
        told = ", ".join(name for name, share in zip(self.names, own, strict=True) if share)
        note = f"{told}: a millionth of its variance is its own, or no distance could be told"
        matrix = self.matrix + np.diag(own * np.diag(self.matrix))
        return replace(self, matrix=matrix, notes=(*self.notes, note))

    def shocks_of(self, valuer: UnitValuer) -> tuple[tuple[Shock, ...], Array, tuple[str, ...]]:
        """Return what moves of a unit, the covariance of it, and what stands still, in words.

        Raises:
            MissingNumber: A coin has no row.
            InvalidInput: A coin stands still, or the rows determine no covariance.
        """
        self._require(valuer.coins)
        named = {self.names.index(coin): Shock(ShockKind.RETURN, coin) for coin in valuer.coins}
        still: list[str] = []
        for asset in valuer.assets:
            row = next((n for n in (f"{asset}{PEG}", asset) if n in self.names), None)
            if row is not None and self.names.index(row) not in named:
                named[self.names.index(row)] = Shock(ShockKind.COLLATERAL, asset)
            elif asset not in valuer.coins:
                still.append(asset)
        for coin in valuer.coins:
            if f"{coin}{VOLATILITY}" in self.names:
                named[self.names.index(f"{coin}{VOLATILITY}")] = Shock(ShockKind.VOLATILITY, coin)
        rows = sorted(named)
        matrix = self.matrix[np.ix_(rows, rows)]
        self._check([self.names[row] for row in rows], matrix)
        return tuple(named[row] for row in rows), matrix, tuple(still)

    def _require(self, coins: Sequence[str]) -> None:
        lacking = [coin for coin in coins if coin not in self.names]
        if lacking:
            msg = (
                f"{self.source} has no returns of {', '.join(lacking)}; it has "
                f"{', '.join(self.names)}: add files that do, or let another coin stand for it "
                f"(--like {lacking[0]}=COIN)"
            )
            raise MissingNumber(msg)

    def _check(self, names: Sequence[str], matrix: Array) -> None:
        """Refuse what stands still, moves as one, or is no covariance."""
        variances = np.diag(matrix)
        if not np.all(variances > 0.0):
            name = names[int(np.argmin(variances))]
            msg = (
                f"{self.source}: {name} stands still, so no move of it can be told in standard "
                "deviations; give returns in which it moves, or leave its positions out"
            )
            raise InvalidInput(msg)
        scale = np.sqrt(variances)
        correlation = matrix / np.outer(scale, scale)
        least = float(np.linalg.eigvalsh(correlation)[0])
        if least < LEAST_EIGENVALUE:
            msg = (
                f"{self.source}: no covariance has a negative eigenvalue ({least:.3g} of its "
                "correlations); repair it with keelmark.risk.statistics.nearest_psd"
            )
            raise InvalidInput(msg)
        if float(np.linalg.cond(correlation)) > 1 / np.finfo(float).eps:
            msg = (
                f"{self.source}: the returns of {', '.join(names)} determine no covariance; "
                "two of them move as one or too few rows are given"
            )
            raise InvalidInput(msg)
