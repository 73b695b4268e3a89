"""Commands over HTTP: many a request for throughput, one a request at a steady rate for latency."""

import json
import time
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
    service: Served, book: Prepared, *, rate: int, seconds: float, connections: int = 32
) -> CommandResult:
    """Send one command a request at a steady rate; latency counts from when each was due."""
    per_lane = int(rate * seconds / connections)
    run = time.monotonic_ns()  # keys of another run are not keys of this one
    rng = np.random.default_rng(13)
    lists = [
        [json.dumps(_command(rng, book, 0.5)).encode() for _ in range(per_lane)]
        for _ in range(connections)
    ]
    clients = [Http(service.port, service.key) for _ in lists]
    begun = time.perf_counter() + 0.2

    def lane(number: int) -> tuple[list[float], int]:
        client, took, done = clients[number], [], 0
        for turn, body in enumerate(lists[number]):
            due = begun + (turn + number / connections) * connections / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            client.send(
                "POST", "/v1/commands", body, f"Idempotency-Key: s{run}.{number}.{turn}\r\n"
            )
            status, _ = client.receive()
            took.append((time.perf_counter() - due) * 1e3)
            done += status == OK
        return took, done

    with ThreadPoolExecutor(connections) as pool:
        found = list(pool.map(lane, range(connections)))
    lasted = time.perf_counter() - begun
    for client in clients:
        client.close()
    done = sum(done for _, done in found)
    return CommandResult(
        done=done,
        refused=per_lane * connections - done,
        rate=per_lane * connections / lasted,
        ms=np.array([ms for took, _ in found for ms in took]),
    )


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
