"""The account as a hypothesis would have it, and what a hypothesis comes to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts.legs import instrument_of, is_named
from keelmark.core.bankruptcy import bankruptcy_prices, held_maintenance_price
from keelmark.core.coin_move import carries_coin, prices_with_coin
from keelmark.core.errors import KeelmarkError
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import MarginReport, Ratio, margin_report
from keelmark.core.market import Market
from keelmark.core.model import LiquidationPriceForm, MarginModel
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit, Position
from keelmark.rulebooks import Rulebook


@dataclass(frozen=True, slots=True)
class Scene:
    """A unit under prices and terms; every hypothesis is another scene."""

    unit: MarginUnit
    market: Market
    model: MarginModel

    def figure(self, number: str) -> Decimal | None:
        """Return a figure by the name a residual has; `None` where there is none."""
        name, _, key = number.partition(":")
        try:
            report = margin_report(self.unit, self.market, self.model)
            return self._priced(report, name, key) if key else _total(report, name)
        except (KeelmarkError, ArithmeticError):
            return None  # the hypothesis makes no account at all

    def _priced(self, report: MarginReport, name: str, key: str) -> Decimal | None:
        symbol = instrument_of(key)
        if name == "bankruptcy_price":
            return bankruptcy_prices(report, symbol, self.market, self.model).value
        if name == "liquidation_price":
            if self.model.liquidation_price_form is LiquidationPriceForm.HELD_MAINTENANCE:
                return held_maintenance_price(report, symbol).value
            if carries_coin(self.unit, symbol, self.market, self.model):
                return prices_with_coin(report, symbol, self.market, self.model).value
            return liquidation_prices(self.unit, symbol, self.market, self.model).value
        legs = [p for p in report.positions if is_named(p.position, key)]
        held = legs or [p for p in report.positions if p.position.instrument == symbol]
        if not held:
            return None
        with exact():
            return sum((getattr(p, name) for p in held), ZERO)


def _total(report: MarginReport, name: str) -> Decimal | None:
    found: Decimal | Ratio = getattr(report, name)
    return found.value if isinstance(found, Ratio) else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One figure that differs.

    Attributes:
        number: Its name, as a residual has it.
        reported: The venue's.
        computed: Ours; `None` where there is none.
        scene: What ours was computed from.
        rulebook: Whose terms these are.
        figures: Every figure the venue reports of the unit, by name.
        isolated: The account's isolated units, for a cross one; its cross unit, for an isolated.
    """

    number: str
    reported: Decimal
    computed: Decimal | None
    scene: Scene
    rulebook: Rulebook
    figures: Mapping[str, Decimal]
    others: tuple[MarginUnit, ...]

    @property
    def name(self) -> str:
        """The number without its instrument."""
        return self.number.partition(":")[0]

    @property
    def symbol(self) -> str:
        """The instrument of the number; empty for a total."""
        return instrument_of(self.number.partition(":")[2])

    def asks(self, position: Position) -> bool:
        """Whether the number is of this position, or of the whole."""
        key = self.number.partition(":")[2]
        return not key or is_named(position, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One hypothesis.

    Attributes:
        code: Its kind, for machines.
        text: What would have to be so, in words.
        scene: The account then; `None` where the hypothesis is about the figure alone.
        value: The figure then, where no scene gives it.
        change: For a hypothesis with a number solved for: how large it is, as a fraction.
    """

    code: str
    text: str
    scene: Scene | None = None
    value: Decimal | None = None
    change: Decimal | None = None


Hypothesis = Callable[[Question], "list[Trial]"]
