"""How much one account can lose by a horizon: every method, what contributes, and the endings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from keelmark.accounts import Account
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.risk.history.closes import when
from keelmark.risk.returns import Array, Returns
from keelmark.risk.scenarios.coin_table import CoinTable, coin_table
from keelmark.risk.scenarios.filtered import DAILY_DECAY, Filtered, filtered, filtered_historical
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.scenarios.parametric import copula_law, normal_law, student_law
from keelmark.risk.scenarios.pegged import VOLATILITY, covariance_with, with_pegs
from keelmark.risk.statistics import Ewma, Filter, Unknown, fit_filter
from keelmark.risk.tail.book import RiskBook
from keelmark.risk.tail.contributions import Contributions, contributions
from keelmark.risk.tail.inputs import end_of
from keelmark.risk.tail.liquidity import Liquidity, LiquidityAdjusted, liquidity_adjusted
from keelmark.risk.tail.measures import TailRisk, require_level, tail_risk
from keelmark.risk.tail.methods import (
    BESIDE,
    Method,
    Question,
    closed_risk,
    measured,
    past_scenarios,
)
from keelmark.risk.tail.simulation import Simulation, simulated
from keelmark.risk.tail.sizes import Sizes, sizes_of

ROW_IS_A_DAY = "the file does not tell what a row spans: each is taken as a day"
"""Said of a table of returns."""

APART_MAX = 120
"""Days between an account and the table beyond which that is said."""

PATHS = 50_000
LEVEL = 0.99
WORK_MAX = 25_000_000
"""Steps of all paths together: beyond, an answer takes minutes and gigabytes."""
DUST = 1e-12
"""Of gross notional and worth: the rounding of sums that cancel."""


class FilterKind(StrEnum):
    """What tells variances."""

    ASYMMETRIC = "asymmetric-ewma"
    EWMA = "ewma"
    GJR = "gjr-t"
    """GJR-GARCH with t innovations, by maximum likelihood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskOptions:
    """What is asked.

    Attributes:
        level: Of confidence.
        days: Horizon.
        method: The one that leads; filtered history where there is a history, else the table.
        paths: Drawn.
        seed: Of the draws.
        unit_id: One unit alone.
        like: Coins that stand for coins without returns.
        liquidity: How coins trade.
        until_ms: Where the history ends; the account's own time where it is not given.
        filter: Tells variances.
        pegs: Standard deviation of a day of assets' own prices, which no returns tell of.
        volatilities: The same of the implied volatilities on a coin, relative.
    """

    level: float = LEVEL
    days: float = 1.0
    method: Method | None = None
    paths: int = PATHS
    seed: int = 0
    unit_id: str | None = None
    like: Mapping[str, str] = field(default_factory=dict)
    liquidity: Liquidity | None = None
    until_ms: int | None = None
    filter: FilterKind = FilterKind.ASYMMETRIC
    pegs: Mapping[str, float] = field(default_factory=dict)
    volatilities: Mapping[str, float] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, float]:
        """Deviations of a day of what no returns tell of: pegs, and `BTC volatility`."""
        moved = {f"{coin}{VOLATILITY}": size for coin, size in self.volatilities.items()}
        return {**self.pegs, **moved}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Realised:
    """The account when liquidations are counted.

    Attributes:
        risk: VaR and ES of what is realised; unknown with a reason.
        probability: That a unit is liquidated by the horizon, looked at after each step.
        error: Standard error of it.
        loss: Mean loss on the paths that are liquidated; `None` where none is.
        units: Probability by unit.
        now: Units that are liquidatable as things stand.
        endings: How liquidation leaves a unit, in words.
        step_days: Days between looks.
    """

    risk: TailRisk | Unknown
    probability: float
    error: float
    loss: float | None
    units: Mapping[str, float]
    now: tuple[str, ...]
    endings: tuple[str, ...]
    step_days: float
    paths: int
    outcomes: int
    unliquidated: TailRisk | Unknown
    is_leading: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccountRisk:
    """How much one account can lose.

    Attributes:
        account: What was asked about.
        options: What was asked.
        currency: Of every amount.
        worth: Now.
        method: That leads.
        main: VaR and ES by it.
        beside: By every other method.
        parts: What each leg adds to the leading VaR and ES.
        part_notionals: Gross notional of each leg, nothing for collateral.
        part_coins: The coin or the asset each leg stands on; a bundle on its coin.
        realised: With liquidations.
        profits: (paths,) at the end of each path drawn, as if nothing were liquidated.
        is_liquidated: (paths,) whether a unit was liquidated on the way.
        adjusted: With the cost of getting out.
        deviations: Of a day, by coin and asset.
        covariance: Of a day's returns, in the order of `deviations`.
        law: Whose paths were walked.
        student: The Student law of the same history; `None` where there is no history.
        source: What the figures were made from, in words.
        table: Whether that is the built-in table.
        still: Assets whose price stands still, nothing telling how it moves: share of worth.
        notes: What was done or assumed.
    """

    account: Account
    options: RiskOptions
    currency: str
    worth: float
    method: Method
    main: TailRisk
    beside: Mapping[Method, TailRisk | Unknown]
    parts: Contributions
    part_notionals: Array
    part_coins: tuple[str, ...]
    realised: Realised
    profits: Array
    is_liquidated: npt.NDArray[np.bool_]
    adjusted: LiquidityAdjusted | Unknown
    deviations: Mapping[str, float]
    covariance: Array
    law: ReturnModel
    student: ReturnModel | None
    source: str
    table: CoinTable | None
    still: Mapping[str, float]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"{self.method} over {self.options.days:g} days: VaR {self.options.level:.4g} "
            f"{self.main.var:,.2f}, ES {self.main.es:,.2f} {self.currency}; liquidated on "
            f"{100.0 * self.realised.probability:.2f} % of {self.realised.paths:,} paths"
        )

    @property
    def rounding(self) -> float:
        """What sums that cancel may leave: smaller losses and profits are nothing."""
        return DUST * (float(self.part_notionals.sum()) + abs(self.worth))

    @property
    def walked(self) -> Method:
        """The method whose law `law` is: methods of past stretches have no law to walk."""
        if self.table is not None:
            return Method.TABLE
        has_law = {Method.T_COPULA, Method.NORMAL, Method.STUDENT}
        return self.method if self.method in has_law else Method.FHS

    @property
    def marginal(self) -> Array:
        """ES by one more of each leg's notional; NaN for collateral."""
        sizes = self.part_notionals
        found: Array = np.full(len(sizes), np.nan)
        np.divide(self.parts.es, sizes, out=found, where=sizes > 0.0)
        return found

    @property
    def volatilities(self) -> Volatilities:
        """Deviations and covariance of a day that the figures stand on."""
        names = tuple(self.deviations)
        return Volatilities(
            by_coin=self.deviations,
            covariance={
                (one, other): float(self.covariance[i, j])
                for i, one in enumerate(names)
                for j, other in enumerate(names)
            },
            source=self.source,
        )

    @property
    def weakest_unit(self) -> str:
        """The unit that is liquidated most often; the first one where none is."""
        return max(self.realised.units, key=lambda unit: self.realised.units[unit])


