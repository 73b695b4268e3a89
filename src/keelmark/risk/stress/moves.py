"""A ladder of plain moves as scenarios: one coin alone, or all coins together."""

from collections.abc import Iterable

from keelmark.core.errors import InvalidInput, nearest
from keelmark.risk.stress.calm import kin
from keelmark.risk.stress.library import (
    Block,
    Figure,
    Kind,
    Shape,
    Source,
    StressScenario,
)

ALL = "all"
STEPS = (-0.5, -0.4, -0.3, -0.2, -0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Relative moves, from the largest fall to the largest rise."""

ASKED = Source(name="asked", text="a move that was asked for", read="")


def require_known(coin: str, coins: Iterable[str]) -> None:
    """Refuse a coin that nobody stands on: a ladder of it would say that nothing happens.

    Raises:
        InvalidInput: None of `coins` is it, or is it in a wrapper; the message has the nearest.
    """
    held = {name.upper() for name in coins}
    known = held | {kin()[name] for name in held if name in kin()}
    if coin != ALL and coin.upper() not in known:
        msg = f"--moves {coin}: nothing held moves with it; {nearest(coin.upper(), {ALL, *known})}"
        raise InvalidInput(msg)


def move_scenarios(coin: str, steps: tuple[float, ...] = STEPS) -> tuple[StressScenario, ...]:
    """Return one scenario a step: of one coin while others stand still, or of `all`."""
    return tuple(_move(coin, step) for step in steps)


def _move(coin: str, step: float) -> StressScenario:
    is_all = coin == ALL
    figure = Figure(value=step, source=ASKED.name)
    block = Block(
        names={} if is_all else {coin.upper(): figure},
        source=ASKED.name,
        other=figure if is_all else None,
        other_is="every coin" if is_all else "",
    )
    return StressScenario(
        name=f"{coin} {step * 100:+.0f} %",
        title=f"{'every coin' if is_all else coin} {step * 100:+.0f} %, the rest stands still",
        kind=Kind.HYPOTHETICAL,
        shape=Shape.SET,
        days=1.0,
        begins=None,
        ends=None,
        note="",
        blocks={"returns": block},
        sources={ASKED.name: ASKED},
    )
