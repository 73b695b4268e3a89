"""Order policies by name: which leg is reduced first.

A policy is called as `policy(legs, seed)` and returns the legs in its order. Ties are broken by
instrument and leg, so the order in which legs are listed never matters.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from hashlib import blake2b

from keelmark.core.numbers import ZERO
from keelmark.engine.reduce.legs import ReducibleLeg
from keelmark.engine.registry import Registry

OrderPolicy = Callable[[Sequence[ReducibleLeg], int], tuple[ReducibleLeg, ...]]

ORDER: Registry[OrderPolicy] = Registry("order")


def _by(
    legs: Sequence[ReducibleLeg],
    key: Callable[[ReducibleLeg], Decimal | bytes | tuple[bool, Decimal]],
) -> tuple[ReducibleLeg, ...]:
    return tuple(sorted(legs, key=lambda leg: (key(leg), leg.instrument, leg.leg)))


@ORDER.register("largest_maintenance")
def largest_maintenance(legs: Sequence[ReducibleLeg], _seed: int) -> tuple[ReducibleLeg, ...]:
    """The leg that frees the most maintenance first."""
    return _by(legs, lambda leg: -leg.maintenance)


@ORDER.register("worst_pnl")
def worst_pnl(legs: Sequence[ReducibleLeg], _seed: int) -> tuple[ReducibleLeg, ...]:
    """The leg with the largest loss first."""
    return _by(legs, lambda leg: leg.pnl)


@ORDER.register("largest_notional")
def largest_notional(legs: Sequence[ReducibleLeg], _seed: int) -> tuple[ReducibleLeg, ...]:
    """The leg of the largest notional first."""
    return _by(legs, lambda leg: -leg.notional)


@ORDER.register("hedged_first")
def hedged_first(legs: Sequence[ReducibleLeg], _seed: int) -> tuple[ReducibleLeg, ...]:
    """Hedged pairs first, pair by pair, then what is unhedged; most maintenance first in both.

    Closing both legs of a pair frees margin without moving the unit's exposure.
    """
    pairs: dict[str, Decimal] = {}
    for leg in legs:
        if leg.hedged_lots:
            pairs[leg.instrument] = pairs.get(leg.instrument, ZERO) + leg.maintenance

    def key(leg: ReducibleLeg) -> tuple[bool, Decimal]:
        if leg.hedged_lots:
            return False, -pairs[leg.instrument]
        return True, -leg.maintenance

    return _by(legs, key)


@ORDER.register("seeded_random")
def seeded_random(legs: Sequence[ReducibleLeg], seed: int) -> tuple[ReducibleLeg, ...]:
    """An order that only the seed decides: each leg's place is a hash of the seed and its name."""
    return _by(legs, lambda leg: _hash(f"{seed}:{leg.instrument}:{leg.leg}"))


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
