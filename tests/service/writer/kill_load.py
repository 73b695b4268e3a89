"""Kill a writer under load at random moments, and hold it to what it acknowledged.

A client sends keyed commands and marks over the link, several requests under way at once. The
writer is killed with SIGKILL: while it starts, or at a random moment of the load. Then it is
started again, and what was not answered is sent again with the same keys. At the end every command
that was answered `done` is in the journal exactly once, at the position that was answered; one that
was refused is not; and a fold of the journal gives the digest of the writer that was stopped.

SIGKILL ends the process, not the machine: a loss of power is not simulated.
"""

import json
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from threading import Thread

import numpy as np

from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.codec import encoded, event_of
from keelmark.engine.engine import Engine
from keelmark.engine.journal.access import Access
from keelmark.engine.journal.open import open_journal
from keelmark.engine.keys import DIGEST_BYTES, stamp_of
from keelmark.service.link import messages as m
from keelmark.service.link.columns import packed
from keelmark.service.link.commands import item
from keelmark.service.link.sync_link import LinkLost, SyncLink
from keelmark.service.venue import Venue, begin_venue, kept_rulebook
from tests.engine.venue import ROUND, rulebook

ROOT = Path(__file__).resolve().parents[3]
NOON_MS = 1_760_097_600_000
UNDER_WAY = 4
START_SHARE = 0.2
"""Share of the kills that come while the writer starts."""

LOAD_MEAN_S = 0.15

COMPILE_S = 300.0
"""How long an answer may take: the first of its kind waits for kernels to be compiled."""

WARM_REQUESTS = 60
"""Requests before the first kill, so that the kills find a writer at work and not compiling."""


@dataclass(slots=True)
class Kills:
    """What a run came to.

    Attributes:
        points: Kills.
        starting: Of them, before the writer was ready.
        acknowledged: Commands answered `done` or `repeated`.
        resent: Commands sent again, because the first answer never came.
        found_done: Of them, durable already.
        refused: Commands answered `rejected` or `invalid`.
        liquidations: Begun.
        batches: In the journal at the end.
        seconds: All of it.
    """

    points: int = 0
    starting: int = 0
    acknowledged: int = 0
    resent: int = 0
    found_done: int = 0
    refused: int = 0
    liquidations: int = 0
    batches: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Load:
    """A client: what it has sent, and what it was told.

    Attributes:
        rng: Decides what is sent.
        sent: Command by key.
        told: Outcome by key, of what was answered for good.
        units: Units of the accounts it knows.
        resent: Keys sent again.
        prices: Last marks.
        time_ms: Their time.
        lost: Why the last session ended early.
    """

    rng: np.random.Generator
    sent: dict[str, c.Command] = field(default_factory=dict)
    told: dict[str, m.Outcome] = field(default_factory=dict)
    units: list[int] = field(default_factory=list)
    resent: set[str] = field(default_factory=set)
    prices: list[float] = field(default_factory=lambda: [1000.0, 1000.0])
    time_ms: int = NOON_MS
    lost: str = ""

    def session(self, socket: Path, requests: int | None = None) -> None:
        """Send until the writer is gone, or so many requests; first what was never answered."""
        self.lost = ""
        try:
            with SyncLink(socket, timeout_s=COMPILE_S) as link:
                self._converse(link, requests)
        except LinkLost as error:
            self.lost = str(error)

    @property
    def open_keys(self) -> list[str]:
        """Keys of which nobody has said what became of them."""
        return [key for key in self.sent if key not in self.told]

    def _converse(self, link: SyncLink, requests: int | None) -> None:
        under_way: deque[tuple[int, list[str]]] = deque()
        self.resent.update(again := self.open_keys)
        for start in range(0, len(again), 64):
            self._ask(link, again[start : start + 64], under_way)
        count = 0
        while requests is None or count < requests:
            count += 1
            if count % 3 == 1:
                link.send(m.Marks(id=link.next_id(), columns=packed(self._marks())))
            else:
                self._ask(link, self._new_keys(), under_way)
            while len(under_way) >= UNDER_WAY:
                self._hear(link, under_way)
        while under_way:
            self._hear(link, under_way)

    def _ask(
        self, link: SyncLink, keys: list[str], under_way: deque[tuple[int, list[str]]]
    ) -> None:
        items = tuple(item(self.sent[key], key=key) for key in keys)
        request = m.Submit(id=link.next_id(), items=items)
        link.send(request)
        under_way.append((request.id, keys))

    def _hear(self, link: SyncLink, under_way: deque[tuple[int, list[str]]]) -> None:
        answer = link.receive()
        if not isinstance(answer, m.Done) or answer.id != under_way[0][0]:
            return
        _, keys = under_way.popleft()
        for key, outcome in zip(keys, answer.results, strict=True):
            assert outcome.status in {"done", "repeated", "rejected", "invalid"}, outcome
            assert key not in self.told, "answered twice"
            self.told[key] = outcome
            for event in map(event_of, outcome.events):
                if isinstance(event, e.AccountOpened):
                    self.units.append(event.unit)

    def _new_keys(self) -> list[str]:
        keys = []
        for _ in range(int(self.rng.integers(1, 24))):
            key = f"k{len(self.sent)}"
            self.sent[key] = self._command(key)
            keys.append(key)
        return keys

    def _command(self, key: str) -> c.Command:
        rng = self.rng
        if len(self.units) < 8 or rng.random() < 0.05:
            return c.OpenAccount(name=key)
        unit, other = (int(u) for u in rng.choice(self.units, 2, replace=False))
        kind = rng.random()
        if kind < 0.4:
            return c.Deposit(unit=unit, asset=0, quanta=int(rng.integers(1, 5_000)))
        if kind < 0.5:
            return c.Withdraw(unit=unit, asset=0, quanta=int(rng.integers(1, 2_000)))
        instrument = int(rng.integers(0, 2))
        lots = int(rng.integers(1, 20)) * (1 if rng.random() < 0.5 else -1)
        ticks = int(self.prices[instrument])
        return c.Fill(unit=unit, counterparty=other, instrument=instrument, lots=lots, ticks=ticks)

    def _marks(self) -> e.MarksSet:
        moved = [
            float(np.clip(round(p * float(self.rng.lognormal(0, 0.03))), 300, 3000))
            for p in self.prices
        ]
        self.prices = moved
        self.time_ms += 1000
        return e.MarksSet(
            times_ms=np.array([self.time_ms]),
            offsets=np.array([0, 2]),
            factors=np.array([0, 1], np.int32),
            prices=np.array(moved),
        )


