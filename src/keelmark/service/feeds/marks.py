"""Turn streamed prices into what an engine reads: marks, index prices and prices of assets.

An asset that is priced takes the index of a contract on it, or its mark where no index is streamed.
Values are kept and sent together at most so often: a burst of messages is one snapshot a time.
A price keeps the time its venue gave it: one sent again under the same time is not a new one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from keelmark.core.bound import FactorKind
from keelmark.service.feeds.venue_prices import StreamedPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Prices by name, as text: arguments of the writer's `prices`.

    Attributes:
        time_ms: When they were, as the venue says; `None` where it does not.
        marks: By instrument.
        asset_prices: By asset.
        indices: By index.
    """

    time_ms: int | None
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
    _last: dict[str, StreamedPrice] = field(default_factory=dict)
    _kept: dict[tuple[FactorKind, str], tuple[int | None, str]] = field(default_factory=dict)

    def add(self, prices: Iterable[StreamedPrice]) -> None:
        """Take note of prices; later ones replace earlier ones."""
        for price in prices:
            if not self._is_new(price):
                continue
            self._last[price.instrument] = price
            self._keep(FactorKind.MARK, price.instrument, price.mark, price.time_ms)
            if price.coin in self.indices:
                name = self.indices[price.coin]
                self._keep(FactorKind.INDEX, name, price.index, price.time_ms)
            if price.coin in self.assets:
                worth = price.index or price.mark
                self._keep(FactorKind.ASSET, price.coin, worth, price.time_ms)

    def take(self) -> tuple[Snapshot, ...]:
        """Return what has come since the last time, oldest first; what has no time comes last."""
        times = {time_ms for time_ms, _ in self._kept.values()}
        told = sorted(time_ms for time_ms in times if time_ms is not None)
        found = [self._snapshot(time_ms) for time_ms in told]
        if None in times:
            found.append(self._snapshot(None))
        self._kept = {}
        return tuple(found)

    def _snapshot(self, time_ms: int | None) -> Snapshot:
        named: dict[FactorKind, dict[str, str]] = {kind: {} for kind in FactorKind}
        for (kind, name), (of_ms, price) in self._kept.items():
            if of_ms == time_ms:
                named[kind][name] = price
        return Snapshot(
            time_ms=time_ms,
            marks=named[FactorKind.MARK],
            asset_prices=named[FactorKind.ASSET],
            indices=named[FactorKind.INDEX],
        )

    def _is_new(self, price: StreamedPrice) -> bool:
        """Tell a price from one that is older than the last, or is the last once more."""
        last = self._last.get(price.instrument)
        if last is None or price.time_ms is None or last.time_ms is None:
            return True
        return price.time_ms > last.time_ms or (price.time_ms == last.time_ms and price != last)

    def _keep(self, kind: FactorKind, name: str, price: str | None, time_ms: int | None) -> None:
        if price is not None:
            self._kept[kind, name] = time_ms, price
