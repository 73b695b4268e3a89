"""The tripwire index: units are watched by boxes of prices that cannot hurt them."""

from keelmark.book.kernels.margin import Tables
from keelmark.book.tripwires.index import Stop, TripwireIndex, TripwireSettings
from keelmark.book.tripwires.net import Stream

__all__ = ["Stop", "Stream", "Tables", "TripwireIndex", "TripwireSettings"]