def run(data: Path, points: int, *, seed: int, journal: str = "") -> Kills:
    """Kill a writer so many times; return what it came to, or fail where it broke its word."""
    begun = time.monotonic()
    rules = rulebook(ROUND)
    begin_venue(data, rules, Venue(reference="kill test", rulebook=rules.name))
    rng = np.random.default_rng([seed, 1])
    load, kills = Load(np.random.default_rng([seed, 2])), Kills()
    _quiet_session(data, journal, load, WARM_REQUESTS)
    for _ in range(points):
        kills.starting += not _killed(data, journal, load, rng)
        kills.points += 1
    _quiet_session(data, journal, load, 20)
    assert not load.open_keys, "what was not answered has been sent again and answered"
    _held_to_its_word(data, journal, load, kills)
    kills.seconds = round(time.monotonic() - begun, 1)
    return kills


def _quiet_session(data: Path, journal: str, load: Load, requests: int) -> None:
    """Start a writer, send it so many requests, and stop it."""
    writer = _started(data, journal)
    assert _is_ready(writer), "it starts again after every kill"
    load.session(data / "run" / "writer.sock", requests)
    assert not load.lost, f"{load.lost}; the writer's code: {writer.poll()}"
    writer.terminate()
    assert writer.wait(60) == 0
    _close(writer)


def _killed(data: Path, journal: str, load: Load, rng: np.random.Generator) -> bool:
    """Start a writer, load it and kill it; return whether it had been ready."""
    writer = _started(data, journal)
    client: Thread | None = None
    if rng.random() < START_SHARE:
        time.sleep(float(rng.uniform(0.0, 3.0)))
    else:
        assert _is_ready(writer), "it starts again after every kill"
        client = Thread(target=load.session, args=(data / "run" / "writer.sock",))
        client.start()
        time.sleep(float(rng.exponential(LOAD_MEAN_S)))
    writer.kill()
    assert writer.wait() == -SIGKILL, "it ended by itself"
    if client is not None:
        client.join(30)
        assert not client.is_alive()
    _close(writer)
    return client is not None


def _held_to_its_word(data: Path, journal: str, load: Load, kills: Kills) -> None:
    with open_journal(journal or data / "journal.db", Access.READER) as stored:
        batches = [(at, [event_of(r) for r in records]) for at, records in stored.read(after=0)]
        digest = Engine.recover(kept_rulebook(data), stored).digest()
    found: dict[bytes, list[int]] = {}
    for position, events in batches:
        for event in events:
            for stamp in _stamps(event):
                found.setdefault(stamp, []).append(position)
            kills.liquidations += isinstance(event, e.LiquidationStarted)
    statuses = Counter(outcome.status for outcome in load.told.values())
    for key, outcome in load.told.items():
        stamp = stamp_of(key, encoded(load.sent[key]))
        expected = [outcome.position] if outcome.status in {"done", "repeated"} else []
        assert found.pop(stamp, []) == expected, f"{key} {outcome}"
    assert not found, "nothing is in the journal that was not answered"
    note = json.loads((data / "stopped.json").read_bytes())
    assert note == {"position": len(batches), "digest": digest}
    kills.acknowledged = statuses["done"] + statuses["repeated"]
    kills.found_done = statuses["repeated"]
    kills.refused = statuses["rejected"] + statuses["invalid"]
    kills.resent, kills.batches = len(load.resent), len(batches)


def _stamps(event: object) -> list[bytes]:
    """Return the stamps of the keys that an event writes down."""
    if isinstance(event, e.Keyed):
        return [event.stamp]
    if isinstance(event, e.Checked):
        whole = event.stamps.tobytes()
        width = 2 * DIGEST_BYTES
        return [whole[at : at + width] for at in range(0, len(whole), width)]
    return []


def _started(data: Path, journal: str) -> subprocess.Popen[bytes]:
    writer = subprocess.Popen(
        [sys.executable, "-m", "keelmark.service.writer"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdin is not None
    settings = {"data": str(data), "journal": journal, "time": "marks"}
    writer.stdin.write(json.dumps(settings).encode() + b"\n")
    writer.stdin.flush()
    return writer


def _is_ready(writer: subprocess.Popen[bytes]) -> bool:
    assert writer.stdout is not None
    return any(json.loads(line)["event"] == "ready" for line in writer.stdout)


def _close(writer: subprocess.Popen[bytes]) -> None:
    for stream in (writer.stdin, writer.stdout):
        if stream is not None:
            stream.close()
