"""The keelmark gauge in characters: large beside the measures of an account, small in a line."""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.accounts.figures import percent
from keelmark.accounts.gauge import Gauge, GaugeMark
from keelmark.core.numbers import ONE

ROWS = 10
WIDTH = 8
TENTH = Decimal("0.1")
NAMES_WIDTH = 28
SHORT = {"liquidation ends": "ends", "initial margin": "initial"}
LINE, WATER, SURFACE, AIR = "-", "#", "~", " "


def large_gauge(gauge: Gauge) -> list[str]:
    """Return the hull, its lines named beside it: eleven rows, the keel below."""
    rows = [f"|{_filling(gauge, row) * WIDTH}|{_names(gauge, row)}" for row in range(ROWS)]
    return [*rows, f" \\{'_' * (WIDTH - 2)}/"]


def small_gauge(gauge: Gauge) -> str:
    """Return the hull in one line, its bow where the load line is."""
    full = int(gauge.level * ROWS)
    return f"\\{WATER * full}{LINE * (ROWS - full)}/"


def water_rows(gauge: Gauge) -> range:
    """Return the rows of the large gauge that hold water, from the top."""
    return range(ROWS - -int(-gauge.level * ROWS // 1), ROWS)


def _filling(gauge: Gauge, row: int) -> str:
    """Return what a row shows: water below the level, its surface at it, lines above it."""
    bottom = (ROWS - 1 - row) * TENTH
    if gauge.level >= bottom + TENTH:
        return WATER
    if gauge.level > bottom:
        return SURFACE
    return LINE if any(bottom < mark.usage <= bottom + TENTH for mark in gauge.marks) else AIR


def _names(gauge: Gauge, row: int) -> str:
    """Return the lines of a row in words; where the water stands comes first."""
    bottom = (ROWS - 1 - row) * TENTH
    inside = [mark for mark in gauge.marks if bottom < mark.usage <= bottom + TENTH]
    stands = bottom < gauge.level <= bottom + TENTH or (row == ROWS - 1 and not gauge.level)
    now = [] if gauge.usage is None or gauge.usage > ONE or not stands else [gauge.usage]
    texts = [*(f"{percent(usage)} now" for usage in now), *_marks(inside)]
    if row == 0 and not now and gauge.level == ONE:
        texts.insert(0, "under water")
    while len(", ".join(texts)) > NAMES_WIDTH:
        texts.pop()
    return f" {', '.join(texts)}" if texts else ""


def _marks(marks: Sequence[GaugeMark]) -> list[str]:
    return [f"{mark.usage * 100:.0f} % {SHORT.get(mark.name, mark.name)}" for mark in marks]
