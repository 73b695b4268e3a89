"""What a benchmark returns: rows of figures, each with its bar and its comparison."""

from dataclasses import asdict, dataclass, field
from typing import Any

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure is held against.

    Attributes:
        sense: `<=` or `>=`.
        limit: In the unit of the row.
    """

    sense: str
    limit: float

    def is_met(self, value: float) -> bool:
        """Whether a figure reaches the bar."""
        return value <= self.limit if self.sense == "<=" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.sense} {self.limit:,g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How the value of a row came about, in the row's unit unless named otherwise.

    Attributes:
        compile_s: Seconds numba spent compiling before anything was measured; 0 from its cache.
        cold: First call on the data.
        median: Of the calls after it.
        p99: Of the same.
        cpu: Mean of their processor time; what others on the machine take is not in it.
        runs: How many they were.
        of: What one of them is, where it is not the value's own.
    """

    compile_s: float | None = None
    cold: float | None = None
    median: float | None = None
    p99: float | None = None
    cpu: float | None = None
    runs: int | None = None
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        name: Short name.
        what: What it is, in plain words.
        value: The figure.
        unit: Its unit.
        bar: What it is held against; `None` where the project sets none for this data.
        ratio: The comparison over the figure, measured in the same run: how many times faster.
        against: What the ratio compares with.
        timings: Compile, cold and warm.
        data: Shape of the data.
        checked: Which results were found equal to the plain method's.
        note: What limits the figure, or what is left out.
    """

    name: str
    what: str
    value: float
    unit: str
    bar: Bar | None = None
    ratio: float | None = None
    against: str = ""
    timings: Timings = field(default_factory=Timings)
    data: str = ""
    checked: str = ""
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is reached; `None` without one."""
        return None if self.bar is None else self.bar.is_met(self.value)

    def plain(self) -> dict[str, Any]:
        """Return the row as JSON values, significant digits only."""
        timings = {k: rounded(v) for k, v in asdict(self.timings).items() if v not in (None, "")}
        return {
            "name": self.name,
            "what": self.what,
            "value": rounded(self.value),
            "unit": self.unit,
            "bar": None if self.bar is None else str(self.bar),
            "met": self.is_met,
            "ratio": rounded(self.ratio),
            "against": self.against,
            "timings": timings,
            "data": self.data,
            "checked": self.checked,
            "note": self.note,
        }


def rounded(value: Any) -> Any:  # noqa: ANN401 a number or text
    """Return a float with four significant digits."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        units: Margin units of a fleet.
        effort: Factor on the number of ticks, batches and repetitions; small in tests.
    """

    units: int = MILLION
    effort: float = 1.0

    def times(self, count: int, least: int = 1) -> int:
        """Return a number of repetitions at this effort."""
        return max(least, round(count * self.effort))

    def bar(self, sense: str, limit: float, *, units: int | None = MILLION) -> Bar | None:
        """Return a bar that is set for a number of units (`None`: for any), at full effort."""
        is_set = self.effort == 1.0 and units in {None, self.units}
        return Bar(sense, limit) if is_set else None
