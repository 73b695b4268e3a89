"""How likely an account is liquidated under the law of its losses, and under Student's."""

from collections.abc import Sequence

from keelmark.accounts import Account
from keelmark.risk.liquidation import (
    LiquidationProbability,
    ProbabilityOptions,
    liquidation_probability,
)
from keelmark.risk.scenarios.draws import Resampled
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.tail.account_risk import AccountRisk
from keelmark.risk.tail.methods import Method

STEPS_MAX = 240
"""Steps of a law up to which liquidation is looked for."""

WORK_MAX = 4_000_000
"""Steps of all paths together, where the horizon of the losses alone has more."""

PATHS_MIN = 2_048

THREE = 3.0
"""An outcome not seen in n has a chance below three in n, at 95 %."""

_ROUNDING = 1e-6


def chances_of(
    account: Account, found: AccountRisk, horizons: Sequence[float]
) -> dict[Method, LiquidationProbability]:
    """Return how likely liquidation is by the method whose law it is had under.

    Past shocks alone hold nothing worse than what came; Student's law goes on beyond it.

    Args:
        account: From `load_account`.
        found: What it can lose.
        horizons: Days; those that are no whole number of the law's steps, or too many, are left
            out, but for the horizon of the losses.
    """
    laws = {found.walked: found.law}
    if found.student is not None:
        laws.setdefault(Method.STUDENT, found.student)
    days = sorted({found.options.days, *(h for h in horizons if _is_told(h, found.law))})
    steps = found.law.steps_of(days[-1])
    paths = None if steps <= STEPS_MAX else max(PATHS_MIN, WORK_MAX // steps)
    options = ProbabilityOptions(seed=found.options.seed, paths=paths)
    return {
        method: liquidation_probability(account, law, horizons=days, options=options)
        for method, law in laws.items()
    }


def _is_told(days: float, law: ReturnModel) -> bool:
    steps = days / law.days
    return abs(steps - round(steps)) < _ROUNDING and 1 <= round(steps) <= STEPS_MAX


def unseen(law: ReturnModel, days: float, paths: int | None) -> float:
    """Return the chance below which what was drawn tells nothing; 0 where nothing was drawn.

    Past shocks of one step are as many outcomes as there are; over several steps they combine.
    """
    outcomes = [] if paths is None else [paths]
    if isinstance(law.draw, Resampled) and law.steps_of(days) == 1:
        outcomes.append(len(law.draw.residuals))
    return THREE / min(outcomes) if outcomes else 0.0
