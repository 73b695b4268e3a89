"""Cited figures of a crash: instruments, bracket tables and the few prices that are known.

The file says in its head where every figure comes from. Prices known at a minute, the low and the
opening trades around the bar of the low become the knots of a bridge (`bridge.py`).
"""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from keelmark.core.errors import InvalidDocument
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.rules import Tier, with_deductions
from keelmark.lab.documents import Document
from keelmark.lab.scenarios.bridge import Knots
from keelmark.lab.scenarios.document import epoch_seconds
from keelmark.lab.scenarios.values import ScenarioInstrument

BAR = timedelta(minutes=5)
Positive = Annotated[Decimal, Field(gt=0)]
Prices = Annotated[tuple[Positive, ...], Field(min_length=1)]
TierFigures = tuple[Decimal, Annotated[Decimal, Field(gt=0, lt=1)], Positive]


class LowFigure(Document):
    """`low`: the lowest trade and when it was."""

    time: time
    price: Positive


class AssetFigures(Document):
    """`[[asset]]`: a collateral asset with a price of its own."""

    asset: str
    level_times: Annotated[tuple[time, ...], Field(min_length=2)]
    levels: Prices
    low: LowFigure
    daily_sigma: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _one_level_a_time(self) -> "AssetFigures":
        _require_equal("levels", len(self.levels), len(self.level_times))
        return self


class InstrumentFigures(Document):
    """`[[instrument]]`: one contract."""

    symbol: str
    base: str
    price_unit: Positive
    lot: Positive
    daily_volume: Annotated[float, Field(gt=0)]
    daily_sigma: Annotated[float, Field(gt=0)]
    levels: Prices
    low: LowFigure
    low_bar: time
    around_low: tuple[Positive, Positive]
    history: Prices
    brackets_as_of: str
    tiers: Annotated[tuple[TierFigures, ...], Field(min_length=1)]
    largest_notional: Positive

    @model_validator(mode="after")
    def _tiers_rise(self) -> "InstrumentFigures":
        problems = [
            f"tiers[{i + 1}]: floors and rates must rise, leverage must not"
            for i, (low, high) in enumerate(pairwise(self.tiers))
            if not (low[0] < high[0] and low[1] < high[1] and low[2] >= high[2])
        ]
        if self.tiers[0][0] != 0:
            problems.append("tiers[0]: the first floor must be 0")
        if self.largest_notional <= self.tiers[-1][0]:
            problems.append(f"largest_notional: must lie above the last floor {self.tiers[-1][0]}")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def value(self, settle: str) -> ScenarioInstrument:
        """Return the instrument."""
        contract = Instrument(
            symbol=self.symbol,
            kind=InstrumentKind.LINEAR_PERPETUAL,
            base=self.base,
            settle=settle,
            lot=self.lot,
            price_unit=self.price_unit,
        )
        return ScenarioInstrument(
            contract=contract,
            tiers=self._tier_table(),
            largest_notional=self.largest_notional,
            brackets_as_of=self.brackets_as_of,
            daily_volume=self.daily_volume,
            daily_sigma=self.daily_sigma,
        )

    def _tier_table(self) -> tuple[Tier, ...]:
        continuous = with_deductions((floor, rate) for floor, rate, _ in self.tiers)
        return tuple(
            Tier(floor=tier.floor, rate=tier.rate, deduction=tier.deduction, leverage=leverage)
            for tier, (_, _, leverage) in zip(continuous, self.tiers, strict=True)
        )


class FiguresDocument(Document):
    """The whole file."""

    day: date
    level_times: Annotated[tuple[time, ...], Field(min_length=2)]
    history_days: Annotated[tuple[int, ...], Field(min_length=1)]
    asset: tuple[AssetFigures, ...]
    instrument: Annotated[tuple[InstrumentFigures, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "FiguresDocument":
        problems = [
            f"instrument[{i}] {figures.symbol}: {len(figures.levels)} levels for "
            f"{len(self.level_times)} level_times"
            for i, figures in enumerate(self.instrument)
            if len(figures.levels) != len(self.level_times)
        ]
        problems += [
            f"instrument[{i}] {figures.symbol}: more history than history_days"
            for i, figures in enumerate(self.instrument)
            if len(figures.history) > len(self.history_days)
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @cached_property
    def start(self) -> datetime:
        """The first level's time."""
        return self.at(self.level_times[0])

    def at(self, clock: time) -> datetime:
        """Return the instant of a clock time on the day, UTC."""
        return datetime.combine(self.day, clock, tzinfo=UTC)

    def crash_knots(self, figures: InstrumentFigures) -> Knots:
        """Return what is known of an instrument during the crash."""
        bar = self.at(figures.low_bar)
        known = {
            **dict(zip(map(self.at, self.level_times), figures.levels, strict=True)),
            bar: figures.around_low[0],
            bar + BAR: figures.around_low[1],
        }
        return _knots(known, self.at(figures.low.time), figures.low.price)

    def asset_knots(self, figures: AssetFigures) -> Knots:
        """Return what is known of a collateral asset during the crash."""
        known = dict(zip(map(self.at, figures.level_times), figures.levels, strict=True))
        return _knots(known, self.at(figures.low.time), figures.low.price)

    def history_knots(self, figures: InstrumentFigures) -> Knots:
        """Return what is known of an instrument before the crash, up to its start."""
        days = self.history_days[len(self.history_days) - len(figures.history) :]
        known = {
            self.start - timedelta(days=ago): price
            for ago, price in zip(days, figures.history, strict=True)
        }
        return _knots({**known, self.start: figures.levels[0]})


def _knots(
    known: dict[datetime, Decimal],
    low_time: datetime | None = None,
    low: Decimal | None = None,
) -> Knots:
    if low_time is not None and low is not None:
        known = {**known, low_time: low}
    rows = sorted(known.items())
    if low is not None and any(price < low for _, price in rows):
        msg = "figures of a crash"
        raise InvalidDocument(msg, [f"a level lies below the low {low}"])
    return Knots(
        times=np.array([epoch_seconds(instant) for instant, _ in rows], dtype=np.int64),
        prices=np.array([float(price) for _, price in rows]),
        floor=None if low is None else float(low),
    )


def _require_equal(name: str, found: int, wanted: int) -> None:
    if found != wanted:
        msg = f"{name}: {found} given, {wanted} wanted"
        raise ValueError(msg)
