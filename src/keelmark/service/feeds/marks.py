"""Turn streamed prices into what an engine reads: marks, index prices and prices of assets.

An asset that is priced takes the index of a contract on it, or its mark where no index is streamed.
Values are kept and sent together at most so often: a burst of messages is one snapshot.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from keelmark.service.feeds.venue_prices import StreamedPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Prices by name, as text: arguments of the writer's `prices`."""

    marks: Mapping[str, str]
    asset_prices: Mapping[str, str]
    indices: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Gathering:
    """Gathers prices until they are taken.

    Attributes:
        indices: Names of the index prices the engine reads, by coin.
        assets: Assets the engine prices.
    """

    indices: Mapping[str, str]
    assets: frozenset[str]
    _marks: dict[str, str] = field(default_factory=dict)
    _assets: dict[str, str] = field(default_factory=dict)
    _indices: dict[str, str] = field(default_factory=dict)

    def add(self, prices: Iterable[StreamedPrice]) -> None:
        """Take note of prices; later ones replace earlier ones."""
        for price in prices:
            if price.mark is not None:
                self._marks[price.instrument] = price.mark
            if price.index is not None and price.coin in self.indices:
                self._indices[self.indices[price.coin]] = price.index
            worth = price.index or price.mark
            if worth is not None and price.coin in self.assets:
                self._assets[price.coin] = worth

    def take(self) -> Snapshot | None:
        """Return what has changed since the last time; `None` for nothing."""
        if not (self._marks or self._assets or self._indices):
            return None
        found = Snapshot(marks=self._marks, asset_prices=self._assets, indices=self._indices)
        self._marks, self._assets, self._indices = {}, {}, {}
        return found
