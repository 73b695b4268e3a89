"""What coins do on a calm day, and which coins are another one in a wrapper."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from keelmark.risk.stress.document import CalmFile, KinFile, converted
from keelmark.risk.stress.library import data_text


@dataclass(frozen=True, slots=True, kw_only=True)
class CalmDay:
    """One coin on a calm day.

    Attributes:
        sigma: Standard deviation of a daily log return.
        volume: Median dollar volume of a day, on one venue.
        is_measured: Whether it is the coin's own; if not, what stands for coins not measured.
    """

    sigma: float
    volume: float
    is_measured: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """Every measured coin, and what stands for others.

    Attributes:
        coins: By name.
        other: For a coin that is not there.
        other_is: What that is, in words.
        sources: Texts of where they are from.
    """

    coins: Mapping[str, CalmDay]
    other: CalmDay
    other_is: str
    sources: tuple[str, ...]

    def of(self, coin: str) -> CalmDay:
        """Return a coin's day: its own, that of the coin in its wrapper, or what stands for it."""
        own = self.coins.get(coin.upper())
        return own or self.coins.get(kin().get(coin.upper(), ""), self.other)


@lru_cache(maxsize=1)
def calm() -> Calm:
    """Return the measured calm days."""
    file = converted(data_text("calm.toml"), CalmFile, "calm")
    coins = {
        name: CalmDay(sigma=row.sigma, volume=row.volume)
        for rows in file.coins.values()
        for name, row in rows.items()
    }
    other = CalmDay(sigma=file.other.sigma, volume=file.other.volume, is_measured=False)
    return Calm(
        coins=coins,
        other=other,
        other_is=file.other.text,
        sources=tuple(f"{row.text} (read {row.read})" for row in file.sources.values()),
    )


def kin() -> Mapping[str, str]:
    """Return the coin inside each wrapper."""
    return _kin().kin


def stands_still(coin: str) -> bool:
    """Whether a coin is gold or the like: no crash of coins is one of it."""
    return coin.upper() in _kin().still


@lru_cache(maxsize=1)
def _kin() -> KinFile:
    return converted(data_text("kin.toml"), KinFile, "kin")
