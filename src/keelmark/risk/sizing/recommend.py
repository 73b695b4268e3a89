"""The leverage of one position by every rule, and which of them binds."""

from collections.abc import Sequence
from dataclasses import dataclass

from keelmark.risk.sizing.empirical import FallLimit
from keelmark.risk.sizing.kelly import (
    Drift,
    KellyShare,
    kelly_leverage,
    kelly_shares,
    share_for_fall,
)
from keelmark.risk.sizing.liquidation_leverage import (
    Bound,
    largest_leverage,
    largest_leverage_without_drift,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one rule allows.

    Attributes:
        name: In words.
        leverage: Notional over equity, at least 0; `None` where the rule says nothing.
        reason: What it rests on, or why it says nothing.
    """

    name: str
    leverage: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of the size of one position.

    Attributes:
        drift: Of its price; `None` where no return is expected, and Kelly says nothing.
        volatility: By year, fraction.
        bound: How likely liquidation may be; `None` for no bound.
        share: Of Kelly, fraction.
        limit: Of a fall of the equity; `None` for none.
        venue_cap: Largest leverage the venue lets; `None` where it is not given.
        is_long: Which side.
    """

    volatility: float
    drift: Drift | None = None
    bound: Bound | None = None
    share: float = 0.5
    limit: FallLimit | None = None
    venue_cap: float | None = None
    is_long: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The smallest of what the rules allow.

    Attributes:
        rules: Every rule, those that say nothing too.
        shares: Shares of Kelly beside each other, where a return is expected.
        without_drift: The closed form of the bound where the logarithm has no drift.
    """

    rules: tuple[Rule, ...]
    shares: tuple[KellyShare, ...] = ()
    without_drift: float | None = None

    @property
    def binding(self) -> Rule | None:
        """The rule that allows least, the first of equals; `None` where none says anything."""
        told = [rule for rule in self.rules if rule.leverage is not None]
        return min(told, key=lambda rule: rule.leverage or 0.0, default=None)

    @property
    def leverage(self) -> float | None:
        """What it allows."""
        return None if self.binding is None else self.binding.leverage


def recommend(wish: Wish, *, fall: float = 0.5) -> Recommendation:
    """Return the leverage of one position by every rule: `min(c f*, L_max, venue cap)`.

    Args:
        wish: What is asked.
        fall: Part of the equity whose probability of being fallen to is told.
    """
    drift = wish.drift or Drift(mean=0.0, volatility=wish.volatility)
    found: Sequence[KellyShare] = ()
    if wish.drift is not None:
        found = kelly_shares(
            wish.drift, tuple(dict.fromkeys((1.0, wish.share, 0.5, 0.25))), fall=fall
        )
    rules = (_kelly(wish, found), _limited(wish), _bounded(wish, drift), _capped(wish))
    closed = None
    if wish.bound is not None and wish.is_long:
        closed = largest_leverage_without_drift(wish.volatility, wish.bound)
    return Recommendation(rules=rules, shares=tuple(found), without_drift=closed)


def _kelly(wish: Wish, shares: Sequence[KellyShare]) -> Rule:
    name = f"{wish.share:g} of Kelly"
    if not shares:
        return Rule(name=name, leverage=None, reason="no return is expected: give --mu")
    own = next(share for share in shares if share.share == wish.share)
    side = "long" if wish.is_long else "short"
    wanted = own.leverage if wish.is_long else -own.leverage
    if wanted <= 0.0:
        return Rule(name=name, leverage=0.0, reason=f"a {side} is expected to lose, funding paid")
    return Rule(name=name, leverage=wanted, reason="grows with the share of Kelly asked for")


def _limited(wish: Wish) -> Rule:
    """Return risk-constrained Kelly: the share of Kelly that falls seldom enough."""
    name, limit = "risk-constrained Kelly", wish.limit
    if limit is None or wish.drift is None:
        return Rule(name=name, leverage=None, reason="give --mu and --fall-probability")
    share = share_for_fall(limit.part, limit.probability)
    full = kelly_leverage(wish.drift)
    wanted = share * (full if wish.is_long else -full)
    return Rule(name=name, leverage=max(0.0, wanted), reason=fall_words(limit, share))


def fall_words(limit: FallLimit, share: float) -> str:
    """Say what a limit of falls allows of Kelly."""
    return (
        f"ever at {100 * limit.part:g} % of the equity with {100 * limit.probability:g} % at most: "
        f"{share:.3g} of Kelly"
    )


def _bounded(wish: Wish, drift: Drift) -> Rule:
    name = "chance of liquidation"
    bound = wish.bound
    if bound is None:
        return Rule(name=name, leverage=None, reason="give --liquidation-probability")
    reason = (
        f"at most {100 * bound.probability:g} % within {bound.days:g} "
        f"day{'' if bound.days == 1.0 else 's'}, maintenance "
        f"{100 * bound.maintenance_rate:g} %"
    )
    leverage = largest_leverage(drift, bound, is_long=wish.is_long)
    return Rule(name=name, leverage=leverage, reason=reason)


def _capped(wish: Wish) -> Rule:
    if wish.venue_cap is None:
        return Rule(name="venue cap", leverage=None, reason="give --cap")
    return Rule(name="venue cap", leverage=wish.venue_cap, reason="as given")
