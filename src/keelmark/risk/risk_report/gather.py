"""What the report shows, asked of those who work it out; what one cannot have says why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np

from keelmark.accounts.account import Account
from keelmark.accounts.check import AccountCheck, check
from keelmark.accounts.unit_check import UnitCheck
from keelmark.accounts.volatilities import Volatilities, coins_held, volatilities_of
from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput, KeelmarkError, nearest
from keelmark.core.numbers import ZERO
from keelmark.risk.portfolio.portfolio import Portfolio, portfolio_of
from keelmark.risk.returns import Returns
from keelmark.risk.risk_report import parts_of_others as adapted
from keelmark.risk.risk_report.model import (
    Chances,
    Headroom,
    Report,
    Reverse,
    StressRow,
)
from keelmark.risk.risk_report.page import render
from keelmark.risk.sizing.account_size import SizeWish, account_size
from keelmark.risk.sizing.chances import plane_chance_of
from keelmark.risk.symbols import coin_of
from keelmark.risk.tail.account_risk import AccountRisk, RiskOptions, risk_of

HORIZONS = (1.0, 7.0, 30.0)
"""Days the first screen tells probabilities of."""

CURVE = 12
"""Times at which the probability is worked out beside them."""

LIMITS = (
    "Every figure is of the prices and positions of the account's own time.",
    "Positions are left alone over every horizon: nobody adds, closes or deposits.",
    "Room to size takes the excess as the plane it is now; `keelmark size` simulates every tier.",
)
"""What holds of every report."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What is asked of the report.

    Attributes:
        title: What the account is called; its venue where left out.
        unit_id: The unit it is about; the main one where left out.
        horizons: Days of the probabilities shown.
        bound: Probability of liquidation within the middle horizon that positions are sized by.
        risk: What is asked of the losses: level, horizon, paths, seed.
        funding: What longs pay per day by instrument, fraction of notional.
    """

    title: str | None = None
    unit_id: str | None = None
    horizons: Sequence[float] = HORIZONS
    bound: float = 0.01
    risk: RiskOptions = field(default_factory=RiskOptions)
    funding: Mapping[str, float] = field(default_factory=dict)


def risk_report(
    account: Account, returns: Returns | None = None, options: ReportOptions | None = None
) -> str:
    """Return the risk of an account as one page of HTML.

    Args:
        account: From `load_account`.
        returns: History of its coins; the built-in table without.
        options: What is asked.

    Raises:
        InvalidInput: There is no such unit, or the account holds nothing.
    """
    return render(report_of(account, returns, options))


def report_of(
    account: Account, returns: Returns | None = None, options: ReportOptions | None = None
) -> Report:
    """Return what the page shows; arguments and errors as `risk_report`."""
    asked = options or ReportOptions()
    unit = _unit(check(account, reasons=False), asked.unit_id)
    risk = _or_why(
        lambda: risk_of(account, returns, replace(asked.risk, unit_id=unit.unit.unit_id))
    )
    known = _volatilities(account, returns, risk)
    return _Gathering(
        account=account,
        asked=asked,
        found=check(account, volatilities=known),
        unit_id=unit.unit.unit_id,
        risk=risk,
        known=known,
    ).report()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathering:
    """One account, and what every part is worked out from."""

    account: Account
    asked: ReportOptions
    found: AccountCheck
    unit_id: str
    risk: AccountRisk | str
    known: Volatilities | None

    @property
    def unit(self) -> UnitCheck:
        return _unit(self.found, self.unit_id)

    def report(self) -> Report:
        """Return every part, or why it cannot be had."""
        unit = self.unit
        report = unit.report
        portfolio: Portfolio | str = unit.reason or "its margin is unknown"
        if report is not None:
            portfolio = _or_why(self._portfolio)
        chances = _or_why(self._chances)
        return Report(
            title=self.asked.title or f"Risk at {self.account.document.venue}",
            check=self.found,
            unit=unit,
            currency=unit.currency,
            worth=None if report is None else float(report.equity_raw),
            portfolio=portfolio,
            tails=self.risk if isinstance(self.risk, str) else adapted.tails(self.risk),
            chances=chances,
            reverse=_or_why(self._reverse),
            stresses=_or_why(self._stresses),
            headroom=_or_why(self._headroom),
            others=tuple(self._others()),
            facts=tuple(self._facts(chances)),
            limits=tuple(self._limits(chances)),
        )

    def _others(self) -> list[str]:
        """Say how every other unit stands: the rest of the page is of one."""
        rest = [unit for unit in self.found.units if unit.unit.unit_id != self.unit_id]
        return [
            f"also {unit.unit.unit_id}: {unit.level(self.found.levels).value}, {unit.headline}"
            for unit in rest
            if unit.unit.positions
        ]

    def _portfolio(self) -> Portfolio:
        return portfolio_of(
            self.account, self.unit.unit, volatilities=self.known, funding=self.asked.funding
        )

    def _chances(self) -> Chances:
        last = max(self.asked.horizons)
        curve = [last * (i + 1) / CURVE for i in range(CURVE)]
        days = adapted.Horizons(shown=tuple(self.asked.horizons), curve=tuple(curve))
        if isinstance(self.risk, AccountRisk):
            return adapted.chances_by_law(self.account, self.unit_id, self.risk, days)
        if self.known is None:
            msg = "how its coins move is not given: give --returns"
            raise InvalidInput(msg)
        seed = self.asked.risk.seed
        return adapted.chances(self.account, self.unit_id, self.known, days, seed=seed)

    def _reverse(self) -> Reverse:
        if self.known is None:
            msg = "how its coins move is not given: give --returns"
            raise InvalidInput(msg)
        return adapted.reverse(self.account, self.unit_id, self.known)

    def _stresses(self) -> Sequence[StressRow]:
        return adapted.stresses(self.account, self.unit_id)

    def _headroom(self) -> Sequence[Headroom]:
        """Return how large each position may be while the others stay."""
        days = sorted(self.asked.horizons)[len(self.asked.horizons) // 2]
        chance = None if self.known is None else plane_chance_of(self.known, days=days)
        found = []
        for held in self.unit.unit.positions:
            symbol = held.instrument
            if self.account.model.instrument(symbol).option is not None:
                continue
            name = symbol if held.leg is Leg.NET else f"{symbol}/{held.leg.name.lower()}"
            wish = SizeWish(
                leg=name, is_long=held.size > ZERO, probability=self.asked.bound, days=days
            )
            size = account_size(self.account, wish, volatilities=self.known, chance=chance)
            rules = {rule.name: rule for rule in size.rules[:2]}  # no return is expected here
            shown = {name: name for name in rules}
            shown["chance of liquidation"] = f"{100 * self.asked.bound:g} % in {days:g} days"
            found.append(
                Headroom(
                    instrument=name,
                    is_long=wish.is_long,
                    held=abs(held.size),
                    rules=tuple(
                        (shown[rule.name], rule.size, rule.leverage) for rule in rules.values()
                    ),
                    binding=None if size.binding is None else shown[size.binding.name],
                )
            )
        return found

    def _facts(self, chances: Chances | str) -> list[tuple[str, str]]:
        """Return how it was worked out, on what."""
        facts = [("rulebook", self.account.rulebook.name), ("unit", self.unit_id)]
        if self.account.as_of is not None:
            facts.append(("account as of", _moment(self.account.as_of)))
        if isinstance(self.risk, AccountRisk):
            risk = self.risk
            drawn = f"{risk.realised.paths:,} paths, seed {risk.options.seed}"
            level = f"level {100 * risk.options.level:g} %"
            facts.append(("data", risk.source))
            facts.append(("losses", f"{risk.method.value}, {level}, {drawn}"))
        if isinstance(chances, Chances):
            facts.append(("probability", chances.method))
        if self.known is not None:
            facts.append(("sigmas", f"{self.known.source}, over {self.known.horizon}"))
        return facts

    def _limits(self, chances: Chances | str) -> list[str]:
        limits = [*LIMITS]
        if isinstance(self.risk, AccountRisk):
            limits += map(_sentence, self.risk.notes)
        if isinstance(chances, Chances):
            limits += [f"Probability: {_sentence(text)}" for text in chances.assumes]
        if isinstance(self.known, Volatilities):
            limits.append(
                "Sigmas and the likeliest scenario take returns as elliptical: tails of single "
                "coins are in the losses and the stresses, not in them."
            )
        return limits


def _unit(found: AccountCheck, unit_id: str | None) -> UnitCheck:
    """Return the unit the report is about."""
    by_name = {unit.unit.unit_id: unit for unit in found.units}
    if unit_id is not None:
        if unit_id not in by_name:
            msg = f"no margin unit {unit_id!r}; {nearest(unit_id, by_name)}"
            raise InvalidInput(msg)
        return by_name[unit_id]
    if found.main is None:
        msg = "the account holds nothing: there is no risk to report"
        raise InvalidInput(msg)
    return found.main


def _volatilities(
    account: Account, returns: Returns | None, risk: AccountRisk | str
) -> Volatilities | None:
    """Return one set of deviations for every part: those of the losses, else of the returns."""
    if isinstance(risk, str):
        return (
            volatilities_of(account)
            if returns is None
            else returns.volatilities(coins_held(account))
        )
    names = list(risk.deviations)
    matrix = np.asarray(risk.covariance)
    known = {name: i for i, name in enumerate(names)}
    for coin in coins_held(account):  # a bundle moves as its coin
        single = coin_of(coin)[0]
        if coin not in known and single in known:
            known[coin] = known[single]
    return Volatilities(
        by_coin={name: float(np.sqrt(matrix[i, i])) for name, i in known.items()},
        covariance={
            (one, other): float(matrix[i, j])
            for one, i in known.items()
            for other, j in known.items()
        },
        source=risk.source,
    )


def _or_why(work: Callable[[], Found]) -> Found | str:
    """Return what is worked out, or why it cannot be."""
    try:
        return work()
    except KeelmarkError as error:
        return str(error)


def _sentence(note: str) -> str:
    """Return a clause as a sentence."""
    return f"{note[:1].upper()}{note[1:].rstrip('.')}."


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
