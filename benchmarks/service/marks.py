"""Marks at a steady rate: from the receipt of each until all it caused is durable."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.service.book import Prepared
from benchmarks.service.served import Served
from keelmark.engine.events import MarksSet
from keelmark.service.counters import Distribution
from keelmark.service.folder import Folder
from keelmark.service.link import messages as m
from keelmark.service.link.columns import packed
from keelmark.service.link.sync_link import SyncLink
from keelmark.service.times import now_ms

CALM_SIGMA = 1e-4
BURST_S = 0.001
"""Marks that are due within this time are sent one after the other without sleeping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkLoad:
    """Marks to send.

    Attributes:
        rate: A second, each of one instrument.
        seconds: For how long.
        sigma: Relative move of each.
        drift: Relative fall of every instrument over the whole time.
        seed: Of everything drawn.
    """

    rate: int = 1_000
    seconds: float = 20.0
    sigma: float = CALM_SIGMA
    drift: float = 0.0
    seed: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkResult:
    """What was measured.

    Attributes:
        sent: Marks sent.
        rate: Marks a second that were carried out.
        late_s: The most a mark was sent after it was due.
        latency: From receipt to durable decision, microseconds.
        refused: Messages that were not carried out.
    """

    sent: int
    rate: float
    late_s: float
    latency: Distribution
    refused: int


def drawn(book: Prepared, load: MarkLoad, begin_ms: int) -> Iterator[MarksSet]:
    """Yield one mark a snapshot, of an instrument at random, a millisecond apart at 1,000 a s."""
    rng = np.random.default_rng(load.seed)
    count, contracts = int(load.rate * load.seconds), book.shape.contracts
    chosen = rng.integers(0, contracts, count)
    fall = np.log1p(-load.drift) * contracts / count if load.drift else 0.0
    steps = fall + load.sigma * rng.standard_normal(count)
    prices = np.array(book.prices[:-1])
    for number, (row, step) in enumerate(zip(chosen.tolist(), steps.tolist(), strict=True)):
        prices[row] *= np.exp(step)
        yield MarksSet(
            times_ms=np.array([begin_ms + number * 1_000 // load.rate]),
            offsets=np.array([0, 1]),
            factors=np.array([row], np.int32),
            prices=np.array([prices[row]]),
        )


def send_marks(service: Served, book: Prepared, load: MarkLoad) -> MarkResult:
    """Send marks when they are due, never waiting for an answer; read the writer's own clock."""
    requests = [
        m.Marks(id=number, columns=packed(marks))
        for number, marks in enumerate(drawn(book, load, now_ms()), 1)
    ]
    refused, late_s = 0, 0.0
    with SyncLink(Folder(service.folder).socket, timeout_s=600.0) as link:
        before, begun = service.cells(), time.perf_counter()
        answered = 0
        for number, request in enumerate(requests):
            due = begun + number / load.rate
            while (left := due - time.perf_counter()) > BURST_S:
                time.sleep(left)
            late_s = max(late_s, time.perf_counter() - due)
            link.send(request)
            if number - answered > 256:  # noqa: PLR2004 far below what the socket holds
                refused += _is_refused(link.receive())
                answered += 1
        while answered < len(requests):
            refused += _is_refused(link.receive())
            answered += 1
        seconds = time.perf_counter() - begun
    return MarkResult(
        sent=len(requests),
        rate=len(requests) / seconds,
        late_s=late_s,
        latency=between(before, service.cells(), "mark_to_decision_us"),
        refused=refused,
    )


def send_crash(service: Served, book: Prepared, fall: float) -> float:
    """Send one snapshot in which every contract has fallen; return seconds until it is durable."""
    prices = np.array(book.prices[:-1]) * (1.0 - fall)
    marks = MarksSet(
        times_ms=np.array([now_ms()]),
        offsets=np.array([0, len(prices)]),
        factors=np.arange(len(prices), dtype=np.int32),
        prices=prices,
    )
    with SyncLink(Folder(service.folder).socket, timeout_s=3_600.0) as link:
        begun = time.perf_counter()
        if link.marks(marks).status != "done":
            msg = "the crash was not carried out"
            raise RuntimeError(msg)
        return time.perf_counter() - begun


def between(before: dict[str, int], after: dict[str, int], name: str) -> Distribution:
    """Return a histogram of what was counted between two looks."""
    difference = {cell: after[cell] - before.get(cell, 0) for cell in after}
    return Distribution.of(difference, name)


def _is_refused(answer: m.Answer) -> bool:
    return not (isinstance(answer, m.Done) and answer.results[0].status == "done")
