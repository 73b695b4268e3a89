"""The big picture of the report: prices, what was liquidated, the fund, stages, step by step."""

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.recorder import Moment
from keelmark.lab.replay.run import SAMPLE_S
from keelmark.lab.report.series import PriceLine, StageActivity, Timeline

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

MINUTE_MS = 60_000
STEP_MS = 1000 * SAMPLE_S
EDGE_SHARE = 0.01
"""Part of everything liquidated that lies before the crash begins, and after it ends."""
FOCUS_MARGIN_MS = 5 * MINUTE_MS
SHOWN = ("BTC", "ETH")
STAGES = (
    "warn",
    "margin_call",
    "cancel_orders",
    "convert_collateral",
    "reduce",
    "takeover",
    "insurance",
    "auto_deleverage",
    "socialise",
)


def timeline_of(measures: Measures) -> Timeline:
    """Return the timeline: steps of ten seconds in the crash, of a minute around it."""
    replay = measures.replay
    ends = np.array([sample.time_ms for sample in replay.samples], np.int64)
    starts = ends // STEP_MS * STEP_MS
    focus = focus_of(measures, int(starts[0]), int(starts[-1]) + STEP_MS)
    last = _last_of_steps(starts, focus)
    first = np.concatenate(([0], last[:-1] + 1))
    times = starts[first]
    moments = _by_step(replay.recorder.seconds, times)
    quantum = float(measures.money(1))

    def sums(name: str) -> Floats:
        values = [sum(getattr(m, name) for m in moments[k]) for k in range(len(times))]
        return np.array(values, np.float64) * quantum

    samples = [replay.samples[k] for k in last]
    return Timeline(
        times_ms=times,
        end_ms=int(starts[-1]) + STEP_MS,
        prices=price_lines(measures, last),
        liquidated_long=sums("liquidated_long"),
        liquidated_short=sums("liquidated_short"),
        fund=np.array([sample.fund * quantum for sample in samples]),
        deleveraged=sums("deleveraged"),
        backstop=np.array([sample.backstop for sample in samples]),
        stages=_stages(moments, len(times)),
        focus_ms=focus,
    )


def focus_of(measures: Measures, start_ms: int, end_ms: int) -> tuple[int, int] | None:
    """Return the stretch that holds nearly all liquidations, with some minutes around it."""
    seconds = sorted(measures.replay.recorder.seconds.items())
    amounts = np.array([m.liquidated_long + m.liquidated_short for _, m in seconds], np.float64)
    if not amounts.any():
        return None
    grown = np.cumsum(amounts) / amounts.sum()
    edges = np.searchsorted(grown, [EDGE_SHARE, 1 - EDGE_SHARE])
    first, last = (seconds[min(int(k), len(seconds) - 1)][0] * 1000 for k in edges)
    begin = (first - FOCUS_MARGIN_MS) // MINUTE_MS * MINUTE_MS
    end = -(-(last + FOCUS_MARGIN_MS) // MINUTE_MS) * MINUTE_MS
    return max(start_ms, begin), min(end_ms, end)


def _last_of_steps(starts: Int64s, focus: tuple[int, int] | None) -> Int64s:
    """Return the last sample of each step of the timeline."""
    minute = starts // MINUTE_MS
    coarse = minute[1:] != minute[:-1]
    if focus is None:
        kept = coarse
    else:
        fine = (starts[:-1] >= focus[0]) & (starts[:-1] < focus[1])
        kept = coarse | fine
    return np.concatenate((np.flatnonzero(kept), [len(starts) - 1])).astype(np.int64)


def _by_step(seconds: dict[int, Moment], times: Int64s) -> defaultdict[int, list[Moment]]:
    """Return the moments of each step."""
    result: defaultdict[int, list[Moment]] = defaultdict(list)
    for second, moment in sorted(seconds.items()):
        step = int(np.searchsorted(times, second * 1000, side="right")) - 1
        result[max(step, 0)].append(moment)
    return result


def _stages(moments: defaultdict[int, list[Moment]], count: int) -> tuple[StageActivity, ...]:
    """Return how many units each stage acted on in each step; stages that never ran are left out.

    A unit counts once a step.
    """
    activities = []
    for stage in STAGES:
        units = np.zeros(count, np.int64)
        for step, happened in moments.items():
            acted = [moment.stages[stage] for moment in happened if stage in moment.stages]
            units[step] = len(set().union(*acted)) if acted else 0
        if units.any():
            activities.append(StageActivity(stage=stage, units=units))
    return tuple(activities)


def mark_paths(measures: Measures) -> Floats:
    """Return the mark of every instrument at the end of each sample, (n_samples, n_instruments)."""
    factors = measures.replay.state.universe.instruments["mark_factor"]
    return np.array([sample.marks[factors] for sample in measures.replay.samples])


def index_path(measures: Measures) -> Floats:
    """Return the market index: marks over the first ones, weighted by open interest, first 100."""
    marks = mark_paths(measures)
    weights = measures.replay.population.open_interest()
    index: Floats = 100.0 * (marks / marks[0]) @ (weights / weights.sum())
    return index


def price_lines(measures: Measures, last: Int64s) -> tuple[PriceLine, ...]:
    """Return the market index, the large coins, and the coin whose mark fell most."""
    instruments = measures.replay.scenario.instruments
    currency = measures.replay.scenario.settle.asset
    marks = mark_paths(measures)
    bases = [row.contract.base for row in instruments]
    shown = [bases.index(base) for base in SHOWN if base in bases]
    worst = int(np.argmin(marks.min(axis=0) / marks[0]))
    lines = [PriceLine(name="market index", unit="", values=index_path(measures)[last])]
    for row in dict.fromkeys((*shown, worst)):
        label = " (fell most)" if row == worst else ""
        name = f"{instruments[row].symbol}{label}"
        lines.append(PriceLine(name=name, unit=currency, values=marks[last, row]))
    return tuple(lines)
