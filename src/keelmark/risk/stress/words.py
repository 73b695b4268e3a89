"""Words that every view of the stress library shares."""

from decimal import Decimal

from keelmark.risk.stress.library import Shape

SHAPES = {
    Shape.WORST_OF_EACH: "each coin at its own worst price of the window: they were not at one "
    "moment, so hedges across coins fail more here than they did then",
    Shape.JOINT: "every coin at one moment",
    Shape.SIGMAS: "every coin the same number of its own daily sigmas, all the same way",
    Shape.AGAINST: "independent coins, each against what is held of it",
    Shape.SET: "sizes as given",
}
"""What a shape says of several coins."""

DEFICIT = (
    "deficit: what is missing after every position is closed there, from worth without haircuts"
)


def decimal(value: float) -> Decimal:
    """Return a statistic as people's figures take it: twelve digits."""
    return Decimal(f"{value:.12g}")
