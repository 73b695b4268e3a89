"""The running service under load: start-up, memory, marks, commands, listeners.

    python -m benchmarks.service.load [--units 1000000] [--journal postgresql://...] [--json]

A folder with a fleet is prepared, `keelmark serve` is started on it, and loads are sent over
loopback from this process: it shares the cores with what it measures. Rows are printed as found.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import numpy as np

from benchmarks.service.book import Prepared, prepare
from benchmarks.service.commands import BatchLoad, CommandResult, send_batches, send_singles
from benchmarks.service.marks import MarkLoad, MarkResult, send_crash, send_marks
from benchmarks.service.raw_http import Http, Listeners
from benchmarks.service.served import Served, served
from keelmark.lab.bench.venue import Shape

CLIENTS = 500
TOPICS = "health,liquidations,orders,fund,adl,trades,cash,admin,status"
FUNDING_RATE = "0.0001"
CRASHES = (0.01, 0.03)
READ_EVERY_S = 0.02


class Table:
    """Rows as they are found."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def row(self, what: str, **figures: float | str) -> None:
        """Print one row."""
        if self._as_json:
            print(json.dumps({"what": what} | figures), flush=True)
            return
        told = "  ".join(f"{name} {_said(value)}" for name, value in figures.items())
        print(f"{what:<44}{told}", flush=True)

    def marks(self, what: str, found: MarkResult) -> None:
        """Print what marks at a steady rate came to."""
        latency = found.latency
        self.row(
            what,
            per_s=found.rate,
            p50_ms=(latency.quantile(0.5) or 0) / 1e3,
            p99_ms=(latency.quantile(0.99) or 0) / 1e3,
            max_ms=(latency.quantile(1.0) or 0) / 1e3,
            refused=found.refused,
        )

    def commands(self, what: str, found: CommandResult) -> None:
        """Print what commands came to."""
        self.row(
            what,
            per_s=found.rate,
            p50_ms=found.at(0.5),
            p99_ms=found.at(0.99),
            max_ms=float(found.ms.max()),
            refused=found.refused,
        )


def main() -> None:
    """Prepare, serve, load, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each steady load")
    parser.add_argument("--journal", default="", help="postgresql://..., of an empty database")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = Table(as_json=options.json)
    with TemporaryDirectory(prefix="km") as folder:
        book = prepare(Path(folder) / "data", Shape(units=options.units), journal=options.journal)
        table.row("prepared", accounts=options.units, positions=book.positions, s=book.seconds)
        with served(book.folder, journal=options.journal) as service:
            table.row("started: all processes, snapshot loaded", s=service.start_s)
            measure(service, book, options.seconds, table)


def measure(service: Served, book: Prepared, seconds: float, table: Table) -> None:
    """Send every load, the gentle ones first: a crash leaves another fleet."""
    _warm(service, book)
    _tell_memory(service, table)
    calm = MarkLoad(seconds=seconds)
    table.marks("marks, calm", send_marks(service, book, calm))
    table.commands("single commands", send_singles(service, book, rate=2_000, seconds=seconds))
    for rows in (100, 1_000):
        load = BatchLoad(rows=rows, batches=max(4, int(seconds * 10_000 / rows)))
        table.commands(f"batches of {rows:,}", send_batches(service, book, load))
    with _listened(service, table):
        table.marks(f"marks, {CLIENTS} clients", send_marks(service, book, calm))
        found = send_singles(service, book, rate=200, seconds=seconds)
        table.commands(f"200 single commands a s, {CLIENTS} clients", found)
    with _read_along(service, book, table):
        table.marks("marks, margins read by the API", send_marks(service, book, calm))
    _tell_funding(service, book, table)
    for fall in CRASHES:
        before = _liquidations(service)
        took = send_crash(service, book, fall)
        table.row(
            f"one snapshot: everything falls {fall:.0%}",
            ms=took * 1e3,
            liquidations=_liquidations(service) - before,
        )
    _tell_memory(service, table)


# --- parts ----------------------------------------------------------------------------------------


def _warm(service: Served, book: Prepared) -> None:
    """Send a little of everything: kernels are compiled at the first use of a machine."""
    send_marks(service, book, MarkLoad(rate=200, seconds=2.0))
    send_batches(service, book, BatchLoad(rows=100, batches=4))
    send_singles(service, book, rate=100, seconds=2.0)


def _tell_memory(service: Served, table: Table) -> None:
    sizes = {name: size / 1e6 for name, size in service.memory().items()}
    table.row("memory, MB, shared pages once", **sizes, all=sum(sizes.values()))


def _tell_funding(service: Served, book: Prepared, table: Table) -> None:
    rows = [
        {"instrument": f"C{row:03}", "rate": FUNDING_RATE, "price": price}
        for row, price in enumerate(book.marks)
    ]
    client = Http(service.port, service.key)
    body = json.dumps({"type": "PostFunding", "rows": rows}).encode()
    begun = time.perf_counter()
    client.ask("POST", "/v1/commands", body)
    table.row("funding of every instrument", ms=(time.perf_counter() - begun) * 1e3)
    client.close()


def _liquidations(service: Served) -> int:
    client = Http(service.port, service.key)
    told = json.loads(client.ask("GET", "/v1/venue"))
    client.close()
    return int(told["liquidations"]["ever"])


@contextmanager
def _listened(service: Served, table: Table) -> Iterator[None]:
    """Keep many WebSocket clients listening meanwhile."""
    listeners, is_over = Listeners(service.port, service.key, TOPICS), Event()
    listeners.join(CLIENTS)
    thread = Thread(target=listeners.read_until, args=(is_over.is_set,))
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        table.row("what they read", clients=CLIENTS, mb=listeners.bytes / 1e6, lost=listeners.lost)
        listeners.close()


@contextmanager
def _read_along(service: Served, book: Prepared, table: Table) -> Iterator[None]:
    """Ask for the margin of accounts at random meanwhile."""
    took: list[float] = []
    is_over = Event()
    client = Http(service.port, service.key)

    def read() -> None:
        rng = np.random.default_rng(17)
        while not is_over.wait(READ_EVERY_S):
            account = int(rng.integers(0, book.shape.units))
            begun = time.perf_counter()
            client.ask("GET", f"/v1/accounts/{account}/check")
            took.append((time.perf_counter() - begun) * 1e3)

    thread = Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        client.close()
        p50, p99 = np.quantile(took, (0.5, 0.99))
        table.row(
            "reads of margin meanwhile", reads=len(took), p50_ms=float(p50), p99_ms=float(p99)
        )


def _said(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:,.2f}"  # noqa: PLR2004


if __name__ == "__main__":
    main()
