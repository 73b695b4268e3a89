"""A small fold over a journal, driven by the kill harness: `fold_script.py MODE TARGET SEED`.

- `drive NAME SEED` recovers from the journal NAME and goes on appending until it is killed.
- `replay NAME SEED` folds the journal NAME, a path or a URL, from its first batch.
- `expect COUNT SEED` makes the first COUNT batches without any journal.

Each prints `ack <position> <digest>` for every batch, `drive` once the batch is durable. The n-th
batch depends on the seed and n alone; the fold refuses a command it has already seen.
"""

import os
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from keelmark.engine.journal.access import Access, is_url
from keelmark.engine.journal.open import StoredJournal
from keelmark.engine.journal.port import Batch, Record
from keelmark.engine.journal.postgres import PostgresJournal, PostgresSettings
from keelmark.engine.journal.sqlite import SqliteJournal, SqliteSettings

SETTINGS = SqliteSettings(checkpoint_bytes=256 * 1024)  # many checkpoints to be killed in
GROUP_MAX = 6


class Fold:
    """A sum, a count and a running digest of every command applied."""

    def __init__(self) -> None:
        self.position = 0
        self.commands = 0
        self.total = 0
        self.digest = b""

    def apply(self, batch: Batch) -> None:
        for record in batch:
            number = int.from_bytes(record.payload[:8], "little")
            assert number == self.commands, f"command {number} after {self.commands} commands"
            self.commands += 1
            self.total += record.kind * len(record.payload)
            self.digest = blake2b(self.digest + record.payload, digest_size=16).digest()
        self.position += 1

    def acknowledge(self) -> None:
        digest = blake2b(b"%d %d " % (self.commands, self.total) + self.digest, digest_size=12)
        os.write(1, f"ack {self.position} {digest.hexdigest()}\n".encode())


def noise(seed: int, position: int) -> bytes:
    return blake2b(b"%d %d" % (seed, position)).digest()


def batch_at(position: int, commands: int, seed: int) -> tuple[Record, ...]:
    """Return the batch at a position: up to 19 small records, or one of up to 1 MB in 16."""
    byte = noise(seed, position)
    is_bulk = byte[0] < 16
    body = byte * (byte[1] * 64 if is_bulk else 1 + byte[1] % 4)
    count = 1 if is_bulk else byte[2] % 20
    return tuple(
        Record(byte[3 + i], (commands + i).to_bytes(8, "little") + body) for i in range(count)
    )


def group_after(fold: Fold, seed: int) -> list[tuple[Record, ...]]:
    group: list[tuple[Record, ...]] = []
    commands = fold.commands
    for i in range(1 + noise(seed, fold.position)[40] % GROUP_MAX):
        group.append(batch_at(fold.position + i, commands, seed))
        commands += len(group[-1])
    return group


def opened(name: str, access: Access) -> StoredJournal:
    """Open a journal, with patience for a server that recovers on a busy machine."""
    if is_url(name):
        return PostgresJournal(name, PostgresSettings(access=access, wait_s=60.0, outage_s=60.0))
    return SqliteJournal(Path(name), SETTINGS)


def drive(name: str, seed: int) -> None:
    fold = Fold()
    with opened(name, Access.WRITER) as journal:
        for _, batch in journal.read(after=0):
            fold.apply(batch)
        while True:
            group = group_after(fold, seed)
            journal.append_many(group, expected_position=fold.position)
            for batch in group:
                fold.apply(batch)
                fold.acknowledge()


def stored(name: str) -> Iterator[Batch]:
    with opened(name, Access.READER) as journal:
        for _, batch in journal.read(after=0):
            yield batch


def made(count: int, seed: int) -> Iterator[Batch]:
    fold = Fold()
    while fold.position < count:
        batch = batch_at(fold.position, fold.commands, seed)
        yield batch
        fold.apply(batch)


def main(mode: str, target: str, seed: int) -> None:
    if mode == "drive":
        drive(target, seed)
    fold = Fold()
    for batch in stored(target) if mode == "replay" else made(int(target), seed):
        fold.apply(batch)
        fold.acknowledge()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
