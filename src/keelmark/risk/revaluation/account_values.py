"""A whole account under scenarios: each unit by itself, and their sum."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import Account
from keelmark.core.errors import InvalidInput
from keelmark.risk.revaluation.tables import Floats
from keelmark.risk.revaluation.valuer import UnitValuer, UnitValues
from keelmark.risk.scenarios import Scenarios


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccountValues:
    """An account under every scenario.

    Attributes:
        units: Values by unit id, in the order of the account.
        is_liquidatable: Whether any unit is, by scenario.
    """

    units: Mapping[str, UnitValues]
    is_liquidatable: npt.NDArray[np.bool_]

    @property
    def currency(self) -> str:
        """What the units' totals are in.

        Raises:
            InvalidInput: They are in several: a venue that margins each coin by itself.
        """
        found = dict.fromkeys(values.currency for values in self.units.values())
        if len(found) != 1:
            msg = (
                f"the units are margined in {', '.join(found) or 'nothing'}, each by itself: "
                "there is no sum of them; ask unit by unit"
            )
            raise InvalidInput(msg)
        return next(iter(found))

    @property
    def pnl(self) -> Floats:
        """Change of worth of all units together; raises as `currency`."""
        _ = self.currency
        total: Floats = sum((v.pnl for v in self.units.values()), np.zeros(1))
        return total

    @property
    def worth(self) -> Floats:
        """Worth of all units together; raises as `currency`."""
        _ = self.currency
        total: Floats = sum((v.worth for v in self.units.values()), np.zeros(1))
        return total


def value_account(account: Account, scenarios: Scenarios) -> AccountValues:
    """Return every unit of an account under scenarios.

    Raises:
        MissingNumber: The margin of a unit is unknown; the message says what to add.
        InvalidInput: A coin has no column of returns, or the account holds nothing.
    """
    held = [u for u in account.units if u.positions or u.balances or u.loans]
    if not held:
        msg = "the account holds nothing: no scenario changes it"
        raise InvalidInput(msg)
    units = {u.unit_id: UnitValuer.of(account, u).values(scenarios) for u in held}
    liquidatable = np.logical_or.reduce([v.is_liquidatable for v in units.values()])
    return AccountValues(units=units, is_liquidatable=liquidatable)
