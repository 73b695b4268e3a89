"""One look at an account: its check, the chance of liquidation, and what alerts read of it."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.accounts.check import AccountCheck, Verdict
from keelmark.core.numbers import ZERO, exact
from keelmark.service.alerts.happenings import MARGIN_OF, Holdings
from keelmark.service.alerts.values import Reading, State

STATES = {
    Verdict.HEALTHY: State.KNOWN,
    Verdict.WARNING: State.KNOWN,
    Verdict.LIQUIDATABLE: State.LIQUIDATABLE,
    Verdict.UNKNOWN: State.UNKNOWN,
}

Chance = Callable[[Account], float | None]
"""The chance of liquidation within the horizon of the rules; `None` where it is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found.

    Attributes:
        time_ms: When the account was read.
        check: Its margin.
        probability: Chance of liquidation; `None` where it was not asked or is not known.
    """

    time_ms: int
    check: AccountCheck
    probability: float | None = None

    @property
    def usage(self) -> Decimal | None:
        """The largest share of its equity that maintenance takes of any unit.

        `None` where no unit has both figures; infinite where one has no equity left.
        """
        shares = []
        for unit in self.check.units:
            equity, maintenance = unit.total("equity"), unit.total("maintenance_margin")
            if equity is None or maintenance is None or maintenance == ZERO:
                continue
            with exact():
                shares.append(maintenance / equity if equity > ZERO else Decimal("Infinity"))
        return max(shares, default=None)

    @property
    def equity(self) -> Decimal | None:
        """The equity of all units; `None` where one is not known, or they are not in one currency.

        A unit without equity has nothing to lose: it counts as none.
        """
        found = [unit.total("equity") for unit in self.check.units]
        known = [max(equity, ZERO) for equity in found if equity is not None]
        currencies = {unit.currency for unit in self.check.units}
        if len(known) < len(found) or len(currencies) != 1:
            return None
        with exact():
            return sum(known, ZERO)


def reading_of(name: str, look: Look, time_ms: int) -> Reading:
    """Return what alerts read of a look."""
    check = look.check
    state = STATES[check.verdict]
    return Reading(
        subject=name,
        time_ms=time_ms,
        state=state,
        distance=None if check.distance is None else float(check.distance),
        usage=None if look.usage is None else float(look.usage),
        probability=look.probability,
        reason=check.headline if state is State.UNKNOWN else "",
    )


def holdings_of(look: Look) -> Holdings:
    """Return what was held at a look, for what happened until the next."""
    document = look.check.account.document
    sizes: dict[tuple[str, str], Decimal] = {}
    balances = dict(document.collateral)
    for row in document.positions:
        side = "long" if row.size > ZERO else "short"
        sizes[row.instrument, side] = row.size
        if row.isolated_margin is not None:
            key = f"{MARGIN_OF}{row.instrument}"
            balances[key] = balances.get(key, ZERO) + row.isolated_margin
    return Holdings(
        time_ms=look.time_ms,
        balances=balances,
        sizes=sizes,
        usage=look.usage,
        equity=look.equity,
    )
