"""Fitted recursions of a panel as one filter."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.filters import filtered, start_of, stepped
from keelmark.risk.statistics.garch import GarchFit, GarchModel, Innovations, Mean, centred
from keelmark.risk.statistics.garch_fit import FIT_OBSERVATIONS_MIN, fit_garch
from keelmark.risk.statistics.series import Array, column_names, panel_of


@dataclass(frozen=True, slots=True, kw_only=True)
class GarchFilter:
    """One fit a column, all of one model.

    Attributes:
        fits: In the order of the columns.
        names: Of the columns.
    """

    fits: tuple[GarchFit, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len({(fit.model, fit.mean_kind) for fit in self.fits}) != 1:
            msg = "a filter of several models, or of none; fit all columns alike"
            raise InvalidInput(msg)
        column_names(len(self.fits), self.names)

    @property
    def name(self) -> str:
        """What it is."""
        return self.fits[0].name

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the fits, by column."""
        return tuple(
            f"{name}: {note}"
            for name, fit in zip(self.names, self.fits, strict=True)
            for note in fit.notes
        )

    @property
    def terms(self) -> Array:
        """omega, alpha, gamma, beta of each column, (k, 4)."""
        return np.array([fit.terms for fit in self.fits])

    @property
    def means(self) -> Array:
        """Mean return of each column, (k,)."""
        return np.array([fit.mean for fit in self.fits])

    def variances(self, returns: Array) -> Array:
        """Return variance forecasts, (T + 1, k), of returns (T, k).

        Raises:
            InvalidInput: Another number of columns, or as `filters.filtered`.
        """
        panel = panel_of(returns, least=1, names=self.names)
        start = start_of(centred(panel, self.fits[0].mean_kind), self._power)
        moves = panel - self.means
        return filtered(moves, self.terms, power=self._power, start=start, names=self.names)

    def step(self, variance: Array, returns: Array) -> Array:
        """Return the variances (n, k) after `returns` (n, k), whose variances were `variance`."""
        return stepped(variance, returns - self.means, self.terms, power=self._power)

    @property
    def _power(self) -> int:
        return self.fits[0].model.power


def fit_filter(
    returns: Array,
    model: GarchModel = GarchModel.GJR,
    innovations: Innovations = Innovations.STUDENT_T,
    *,
    mean: Mean = Mean.ZERO,
    names: Sequence[str] | None = None,
    warm: GarchFilter | None = None,
) -> GarchFilter:
    """Return the filter of one maximum likelihood fit a column.

    Args:
        returns: Shape (T, k), at least 100 rows.
        model: Which recursion.
        innovations: Law of the standardised returns.
        mean: Whether means are fitted too.
        names: Of the columns.
        warm: A filter of the same model and columns on nearly the same returns, to start from.

    Raises:
        InvalidInput: A column is too short, has gaps or no variance; named.
        MissingExtra: scipy is not installed.
    """
    panel = panel_of(returns, least=FIT_OBSERVATIONS_MIN, names=names)
    told = column_names(panel.shape[1], names)
    starts = [None] * len(told) if warm is None else list(warm.fits)
    fits = tuple(
        fit_garch(panel[:, at], model, innovations, mean=mean, warm=start, name=name)
        for at, (name, start) in enumerate(zip(told, starts, strict=True))
    )
    return GarchFilter(fits=fits, names=told)