def risk_of(
    account: Account, returns: Returns | None = None, options: RiskOptions | None = None
) -> AccountRisk:
    """Return how much an account can lose.

    Args:
        account: From `load_account`.
        returns: History of its coins; the built-in table without.
        options: What is asked.

    Raises:
        MissingNumber: A coin has no returns, or the margin of a unit is unknown; says what to add.
        InvalidInput: The history is too short, or the horizon, the level or the method cannot be
            had.
    """
    asked = options or RiskOptions()
    require_level(asked.level)
    book = RiskBook.of(account, asked.unit_id)
    if not book.coins:
        msg = "the account stands on no coin: no return changes it"
        raise InvalidInput(msg)
    _require_assets(book, asked)
    source = _of_table(book, asked) if returns is None else _of_history(book, returns, asked)
    source = source.with_pegs(asked.given)
    _require_possible(source.law, asked)
    drawn = simulated(book, source.law, days=asked.days, count=asked.paths, seed=asked.seed)
    lead, main, legs = _lead(book, source, asked, drawn)
    sizes = sizes_of(book)
    still = _still(book, source.law.coins)
    deviations = dict(zip(source.law.coins, np.sqrt(np.diag(source.covariance)), strict=True))
    return AccountRisk(
        account=account,
        options=asked,
        currency=book.currency,
        worth=book.worth,
        method=lead,
        main=main,
        beside={m: r for m, r in source.others(book, asked).items() if m is not lead},
        parts=_parts(book, legs, drawn, asked.level).scaled_to(main.var, main.es),
        part_notionals=sizes.own,
        part_coins=sizes.coins,
        realised=_realised(book, drawn, asked.level, is_leading=_is_walked(lead, source)),
        profits=drawn.pnl,
        is_liquidated=np.asarray(drawn.hits.any(axis=1)),
        adjusted=_adjusted(main, sizes, deviations, asked),
        deviations={name: float(value) for name, value in deviations.items()},
        covariance=source.covariance,
        law=source.law,
        student=source.student(asked.given),
        source=source.words,
        table=source.table,
        still=still,
        notes=(*source.notes, *_notes(book, tuple(still), asked.volatilities)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Source:
    """Where returns come from: a history run through a filter, or the table."""

    law: ReturnModel
    history: Filtered | None
    table: CoinTable | None
    covariance: Array
    words: str
    notes: tuple[str, ...]

    def with_pegs(self, pegs: Mapping[str, float]) -> "_Source":
        """Return this with the prices of assets that somebody told of; raises as `with_pegs`."""
        if not pegs:
            return self
        law = with_pegs(self.law, pegs)
        return replace(
            self,
            law=law,
            covariance=covariance_with(self.covariance, pegs),
            notes=(*self.notes, law.notes[-1]),
        )

    def student(self, pegs: Mapping[str, float]) -> ReturnModel | None:
        """Return the Student law of the history; `None` without one."""
        return None if self.history is None else with_pegs(student_law(self.history), pegs)

    def others(self, book: RiskBook, asked: RiskOptions) -> dict[Method, TailRisk | Unknown]:
        """Return every method that is no simulation step by step."""
        if self.history is not None:
            question = _question(book, self.history, asked)
            return {method: measured(question, method) for method in BESIDE}
        slopes = book.slopes(self.law.coins)
        normal = closed_risk(slopes, self.covariance * asked.days, asked.level)
        reason = Unknown("it takes a history: give --returns BARS")
        return {m: normal if m is Method.NORMAL else reason for m in (Method.FHS, *BESIDE)}


def _question(book: RiskBook, history: Filtered, asked: RiskOptions) -> Question:
    return Question(
        book=book,
        history=history,
        level=asked.level,
        days=asked.days,
        paths=asked.paths,
        seed=asked.seed,
        pegs=asked.given,
    )


def _of_table(book: RiskBook, asked: RiskOptions) -> _Source:
    table = coin_table()
    try:
        law = table.law(book.coins, days=min(1.0, asked.days), like=asked.like)
    except InvalidInput as error:
        raise MissingNumber(str(error)) from error
    deviations = np.sqrt(law.variance / law.days)
    correlation = table.correlations(law.coins, asked.like)
    return _Source(
        law=law,
        history=None,
        table=table,
        covariance=correlation * np.outer(deviations, deviations),
        words=f"the built-in table {table.name}: {table.source}",
        notes=(*table.limits, *law.notes, *_age(table, book.account)),
    )


def _age(table: CoinTable, account: Account) -> list[str]:
    """Say where an account is of another time than the table."""
    if account.as_of is None:
        return []
    apart = abs((account.as_of.date() - date.fromisoformat(table.last)).days)
    if apart <= APART_MAX:
        return []
    return [f"the account is of {account.as_of:%Y-%m-%d}, {apart} days from the table's last day"]


def _of_history(book: RiskBook, returns: Returns, asked: RiskOptions) -> _Source:
    known = returns.like({c: o for c, o in asked.like.items() if c not in returns.coins})
    lacking = [coin for coin in book.coins if coin not in known.coins]
    if lacking:
        msg = (
            f"{returns.source} has no returns of {', '.join(lacking)}; it has "
            f"{', '.join(returns.coins)}: add bars that do, or --like {lacking[0]}=COIN"
        )
        raise MissingNumber(msg)
    pegs = [a for a in book.assets if a in known.coins and known.of([a]).values.any()]
    known = _ended(known.of([*book.coins, *pegs]), book.account, asked)
    history = filtered(known, _filter(known, pegs, asked.filter), pegs=pegs)
    known = history.returns
    deviations = np.sqrt(history.variances[-1] / history.days)
    correlation = np.atleast_2d(np.corrcoef(history.residuals, rowvar=False))
    law = _law(history, asked.method)
    span = "" if known.times is None else f", {when(known.times[0])} to {when(known.times[-1])} UTC"
    return _Source(
        law=law,
        history=history,
        table=None,
        covariance=correlation * np.outer(deviations, deviations),
        words=(
            f"{known.source}: {len(known.values):,} changes of {known.period}{span}; "
            f"{history.filter.name}"
        ),
        notes=(*known.notes, *([ROW_IS_A_DAY] if known.days is None else [])),
    )


def _filter(returns: Returns, pegs: Sequence[str], asked: FilterKind) -> Filter | None:
    """Return the filter asked for; `None` for the default."""
    if asked is FilterKind.EWMA:
        return Ewma(decay=DAILY_DECAY ** (returns.days or 1.0))
    if asked is FilterKind.GJR:
        coins = [coin for coin in returns.coins if coin not in pegs]
        logs = returns.of(coins).logs
        return fit_filter(logs - logs.mean(axis=0), names=coins)
    return None


def _law(history: Filtered, method: Method | None) -> ReturnModel:
    """Return the law whose paths are walked: that of the leading method where it has one."""
    if method is Method.T_COPULA:
        if len(history.returns.coins) == 1:
            msg = "t-copula: one coin has no dependence to draw; leave --method out"
            raise InvalidInput(msg)
        return copula_law(history)
    if method is Method.NORMAL:
        return normal_law(history)
    if method is Method.STUDENT:
        return student_law(history)
    return filtered_historical(history)


def _ended(returns: Returns, account: Account, asked: RiskOptions) -> Returns:
    """Return the history up to where it is to end: what came after a snapshot was not known."""
    end = end_of(account, asked.until_ms)
    if end is None or returns.times is None or returns.times[-1] <= end:
        return returns
    found = returns.until(end)
    if not len(found.values):
        msg = (
            f"{returns.source} begins {when(returns.times[0])}, after the account's own time "
            f"{when(end)}; give bars from before it, or --until end to use these all the same"
        )
        raise InvalidInput(msg)
    return found


def _lead(
    book: RiskBook, source: _Source, asked: RiskOptions, drawn: Simulation
) -> tuple[Method, TailRisk, Array]:
    """Return the leading method, its figures, and profits by leg that its parts are taken of."""
    walked = Method.FHS if source.table is None else Method.TABLE
    lead = asked.method or walked
    if _is_walked(lead, source):
        words, behind = source.law.source, drawn.independent
        main = tail_risk(drawn.pnl, asked.level, method=words, independent=behind)
        return lead, main, drawn.legs
    if lead is Method.TABLE:
        msg = "the table is for accounts without --returns; leave one of the two out"
        raise InvalidInput(msg)
    told = source.others(book, asked).get(lead)
    if told is None or isinstance(told, Unknown):
        msg = f"{lead}: {'it takes a history: give --returns BARS' if told is None else told.why}"
        raise InvalidInput(msg)
    main = told
    if source.history is None or lead in {Method.NORMAL, Method.STUDENT}:
        return lead, main, drawn.legs
    question = _question(book, source.history, asked)
    return (
        lead,
        main,
        book.leg_pnl(past_scenarios(question, is_scaled=lead is not Method.HISTORICAL)),
    )


def _parts(book: RiskBook, legs: Array, drawn: Simulation, level: float) -> Contributions:
    """Return what each leg adds; errors are of the rows that tell anything of their own."""
    found = contributions(legs, book.legs, level)
    if legs is not drawn.legs or drawn.independent == len(legs):
        return found
    return replace(found, es_errors=found.es_errors * np.sqrt(len(legs) / drawn.independent))


def _is_walked(lead: Method, source: _Source) -> bool:
    """Whether the leading figures are those of the paths that are walked."""
    if source.table is not None:
        return lead is Method.TABLE
    return lead in {Method.FHS, Method.T_COPULA}


def _realised(book: RiskBook, drawn: Simulation, level: float, *, is_leading: bool) -> Realised:
    is_hit = np.asarray(drawn.hits.any(axis=1))
    chance = float(is_hit.mean())
    hits = drawn.hits.mean(axis=0)
    return Realised(
        risk=_sampled(drawn, drawn.realised, level, f"with liquidations, {drawn.law.source}"),
        probability=chance,
        error=float(np.sqrt(chance * (1.0 - chance) / drawn.independent)),
        loss=-float(drawn.realised[is_hit].mean()) if is_hit.any() else None,
        units={v.unit.unit_id: float(p) for v, p in zip(book.valuers, hits, strict=True)},
        now=tuple(
            v.unit.unit_id
            for v, step in zip(book.valuers, drawn.ended[0], strict=True)
            if step == 0
        ),
        endings=drawn.endings,
        step_days=drawn.law.days,
        paths=len(drawn.pnl),
        outcomes=drawn.independent,
        unliquidated=_sampled(drawn, drawn.pnl, level, drawn.law.source),
        is_leading=is_leading,
    )


def _sampled(drawn: Simulation, pnl: Array, level: float, words: str) -> TailRisk | Unknown:
    """Return VaR and ES of profits on the paths; unknown where they hold no such level."""
    try:
        return tail_risk(pnl, level, method=words, independent=drawn.independent)
    except InvalidInput as error:
        return Unknown(str(error))


def _adjusted(
    risk: TailRisk, sizes: Sizes, deviations: Mapping[str, float], asked: RiskOptions
) -> LiquidityAdjusted | Unknown:
    """Return the cost of getting out: coins trade in dollars, whatever the account counts in."""
    found = sizes.by_coin()
    if isinstance(found, Unknown):
        return found
    own, dollars = found
    return liquidity_adjusted(
        risk, own, deviations, asked.liquidity, days=asked.days, dollars=dollars
    )


def _require_possible(law: ReturnModel, asked: RiskOptions) -> None:
    """Refuse a horizon of so many steps that nobody would wait for it."""
    steps = law.steps_of(asked.days)
    if steps * asked.paths > WORK_MAX:
        msg = (
            f"{asked.days:g} days are {steps:,} steps of {asked.paths:,} paths; give a longer "
            f"period (--every), or at most {WORK_MAX // steps:,} --paths"
        )
        raise InvalidInput(msg)


def _require_assets(book: RiskBook, asked: RiskOptions) -> None:
    """Refuse pegs and volatilities of what the account does not stand on, and pegs of coins."""
    for coin in asked.volatilities:
        if coin not in book.option_coins:
            there = ", ".join(book.option_coins) or "none"
            msg = f"the account holds no option on {coin}; it holds options on {there}"
            raise InvalidInput(msg)
    for asset in asked.pegs:
        if asset in book.coins:
            msg = f"{asset} moves by its returns as a coin: a peg is of another asset"
            raise InvalidInput(msg)
        if asset not in book.assets:
            there = ", ".join(book.assets) or "none"
            msg = f"no margin of the account reads a price of {asset} of its own; it reads {there}"
            raise InvalidInput(msg)


def _still(book: RiskBook, known: tuple[str, ...]) -> dict[str, float]:
    """Return the assets that stand still, with their share of worth."""
    still = [asset for asset in book.still_assets(known) if asset != book.currency]
    if not still:
        return {}
    held = book.slopes((*book.coins, *still))[len(book.coins) :]
    worth = book.worth
    return {
        asset: float(size) / worth if worth > 0.0 else float("nan")
        for asset, size in zip(still, held, strict=True)
    }


def _notes(book: RiskBook, still: tuple[str, ...], moved: Mapping[str, float]) -> list[str]:
    notes = []
    if still:
        notes.append(f"no returns of {', '.join(still)} are given: taken to stay at their price")
    if book.option_coins:
        fixed = [coin for coin in book.option_coins if coin not in moved]
        at = f"at the volatilities now on {', '.join(fixed)}" if fixed else "by Black-76"
        notes.append(f"options are repriced {at}, without the time that passes")
    return notes
