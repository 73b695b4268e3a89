"""Everybody who listens to a watch: new looks and alerts, as server-sent events or a WebSocket.

Positions are milliseconds of the clock, rising by one at least, so they rise over a restart too. A
few are kept for who was away for a moment; after a longer absence the list of accounts says it all.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from keelmark.service.api.hub import Client, Frames, Listeners
from keelmark.service.api.settings import StreamLimits
from keelmark.service.events_json.topics import Topic
from keelmark.service.events_json.write import Told
from keelmark.service.times import iso_time
from keelmark.service.views.figures import Json

KEPT = 2_000
"""Batches that can still be heard afterwards."""

NO_LIMIT = 2**62
"""Nobody is too far behind: what is missed is told whole, by the list of accounts."""

Happened = tuple[Topic, Json]
"""What something is about, and its fields."""


class WatchHub(Listeners):
    """Hands out what a watch does; `tell` is called on any thread."""

    def __init__(self, limits: StreamLimits, clock: Callable[[], int]) -> None:
        super().__init__(limits, clock())
        self._clock = clock
        self._kept: deque[tuple[int, Frames]] = deque(maxlen=KEPT)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def clock_ms(self) -> int:
        """The clock of this machine."""
        return self._clock()

    def start(self) -> None:
        """Begin to hand out."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """Hand out nothing more, and let everybody go."""
        self._loop = None
        await super().stop()

    def tell(self, happened: Sequence[Happened]) -> None:
        """Hand something out, if anybody serves; from any thread."""
        loop = self._loop
        if loop is not None and happened:
            loop.call_soon_threadsafe(self._hand_out, happened)

    async def read_on(self, client: Client, index: int) -> list[bytes]:
        """Return what is still kept of what was missed; as of `Listeners`."""
        missed = [(at, frames) for at, frames in self._kept if at > client.position]
        first = missed[0][0] if missed else 0
        told = [
            Frames(tuple(x for x in frames.told if at > first or x.index > index))
            for at, frames in missed
        ]
        client.position = self.position
        found = (frames.of(client.topics, sse=client.sse) for frames in told)
        return [frame for frame in found if frame]

    def _hand_out(self, happened: Sequence[Happened]) -> None:
        now_ms = self._clock()
        position = max(self.position + 1, now_ms)
        told = tuple(
            Told(
                position, index, topic, {**_place(position, index, now_ms), "topic": topic, **body}
            )
            for index, (topic, body) in enumerate(happened)
        )
        frames = Frames(told)
        self._kept.append((position, frames))
        self.hand(frames, position)


def _place(position: int, index: int, time_ms: int) -> Json:
    return {"position": position, "index": index, "time": iso_time(time_ms)}
