"""The index has room for the largest unit, however it grew: kernels write without looking."""

import numpy as np

from keelmark.book.tripwires import TripwireIndex
from tests.book.cases import Contract, Desk, Money

DESK = Desk(
    contracts=(Contract(mark=60_000.0, tiers=((0.0, 0.01),)),),
    money=(Money(price=1.0), Money(price=10.0), Money(price=20.0)),
    balances=((0, 1_600.0),),
    positions=((0, 1.0, 60_000.0),),
)


def test_cash_that_opens_further_balance_rows_finds_room_before_a_kernel_writes_them() -> None:
    tables = DESK.tables()
    balances = np.zeros(4, tables.balances.dtype)
    balances[:3] = [tuple(tables.balances[0]), (5, 1, 0), (7, 2, 0)]
    index = TripwireIndex.build(tables._replace(balances=balances))
    assert index.work.pools.shape[0] == 1
    tables.units["balances_count"] = 3
    index.post([0, 0], [1, 2], [5, 7])
    assert index.work.pools.shape[0] == 3
    index.check()
