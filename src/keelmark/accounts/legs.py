"""Names of positions: the instrument, and in hedge mode its leg after a slash (`BTCUSDT/long`)."""

from keelmark.core.unit import Position

SIDES = ("long", "short")


def leg_key(instrument: str, side: str) -> str:
    """Return the name of one leg."""
    return f"{instrument}/{side}"


def is_named(position: Position, key: str) -> bool:
    """Whether a name is of this position: its leg's, or its instrument's, which both legs have."""
    return key in {position.instrument, leg_key(position.instrument, position.leg.name.lower())}


def instrument_of(key: str) -> str:
    """Return the instrument of a name, with or without a leg."""
    symbol, _, side = key.rpartition("/")
    return symbol if side in SIDES else key
