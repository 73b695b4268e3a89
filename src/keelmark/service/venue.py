"""The venue of a service: its rulebook and its order books, kept in the folder it was begun in.

```text
DATA/venue/rulebook.toml   the rulebook, whole: a later release's tables change nothing here
DATA/venue/about.json      where it came from, and the simulated order books, if there are any
```
"""

import os
from pathlib import Path
from typing import Literal

import msgspec

from keelmark.core.errors import InvalidInput, MissingNumber, OtherTerms, UnreadableData
from keelmark.engine.execution import (
    ExecutionVenue,
    ExternalVenue,
    MarkMarket,
    SimulatedMarket,
)
from keelmark.market.impact import ImpactModel, LinearDensity, exponential_memory
from keelmark.rulebooks.load import Rulebook, load_rulebook, read_rulebook
from keelmark.rulebooks.text import rulebook_text
from keelmark.service.guard_terms import GuardTerms, differing, with_guards

Execution = Literal["simulated", "external"]

UNSAID = GuardTerms()
"""No guard is asked for: those of the folder, or of a new one."""


class Books(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Simulated order books of linear density, one an instrument.

    Attributes:
        scales: Square-root impact of each, in row order.
        half_life_s: Time in which half of what was displaced comes back.
        time_ms: When they began.
    """

    scales: tuple[float, ...]
    half_life_s: float
    time_ms: int

    def models(self) -> list[ImpactModel]:
        """Return the model of each book."""
        memory = exponential_memory(half_life_s=self.half_life_s)
        return [ImpactModel(shape=LinearDensity(scale=x), memory=memory) for x in self.scales]


class Venue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a folder's rulebook came from.

    Attributes:
        reference: What was asked for: `generic`, a path, or `replay oct10`.
        rulebook: `venue@YYYY-MM` it became.
        execution: Who fills liquidation orders: the engine's own books, or somebody outside.
        books: Order books of `simulated`; `None` fills at the mark.
    """

    reference: str
    rulebook: str
    execution: Execution = "simulated"
    books: Books | None = None

    def market(self) -> ExecutionVenue:
        """Return what takes liquidation orders, as it was at the beginning."""
        if self.execution == "external":
            return ExternalVenue()
        if self.books is None:
            return MarkMarket()
        return SimulatedMarket(self.books.models(), time_ms=self.books.time_ms)


def begin_venue(data: Path, rulebook: Rulebook, venue: Venue) -> None:
    """Keep a venue in a folder that has none."""
    folder = data / "venue"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / "rulebook.toml", rulebook_text(rulebook.document).encode())
    _write(folder / "about.json", msgspec.json.encode(venue))  # last: with it the folder is begun


def has_venue(data: Path) -> bool:
    """Whether a folder has been begun."""
    return (data / "venue" / "about.json").is_file()


def kept_venue(data: Path) -> Venue:
    """Return the venue a folder was begun with.

    Raises:
        UnreadableData: It was never begun, or the file was damaged.
    """
    path = data / "venue" / "about.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Venue)
    except (OSError, msgspec.MsgspecError) as error:
        msg = f"{path} cannot be read ({error}); restore it from a copy of the folder"
        raise UnreadableData(msg) from error


def kept_rulebook(data: Path) -> Rulebook:
    """Return the rulebook a folder was begun under.

    Raises:
        UnreadableData: The file is missing.
        InvalidDocument: It was changed and can no longer be read.
    """
    path = data / "venue" / "rulebook.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read ({error}); restore it from a copy of the folder"
        raise UnreadableData(msg) from error
    return read_rulebook(text, title=str(path))


def chosen_venue(
    data: Path,
    wanted: str | None,
    execution: Execution | None,
    guards: GuardTerms = UNSAID,
) -> Venue:
    """Return the venue of a folder, begun now if it is new.

    Args:
        data: The folder.
        wanted: Rulebook asked for; `None` takes what the folder has, `generic` if it is new.
        execution: Likewise; `simulated` if it is new.
        guards: When prices are not believed; likewise.

    Raises:
        OtherTerms: The folder was begun with another venue, or other guards.
        InvalidInput: No engine can run the rulebook, or it names no instrument.
        UnknownRulebook: There is no such rulebook.
    """
    if not has_venue(data):
        reference = wanted or "generic"
        rulebook = servable(wanted, guards)
        new = Venue(reference=reference, rulebook=rulebook.name, execution=execution or "simulated")
        begin_venue(data, rulebook, new)
        return new
    venue = kept_venue(data)
    if execution not in {None, venue.execution}:
        msg = (
            f"{data} was begun with {venue.execution} execution, not {execution}; leave out "
            "--execution, or name another --data folder"
        )
        raise OtherTerms(msg)
    if wanted not in {None, venue.reference, venue.rulebook}:
        msg = (
            f"{data} was begun with the venue {venue.reference}, not {wanted}; leave out --venue, "
            "or name another --data folder"
        )
        raise OtherTerms(msg)
    other = differing(kept_rulebook(data).liquidation.guards, guards)
    if other:
        msg = f"{data} was begun with {other}; leave it out, or name another --data folder"
        raise OtherTerms(msg)
    return venue


def servable(wanted: str | None, guards: GuardTerms = UNSAID) -> Rulebook:
    """Return the rulebook of a new folder, with its guards.

    Args:
        wanted: Rulebook asked for; `None` is `generic`.
        guards: When prices are not believed.

    Raises:
        InvalidInput: No engine can run the rulebook, or it names no instrument.
        UnknownRulebook: There is no such rulebook.
    """
    reference = wanted or "generic"
    rulebook = with_guards(load_rulebook(reference), guards)
    require_instruments(rulebook, reference)
    require_runnable(rulebook)
    return rulebook


def require_instruments(rulebook: Rulebook, reference: str) -> None:
    """Refuse a rulebook on which nothing can be traded.

    Raises:
        InvalidInput: It lists no instrument.
    """
    if not rulebook.model.instruments:
        msg = f"the rulebook {reference} lists no instruments; write those you trade as a file"
        raise InvalidInput(msg)


def require_runnable(rulebook: Rulebook) -> None:
    """Refuse a rulebook that no engine can run, before a folder is begun with it.

    Raises:
        InvalidInput: It lacks a number, names a policy nobody has, or margins in a way the kernels
            cannot.
    """
    from keelmark.book.universe import Universe  # noqa: PLC0415 heavy, for a new folder alone
    from keelmark.engine.compatibility import (  # noqa: PLC0415 as above
        require_policies,
        require_symbols,
    )

    require_policies(rulebook.liquidation)
    require_symbols(rulebook)
    try:
        Universe.build(rulebook.model)
    except MissingNumber as error:  # no figure that is unknown, but a term that is not there
        raise InvalidInput(str(error)) from error


def _write(path: Path, content: bytes) -> None:
    """Write a file in one step, durable when it has its name."""
    beside = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
