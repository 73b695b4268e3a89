"""What the built-in tables know of a contract, and the venue's own row where they know less."""

from decimal import Decimal

import msgspec

from keelmark.accounts.importers.draft import Draft, JsonValue, PositionDraft, plain
from keelmark.core.errors import KeelmarkError
from keelmark.core.model import InstrumentTerms
from keelmark.rulebooks import Rulebook, load_rulebook
from keelmark.rulebooks.document import InstrumentDocument


def rulebook_of(draft: Draft, venue: str | None = None) -> Rulebook | None:
    """Return the rulebook of the draft's venue and time; `None` where none is built in."""
    name = venue or draft.venue
    date = "" if draft.as_of is None else f"@{draft.as_of:%Y-%m}"
    for reference in (f"{name}{date}", name):
        try:
            return load_rulebook(reference)
        except KeelmarkError:
            continue
    return None


def listed_terms(draft: Draft, symbol: str, venue: str | None = None) -> InstrumentTerms | None:
    """Return the built-in terms of a contract; `None` where it is not told what it is."""
    rulebook = rulebook_of(draft, venue)
    if rulebook is None:
        return None
    try:
        return rulebook.terms_for(symbol)
    except KeelmarkError:
        return None


def terms_of(
    position: PositionDraft, draft: Draft, venue: str | None = None
) -> InstrumentTerms | None:
    """Return the terms of a position's contract: built in, or of what the venue says it is."""
    found = listed_terms(draft, position.instrument, venue)
    rulebook = rulebook_of(draft, venue)
    if found is not None or rulebook is None or not position.spec:
        return found
    try:
        spec = msgspec.convert(position.spec, InstrumentDocument, strict=False)
        return rulebook.terms_for(position.instrument, spec)
    except (KeelmarkError, msgspec.ValidationError):
        return None


def is_listed_option(draft: Draft, symbol: str, venue: str | None = None) -> bool:
    """Whether the built-in rules can tell an option by its name and margin it."""
    terms = listed_terms(draft, symbol, venue)
    return terms is not None and terms.option is not None


def note_row(
    position: PositionDraft,
    draft: Draft,
    *,
    notional: Decimal,
    rate: Decimal,
    amount: Decimal,
) -> None:
    """Note the venue's own maintenance row where the built-in table has another one or none."""
    terms = listed_terms(draft, position.instrument)
    try:
        known = None if terms is None else terms.maintenance.requirement(position.size, notional)
    except KeelmarkError:
        known = None
    if known is not None and known.rate == rate and known.deduction == amount:
        return
    row: dict[str, JsonValue] = {"maintenance_rate": plain(rate)}
    if amount:
        row["maintenance_amount"] = plain(amount)
    position.tier = row
    draft.say(
        f"{draft.name_of(position)} is margined by the venue's row for its present notional, at "
        "every price; import the venue's full table to cross into others"
    )
