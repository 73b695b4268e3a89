import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.market.cascade import (
    Amplified,
    Runaway,
    Settled,
    Unsettled,
    critical_scale,
    least_cascade,
    linear_cascade,
    local_gain,
    spectral_radius,
    square_root_cascade,
)

GAIN = np.array([[0.3, 0.15], [0.25, 0.2]])


def test_one_asset_amplifies_by_one_over_one_minus_the_gain() -> None:
    """METHODS.md row 24: 2 % shock, $50M per 1 %, 0.008 % per $M."""
    gain = local_gain(np.array([[0.00008 / 1e6]]), np.array([[50e6 / 0.01]]))
    assert gain[0, 0] == pytest.approx(0.4, abs=1e-12)
    linear = linear_cascade(gain, np.array([0.02]))
    assert isinstance(linear, Amplified)
    assert linear.displacement[0] == pytest.approx(0.033333, abs=1e-6)
    climbed = least_cascade(np.array([0.02]), lambda moved: gain @ moved)
    assert isinstance(climbed, Settled)
    assert climbed.displacement[0] == pytest.approx(0.02 / 0.6, abs=1e-11)
    assert climbed.amplification[0] == pytest.approx(1 / 0.6, abs=1e-9)


def test_positions_on_a_grid_of_one_basis_point_cascade_to_3_332_percent() -> None:
    """METHODS.md row 24: $0.5M in the middle of every basis point of distance."""

    def response(moved: np.ndarray) -> np.ndarray:
        return 0.00004 * np.floor(moved / 1e-4 + 0.5 + 1e-9)

    settled = least_cascade(np.array([0.02]), response)
    assert isinstance(settled, Settled)
    assert settled.displacement[0] == pytest.approx(0.03332, abs=1e-9)
    assert settled.rounds > 3


def test_two_assets_amplify_through_cross_margin() -> None:
    """METHODS.md row 24: rho 0.45, (3.0622 %, 0.95694 %)."""
    linear = linear_cascade(GAIN, np.array([0.02, 0.0]))
    assert isinstance(linear, Amplified)
    assert linear.spectral_radius == pytest.approx(0.45, abs=1e-12)
    np.testing.assert_allclose(linear.displacement, [0.030622, 0.0095694], atol=1e-6)
    climbed = least_cascade(np.array([0.02, 0.0]), lambda moved: GAIN @ moved)
    assert isinstance(climbed, Settled)
    np.testing.assert_allclose(climbed.displacement, linear.displacement, atol=1e-11)
    assert np.isnan(climbed.amplification[1])


def test_the_critical_scale_is_where_the_cascade_runs_away() -> None:
    scale = critical_scale(GAIN)
    assert scale == pytest.approx(1 / 0.45)
    assert isinstance(linear_cascade(GAIN * scale * 0.999, np.array([0.01, 0.01])), Amplified)
    runaway = linear_cascade(GAIN * scale * 1.001, np.array([0.01, 0.01]))
    assert isinstance(runaway, Runaway)
    assert runaway.spectral_radius > 1.0


def test_a_runaway_cascade_is_reported_as_not_settled() -> None:
    unsettled = least_cascade(np.array([0.01]), lambda moved: 1.1 * moved, rounds_max=50)
    assert isinstance(unsettled, Unsettled)
    assert unsettled.rounds == 50
    assert unsettled.displacement[0] > 1.0
    infinite = least_cascade(np.array([0.01]), lambda moved: np.where(moved > 0, np.inf, 0.0))
    assert isinstance(infinite, Unsettled)
    assert infinite.displacement[0] == 0.01


@given(st.floats(0.0, 0.5), st.floats(0.0, 0.8))
def test_square_root_impact_solves_its_equation_and_is_the_least_solution(
    shock: float, strength: float
) -> None:
    assume(shock == 0.0 or shock > 1e-6)
    total = square_root_cascade(shock=shock, strength=strength)
    assert total == pytest.approx(shock + strength * math.sqrt(total), rel=1e-9, abs=1e-15)
    climbed = least_cascade(np.array([shock]), lambda moved: strength * np.sqrt(moved))
    assert isinstance(climbed, Settled)
    assert climbed.displacement[0] == pytest.approx(total, rel=1e-6, abs=1e-10)


def test_two_fixed_points_settle_at_the_lower() -> None:
    """A block of positions at 5 % is reached only by a shock that gets there."""

    def response(moved: np.ndarray) -> np.ndarray:
        return np.where(moved >= 0.05, 0.04, 0.0)

    below = least_cascade(np.array([0.03]), response)
    above = least_cascade(np.array([0.05]), response)
    assert isinstance(below, Settled)
    assert isinstance(above, Settled)
    assert below.displacement[0] == 0.03  # 0.07 solves the equation too
    assert above.displacement[0] == 0.09


def test_a_response_that_falls_and_a_shock_that_helps_are_refused() -> None:
    with pytest.raises(InvalidInput, match="must be monotone"):
        least_cascade(np.array([0.02]), lambda moved: 0.01 - moved)
    with pytest.raises(InvalidInput, match="not negative"):
        least_cascade(np.array([-0.02]), lambda moved: moved)
    with pytest.raises(InvalidInput, match="must not be negative"):
        square_root_cascade(shock=-1.0, strength=1.0)


def test_a_gain_that_is_not_a_square_matrix_or_never_feeds_back_is_refused() -> None:
    with pytest.raises(InvalidInput, match="square matrix"):
        spectral_radius(np.ones((2, 3)))
    with pytest.raises(InvalidInput, match="spectral radius zero"):
        critical_scale(np.array([[0.0, 0.5], [0.0, 0.0]]))
