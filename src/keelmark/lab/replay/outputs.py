"""Write what came of a replay into a folder: all of it, or nothing.

| file | what |
|---|---|
| `report.html` | the page, one file that needs nothing but a browser |
| `events.parquet` | one row an event: `events_table` |
| `accounts.parquet` | one row an account: `accounts_table` |
| `summary.json` | counts, notionals, who paid, digest: `summary` |

Files are made in a temporary folder beside the target and moved into place one by one once all of
them exist, so a run that fails leaves what was there before.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from keelmark.core.errors import InvalidInput
from keelmark.lab.replay.accounts_table import accounts_table
from keelmark.lab.replay.compare import Compared
from keelmark.lab.replay.events_table import events_table
from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.page import report_of
from keelmark.lab.replay.summary import Json, summary
from keelmark.lab.report.page import write as write_page

FILES = ("report.html", "events.parquet", "accounts.parquet", "summary.json")


def require_writable(folder: Path) -> None:
    """Refuse a place where no folder of files can be made, before anything is run.

    Raises:
        InvalidInput: A file is in the way, or nothing may be written there.
    """
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        msg = f"{existing} is a file; name a folder for the report with --out"
        raise InvalidInput(msg)
    with _refusals(existing), TemporaryDirectory(dir=existing, prefix=".keelmark-"):
        pass


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    """Say which folder the system refused, and what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{folder}: cannot be written to ({reason}); name another folder with --out"
        raise InvalidInput(msg) from error


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; take the new ones away again if the work in it fails."""
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for place in new:
            with suppress(OSError):  # not made yet, or somebody else put something there
                place.rmdir()
        raise


def write_outputs(
    measures: Measures,
    folder: Path,
    compared: Sequence[Compared] = (),
) -> dict[str, Json]:
    """Write the four files; return the summary.

    Args:
        measures: Figures of the replay.
        folder: Made if it does not exist; files of an earlier run are replaced.
        compared: Further runs shown beside it.

    Raises:
        InvalidInput: The place cannot be written to, or is full; nothing is left there.
    """
    recorder = measures.replay.recorder
    with (
        _refusals(folder),
        _made(folder),
        TemporaryDirectory(dir=folder, prefix=".writing-") as place,
    ):
        making = Path(place)
        write_page(report_of(measures, compared), making / "report.html")
        events = events_table(recorder.rows, measures.names)
        events.write_parquet(making / "events.parquet", compression="zstd")
        accounts_table(measures).write_parquet(making / "accounts.parquet", compression="zstd")
        result = summary(measures, {one.variant.key: one.summary for one in compared})
        text = json.dumps(result, indent=2) + "\n"
        (making / "summary.json").write_text(text, encoding="utf-8")
        for name in FILES:
            (making / name).replace(folder / name)
    return result
