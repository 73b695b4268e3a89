"""A venue's whole book under scenarios: liquidations at risk, deficits, the fund to keep."""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.fleet.book_values import BookStress as BookStress
    from keelmark.risk.fleet.book_values import book_stress as book_stress
    from keelmark.risk.fleet.book_values import moves_of as moves_of
    from keelmark.risk.fleet.concentration import BookConcentration as BookConcentration
    from keelmark.risk.fleet.concentration import book_concentration as book_concentration
    from keelmark.risk.fleet.prices import made_for_book as made_for_book
    from keelmark.risk.fleet.venue_book import VenueBook as VenueBook

_HOMES = {
    "BookConcentration": "keelmark.risk.fleet.concentration",
    "BookStress": "keelmark.risk.fleet.book_values",
    "VenueBook": "keelmark.risk.fleet.venue_book",
    "book_concentration": "keelmark.risk.fleet.concentration",
    "book_stress": "keelmark.risk.fleet.book_values",
    "made_for_book": "keelmark.risk.fleet.prices",
    "moves_of": "keelmark.risk.fleet.book_values",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
