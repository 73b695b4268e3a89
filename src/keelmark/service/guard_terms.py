"""When a service believes no price: guard terms of a new folder, and what is off, in words.

Venues do not publish their guards, so built-in rulebooks have none. A service that is fed live
states its own; they are kept in the folder's rulebook, which every process and replay reads.
"""

from decimal import Decimal
from typing import Protocol

import msgspec

from keelmark.core.errors import InvalidInput
from keelmark.rulebooks.load import Rulebook, read_rulebook
from keelmark.rulebooks.text import rulebook_text


class Guarded(Protocol):
    """Limits of a rulebook, or of its document."""

    @property
    def stale_s(self) -> int:
        """Age at which a price is no longer believed; 0 for never."""

    @property
    def band(self) -> Decimal:
        """Largest step that is believed at once; 0 for any."""

    @property
    def confirm_marks(self) -> int:
        """Prices that confirm a step outside the band; 0 leaves it to an operator."""

    @property
    def confirm_s(self) -> int:
        """Seconds that they must span."""


class GuardTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Guards asked for; `None` is not said.

    Attributes:
        stale_s: Seconds after which a price is no longer believed; 0 switches it off.
        band: Largest relative step that is believed at once; 0 switches it off.
        confirm_marks: Prices in a row that confirm a larger one; 0 leaves it to an operator.
        confirm_s: Seconds that they must span.
    """

    stale_s: int | None = None
    band: Decimal | None = None
    confirm_marks: int | None = None
    confirm_s: int | None = None

    def __post_init__(self) -> None:
        if self.stale_s is not None and self.stale_s < 0:
            msg = f"stale_s {self.stale_s}; give whole seconds, 0 for no staleness guard"
            raise InvalidInput(msg)
        if self.band is not None and not (self.band.is_finite() and 0 <= self.band < 1):
            msg = f"band {self.band}; give a fraction below 1, as 0.1 for 10 %; 0 for none"
            raise InvalidInput(msg)

    def said(self) -> dict[str, int | Decimal]:
        """Return what was asked for."""
        return {
            name: value for name, value in msgspec.structs.asdict(self).items() if value is not None
        }


LIVE = GuardTerms(stale_s=60, band=Decimal("0.1"), confirm_marks=3, confirm_s=5)
"""Of a service whose rulebook states none; the project's own choice, no venue's."""


def with_guards(rulebook: Rulebook, asked: GuardTerms) -> Rulebook:
    """Return a rulebook with the guards a service runs under.

    What is asked for goes before what the rulebook states; one that states neither age nor band
    takes `LIVE`.

    Raises:
        InvalidInput: They contradict each other.
    """
    document = rulebook.document
    own = document.liquidation.guards
    basis = {} if own.stale_s or own.band else LIVE.said()
    guards = msgspec.structs.replace(own, **{**basis, **asked.said()})
    liquidation = msgspec.structs.replace(document.liquidation, guards=guards)
    changed = msgspec.structs.replace(document, liquidation=liquidation)
    return read_rulebook(rulebook_text(changed), title=rulebook.name)


def differing(guards: Guarded, asked: GuardTerms) -> str:
    """Return what is asked for and not so, in words; empty where nothing is."""
    told = {name: (getattr(guards, name), value) for name, value in asked.said().items()}
    return ", ".join(f"{k} {have}, not {want}" for k, (have, want) in told.items() if have != want)


def guards_off(guards: Guarded) -> tuple[str, ...]:
    """Return which guards of prices are off, in words."""
    age = () if guards.stale_s else ("no staleness guard",)
    return age if guards.band else (*age, "no step guard")


def guards_in_words(guards: Guarded) -> str:
    """Return what is believed and what is not."""
    told = []
    if guards.stale_s:
        told.append(f"no price older than {guards.stale_s} s")
    if guards.band:
        needs = "an operator"
        if guards.confirm_marks:
            needs = f"{guards.confirm_marks} prices over {guards.confirm_s} s"
        told.append(f"steps over {(100 * guards.band).normalize():f} % need {needs}")
    return "; ".join((*told, *guards_off(guards)))
