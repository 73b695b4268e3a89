"""`python -m keelmark.service.feeds`: a venue's prices to the writer, as a process."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from keelmark.service.child_process import run_child, stop_pipe
from keelmark.service.feeds.marks import Snapshot
from keelmark.service.feeds.venue_feed import VenueFeed, gathering_of
from keelmark.service.feeds.venue_prices import open_stream
from keelmark.service.folder import Folder
from keelmark.service.link.async_link import AsyncLink
from keelmark.service.venue import kept_rulebook
from keelmark.service.writer.report import Report


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a feed is run: one line of JSON on its standard input.

    Attributes:
        data: Folder of the service.
        exchange: Class of ccxt.
        instruments: Which are streamed; all of the rulebook if empty.
        api_url: Instead of the venue's own address.
    """

    data: str
    exchange: str
    instruments: tuple[str, ...] = ()
    api_url: str = ""


class LinkSink:
    """Sends snapshots to the writer, as of the venue's time.

    Where the venue gives none, as of when the writer has them.
    """

    def __init__(self, link: AsyncLink) -> None:
        self._link = link

    async def send(self, snapshot: Snapshot) -> str:
        """Send one snapshot; what is not taken is out of date by the next and not sent again."""
        outcome = await self._link.prices(
            snapshot.time_ms,
            is_venue_time=True,
            marks=snapshot.marks,
            asset_prices=snapshot.asset_prices,
            indices=snapshot.indices,
        )
        if outcome.status in {"done", "repeated"}:
            return ""
        said = "" if outcome.error is None else f": {outcome.error.message}"
        return f"a snapshot was not taken ({outcome.status}){said}"


def feed(settings: FeedSettings, report: Report) -> None:
    """Feed until told to stop.

    Raises:
        InvalidInput: The venue does not stream what the rulebook lists.
        MissingExtra: ccxt is not installed.
    """
    asyncio.run(_feed(settings, report))


async def _feed(settings: FeedSettings, report: Report) -> None:
    def told(reason: str) -> None:
        report("problem", reason=reason, level="warning")

    rulebook = kept_rulebook(Path(settings.data))
    symbols = settings.instruments or tuple(rulebook.model.instruments)
    stream = open_stream(settings.exchange, symbols, api_url=settings.api_url, told=told)
    async with AsyncLink(Folder(Path(settings.data)).socket) as link:
        made = VenueFeed(
            prices=stream, gathering=gathering_of(rulebook), sink=LinkSink(link), told=told
        )
        task = asyncio.create_task(made.run())
        loop = asyncio.get_running_loop()
        for file in (stop_pipe(), sys.stdin.fileno()):  # SIGTERM, or whoever started it is gone
            loop.add_reader(file, task.cancel)
        report("ready", pid=os.getpid())
        try:
            await task
        except asyncio.CancelledError:
            report("stopped")


if __name__ == "__main__":
    sys.exit(run_child(FeedSettings, feed))
