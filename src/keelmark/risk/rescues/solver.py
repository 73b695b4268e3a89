"""Solve a program with HiGHS: floats in, floats out, nothing of it trusted.

Imported only where a plan needs it, because numpy and highspy take longer to import than most plans
to compute.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from keelmark.core.errors import MissingExtra
from keelmark.risk.rescues.program import Program, Row

if TYPE_CHECKING:
    import highspy

NODES_MAX = 2_000
SECONDS_MAX = 2.0
"""A last resort for numbers too far apart for floats, on which a search can turn in circles; what
it ends without is a tighter plan, and the bound then shows it."""
FEASIBLE = 2
"""HiGHS's word for a point that meets every row."""
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the solver says.

    Attributes:
        values: Of the columns; empty without an answer.
        duals: Of the rows; empty for whole-number programs.
        bound: The solver's own lower bound.
    """

    values: tuple[float, ...]
    duals: tuple[float, ...]
    bound: float

    @property
    def is_feasible(self) -> bool:
        """Whether there is a point that meets every row."""
        return bool(self.values)


def require_solver() -> Any:  # noqa: ANN401 a module
    """Return highspy.

    Raises:
        MissingExtra: It is not installed; names the install command.
    """
    try:
        import highspy  # noqa: PLC0415 heavy, and only plans with costs need it
    except ImportError as error:
        msg = "plans that weigh several costs need the solver HiGHS: `pip install 'keelmark[plan]'`"
        raise MissingExtra(msg) from error
    return highspy


NO_ANSWER = Answer(values=(), duals=(), bound=0.0)


class Solver:
    """One program held by the solver, so that added rows are solved from where it stands."""

    def __init__(self, program: Program, *, is_whole: bool, gap: Decimal) -> None:
        self.program = program
        self.is_whole = is_whole and any(column.is_whole for column in program.columns)
        self._library = require_solver()
        self._scales: list[float] = []
        self._highs = self._library.Highs()
        options = {
            "output_flag": False,
            "threads": 1,
            "random_seed": 0,
            "primal_feasibility_tolerance": TOLERANCE,
            "dual_feasibility_tolerance": TOLERANCE,
            "mip_feasibility_tolerance": TOLERANCE,
            "mip_rel_gap": float(gap) / 2,
            "mip_abs_gap": 0.0,
            "mip_max_nodes": NODES_MAX,
            "time_limit": SECONDS_MAX,
            "small_matrix_value": 1e-12,
        }
        for name, value in options.items():
            self._highs.setOptionValue(name, value)
        self._highs.passModel(self._model())

    def solve(self) -> Answer:
        """Solve the program as it stands, rows added since included.

        No answer means that nothing meets every row, or that the solver gave up: at its limits, or
        on numbers too far apart for floats. It is no proof of either.
        """
        self._add_rows()
        self._highs.run()
        solution, info = self._highs.getSolution(), self._highs.getInfo()
        if not (solution.value_valid and info.primal_solution_status == FEASIBLE):
            return NO_ANSWER
        duals = () if self.is_whole else tuple(solution.row_dual)
        return Answer(
            values=tuple(solution.col_value),
            duals=tuple(d / s for d, s in zip(duals, self._scales, strict=False)),
            bound=info.mip_dual_bound if self.is_whole else info.objective_function_value,
        )

    def _model(self) -> "highspy.HighsLp":
        """Return the columns; rows are added apart."""
        import numpy as np  # noqa: PLC0415 comes with the solver

        columns = self.program.columns
        lp: highspy.HighsLp = self._library.HighsLp()
        lp.num_col_, lp.num_row_ = len(columns), 0
        lp.col_cost_ = np.array([float(c.cost) for c in columns])
        lp.col_lower_ = np.array([float(c.low) for c in columns])
        lp.col_upper_ = np.array([float(c.high) for c in columns])
        lp.row_lower_ = lp.row_upper_ = np.array([])
        lp.a_matrix_.format_ = self._library.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.zeros(len(columns) + 1, dtype=np.int32)
        if self.is_whole:
            kinds = self._library.HighsVarType
            lp.integrality_ = [kinds.kInteger if c.is_whole else kinds.kContinuous for c in columns]
        return lp

    def _add_rows(self) -> None:
        """Hand over the rows that are new, each scaled to a largest factor of one."""
        import numpy as np  # noqa: PLC0415 comes with the solver

        infinity = float("inf")
        for row in self.program.rows[len(self._scales) :]:
            scale = self._scale(row)
            self._scales.append(scale)
            index = np.array(list(row.terms), dtype=np.int32)
            value = np.array([float(x) / scale for x in row.terms.values()])
            self._highs.addRow(float(row.low) / scale, infinity, len(index), index, value)

    @staticmethod
    def _scale(row: Row) -> float:
        """Return the largest factor of a row: the solver drops factors that are next to nothing."""
        return float(max(abs(x) for x in row.terms.values())) if row.terms else 1.0
