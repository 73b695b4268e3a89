"""What coins usually do, for accounts without a history: a dated table, and the law it makes.

A coin the table does not know has no law: nothing is guessed for it.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array
from keelmark.risk.scenarios.draws import Copula, StudentMarginals
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.statistics import nearest_psd

DATA = files("keelmark.risk.scenarios") / "data"
PREFIX = "coins@"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoinTable:
    """Deviations, freedoms and correlations of coins, as of a date.

    Attributes:
        name: `coins@YYYY-MM`.
        source: Where the figures come from.
        limits: What they do not tell.
        last: Day they end at, YYYY-MM-DD.
        coins: That it knows.
        deviations: Of a day's log change, by coin.
        freedoms: Degrees of freedom of each coin's own Student law.
        correlation: Of the t copula.
        freedom: Of the t copula.
    """

    name: str
    source: str
    limits: tuple[str, ...]
    last: str
    coins: tuple[str, ...]
    deviations: Array
    freedoms: Array
    correlation: Array
    freedom: float

    def missing(self, coins: Sequence[str]) -> tuple[str, ...]:
        """Return those of these coins that it does not know."""
        return tuple(coin for coin in coins if coin not in self.coins)

    def correlations(self, coins: Sequence[str], like: Mapping[str, str] | None = None) -> Array:
        """Return the correlation of these coins, (coins, coins); raises as `law`."""
        rows = self._rows(coins, like or {})
        return self.correlation[np.ix_(rows, rows)]

    def law(
        self, coins: Sequence[str], *, days: float = 1.0, like: Mapping[str, str] | None = None
    ) -> ReturnModel:
        """Return the law of these coins: a t copula, a Student law for each.

        Args:
            coins: Whose returns are wanted.
            days: Length of a step; deviations go by its square root.
            like: Coins that stand for coins it does not know.

        Raises:
            InvalidInput: It does not know a coin, and none stands for it.
        """
        standing = {coin: other for coin, other in (like or {}).items() if coin in coins}
        rows = self._rows(coins, standing)
        return ReturnModel(
            coins=tuple(coins),
            variance=self.deviations[rows] ** 2 * days,
            draw=Copula(
                correlation=self.correlation[np.ix_(rows, rows)],
                freedom=self.freedom,
                marginal=StudentMarginals(freedom=self.freedoms[rows]),
            ),
            recursion=None,
            days=days,
            source=f"the table {self.name}",
            notes=tuple(f"{coin} is taken to move as {other}" for coin, other in standing.items()),
        )

    def _rows(self, coins: Sequence[str], like: Mapping[str, str]) -> list[int]:
        """Return the rows of these coins, or of what stands for them."""
        used = [like.get(coin, coin) for coin in coins]
        unknown = self.missing(used)
        if unknown:
            msg = (
                f"the table {self.name} does not know {', '.join(unknown)}; give --returns BARS "
                f"that have {'it' if len(unknown) == 1 else 'them'}, or --like {unknown[0]}=COIN"
            )
            raise InvalidInput(msg)
        return [self.coins.index(coin) for coin in used]


@cache
def coin_table(name: str | None = None) -> CoinTable:
    """Return a table by name, the newest without one.

    Raises:
        InvalidInput: There is no such table.
    """
    names = sorted(
        entry.name.removesuffix(".toml")
        for entry in DATA.iterdir()
        if entry.name.startswith(PREFIX)
    )
    wanted = names[-1] if name is None else name
    if wanted not in names:
        msg = f"no table {wanted!r}; there is {', '.join(names)}"
        raise InvalidInput(msg)
    content = tomllib.loads((DATA / f"{wanted}.toml").read_text("utf-8"))
    coins = content["coins"]
    matrix = np.eye(len(coins))
    for i, row in enumerate(coins.values()):
        matrix[i, :i] = matrix[:i, i] = row["correlation"]
    return CoinTable(
        name=wanted,
        source=content["source"],
        limits=tuple(content["limits"]),
        last=content["last"],
        coins=tuple(coins),
        deviations=np.array([row["deviation"] for row in coins.values()]),
        freedoms=np.array([row["freedom"] for row in coins.values()]),
        correlation=nearest_psd(matrix).matrix,
        freedom=float(content["copula_freedom"]),
    )
