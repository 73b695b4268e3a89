"""What the whole book adds up to, exactly."""

from dataclasses import dataclass

import numpy as np

from keelmark.book.book import Book
from keelmark.book.kernels.totals import totals_kernel
from keelmark.book.kernels.wide import wide_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over every unit, in-house units included.

    Attributes:
        balances: Quanta, per asset.
        costs: Settle quanta, per asset.
        longs: Lots held long, per instrument.
        shorts: Lots held short, per instrument; not positive.
        vault: Quanta the outside has paid in less what it took out, per asset.
    """

    balances: tuple[int, ...]
    costs: tuple[int, ...]
    longs: tuple[int, ...]
    shorts: tuple[int, ...]
    vault: tuple[int, ...]

    @property
    def residuals(self) -> tuple[int, ...]:
        """Vault less every claim on it, per asset: all zero (INV-01)."""
        claims = zip(self.vault, self.balances, self.costs, strict=True)
        return tuple(vault - (balance - cost) for vault, balance, cost in claims)


def totals(book: Book) -> Totals:
    """Return the sums of the book as it is."""
    assets, instruments = len(book.vault), len(book.parameters.settle)
    held, costs = (np.zeros(2 * assets, dtype=np.int64) for _ in range(2))
    longs, shorts = (np.zeros(2 * instruments, dtype=np.int64) for _ in range(2))
    tables = (book.units, book.positions.rows, book.balances.rows, book.parameters.settle)
    totals_kernel(*tables, held, costs, longs, shorts)
    return Totals(
        balances=tuple(wide_value(held, asset) for asset in range(assets)),
        costs=tuple(wide_value(costs, asset) for asset in range(assets)),
        longs=tuple(wide_value(longs, row) for row in range(instruments)),
        shorts=tuple(wide_value(shorts, row) for row in range(instruments)),
        vault=tuple(book.vault),
    )
