"""How large a position of an account may be, by every rule, under its own rulebook.

The size is that of the whole leg, what is held of it counted. Every candidate is traded in a draft
of the account at the mark, fees paid, and margined by the core: its other positions, collateral,
tiers and orders count as they are. A rule's answer is the last size found at which it holds, in
lots: sizes are doubled until it fails, then halved between.

Kelly asks for more of what is held to be worth it: with weights `w` of the other coins in equity,
covariance `S` and edge `mu - funding` of the coin, growth at a share `c` is largest at

    f = (c (mu - funding) - sum_j S_ij w_j) / S_ii,

of equity, so that what hedges is larger and what doubles a risk is smaller.

Source: docs/model.md, "Sizing".
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.accounts.volatilities import A_DAY, Volatilities
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.instrument import Instrument
from keelmark.core.margin import MarginReport, PositionMargin, margin_report
from keelmark.core.model import MarginPurpose
from keelmark.core.numbers import ZERO, exact
from keelmark.risk.apply import applied
from keelmark.risk.draft import split_leg
from keelmark.risk.edits import Add
from keelmark.risk.portfolio.portfolio import currency_of, portfolio_of
from keelmark.risk.sizing.empirical import FallLimit
from keelmark.risk.sizing.kelly import share_for_fall
from keelmark.risk.sizing.liquidation_leverage import YEAR_DAYS
from keelmark.risk.sizing.recommend import fall_words
from keelmark.risk.symbols import coin_of

_LOTS_MAX = 2**64
"""Sizes beyond are not tried."""

_PARTS = 500
"""A size bounded by a simulated probability is found to one part in so many: it is no finer."""

Chance = Callable[[Account, str], float]
"""Probability that a unit of an account is liquidated, by the account and the unit's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeWish:
    """What is asked of one position.

    Attributes:
        leg: Instrument, or one leg of it: `BTCUSDT/long`.
        is_long: Which side.
        price: Its mark, where the account does not know one.
        mean: Expected relative change of the coin by year; `None` where none is expected.
        funding: What longs pay by year, fraction of notional.
        share: Of Kelly, fraction.
        limit: Of a fall of the equity; `None` for none.
        probability: How likely liquidation may be; `None` for no bound.
        days: Within this time.
    """

    leg: str
    is_long: bool
    price: Decimal | None = None
    mean: float | None = None
    funding: float = 0.0
    share: float = 0.5
    limit: FallLimit | None = None
    probability: float | None = None
    days: float = 7.0

    def __post_init__(self) -> None:
        if self.share <= 0.0 or self.days <= 0.0:
            msg = f"a share {self.share} of Kelly over {self.days} days: both are above 0"
            raise InvalidInput(msg)
        if self.probability is not None and not 0.0 < self.probability < 1.0:
            msg = f"liquidation with probability {self.probability}: it lies between 0 and 1"
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSize:
    """What one rule allows.

    Attributes:
        name: In words.
        size: Of the whole leg, unsigned, in lots; `None` where the rule says nothing.
        notional: Of that, the unit's currency.
        leverage: Notional over the unit's equity.
        reason: What it rests on, or why it says nothing.
    """

    name: str
    size: Decimal | None
    notional: float | None = None
    leverage: float | None = None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSize:
    """How large a leg may be.

    Attributes:
        instrument: Symbol.
        is_long: Which side.
        held: Size of the leg now, signed; the other side's is negative to the side asked for.
        lot: Smallest step of size.
        unit_id: The margin unit it is in.
        currency: What notionals are in.
        equity: Of the unit now, without haircuts.
        rules: Every rule, those that say nothing too.
        notes: What was assumed.
    """

    instrument: str
    is_long: bool
    held: Decimal
    lot: Decimal
    unit_id: str
    currency: str
    equity: float
    rules: tuple[RuleSize, ...]
    notes: tuple[str, ...] = ()

    @property
    def binding(self) -> RuleSize | None:
        """The rule that allows least, the first of equals; `None` where none says anything."""
        told = [rule for rule in self.rules if rule.size is not None]
        return min(told, key=lambda rule: rule.size or ZERO, default=None)

    @property
    def trade(self) -> Decimal | None:
        """What to trade to be there, signed: bought where positive; `None` where nothing binds."""
        if self.binding is None or self.binding.size is None:
            return None
        with exact():
            return (self.binding.size if self.is_long else -self.binding.size) - self.held


