"""The scenario document: what is in its TOML."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, Field, model_validator

from keelmark.core.errors import nearest
from keelmark.lab.documents import Document
from keelmark.lab.scenarios.values import ScenarioAsset, TimeWindow

Positive = Annotated[Decimal, Field(gt=0)]


class WindowTable(Document):
    """`[[window]]`: marks every `step_seconds` from `start` until before `end`."""

    start: AwareDatetime
    end: AwareDatetime
    step_seconds: Annotated[int, Field(gt=0)]

    @property
    def value(self) -> TimeWindow:
        """The window in epoch seconds."""
        return TimeWindow(
            start=epoch_seconds(self.start),
            end=epoch_seconds(self.end),
            step=self.step_seconds,
        )


class AssetTable(Document):
    """`[[asset]]`: collateral; the first one is the settle asset."""

    asset: str
    quantum: Positive
    price_unit: Positive
    instrument: str | None = None

    @property
    def value(self) -> ScenarioAsset:
        """The asset."""
        return ScenarioAsset(
            asset=self.asset,
            quantum=self.quantum,
            price_unit=self.price_unit,
            instrument=self.instrument,
        )


class RecordedTable(Document):
    """`[recorded]`: data sets by name, or Parquet files by their path in the data folder."""

    bars: str
    history_days: Annotated[int, Field(gt=0)]
    asset_bars: dict[str, str] = Field(default_factory=dict)
    reference: dict[str, str] = Field(default_factory=dict)
    depth: dict[str, str] = Field(default_factory=dict)


class BridgeTable(Document):
    """`[bridge]`: how the built-in path moves between its knots.

    Attributes:
        volatility_multiple: Times the volatility of the calm days.
        common_share: Share of the variance that all instruments have in common.
    """

    volatility_multiple: Annotated[float, Field(ge=0)]
    common_share: Annotated[float, Field(ge=0, le=1)]


class ScenarioDocument(Document):
    """The whole document."""

    name: str
    title: str
    mark_model: str
    figures: str
    window: Annotated[tuple[WindowTable, ...], Field(min_length=1)]
    asset: Annotated[tuple[AssetTable, ...], Field(min_length=1)]
    recorded: RecordedTable
    bridge: BridgeTable

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "ScenarioDocument":
        problems = [*self._window_problems(), *self._asset_problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _window_problems(self) -> list[str]:
        problems = [
            f"window[{i}]: end {window.end} must lie after start {window.start}"
            for i, window in enumerate(self.window)
            if window.end <= window.start
        ]
        problems += [
            f"window[{i + 1}]: starts at {after.start}, before window[{i}] ends at {before.end}"
            for i, (before, after) in enumerate(zip(self.window, self.window[1:], strict=False))
            if after.start < before.end
        ]
        return problems

    def _asset_problems(self) -> list[str]:
        names = [table.asset for table in self.asset]
        problems = [
            f"asset: {name!r} is listed twice" for name in set(names) if names.count(name) > 1
        ]
        problems += [
            f"recorded.asset_bars.{name}: no such asset; {nearest(name, names)}"
            for name in self.recorded.asset_bars
            if name not in names
        ]
        if self.asset[0].instrument is not None:
            problems.append("asset[0]: the settle asset has price one and no instrument")
        return problems


def epoch_seconds(time: datetime) -> int:
    """Return whole seconds since the Unix epoch."""
    return int(time.timestamp())
