"""How far an account is from liquidation: every unit, position and price, and one verdict."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from keelmark.accounts.account import Account
from keelmark.accounts.gauge import Gauge, gauge_of
from keelmark.accounts.levels import WARN_DISTANCE, WORST_FIRST, Level, Levels
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.residuals import Residual, residuals_of
from keelmark.accounts.snapshot_age import Freshness, SnapshotAge
from keelmark.accounts.table import POSITION_COLUMNS, REQUIREMENTS, Table, position_cells
from keelmark.accounts.unit_check import UnitCheck, check_unit, with_sigmas
from keelmark.accounts.volatilities import Volatilities, volatilities_of
from keelmark.core.adverse_move import adverse_move
from keelmark.core.codes import UnitKind
from keelmark.core.errors import InvalidInput
from keelmark.core.joint_move import JointMove

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from keelmark.accounts.notebook import Panel

_FAR = Decimal("Infinity")

_TOTALS = ("equity", "initial_margin", "maintenance_margin", "maintenance_excess")


class Verdict(StrEnum):
    """What the whole account comes to."""

    HEALTHY = "healthy"
    WARNING = "warning"
    LIQUIDATABLE = "liquidatable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCheck:
    """What `keelmark check` says.

    Attributes:
        account: The account.
        units: In the order of the account.
        residuals: Differences from the venue's own figures.
        levels: Distances at which the words change; red is the warning distance.
        volatilities: What distances are told in standard deviations by; `None` where none are at
            hand.
        age: How old the document is.
    """

    account: Account
    units: tuple[UnitCheck, ...]
    residuals: tuple[Residual, ...]
    levels: Levels = field(default_factory=Levels)
    volatilities: Volatilities | None = None
    age: SnapshotAge = field(compare=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be known before acting on it: that it is stale, or of several instants."""
        return self.age.warnings

    @property
    def warn_distance(self) -> Decimal:
        """Distance below which the verdict is a warning."""
        return self.levels.red

    @property
    def is_liquidatable(self) -> bool | None:
        """Whether any unit is; `None` where none is known to be and one may be."""
        states = {unit.is_liquidatable for unit in self.units}
        if self.account.unlearnt is not None:
            states.add(None)
        return True if True in states else None if None in states else False

    def adverse_move(self, unit: UnitCheck) -> JointMove | None:
        """Return how far every coin can move against a unit by one fraction.

        No part of `distance`, which moves prices alike or alone. `None` where the unit's coins all
        cost in the same direction, where it is liquidatable, and where its margin is unknown.
        """
        if unit.report is None or unit.report.is_liquidatable:
            return None
        return adverse_move(unit.report, self.account.market, self.account.model, unit.lines)

    @property
    def distance(self) -> Decimal | None:
        """The nearest liquidating move of any unit, unsigned."""
        return None if self.nearest_unit is None else self.nearest_unit.distance

    @property
    def sigmas(self) -> float | None:
        """The nearest liquidating move in standard deviations; `None` without a volatility."""
        nearest = None if self.nearest_unit is None else self.nearest_unit.nearest
        return None if nearest is None else nearest.sigmas

    @property
    def nearest_unit(self) -> UnitCheck | None:
        """The unit with the nearest liquidating move; `None` where no unit has one."""
        reached = [(u.distance, u) for u in self.units if u.distance is not None]
        return min(reached, key=lambda pair: pair[0], default=(None, None))[1]

    @property
    def worst(self) -> UnitCheck | None:
        """The unit that decides the account's word: of the worst level, then the nearest."""
        return min(self.units, key=self._badness, default=None)

    def _badness(self, unit: UnitCheck) -> tuple[int, Decimal]:
        """Sort key, as the verdict has it: unknown margin is worse than near, an open move less."""
        level = unit.level(self.levels)
        is_open = level is Level.UNKNOWN and unit.report is not None
        rank = WORST_FIRST.index(Level.RED if is_open else level)
        return (2 * rank + is_open, _FAR if unit.distance is None else unit.distance)

    @property
    def level(self) -> Level | None:
        """The word for the account: the worst of its units; nothing without any."""
        worst = self.worst
        if self.is_liquidatable is None:
            return Level.UNKNOWN
        return None if worst is None else worst.level(self.levels)

    @property
    def headline(self) -> str:
        """The account in one line: which unit decides, and its nearest move."""
        worst = self.worst
        if worst is None or (self.is_liquidatable is None and worst.report is not None):
            return self.account.unlearnt or "nothing is held"
        return f"{worst.unit.unit_id}: {worst.headline}"

    @property
    def verdict(self) -> Verdict:
        """Liquidatable before unknown margin before warning before unknown distance."""
        if self.is_liquidatable:
            return Verdict.LIQUIDATABLE
        if self.is_liquidatable is None:
            return Verdict.UNKNOWN
        if self.distance is not None and self.distance < self.warn_distance:
            return Verdict.WARNING
        if any(unit.is_unsettled for unit in self.units):
            return Verdict.UNKNOWN
        return Verdict.HEALTHY

    @property
    def positions(self) -> Iterator[PositionCheck]:
        """Every position of every unit."""
        return (position for unit in self.units for position in unit.positions)

    @property
    def units_table(self) -> Table:
        """Every unit, totals in its currency."""
        return Table.of(
            f"{self.account.rulebook.name}: {self.verdict.value}",
            ("unit", "currency", *_TOTALS, "distance", "reason"),
            [
                (
                    unit.unit.unit_id,
                    unit.currency,
                    *(unit.total(name) for name in _TOTALS),
                    unit.distance,
                    unit.reason or "",
                )
                for unit in self.units
            ],
        )

    @property
    def positions_table(self) -> Table:
        """Every position, amounts in its settle asset, with the prices that end it."""
        prices = ("bankruptcy_price", "liquidation_price", "liquidation_status", "distance")
        return Table.of(
            "positions",
            ("unit", *POSITION_COLUMNS, *prices),
            [
                (
                    p.unit_id,
                    *position_cells(p.held)[:-REQUIREMENTS],
                    p.initial_margin,
                    p.maintenance_margin,
                    p.bankruptcy.value,
                    p.liquidation.value,
                    p.liquidation.status.value,
                    p.distance,
                )
                for p in self.positions
            ],
        )

    def to_polars(self) -> "pl.DataFrame":
        """Return `positions_table` as a frame; numbers are float64."""
        return self.positions_table.to_polars()

    def plot_distance(self) -> "Figure":
        """Return a picture of how far each position is from its liquidation price.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        from keelmark.accounts.plots import draw_distance  # noqa: PLC0415 heavy, and optional

        return draw_distance(list(self.positions), self.levels, self.account.rulebook.name)

    def plot_gauge(self) -> "Figure":
        """Return a picture of the hull of the main unit: its maintenance over its equity.

        Raises:
            MissingExtra: matplotlib is not installed.
            InvalidInput: The unit holds no position, or its margin is unknown.
        """
        from keelmark.accounts.plots import draw_gauge  # noqa: PLC0415 heavy, and optional

        main = self.main
        gauge = None if main is None else self.gauge(main)
        if main is None or gauge is None:
            msg = "no unit with a position and a known margin: there is no gauge to draw"
            raise InvalidInput(msg)
        title = f"{self.account.rulebook.name} {main.unit.unit_id}"
        return draw_gauge(gauge, main.level(self.levels), title)

    def gauge(self, unit: UnitCheck) -> Gauge | None:
        """Return the gauge of a unit; `None` where it has none."""
        return gauge_of(unit.report, self.account.rulebook.liquidation)

    def _repr_html_(self) -> str:
        from keelmark.accounts.notebook import page  # noqa: PLC0415 only notebooks need it

        level = self.level
        head = (level, self.headline) if level is not None and len(self.units) > 1 else None
        return page([self._panel(unit) for unit in self.units], self.levels, head)

    def _panel(self, unit: UnitCheck) -> "Panel":
        from keelmark.accounts.notebook import Panel  # noqa: PLC0415 only notebooks need it

        as_of = f", {self.age.words}" if self.age.words else ""
        return Panel(
            title=f"{self.account.rulebook.name}, {unit.unit.unit_id}{as_of}",
            currency=unit.currency,
            level=unit.level(self.levels),
            headline=unit.headline,
            report=unit.report,
            gauge=self.gauge(unit),
            positions=unit.positions,
            notes=tuple(self._notes()) if unit is self.main else (),
            warnings=self.warnings if unit is self.units[0] else (),
        )

    def _notes(self) -> Iterator[str]:
        """Yield what differs from the venue, with its reason, and what was assumed."""
        for residual in self.residuals:
            if not residual.matches:
                yield f"{residual.number}: {residual.beside}. {residual.likely_reason}"
        if self.residuals and all(residual.matches for residual in self.residuals):
            yield f"all {len(self.residuals)} figures of the venue match to the printed digits"
        yield from self.account.notes

    @property
    def main(self) -> UnitCheck | None:
        """The unit the headline is about: the cross unit, else the one nearest to its end."""
        cross = [unit for unit in self.units if unit.unit.kind is UnitKind.CROSS]
        ranked = sorted(cross or self.units, key=_nearness)
        return ranked[0] if ranked else None


def check(
    account: Account,
    *,
    warn_distance: Decimal = WARN_DISTANCE,
    amber_distance: Decimal | None = None,
    reasons: bool = True,
    volatilities: Volatilities | None = None,
    freshness: Freshness | None = None,
) -> AccountCheck:
    """Return every margin figure of an account, and how far it is from liquidation.

    Args:
        account: From `load_account`.
        warn_distance: Distance below which the verdict is a warning (red), fraction.
        amber_distance: Distance below which the word is amber; twice the warning distance unless
            told otherwise.
        reasons: Whether to look for the likeliest reason of each figure of the venue that differs.
        volatilities: Deviations that distances are told in; those of the document where left out.
        freshness: From which age on the document is called stale, and by which clock; five
            minutes by this machine's where left out.

    Raises:
        InvalidInput: Amber begins nearer than red.
    """
    levels = Levels.of(warn_distance, amber_distance)
    units = tuple(check_unit(unit, account) for unit in account.units)
    known = volatilities or volatilities_of(account)
    if known is not None:
        units = tuple(with_sigmas(unit, known, account.model) for unit in units)
    residuals = residuals_of(
        account.reported, [(u.report or u.known, u.positions, u.reason) for u in units]
    )
    if reasons and not all(residual.matches for residual in residuals):
        from keelmark.accounts.mismatch.rank import explained  # noqa: PLC0415 rarely needed

        residuals = explained(account, [unit.report for unit in units], residuals)
    return AccountCheck(
        account=account,
        units=units,
        residuals=residuals,
        levels=levels,
        volatilities=known,
        age=SnapshotAge.of(account.document, freshness or Freshness()),
    )


def _nearness(unit: UnitCheck) -> tuple[int, Decimal]:
    """Sort key: unknown and liquidatable units first, then by distance."""
    if unit.is_liquidatable is not False:
        return (0, Decimal(0))
    return (2, Decimal(0)) if unit.distance is None else (1, unit.distance)
