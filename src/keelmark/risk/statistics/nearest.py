"""The nearest correlation matrix, and square roots of one."""

from typing import NamedTuple

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.correlations import SYMMETRY, symmetric_of
from keelmark.risk.statistics.series import Array

STEPS_MAX = 10_000
TOLERANCE = 1e-12
SEMIDEFINITE = 1e-12
"""An eigenvalue above minus this times k is zero but for rounding."""


class Nearest(NamedTuple):
    """A correlation matrix and how far it is from the matrix that was given.

    Attributes:
        matrix: Shape (k, k), unit diagonal, no negative eigenvalue beyond rounding.
        distance: Frobenius norm of the change; 0 where none was needed.
    """

    matrix: Array
    distance: float

    @property
    def note(self) -> str | None:
        """What was done, in words for a report; `None` where nothing was."""
        if self.distance == 0.0:
            return None
        return (
            "the correlations given do not go together (an eigenvalue too low or a diagonal that "
            f"is not 1); the nearest matrix that does is {self.distance:.2g} away (Higham 2002)"
        )


def nearest_psd(matrix: Array, *, eigenvalue_min: float = 0.0) -> Nearest:
    """Return the correlation matrix nearest to a symmetric matrix in the Frobenius norm.

    Alternating projections with Dykstra's correction onto matrices without an eigenvalue below
    `eigenvalue_min` and onto those of unit diagonal. A matrix that is one already is left alone.

    Args:
        matrix: Shape (k, k), symmetric.
        eigenvalue_min: Least eigenvalue, below 1; above 0 makes it invertible.

    Raises:
        InvalidInput: Not square, symmetric and finite; a least eigenvalue no such matrix has; or no
            answer within 10,000 steps, with the residual.

    Source: Higham, IMA Journal of Numerical Analysis 22 (2002) 329-343, algorithm 3.3.
    """
    given = symmetric_of(matrix)
    if not 0.0 <= eigenvalue_min < 1.0:
        msg = f"a least eigenvalue of {eigenvalue_min}; give a number from 0 to below 1"
        raise InvalidInput(msg)
    if _is_one(given, eigenvalue_min):
        result = given.copy()
        np.fill_diagonal(result, 1.0)
        return Nearest(result, 0.0)
    found, correction, apart = given, np.zeros_like(given), np.inf
    for _ in range(STEPS_MAX):
        corrected = found - correction
        lifted = _lifted(corrected, eigenvalue_min)
        correction = lifted - corrected
        before, found = found, lifted.copy()
        np.fill_diagonal(found, 1.0)
        apart = float(max(np.linalg.norm(found - lifted), np.linalg.norm(found - before)))
        if apart <= TOLERANCE * np.linalg.norm(found):
            result = _unit(_lifted(found, eigenvalue_min))
            return Nearest(result, float(np.linalg.norm(result - given)))
    msg = (
        f"no nearest correlation matrix after {STEPS_MAX:,} steps, the last of {apart:.1e}; "
        f"its entries reach {np.abs(given).max():g}: look at them"
    )
    raise InvalidInput(msg)


def eigenvalue_least(matrix: Array) -> float:
    """Return the smallest eigenvalue of a symmetric matrix (k, k)."""
    return float(np.linalg.eigvalsh(matrix)[0])


def root_of(matrix: Array) -> Array:
    """Return L with L L' = matrix, (k, k), for a covariance or correlation that may be singular.

    Raises:
        InvalidInput: It has a negative eigenvalue; names it and the repair.
    """
    given = symmetric_of(matrix)
    values, vectors = np.linalg.eigh(given)
    if values[0] < -SEMIDEFINITE * len(values) * max(1.0, float(values[-1])):
        msg = (
            f"the matrix has an eigenvalue of {values[0]:.3g}: no returns have it as covariance; "
            "repair it with `nearest_psd`"
        )
        raise InvalidInput(msg)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _is_one(given: Array, eigenvalue_min: float) -> bool:
    if float(np.abs(np.diagonal(given) - 1.0).max()) > SYMMETRY:
        return False
    return bool(eigenvalue_least(given) >= eigenvalue_min - SEMIDEFINITE * given.shape[0])


def _lifted(matrix: Array, low: float) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    lifted = (vectors * np.maximum(values, low)) @ vectors.T
    return np.asarray((lifted + lifted.T) / 2.0)


def _unit(matrix: Array) -> Array:
    deviation = np.sqrt(np.diagonal(matrix))
    result: Array = matrix / np.outer(deviation, deviation)
    np.fill_diagonal(result, 1.0)
    return result
