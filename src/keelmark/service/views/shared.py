"""Work that many ask for at once: done once, off the event loop, kept for a stated time.

Passes over the fleet run one after the other on a thread of their own, as the fleet's copy asks
for. Questions about one account that take long run on a few threads; beyond a bound they are
refused at once, and nobody waits longer than a limit for any of them.
"""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

from keelmark.core.errors import KeelmarkError

Answer = TypeVar("Answer")

KEPT_MAX = 256
"""Answers that are remembered; the oldest is forgotten first."""

LONGEST = 5.0
"""Times as long as others that any answer is kept."""


class TooMany(KeelmarkError):
    """More long questions at once than are worked on.

    Attributes:
        retry_after_ms: When to ask again.
    """

    def __init__(self, message: str, retry_after_ms: int = 2_000) -> None:
        self.retry_after_ms = retry_after_ms
        super().__init__(message)


class TooLong(KeelmarkError):
    """A question that took longer than anybody waits."""


@dataclass(frozen=True, slots=True)
class Aged(Generic[Answer]):
    """An answer and its age.

    Attributes:
        answer: As it was worked out.
        age_ms: How long ago.
    """

    answer: Answer
    age_ms: int


@dataclass(slots=True)
class Shared:
    """Answers by question, each worked out once for all who ask while it is worked out.

    Attributes:
        keep_s: How long an answer is given again.
        clock: Seconds that never run backwards.
    """

    keep_s: float = 1.0
    clock: Callable[[], float] = monotonic
    _pool: ThreadPoolExecutor = field(init=False)
    _known: dict[Hashable, tuple[float, "asyncio.Future[object]"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fleet")

    async def ask(
        self, question: Hashable, work: Callable[[], Answer], *, times: float = 1.0
    ) -> Aged[Answer]:
        """Return the answer to a question; `work` finds it, on the thread of the fleet.

        Args:
            question: Whoever asks the same is given the same.
            work: Finds the answer.
            times: How many times as long as others it is kept: what costs more is asked less.
        """
        now = self.clock()
        known = self._known.get(question)
        if known is None or (known[1].done() and now - known[0] > times * self.keep_s):
            loop = asyncio.get_running_loop()
            known = (now, loop.run_in_executor(self._pool, work))
            self._forget(now)
            self._known[question] = known
        future = known[1]
        try:
            answer = await asyncio.shield(future)
        except KeelmarkError:
            self._known.pop(question, None)
            raise
        return Aged(answer, int(1000 * (self.clock() - known[0])))  # type: ignore[arg-type]  # of this question

    def close(self) -> None:
        """Let the thread end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _forget(self, now: float) -> None:
        late = now - LONGEST * self.keep_s
        old = [q for q, (at, done) in self._known.items() if done.done() and at < late]
        for question in old:
            del self._known[question]
        while len(self._known) >= KEPT_MAX:
            del self._known[next(iter(self._known))]


@dataclass(slots=True)
class LongWork:
    """Questions that take long, a bounded number of them at once.

    A thread cannot be stopped: one whose question nobody waits for any more keeps its place until
    it is done, so the bound holds whatever people do.

    Attributes:
        at_once: Worked on at the same time.
        waiting: That may wait beside them.
        limit_s: Longest that anybody waits.
    """

    at_once: int = 2
    waiting: int = 4
    limit_s: float = 20.0
    _pool: ThreadPoolExecutor = field(init=False)
    _under_way: int = 0

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=self.at_once, thread_name_prefix="long")

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Return what a long question comes to.

        Raises:
            TooMany: As many are under way as there may be.
            TooLong: It took longer than the limit.
        """
        if self._under_way >= self.at_once + self.waiting:
            msg = (
                f"{self._under_way} long questions are under way, as many as there may be; "
                "ask again in a moment"
            )
            raise TooMany(msg)
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.limit_s)
        except TimeoutError:
            future.cancel()
            msg = (
                f"no answer within {self.limit_s:g} s; ask for less: fewer steps, paths or "
                "positions, or run the same command of keelmark on the account's document"
            )
            raise TooLong(msg) from None
        except asyncio.CancelledError:
            future.cancel()
            raise

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: "asyncio.Future[Answer]") -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # nobody may be waiting for it any more


__all__ = ["Aged", "LongWork", "Shared", "TooLong", "TooMany"]
