"""`python -m keelmark.service.replay.staging`: put a replay's accounts into a new folder, once.

What a killed run left half done is removed and done again: the folder is begun only when its
venue is written, at the very end.
"""

import os
import sys
from pathlib import Path

import msgspec

from keelmark.core.errors import InvalidInput
from keelmark.engine.engine import Engine
from keelmark.engine.journal.open import open_journal
from keelmark.engine.settings import Settings
from keelmark.lab.replay.run import World, draw_world
from keelmark.lab.replay.spec import ReplaySpec
from keelmark.lab.replay.stage import capacity_for, feed_of, fill_book
from keelmark.service.child_process import run_child
from keelmark.service.folder import Folder
from keelmark.service.replay.request import ReplayKept, replay_path
from keelmark.service.replay.venue import replay_books, replay_rulebook
from keelmark.service.venue import Venue, begin_venue, has_venue
from keelmark.service.writer.report import Report


class StagingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is staged, and where.

    Attributes:
        data: Folder of the service.
        journal: Address of the journal; empty is a file in the folder.
        replay: What is replayed.
    """

    data: str
    replay: ReplayKept
    journal: str = ""


def stage(settings: StagingSettings, report: Report) -> None:
    """Stage a replay in a folder that is not begun.

    Raises:
        InvalidInput: The journal has been begun by something else.
    """
    data = Path(settings.data)
    if has_venue(data):
        return
    _clear(data)

    def tell(what: str, done: int, total: int) -> None:
        report("progress", what=what, done=done, total=total)

    world = draw_world(_spec(settings.replay), progress=tell)
    tell("opening the book", 0, 1)
    _fill(settings, world)
    report("staged", accounts=len(world.population.accounts))


def _spec(replay: ReplayKept) -> ReplaySpec:
    """Return a replay as the lab runs it."""
    return ReplaySpec(
        scenario=replay.scenario,
        accounts=replay.accounts,
        seed=replay.seed,
        data=replay.data,
    )


def _fill(settings: StagingSettings, world: World) -> None:
    data, spec = Path(settings.data), _spec(settings.replay)
    scenario, population = world.scenario, world.population
    rulebook = replay_rulebook(spec, scenario, population)
    venue = Venue(
        reference=f"replay {settings.replay.scenario}",
        rulebook=rulebook.name,
        books=replay_books(spec, scenario, population),
    )
    target = Folder(data).journal_or(settings.journal)
    with open_journal(target) as journal:
        engine = Engine(
            rulebook,
            journal=journal,
            market=venue.market(),
            settings=Settings(capacity=capacity_for(population)),
        )
        feed = feed_of(scenario, engine.state.universe, scenario.mark_model)
        fill_book(engine, feed, spec, population)
        folder = Folder(data).snapshots
        folder.mkdir(mode=0o700, exist_ok=True)
        engine.write_snapshot(folder / f"{engine.position:016}.snapshot")
    path = replay_path(data)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(msgspec.json.encode(settings.replay))
    begin_venue(data, rulebook, venue)
    _marker(data).unlink()


def _clear(data: Path) -> None:
    """Remove what a killed run left; refuse a journal that is none of its.

    Raises:
        InvalidInput: There is a journal, and no sign that we began it.
    """
    marker = _marker(data)
    files = [*data.glob("journal.db*"), *Folder(data).snapshots.glob("*.snapshot")]
    if files and not marker.exists():
        msg = f"{data} holds {files[0].name} and was not begun by a replay; name another --data"
        raise InvalidInput(msg)
    os.close(os.open(marker, os.O_WRONLY | os.O_CREAT, 0o600))
    for file in files:
        file.unlink()


def _marker(data: Path) -> Path:
    return data / "staging"


def main() -> int:
    """Stage what standard input says; return the exit code."""
    return run_child(StagingSettings, stage)


if __name__ == "__main__":
    sys.exit(main())
