"""The figures of a replay, worked out once for the summary, the report and comparisons."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.lab.replay.ledger import Ledger, ledger_of, total
from keelmark.lab.replay.names import Names, names_of
from keelmark.lab.replay.run import Replay
from keelmark.lab.replay.stage import one_sided_interest

CENTS = Decimal("0.01")


@dataclass(frozen=True, eq=False)
class Measures:
    """Figures of one replay; money in the settle asset, exact unless it is a value at a mark."""

    replay: Replay

    @cached_property
    def names(self) -> Names:
        """Names of what is in it."""
        return names_of(self.replay)

    @cached_property
    def settle(self) -> int:
        """Row of the settle asset."""
        return self.replay.state.universe.asset_row(self.replay.scenario.settle.asset)

    def money(self, quanta: int) -> Decimal:
        """Return settle quanta as an amount."""
        return self.names.amount(self.settle, quanta)

    # --- who was liquidated ---------------------------------------------------------------------

    @cached_property
    def accounts(self) -> int:
        """Accounts in the book."""
        return len(self.replay.population.accounts)

    @cached_property
    def units_liquidated(self) -> frozenset[int]:
        """Units whose liquidation began at least once."""
        return frozenset(record.unit for record in self.replay.recorder.cases.values())

    @cached_property
    def accounts_liquidated(self) -> int:
        """Accounts with at least one such unit."""
        return self.accounts_of(self.units_liquidated)

    def accounts_of(self, units: Iterable[int]) -> int:
        """Return how many accounts units belong to; in-house units are not accounts."""
        account = self.replay.state.book.units["account"]
        return len({int(account[unit]) for unit in units} - {-1})

    @cached_property
    def outcomes(self) -> dict[str, int]:
        """Cases by how they ended, and how many had not."""
        ended = (record.ended for record in self.replay.recorder.cases.values())
        counted = Counter(one.outcome if one else "not_ended" for one in ended)
        return dict(sorted(counted.items()))

    @property
    def liquidated_long(self) -> Decimal:
        """Value at which liquidated longs changed hands."""
        return self.money(sum(t.liquidated_long for t in self.replay.recorder.instruments.values()))

    @property
    def liquidated_short(self) -> Decimal:
        """The same of shorts, unsigned."""
        sums = self.replay.recorder.instruments.values()
        return self.money(sum(t.liquidated_short for t in sums))

    @property
    def liquidated(self) -> Decimal:
        """Both sides."""
        return self.liquidated_long + self.liquidated_short

    @cached_property
    def open_interest(self) -> Decimal:
        """One side of open interest at the first marks."""
        return self.money(one_sided_interest(self.replay.population))

    @cached_property
    def by_stage(self) -> dict[str, Decimal]:
        """Notional by what took it: the market, the backstop, solvent accounts."""
        sums = dict.fromkeys(("reduce", "takeover", "deleverage"), 0)
        for row in self.replay.recorder.rows:
            if row[1] in sums:
                sums[row[1]] += abs(row[8])
        return {name: self.money(quanta) for name, quanta in sums.items()}

    # --- who paid -------------------------------------------------------------------------------

    @cached_property
    def ledgers(self) -> dict[int, Ledger]:
        """Who paid each case."""
        cases = self.replay.recorder.cases.items()
        return {case: ledger_of(record, self.settle) for case, record in cases}

    @cached_property
    def paid(self) -> Ledger:
        """Who paid all of them."""
        return total(self.ledgers.values())

    @property
    def deficit(self) -> int:
        """Losses beyond the units' own margin at the marks of their takeovers, quanta."""
        ended = (record.ended for record in self.replay.recorder.cases.values())
        return sum(one.deficit for one in ended if one)

    @property
    def bad_debt(self) -> Decimal:
        """Deficits the fund could not pay: on deleveraged accounts, claims and the backstop."""
        return self.money(self.deficit - self.paid.fund)

    @property
    def deleveraged(self) -> Decimal:
        """Notional closed against solvent accounts."""
        return self.money(sum(t.deleveraged for t in self.replay.recorder.instruments.values()))

    @cached_property
    def deleveraged_from_backstop(self) -> Decimal:
        """The part of it that the backstop held: closed for its own sake, in no liquidation."""
        rows = self.replay.recorder.rows
        return self.money(sum(abs(row[8]) for row in rows if row[1] == "deleverage" and not row[2]))

    @cached_property
    def accounts_deleveraged(self) -> int:
        """Solvent accounts that were closed against."""
        return self.accounts_of(u for u, t in self.replay.recorder.units.items() if t.deleveraged)

    @cached_property
    def accounts_socialised(self) -> int:
        """Accounts that paid a part of a socialised loss."""
        return self.accounts_of(u for u, t in self.replay.recorder.units.items() if t.socialised)

    # --- what the venue holds -------------------------------------------------------------------

    @property
    def funds(self) -> list[int]:
        """Insurance funds after each step, quanta."""
        return [sample.fund for sample in self.replay.samples]

    @property
    def backstop_inventory_max(self) -> Decimal:
        """Largest notional the backstop held."""
        return valued(max(sample.backstop for sample in self.replay.samples))

    @property
    def backstop_equities(self) -> tuple[Decimal, Decimal, Decimal]:
        """What the backstop was worth at the marks: first, least, last."""
        values = [sample.backstop_equity for sample in self.replay.samples]
        return valued(values[0]), valued(min(values)), valued(values[-1])

    # --- when -----------------------------------------------------------------------------------

    @cached_property
    def peak_minute_ms(self) -> int | None:
        """Start of the minute in which most was liquidated; `None` if nothing was."""
        minutes: Counter[int] = Counter()
        for second, moment in self.replay.recorder.seconds.items():
            minutes[second // 60] += moment.liquidated_long + moment.liquidated_short
        worst = min(minutes, key=lambda minute: (-minutes[minute], minute), default=None)
        return None if worst is None or not minutes[worst] else worst * 60_000

    def first_ms(self, kind: str) -> int | None:
        """Return when something first happened; `None` if it never did."""
        return next((row[0] for row in self.replay.recorder.rows if row[1] == kind), None)


def valued(amount: float) -> Decimal:
    """Return a value at a mark, to the cent."""
    with exact():
        return Decimal(repr(float(amount))).quantize(CENTS)


def share(part: Decimal, whole: Decimal) -> Decimal:
    """Return a fraction to six digits; 0 of nothing."""
    with exact():
        ratio = part / whole if whole else ZERO
        return ratio.quantize(ONE.scaleb(-6))
