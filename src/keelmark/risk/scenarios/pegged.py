"""Pegged prices beside a law of coins: somebody says how much a dollar moves in a day.

    x = sigma sqrt(days) t,   t a Student t of three degrees of freedom, of unit variance

A peg stands, then jumps: three degrees of freedom have the fattest tail whose variance is finite.
Each asset is drawn by itself, independent of the coins and of other assets, both sides alike. A peg
that breaks as coins crash is worse than this: that is what `stress` is for.

`BTC volatility` is the implied volatility of options on a coin: its log change is normal, and by
itself too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array
from keelmark.risk.scenarios.draws import PEG_WORDS, Pegged
from keelmark.risk.scenarios.model import Recursion, ReturnModel

VOLATILITY = " volatility"
"""After the name of a coin: the implied volatilities of options on it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """Variances of coins that follow, beside those of pegs that stay.

    Attributes:
        base: Of the coins.
        pegs: How many columns come after theirs.
    """

    base: Recursion
    pegs: int

    @property
    def name(self) -> str:
        """The recursion in a phrase."""
        return self.base.name

    def step(self, variance: Array, shock: Array) -> Array:
        """Return (count, coins and pegs) variances of the next step."""
        moved = self.base.step(variance[:, : -self.pegs], shock[:, : -self.pegs])
        return np.hstack([moved, variance[:, -self.pegs :]])


def with_pegs(law: ReturnModel, pegs: Mapping[str, float]) -> ReturnModel:
    """Return a law with pegs beside its coins.

    Args:
        law: Of the coins.
        pegs: Standard deviation of a day by asset, or by `BTC volatility`.

    Raises:
        InvalidInput: A deviation is none, or the law tells of the asset.
    """
    for asset, deviation in pegs.items():
        if not 0.0 < deviation < 1.0:
            what = asset.removesuffix(VOLATILITY)
            what = f"a peg of {asset}" if what == asset else f"a volatility on {what}"
            msg = f"{what} that moves by {deviation} a day; give a fraction, as 0.002"
            raise InvalidInput(msg)
        if asset in law.coins:
            msg = f"{law.source} has returns of {asset}: leave its peg out, or those returns"
            raise InvalidInput(msg)
    if not pegs:
        return law
    own = np.array(list(pegs.values())) ** 2 * law.days
    recursion = law.recursion
    return replace(
        law,
        coins=(*law.coins, *pegs),
        variance=np.concatenate([law.variance, own]),
        draw=Pegged(base=law.draw, is_normal=tuple(name.endswith(VOLATILITY) for name in pegs)),
        recursion=None if recursion is None else Standing(base=recursion, pegs=len(pegs)),
        notes=(*law.notes, peg_note(pegs)),
    )


def peg_note(pegs: Mapping[str, float]) -> str:
    """Return what is assumed of pegs and volatilities, in a sentence."""
    told = {name: f"{name} by {100.0 * size:g} % a day" for name, size in pegs.items()}
    moved = ", ".join(text for name, text in told.items() if name.endswith(VOLATILITY))
    own = ", ".join(text for name, text in told.items() if not name.endswith(VOLATILITY))
    parts = [f"pegs move as given: {own}, {PEG_WORDS}"] if own else []
    if moved:
        parts.append(
            f"implied volatilities move as given: {moved}, their log changes normal, by "
            "themselves: independent of prices, all strikes alike"
        )
    return "; ".join(parts)


def covariance_with(covariance: Array, pegs: Mapping[str, float]) -> Array:
    """Return the covariance of a day with those of pegs, which go with nothing else, after it."""
    size = len(covariance)
    found = np.zeros((size + len(pegs), size + len(pegs)))
    found[:size, :size] = covariance
    found[range(size, len(found)), range(size, len(found))] = [s * s for s in pegs.values()]
    return found
