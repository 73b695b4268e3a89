"""What may leave a unit: initial margin stays, and unrealised profit with it."""

from collections.abc import Mapping

import pytest

from keelmark.core.errors import Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.test_closing import close
from tests.engine.test_waterfall import fallen
from tests.engine.venue import Venue

R = RejectionReason
LEAVES = {"withdraw_profit": True}


def winning(changes: Mapping[str, object] | None = None) -> tuple[Venue, int, int]:
    """Return a unit with 1,100 that is long 10 from 1,000, at a mark of 1,300."""
    venue, unit, other = fallen(changes or {})
    venue.marks(A=1300.0)
    return venue, unit, other


@pytest.mark.parametrize("kind", ["withdraw", "transfer", "own unit"])
def test_unrealised_profit_does_not_leave(kind: str) -> None:
    # the 3,000 of profit stay, and of 1,100 in cash the initial margin of 1,300 leaves nothing
    venue, unit, other = winning()
    assert venue.state.report(unit).withdrawable == 0
    if kind == "own unit":
        other = venue.isolated("unit")
    command: c.Command = c.Withdraw(unit=unit, asset=0, quanta=1)
    if kind != "withdraw":
        command = c.Transfer(source=unit, target=other, asset=0, quanta=1)
    with pytest.raises(Rejected, match="unrealised profit does not leave") as refused:
        venue.do(command)
    assert refused.value.reason is R.INSUFFICIENT_INITIAL_MARGIN
    venue.deposit(unit, 201)
    venue.do(command)  # 1,301 less 1 is the margin
    assert venue.state.report(unit).withdrawable == 0


def test_it_leaves_where_the_rulebook_lets_it() -> None:
    venue, unit, _ = winning(LEAVES)
    assert venue.state.report(unit).withdrawable == 2_800
    venue.do(c.Withdraw(unit=unit, asset=0, quanta=1_100))
    assert venue.balance(unit) == 0


def test_a_loss_keeps_what_it_lost() -> None:
    venue, unit, _ = fallen(deposit=2_000)
    venue.marks(A=950.0)  # 2,000 - 500 - 950
    assert venue.state.report(unit).withdrawable == 550
    with pytest.raises(Rejected):
        venue.do(c.Withdraw(unit=unit, asset=0, quanta=551))
    venue.do(c.Withdraw(unit=unit, asset=0, quanta=550))


def test_profit_that_does_not_count_is_not_taken_off_twice() -> None:
    # none of the 3,000 counts for initial margin: 2,000 less 1,300 may leave
    venue, unit, _ = fallen({"profit": {"initial": {"weight": "0"}}}, deposit=2_000)
    venue.marks(A=1300.0)
    assert venue.state.report(unit).withdrawable == 700
    venue.do(c.Withdraw(unit=unit, asset=0, quanta=700))


def test_a_top_up_takes_no_profit_from_the_unit_that_funds_it() -> None:
    venue, unit, _ = winning()
    assert venue.state.free_cash(unit, 0) == 0
    venue.deposit(unit, 300)
    assert venue.state.free_cash(unit, 0) == 100


def test_an_account_that_is_closed_is_paid_its_profit() -> None:
    venue, unit, _ = winning()
    happened = venue.do(close())
    assert [x.quanta for x in venue.of(e.Withdrawn, happened) if x.unit == unit] == [4_100]
