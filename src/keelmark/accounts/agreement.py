"""When two figures agree, and what is said of two that do not."""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.numbers import ZERO, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Likely:
    """The most likely reason of a difference.

    Attributes:
        code: Its kind, for machines.
        text: In words.
        value: The figure if it is so.
        explains: Share of the difference it explains, at most one.
        matches: Whether it gives the venue's figure to its printed digits.
        is_fitted: Whether a number in it was solved for, so that it had to match.
        confirmed: How many of the venue's figures match then, of how many.
    """

    code: str
    text: str
    value: Decimal
    explains: Decimal
    matches: bool
    is_fitted: bool
    confirmed: tuple[int, int]

    @property
    def verdict(self) -> str:
        """The reason with what it achieves, one sentence."""
        count, total = self.confirmed
        if not self.matches:
            return f"{self.text}: explains {self.explains * 100:.0f} % of it"
        figures = f"{count} of the venue's {total} figures match then"
        if self.is_fitted:
            return f"{self.text} ({figures})" if count > 1 else self.text
        return f"{self.text}: matches to the printed digits" + (f"; {figures}" if total > 1 else "")


def agrees(reported: Decimal, computed: Decimal | None) -> bool:
    """Whether two figures agree to one unit of the last digit the venue prints.

    Venues print 0 where no price exists.
    """
    if computed is None:
        return reported == ZERO
    exponent = reported.as_tuple().exponent
    last = Decimal(1).scaleb(exponent) if isinstance(exponent, int) else ZERO
    with exact():
        return abs(reported - computed) <= last
