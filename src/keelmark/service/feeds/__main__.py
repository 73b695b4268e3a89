"""`python -m keelmark.service.feeds`: a venue's prices to the writer, as a process of its own."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from keelmark.accounts.fetch import plan_of
from keelmark.core.errors import KeelmarkError
from keelmark.rulebooks import load_rulebook
from keelmark.service.feeds.marks import Snapshot
from keelmark.service.feeds.venue_feed import VenueFeed, gathering_of
from keelmark.service.feeds.venue_prices import open_stream
from keelmark.service.link.async_link import AsyncLink

BAD_INPUT = 64


class LinkSink:
    """Sends snapshots to the writer; the writer's own clock says when they are of."""

    def __init__(self, link: AsyncLink) -> None:
        self._link = link

    async def send(self, snapshot: Snapshot) -> str:
        """Send one snapshot; what is not taken is out of date by the next and not sent again."""
        outcome = await self._link.prices(
            None,
            marks=snapshot.marks,
            asset_prices=snapshot.asset_prices,
            indices=snapshot.indices,
        )
        if outcome.status in {"done", "repeated"}:
            return ""
        said = "" if outcome.error is None else f": {outcome.error.message}"
        return f"a snapshot was not taken ({outcome.status}){said}"


async def feed(asked: argparse.Namespace) -> None:
    """Feed until the process is told to stop."""
    rulebook = load_rulebook(asked.rulebook)
    exchange = asked.exchange or plan_of(rulebook.name.partition("@")[0]).exchange
    symbols = asked.instruments.split(",") if asked.instruments else rulebook.model.instruments
    stream = open_stream(exchange, symbols, api_url=asked.api_url, told=say)
    async with AsyncLink(Path(asked.socket)) as link:
        made = VenueFeed(
            prices=stream, gathering=gathering_of(rulebook), sink=LinkSink(link), told=say
        )
        task = asyncio.create_task(made.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            say("stopped")


def say(line: str) -> None:
    """Write one line to the standard error."""
    sys.stderr.write(f"feed: {line}\n")
    sys.stderr.flush()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="keelmark.service.feeds", description=__doc__)
    made.add_argument("--socket", required=True, help="the writer's socket")
    made.add_argument("--rulebook", required=True, help="the engine's rulebook")
    made.add_argument("--exchange", default="", help="class of ccxt; the rulebook's venue if empty")
    made.add_argument("--instruments", default="", help="comma-separated; all if empty")
    made.add_argument("--api-url", default="", help="instead of the venue's own address")
    return made


def main() -> int:
    """Run the process; return its exit code."""
    try:
        asyncio.run(feed(parser().parse_args()))
    except KeelmarkError as error:
        say(str(error))
        return BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
