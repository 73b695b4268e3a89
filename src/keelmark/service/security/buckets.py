"""Token buckets: so many at once, then so many a second."""

from collections import OrderedDict
from dataclasses import dataclass

NAMES_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How much of something is allowed.

    Attributes:
        burst: At once.
        per_second: From then on.
    """

    burst: float
    per_second: float


class Buckets:
    """One bucket for each name; the name that was quiet for longest is forgotten first."""

    def __init__(self, rate: Rate, *, limit: int = NAMES_MAX) -> None:
        self._rate, self._limit = rate, limit
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now_s: float, amount: float = 1.0) -> float:
        """Take from a bucket; return 0, or the seconds to wait, nothing then being taken.

        Args:
            name: Whose bucket.
            now_s: A clock that never runs backwards.
            amount: How much; more than a whole burst is never given at once, so it waits for one.
        """
        level = self._level(name, now_s)
        wanted = min(amount, self._rate.burst)
        self._levels[name] = (level - wanted if level >= wanted else level, now_s)
        self._levels.move_to_end(name)
        if len(self._levels) > self._limit:
            self._levels.popitem(last=False)
        return max(0.0, (wanted - level) / self._rate.per_second)

    def __len__(self) -> int:
        return len(self._levels)

    def _level(self, name: str, now_s: float) -> float:
        level, then_s = self._levels.get(name, (self._rate.burst, now_s))
        grown = level + max(0.0, now_s - then_s) * self._rate.per_second
        return min(self._rate.burst, grown)
