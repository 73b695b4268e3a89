"""Rows of a venue's own maintenance table: whether they are one whole table, and whose turn it is.

A table of notionals is continuous: each row deducts what joins it to the one before
(docs/model.md, "Maintenance margin"). A table of contracts charges the row's rate on the whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from keelmark.accounts.importers.draft import Draft, PositionDraft, plain
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.rules import with_deductions

_AGREES = Decimal("0.0001")
"""Part of a printed deduction that venues round."""
CENT = Decimal("0.01")
SATOSHI = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row; bounds in notional or in contracts.

    Attributes:
        floor: Where it begins.
        cap: Where it ends, where that is said.
        rate: Maintenance rate.
        amount: The printed deduction, where there is one.
    """

    floor: Decimal
    cap: Decimal | None
    rate: Decimal
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A venue's table of one contract.

    Attributes:
        rows: In rising order.
        is_whole: Whether bounds are contracts and a rate is that of the whole position; the next
            row then begins up to one contract above the end of the one before.
        quantum: How far a printed deduction may be from the one that joins rows; `None` where it
            need not join them.
    """

    rows: Sequence[Step]
    is_whole: bool = False
    quantum: Decimal | None = CENT

    @classmethod
    def of(
        cls, rows: Iterable[Step], *, is_whole: bool = False, quantum: Decimal | None = CENT
    ) -> "Steps":
        """Return a table of rows in any order; a row that is given twice is one."""
        rising = sorted(dict.fromkeys(rows), key=lambda row: row.floor)
        return cls(rows=rising, is_whole=is_whole, quantum=quantum)

    @property
    def problem(self) -> str | None:
        """What no whole table has; `None` where nothing is wrong."""
        return next(self._problems(), None)

    def _problems(self) -> Iterator[str]:
        room = ONE if self.is_whole else ZERO
        if not self.rows:
            yield "the table holds no row"
            return
        if self.rows[0].floor > room:
            yield f"the first row begins at {plain(self.rows[0].floor)}, not at 0"
        if not all(ZERO < row.rate <= ONE for row in self.rows):
            yield "a rate is not between 0 and 1"
        for low, high in pairwise(self.rows):
            if high.floor <= low.floor:
                yield f"two rows begin at one bound, {plain(high.floor)}"
            elif low.cap is not None and not ZERO <= high.floor - low.cap <= room:
                yield f"a row ends at {plain(low.cap)} and the next begins at {plain(high.floor)}"
            if high.rate < low.rate:
                yield "a rate falls with the notional"
        if self.quantum is not None and not self.is_whole:
            yield from self._deduction_problems(self.quantum)

    def _deduction_problems(self, quantum: Decimal) -> Iterator[str]:
        with exact():
            for row, amount in zip(self.rows, self._deductions(), strict=True):
                printed = amount if row.amount is None else row.amount
                if abs(printed - amount) > quantum + amount * _AGREES:
                    yield (
                        f"the row at {plain(row.floor)} deducts {plain(printed)}; floors and "
                        f"rates give {plain(amount)}"
                    )

    def at(self, key: Decimal) -> Step:
        """Return the row of a notional or of contracts, with what it deducts."""
        if self.is_whole:
            ends = [
                high.floor if low.cap is None else min(high.floor, low.cap)
                for low, high in pairwise(self.rows)
            ]
            return replace(self.rows[sum(key > end for end in ends)], amount=None)
        index = max(0, sum(key >= row.floor for row in self.rows) - 1)
        row = self.rows[index]
        return replace(row, amount=row.amount if row.amount is not None else self._amount(index))

    def say_beyond(self, position: PositionDraft, key: Decimal, draft: Draft) -> None:
        """Say it where a position is larger than the table: its last rows may be missing."""
        end = self.rows[-1].cap
        if end is not None and key > end:
            draft.say(
                f"{position.instrument} is larger than its table, which ends at {plain(end)}: the "
                "last row is taken; save the answer whole"
            )

    def _amount(self, index: int) -> Decimal:
        return self._deductions()[index]

    def _deductions(self) -> list[Decimal]:
        tiers = with_deductions((row.floor, row.rate) for row in self.rows)
        return [tier.deduction for tier in tiers]
