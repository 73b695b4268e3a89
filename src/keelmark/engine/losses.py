"""Loss policies by name: how many quanta each claim gives up. No position moves.

A policy is called as `policy(quanta_needed, claims)` and returns quanta that sum to
`min(quanta_needed, what its claims can give)`, exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.engine.apportion import Int64Array, apportion
from keelmark.engine.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What accounts hold that a loss may be charged to, one row per unit, in rising unit ids.

    Attributes:
        unit: Id of the margin unit.
        profit: Unrealised profit, settle quanta, signed.
        open_interest: Lots held of what caused the loss, signed.
        withdrawable: Balance that could be withdrawn now, settle quanta.
        cap: Most that this unit may lose, settle quanta: no form makes a unit insolvent.
    """

    unit: Int64Array
    profit: Int64Array
    open_interest: Int64Array
    withdrawable: Int64Array
    cap: Int64Array

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            msg = f"claim columns differ in length: {lengths}"
            raise InvalidInput(msg)
        if np.any(self.cap < 0):
            row = int(np.argmax(self.cap < 0))
            msg = f"claim of unit {self.unit[row]}: cap {self.cap[row]} is negative; use 0"
            raise InvalidInput(msg)
        if np.any(self.unit[1:] <= self.unit[:-1]):
            msg = "claims are not in rising unit order; sort them so that equal shares tie the same"
            raise InvalidInput(msg)


LossPolicy = Callable[[int, Claims], Int64Array]

LOSS: Registry[LossPolicy] = Registry("loss")


def loss_policy(name: str) -> Callable[[LossPolicy], LossPolicy]:
    """Return a decorator that enters a rule for a loss that is not negative under `name`."""

    def enter(rule: LossPolicy) -> LossPolicy:
        @wraps(rule)
        def policy(quanta_needed: int, claims: Claims) -> Int64Array:
            if quanta_needed < 0:
                msg = f"{quanta_needed} quanta needed; a loss is given as a positive amount"
                raise InvalidInput(msg)
            return rule(quanta_needed, claims)

        return LOSS.register(name)(policy)

    return enter


@loss_policy("pro_rata_profit")
def pro_rata_profit(quanta_needed: int, claims: Claims) -> Int64Array:
    """One haircut on positive unrealised profit; principal is not touched."""
    profit = np.maximum(claims.profit, 0)
    return apportion(quanta_needed, profit, np.minimum(profit, claims.cap))


@loss_policy("per_open_interest")
def per_open_interest(quanta_needed: int, claims: Claims) -> Int64Array:
    """The same charge per lot of open interest, long or short, up to each unit's cap."""
    return apportion(quanta_needed, np.abs(claims.open_interest), claims.cap)


@loss_policy("withdrawal_haircut")
def withdrawal_haircut(quanta_needed: int, claims: Claims) -> Int64Array:
    """One haircut on what could be withdrawn."""
    balance = np.maximum(claims.withdrawable, 0)
    return apportion(quanta_needed, balance, np.minimum(balance, claims.cap))
