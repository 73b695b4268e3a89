"""One mark in calm markets, against looking at every unit again, and against numpy alone."""

from dataclasses import replace

from numba import get_num_threads

from keelmark.lab.bench.fleet import fleet_state, positions_count
from keelmark.lab.bench.timing import Stopwatch, resident_bytes, timed
from keelmark.lab.bench.values import MILLION, Row, Size
from keelmark.lab.bench.venue import SINGLE_ASSET, Shape
from keelmark.lab.bench.walk import calm, follow, pieces, stream_of
from keelmark.lab.bench.watched import Watched, require, require_equal_suspects, watched

PIECE = 2_000
"""Ticks that are timed together: one tick is shorter than a look at the clock."""

TEN_MILLION = 10 * MILLION


def marks_rows(size: Size) -> list[Row]:
    """Measure one mark and a full pass on a fleet under general rules."""
    fleet = watched(Shape(units=size.units))
    data = fleet.data
    passes = pass_rows(fleet, size)
    plain_s = timed(fleet.plain, 1).median
    mark = replace(mark_row(fleet, size), bar=size.bar("<=", 0.5))
    wires = Row(
        name="wires",
        what="wires of every unit, from nothing",
        value=fleet.wiring.total,
        unit="s",
        bar=size.bar("<=", 3.0),
        timings=fleet.wiring.timings(1.0),
        data=data,
    )
    return [
        mark,
        replace(
            against(mark, "kernels", passes[0].value / 1e3),
            bar=size.bar(">=", 30_000),
        ),
        against(mark, "numpy", plain_s),
        *passes,
        wires,
    ]


def large_rows(size: Size) -> list[Row]:
    """Measure one mark where one collateral asset is all there is, and what a unit takes."""
    shape = Shape(units=size.units, **SINGLE_ASSET)
    before = resident_bytes()
    state = fleet_state(shape)
    book = resident_bytes()
    fleet = watched(shape, state)
    resident = resident_bytes() - fleet.where.nbytes
    parts = f"book {(book - before) / 1e9:.2f} GB, wires {(resident - book) / 1e9:.2f} GB"
    mark = mark_row(fleet, size)
    full = timed(fleet.index.full_pass, 1).median
    return [
        replace(
            mark,
            name="calm_mark_large",
            bar=size.bar("<=", 5.0, units=TEN_MILLION),
            note=f"{mark.note}; wired in {fleet.wiring.total:.1f} s",
        ),
        replace(against(mark, "kernels", full), name="calm_large_against_kernels"),
        Row(
            name="resident_large",
            what="memory of the process after load",
            value=resident / 1e9,
            unit="GB",
            bar=size.bar("<=", 6.0, units=TEN_MILLION),
            data=fleet.data,
            note=f"{parts}; the rest is the interpreter and compiled kernels",
        ),
    ]


def mark_row(fleet: Watched, size: Size) -> Row:
    """Follow a calm stream and compare everybody at its end."""
    data = fleet.data
    watch, ended, marks = Stopwatch(), 0, 0
    for piece in pieces(stream_of(fleet.state, calm(size)), PIECE):
        with watch:
            ended += follow(fleet.index, piece)
        marks += len(piece.factors)
    return Row(
        name="calm_mark",
        what="one mark of one contract, calm market (1 bp)",
        value=1e6 * watch.total / marks,
        unit="us",
        timings=watch.timings(1e6, count=PIECE, of=f"mean over {PIECE:,} marks"),
        data=data,
        checked=require_equal_suspects(fleet),
        note=f"{marks:,} marks, on which {ended} units fell and were ended",
    )


def against(mark: Row, by: str, other_s: float) -> Row:
    """Return how many times faster a mark is than looking at everybody."""
    return Row(
        name=f"calm_against_{by}",
        what=f"that mark against margining everybody anew with {by}, one thread",
        value=other_s * 1e6 / mark.value,
        unit="x",
        data=mark.data,
        checked=mark.checked,
        note=f"margining everybody anew takes {1e3 * other_s:.4g} ms",
    )


def pass_rows(fleet: Watched, size: Size) -> list[Row]:
    """Measure the margin of every unit on one thread and on all."""
    index = fleet.index
    serial, _ = index.full_pass()
    parallel, _ = index.full_pass(parallel=True)
    require(serial == parallel, "the margin of a unit on all threads and on one")
    positions = positions_count(fleet.state)
    one = timed(index.full_pass, size.times(9, 2))
    every = timed(lambda: index.full_pass(parallel=True), size.times(9, 2))
    data, checked = fleet.data, "all threads against one, bit for bit"
    return [
        Row(
            name="margin_pass_one_thread",
            what="margin of everybody anew, one thread",
            value=1e3 * one.median,
            unit="ms",
            timings=one.timings(1e3),
            data=data,
            checked=checked,
        ),
        Row(
            name="margin_pass",
            what=f"margin of everybody anew, {get_num_threads()} threads",
            value=positions / every.median,
            unit="positions/s",
            bar=size.bar(">=", 100e6),
            ratio=one.median / every.median,
            against=f"one thread at {positions / one.median:.4g} positions/s",
            timings=every.timings(1e3),
            note="timings in ms",
            data=data,
            checked=checked,
        ),
    ]
