"""The picture of a backtest: profits, the lowest score's value at risk, who was violated when."""

from collections.abc import Iterator, Sequence

import numpy as np

from keelmark.accounts.markup import Html, element
from keelmark.risk.backtests.judged import Level
from keelmark.risk.backtests.rolling import Run
from keelmark.risk.backtests.statistic import Array, Flags
from keelmark.risk.backtests.wording import instant, loss_text

WIDTH, TOP, LANE = 1000.0, 300.0, 18.0
LEFT, RIGHT, MARGIN = 150.0, 14.0, 26.0
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_TICKS = 6
_DATES = 6


def chart(run: Run, level: Level) -> Html:
    """Return the picture as SVG; its colours are variables of the page it stands in."""
    count = len(run.profit)
    across = LEFT + (np.arange(count) + 0.5) * (WIDTH - LEFT - RIGHT) / count
    lowest = level.lowest
    told = np.full(count, np.nan)
    if lowest is not None:
        column = run.schedule.tails.index(level.tail)
        told = -run.forecasts[lowest.name].value_at_risk[:, column]
    low = float(np.nanmin([run.profit.min(), np.nanmin(told, initial=0.0)])) * 1.05
    high = max(float(run.profit.max()) * 1.05, -low * 0.2)
    up = _Scale(low, high)
    order = [*level.ranked, *(name for name in level.judged if name not in level.ranked)]
    height = TOP + LANE * (len(order) + 1) + MARGIN + 18.0
    return element(
        "svg",
        *_grid(up),
        _bars(across, run.profit, up),
        _line(across, told, up),
        *([] if lowest is None else _circles(run, across, lowest.hits, up)),
        *_lanes(run, level, order, across),
        *_dates(run, across, height),
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_label="Profits, value at risk and violations",
        font_size="11",
        fill="currentColor",
    )


class _Scale:
    """Where a profit stands from the top."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, value: float) -> float:
        return MARGIN / 2 + (self.high - value) / (self.high - self.low) * (TOP - MARGIN)

    def ticks(self) -> Iterator[float]:
        """Yield round values between the ends."""
        span = self.high - self.low
        step = next((s for s in _STEPS if span / s <= _TICKS), span)
        for number in range(int(np.ceil(self.low / step)), int(np.floor(self.high / step)) + 1):
            yield number * step


def _grid(up: _Scale) -> Iterator[Html]:
    for value in up.ticks():
        height = up(value)
        yield _across(height, 1.2 if value == 0 else 0.6)
        yield _text(loss_text(value), LEFT - 8.0, height + 4.0, "end")


def _bars(across: Array, profit: Array, up: _Scale) -> Html:
    ground = up(0.0)
    path = "".join(
        f"M{x:.1f} {ground:.1f}V{up(float(y)):.1f}" for x, y in zip(across, profit, strict=True)
    )
    return _path(path, "neutral", min(max((WIDTH - LEFT - RIGHT) / len(profit) * 0.8, 0.6), 6.0))


def _line(across: Array, told: Array, up: _Scale) -> Html:
    """Return the forecasts as a line, broken where there is none."""
    steps = []
    is_down = False
    for x, y in zip(across, told, strict=True):
        if not np.isfinite(y):
            is_down = False
            continue
        steps.append(f"{'L' if is_down else 'M'}{x:.1f} {up(float(y)):.1f}")
        is_down = True
    return _path("".join(steps), "accent", 1.4)


def _circles(run: Run, across: Array, hits: Flags, up: _Scale) -> Iterator[Html]:
    for row in np.flatnonzero(hits):
        loss = float(run.profit[row])
        yield element(
            "circle",
            element("title", f"{instant(run, int(row))}: {loss_text(loss)}"),
            cx=f"{across[row]:.1f}",
            cy=f"{up(loss):.1f}",
            r="3.6",
            fill="none",
            stroke="var(--deficit)",
            stroke_width="1.8",
        )


def _lanes(run: Run, level: Level, order: Sequence[str], across: Array) -> Iterator[Html]:
    """Yield one row of marks a model, and one where all were violated."""
    together = np.zeros(len(run.profit), dtype=np.bool_)
    together[list(level.all_hit)] = True
    lanes = [(name, level.judged[name].hits) for name in order]
    for number, (name, hits) in enumerate([*lanes, ("all together", together)]):
        top = TOP + LANE * number
        path = "".join(f"M{x:.1f} {top + 3:.1f}v{LANE - 6:.1f}" for x in across[hits])
        is_last = number == len(lanes)
        yield _across(top + LANE / 2, 0.6)
        yield _text(name, LEFT - 8.0, top + LANE / 2 + 4.0, "end", soft=False)
        yield _path(path, "ink" if is_last else "deficit", 2.2 if is_last else 1.3)


def _dates(run: Run, across: Array, height: float) -> Iterator[Html]:
    count = len(run.profit)
    for row in np.unique(np.linspace(0, count - 1, _DATES).astype(int)):
        anchor = "start" if row == 0 else "end" if row == count - 1 else "middle"
        yield _text(instant(run, int(row)), float(across[row]), height - 8.0, anchor)


def _across(height: float, width: float) -> Html:
    y = f"{height:.1f}"
    return element(
        "line",
        x1=f"{LEFT:g}",
        x2=f"{WIDTH - RIGHT:g}",
        y1=y,
        y2=y,
        stroke="var(--rule)",
        stroke_width=f"{width:g}",
    )


def _text(words: str, x: float, y: float, anchor: str, *, soft: bool = True) -> Html:
    colour = "var(--soft)" if soft else "currentColor"
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, fill=colour)


def _path(path: str, colour: str, width: float) -> Html:
    return element(
        "path", d=path, stroke=f"var(--{colour})", stroke_width=f"{width:.2f}", fill="none"
    )
