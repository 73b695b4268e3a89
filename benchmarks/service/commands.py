"""Commands over HTTP: many a request for throughput, one a request at a steady rate for latency."""

import json
import selectors
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.service.book import Prepared
from benchmarks.service.raw_http import OK, Http
from benchmarks.service.served import Served

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLoad:
    """Commands to send in batches.

    Attributes:
        rows: Commands of a batch.
        batches: How many, over all connections.
        connections: That send at once, each waiting for its answer.
        fills: Share that are fills of small size; the rest are deposits, withdrawals and transfers.
    """

    rows: int = 1_000
    batches: int = 200
    connections: int = 2
    fills: float = 0.5
    seed: int = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What was measured.

    Attributes:
        done: Commands that were carried out.
        refused: Commands that were not, each by its own decision.
        rate: Durable and answered a second.
        ms: Latencies as the client saw them, from when each was due.
    """

    done: int
    refused: int
    rate: float
    ms: Floats

    def at(self, share: float) -> float:
        """Return a quantile of the latencies, ms."""
        return float(np.quantile(self.ms, share))


def send_batches(service: Served, book: Prepared, load: BatchLoad) -> CommandResult:
    """Send batches as fast as they are answered; every body is made before the time runs."""
    rng = np.random.default_rng(load.seed)
    lists = [
        [json.dumps(_rows(rng, book, load, f"b{lane}.{number}")).encode() for number in count]
        for lane, count in enumerate(_shares(load.batches, load.connections))
    ]

    def lane(bodies: list[bytes]) -> tuple[list[float], list[bytes]]:
        client = Http(service.port, service.key)
        took, answers = [], []
        for body in bodies:
            begun = time.perf_counter()
            answers.append(client.ask("POST", "/v1/commands/batch", body))
            took.append((time.perf_counter() - begun) * 1e3)
        client.close()
        return took, answers

    begun = time.perf_counter()
    with ThreadPoolExecutor(load.connections) as pool:
        found = list(pool.map(lane, lists))
    seconds = time.perf_counter() - begun
    results = [row for _, answers in found for a in answers for row in json.loads(a)["results"]]
    done = sum(row["status"] == "done" for row in results)
    return CommandResult(
        done=done,
        refused=len(results) - done,
        rate=len(results) / seconds,
        ms=np.array([ms for took, _ in found for ms in took]),
    )


def send_singles(
    service: Served, book: Prepared, *, rate: int, seconds: float, connections: int = 64
) -> CommandResult:
    """Send one command a request at a steady rate; latency counts from when each was due.

    Each goes out on a connection that waits for nothing; one thread looks after all of them.
    """
    rng, run = np.random.default_rng(13), time.monotonic_ns()  # keys of one run alone
    count = int(rate * seconds)
    bodies = [json.dumps(_command(rng, book, 0.5)).encode() for _ in range(count)]
    clients = [Http(service.port, service.key) for _ in range(connections)]
    idle, under_way = deque(clients), dict[int, tuple[Http, float]]()
    took: list[float] = []
    done, begun = 0, time.perf_counter() + 0.1
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ)
        sent = 0
        while len(took) < count:
            due = begun + sent / rate
            if sent < count and idle and due <= time.perf_counter():
                client = idle.popleft()
                key = f"Idempotency-Key: s{run}.{sent}\r\n"
                client.send("POST", "/v1/commands", bodies[sent], key)
                under_way[client.sock.fileno()] = client, due
                sent += 1
                continue
            can_wait = due - time.perf_counter() if sent < count and idle else 1.0
            for ready, _ in selector.select(max(0.0, can_wait)):
                client, was_due = under_way.pop(ready.fd)
                done += client.receive()[0] == OK
                took.append((time.perf_counter() - was_due) * 1e3)
                idle.append(client)
    lasted = time.perf_counter() - begun
    for client in clients:
        client.close()
    return CommandResult(done=done, refused=count - done, rate=count / lasted, ms=np.array(took))


def _rows(
    rng: np.random.Generator, book: Prepared, load: BatchLoad, batch: str
) -> list[dict[str, object]]:
    return [
        {"key": f"{batch}.{row}", "command": _command(rng, book, load.fills)}
        for row in range(load.rows)
    ]


def _command(rng: np.random.Generator, book: Prepared, fills: float) -> dict[str, object]:
    """Return a payment, or a fill of one lot with another account at the mark."""
    first, second = (int(n) for n in rng.integers(0, book.shape.units, 2))
    if first == second:
        second = (first + 1) % book.shape.units
    if rng.random() < fills:
        row = int(rng.integers(0, book.shape.contracts))
        return {
            "type": "Fill",
            "account": first,
            "counterparty": {"account": second},
            "instrument": f"C{row:03}",
            "size": book.lots[row],
            "price": book.marks[row],
        }
    kind = ("Deposit", "Withdraw", "Transfer")[int(rng.integers(0, 3))]
    command: dict[str, object] = {
        "type": kind,
        "asset": "USDT",
        "amount": f"{int(rng.integers(1, 1_000_000)) / 1e6:.6f}",
    }
    if kind == "Transfer":
        return command | {"source": {"account": first}, "target": {"account": second}}
    return command | {"account": first}


def _shares(count: int, lanes: int) -> Iterator[range]:
    """Yield the numbers of each lane."""
    for lane in range(lanes):
        yield range(lane, count, lanes)
