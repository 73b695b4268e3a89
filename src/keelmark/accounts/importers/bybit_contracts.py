"""What the names of Bybit's inverse contracts say of them."""

from calendar import FRIDAY, Calendar
from collections.abc import Iterator

from keelmark.accounts.importers.draft import JsonValue

_QUARTERS = {"H": 3, "M": 6, "U": 9, "Z": 12}


def inverse_spec(symbol: str) -> dict[str, JsonValue]:
    """Return what an inverse contract of 1 USD is: `BTCUSD`, or `BTCUSDM26` with a delivery.

    A letter names the month of a quarter, and delivery is on its last Friday at 08:00 UTC. Source:
    answers of api.bybit.com/v2/public/symbols (gist MtkN1/46011c0389cdb74bcca30cfc26568529):
    BTCUSDM21 has the alias BTCUSD0625, BTCUSDU21 BTCUSD0924.
    """
    base, _, term = symbol.partition("USD")
    found: dict[str, JsonValue] = {"base": base, "settle": base, "contract_size": "1"}
    if not term:
        return {"kind": "inverse_perpetual", **found}
    month, year = _QUARTERS.get(term[:1]), term[1:]
    if month is None or len(year) != len("26") or not year.isdigit():
        return {}  # the day of delivery is not in the name: the rulebook says what is missing
    last = max(day for day, weekday in _days(2000 + int(year), month) if weekday == FRIDAY)
    expiry = f"20{year}-{month:02}-{last:02}T08:00:00Z"
    return {"kind": "inverse_future", **found, "expiry": expiry}


def _days(year: int, month: int) -> Iterator[tuple[int, int]]:
    """Yield the days of a month with their weekdays."""
    return ((day, weekday) for day, weekday in Calendar().itermonthdays2(year, month) if day)