def account_size(
    account: Account,
    wish: SizeWish,
    *,
    volatilities: Volatilities | None = None,
    chance: Chance | None = None,
) -> AccountSize:
    """Return how large a leg of an account may be by every rule, and which binds.

    Args:
        account: From `load_account`.
        wish: What is asked.
        volatilities: Daily deviations and covariance of the coins; Kelly says nothing without.
        chance: Tells how likely a unit is liquidated within the time of the wish; the rule of
            it says nothing without.

    Raises:
        InvalidInput: The instrument is unknown, has no mark, or both its legs are held.
        MissingNumber: The margin of its unit is unknown.
    """
    trial = _Trial.of(account, wish)
    margin = trial.by_margin()
    rules = [
        margin,
        trial.by_chance(chance, margin.size),
        trial.by_kelly(volatilities),
        trial.by_falls(volatilities),
    ]
    return AccountSize(
        instrument=trial.instrument.symbol,
        is_long=wish.is_long,
        held=trial.held,
        lot=trial.instrument.lot,
        unit_id=trial.unit_id,
        currency=trial.currency,
        equity=trial.equity,
        rules=tuple(rules),
        notes=trial.notes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """An account in which a leg is tried at sizes."""

    account: Account
    wish: SizeWish
    instrument: Instrument
    held: Decimal
    unit_id: str
    currency: str
    equity: float
    value: float
    """Of one unit of size at the mark, the unit's currency."""
    notes: tuple[str, ...]

    @classmethod
    def of(cls, account: Account, wish: SizeWish) -> "_Trial":
        symbol, _ = split_leg(wish.leg)
        instrument = account.rulebook.terms_for(symbol).instrument
        if instrument.is_option:
            msg = f"{symbol} is an option: its size is not its risk; size what it is on"
            raise InvalidInput(msg)
        if wish.price is not None and symbol in account.market.marks:
            msg = (
                f"the account knows the mark of {symbol}, {account.market.marks[symbol]:f}: give a "
                "price only where it knows none, or move it first with `keelmark whatif`"
            )
            raise InvalidInput(msg)
        held = _held(account, wish)
        step = instrument.lot if wish.is_long else -instrument.lot
        edits = () if held else (Add(leg=wish.leg, size=step, price=wish.price),)
        tried = applied(account, edits)
        report, own = _found(tried.account, wish)
        prices = {asset.asset: asset.price for asset in report.assets}
        with exact():
            each = abs(instrument.value_per_size(own.mark_price)) * prices[instrument.settle]
        return cls(
            account=account,
            wish=wish,
            instrument=instrument,
            held=held,
            unit_id=report.unit.unit_id,
            currency=currency_of(report.unit, account),
            equity=float(report.equity_raw),
            value=float(each),
            notes=tried.notes,
        )

    def after(self, size: Decimal) -> Account:
        """Return the account with the leg at an unsigned size of the side asked for."""
        with exact():
            traded = (size if self.wish.is_long else -size) - self.held
        if traded == ZERO:
            return self.account
        edit = Add(leg=self.wish.leg, size=traded, price=self.wish.price)
        return applied(self.account, (edit,)).account

    def rule(self, name: str, size: Decimal, reason: str) -> RuleSize:
        """Return what a rule allows, with its notional and leverage."""
        notional = float(size) * self.value
        return RuleSize(
            name=name,
            size=size,
            notional=notional,
            leverage=notional / self.equity if self.equity > 0.0 else None,
            reason=reason,
        )

    def by_margin(self) -> RuleSize:
        """Return the largest size whose initial margin is covered."""
        name = "initial margin"
        if not self._is_covered(ZERO):
            text = "not covered even without it"
            return self.rule(name, ZERO, text)
        size = self._largest(self._is_covered)
        if size is None:
            return RuleSize(name=name, size=None, reason="no size found that it refuses")
        return self.rule(name, size, f"what {self.account.rulebook.name} asks to open")

    def by_chance(self, chance: Chance | None, margin: Decimal | None) -> RuleSize:
        """Return the largest size that is liquidated seldom enough.

        It is not looked for beyond the largest that initial margin allows.
        """
        name, bound = "chance of liquidation", self.wish.probability
        if bound is None or chance is None:
            reason = "give --liquidation-probability and --returns"
            return RuleSize(name=name, size=None, reason=reason)

        def is_safe(size: Decimal) -> bool:
            tried = self.after(size)
            return chance(tried, self.unit_id) <= bound

        days = self.wish.days
        reason = f"at most {100 * bound:g} % within {days:g} day{'' if days == 1.0 else 's'}"
        try:
            now = self._chance_now(chance)
            if not is_safe(ZERO):
                return self.rule(name, ZERO, f"above {100 * bound:g} % even without it{now}")
            if margin and is_safe(margin):
                return self.rule(name, margin, f"{reason}, and larger is not allowed{now}")
            size = self._largest(is_safe, parts=_PARTS, end=margin)
        except MissingNumber as error:
            return RuleSize(name=name, size=None, reason=str(error))
        if size is None:
            return RuleSize(name=name, size=None, reason="no size found that is liquidated more")
        return self.rule(name, size, f"{reason}{now}")

    def _chance_now(self, chance: Chance) -> str:
        """Say what the same law tells of the size held now, where that is of the side asked for."""
        side = self.held if self.wish.is_long else -self.held
        if side <= ZERO:
            return ""
        now = chance(self.account, self.unit_id)
        return f"; at the size held now it is {100 * now:.2g} %"

    def by_kelly(self, known: Volatilities | None) -> RuleSize:
        """Return the size that grows fastest beside what else is held."""
        reason = "grows fastest at that share, beside what else is held"
        return self._at_share(f"{self.wish.share:g} of Kelly", self.wish.share, known, reason)

    def by_falls(self, known: Volatilities | None) -> RuleSize:
        """Return the size of the share of Kelly that falls seldom enough."""
        name, limit = "risk-constrained Kelly", self.wish.limit
        if limit is None:
            return RuleSize(name=name, size=None, reason="give --mu and --fall-probability")
        share = share_for_fall(limit.part, limit.probability)
        return self._at_share(name, share, known, fall_words(limit, share))

    def _at_share(
        self, name: str, share: float, known: Volatilities | None, reason: str
    ) -> RuleSize:
        coin, _ = coin_of(self.instrument.base)
        missing = _unsized(coin, self.wish.mean, known)
        if missing or known is None or self.wish.mean is None:
            return RuleSize(name=name, size=None, reason=missing)
        others, why = self._others(coin, known)
        if others is None:
            return RuleSize(name=name, size=None, reason=why)
        if self.equity <= 0.0:
            return self.rule(name, ZERO, "there is no equity")
        yearly = known.by_coin[coin] ** 2 * YEAR_DAYS
        wanted = (share * (self.wish.mean - self.wish.funding) - others) / yearly
        side = wanted if self.wish.is_long else -wanted
        if side <= 0.0:
            word = "long" if self.wish.is_long else "short"
            return self.rule(name, ZERO, f"a {word} does not grow beside what is held")
        size = self._in_lots(side * self.equity / self.value)
        return self.rule(name, size, reason)

    def _others(self, coin: str, known: Volatilities) -> tuple[float | None, str]:
        """Return the yearly covariance of the coin with the rest of the unit, by its equity."""
        rest = self.after(ZERO)
        unit = next((unit for unit in rest.units if unit.unit_id == self.unit_id), None)
        if unit is None or not unit.positions:
            return 0.0, ""
        exposures = portfolio_of(rest, unit)
        if exposures.reason:
            return None, exposures.reason
        values = {bucket.coin: bucket.value or 0.0 for bucket in exposures.coins if bucket.value}
        pairs = {**known.covariance, (coin, coin): known.by_coin[coin] ** 2}
        missing = [other for other in values if (coin, other) not in pairs]
        if missing:
            return None, f"how {coin} moves with {', '.join(missing)} is not given: give --returns"
        joint = sum(pairs[coin, other] * value for other, value in values.items())
        return joint * YEAR_DAYS / self.equity if self.equity > 0.0 else 0.0, ""

    def _is_covered(self, size: Decimal) -> bool:
        """Whether every unit's initial margin is, with the leg at a size."""
        try:
            account = self.after(size)
        except InvalidInput:
            return False
        unit = next((unit for unit in account.units if unit.unit_id == self.unit_id), None)
        if unit is None:
            return True
        report = margin_report(unit, account.market, account.model)
        return report.excess(MarginPurpose.INITIAL) >= ZERO

    def _largest(
        self,
        holds: Callable[[Decimal], bool],
        parts: int | None = None,
        end: Decimal | None = None,
    ) -> Decimal | None:
        """Return the last size in lots found at which a rule holds; `None` where none fails.

        To a lot, or to one part of so many of the size. At `end` it is known to fail.
        """
        low, high = 0, 1
        if end:
            high = int(end / self.instrument.lot)
        else:
            while holds(self._size(high)):
                low, high = high, 2 * high
                if high >= _LOTS_MAX:
                    return None
        while high - low > (1 if parts is None else max(1, high // parts)):
            middle = (low + high) // 2
            low, high = (middle, high) if holds(self._size(middle)) else (low, middle)
        return self._size(low)

    def _size(self, lots: int) -> Decimal:
        with exact():
            return lots * self.instrument.lot

    def _in_lots(self, size: float) -> Decimal:
        """Return a size rounded down to whole lots."""
        with exact():
            return (Decimal(repr(size)) // self.instrument.lot) * self.instrument.lot


def _unsized(coin: str, mean: float | None, known: Volatilities | None) -> str:
    """Return what Kelly lacks to size a coin by; nothing where it lacks nothing."""
    if mean is None:
        return "no return is expected: give --mu"
    if known is None or not known.of_coin(coin):
        return f"no volatility of {coin}: give --returns"
    if not known.horizon.startswith(A_DAY):
        return f"{known.source}: deviations are of {known.horizon}, not of a day"
    return ""


def _held(account: Account, wish: SizeWish) -> Decimal:
    """Return the signed size that a trade of the leg adds to."""
    symbol, leg = split_leg(wish.leg)
    rows = [row for row in account.document.positions if row.instrument == symbol]
    if leg:
        rows = [row for row in rows if (row.size > ZERO) == (leg > 0)]
        if (leg > 0) != wish.is_long:
            msg = f"{wish.leg} is one leg and the side asked for the other"
            raise InvalidInput(msg)
    if len(rows) > 1:
        msg = f"{symbol} is held in hedge mode; write {symbol}/long or {symbol}/short"
        raise InvalidInput(msg)
    return rows[0].size if rows else ZERO


def _found(account: Account, wish: SizeWish) -> tuple[MarginReport, PositionMargin]:
    """Return the margin of the unit that holds the leg, and of the leg."""
    symbol, _ = split_leg(wish.leg)
    unit = next(u for u in account.units if any(p.instrument == symbol for p in u.positions))
    report = margin_report(unit, account.market, account.model)
    return report, next(p for p in report.positions if p.position.instrument == symbol)
