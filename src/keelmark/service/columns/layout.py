"""Where everything lies in the shared files.

One file a column, and `moment`: what changes with every group, under one sequence. A moment is
whole: its position, clock, prices, counts and the ends of the logs belong together.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.wide import wide_value
from keelmark.book.records import BALANCE, POSITION, UNIT
from keelmark.book.universe import Universe

Words = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FORMAT = "keelmark-columns"
VERSION = 1
"""Changes with the layout: a reader of another one is told."""

WORD = np.dtype(np.int64)
TABLES = {"units": UNIT, "positions": POSITION, "balances": BALANCE, "stamps": WORD, "lines": WORD}
"""Record type of each column's file."""

MAGIC = int.from_bytes(b"KEELCOLS", "little")


class Fixed:
    """Words of the moment's file outside the sequence; plain numbers, kernels take them."""

    MAGIC = 0
    VERSION = 1
    GENERATION = 2
    CLOSED = 3
    SEQUENCE = 4


BODY = 8
"""First word under the sequence."""


class Field:
    """Numbers of a moment, by place."""

    POSITION = 0
    TIME_MS = 1
    POSTED_MS = 2
    RECHECKED_MS = 3
    DISPOSED_MS = 4
    DELEVERAGED_MS = 5
    CASES_COUNT = 6
    UNITS = 7
    POSITIONS = 8
    BALANCES = 9
    LOG = 10
    LOG_END = 11
    NAMES_END = 12


FIELDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many prices, instruments and assets a moment has."""

    prices: int
    instruments: int
    assets: int

    @classmethod
    def of(cls, universe: Universe) -> "Shape":
        """Return the shape of a universe's moments."""
        return cls(
            prices=len(universe.factors) + 1,
            instruments=len(universe.symbols),
            assets=len(universe.assets),
        )

    @property
    def words(self) -> int:
        """Words under the sequence."""
        return FIELDS + 2 * self.prices + 2 * self.instruments + 2 * self.assets


class Moment:
    """The words of one moment, and its parts as arrays over them.

    Attributes:
        words: All of them.
        numbers: By `Field`.
        prices: float64 (n_prices,): the price column; the last row is time.
        seen_ms: int64 (n_prices,): when each price was last good; the last row is not used.
        longs: int64 (2 * n_instruments,): lots held long in two limbs, where margins read them.
        vault: int64 (2 * n_assets,): quanta in two limbs.
    """

    __slots__ = ("longs", "numbers", "prices", "seen_ms", "vault", "words")

    def __init__(self, shape: Shape) -> None:
        self.words: Words = np.zeros(shape.words, np.int64)
        ends = np.cumsum([FIELDS, shape.prices, shape.prices, 2 * shape.instruments])
        self.numbers, prices, self.seen_ms, self.longs, self.vault = np.split(self.words, ends)
        self.prices: Floats = prices.view(np.float64)

    def vault_quanta(self) -> tuple[int, ...]:
        """Return the vault by asset."""
        return tuple(wide_value(self.vault, asset) for asset in range(len(self.vault) // 2))

    def copy_from(self, other: "Moment") -> None:
        """Become equal to another moment of the same shape."""
        self.words[:] = other.words
