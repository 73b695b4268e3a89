"""Results as tables: HTML for notebooks, a polars frame for statistics.

`core` holds the results and knows nothing of either; polars is imported when a frame is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from keelmark.accounts.figures import figure
from keelmark.core.margin import MarginReport, PositionMargin

if TYPE_CHECKING:
    import polars as pl

Cell = Decimal | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: Heading, and name in a frame.
        cells: Exact numbers or texts, one a row; `None` where there is none.
        is_number: Whether a frame holds floats.
    """

    name: str
    cells: tuple[Cell, ...]
    is_number: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings.

    Attributes:
        title: What the rows are.
        columns: All equally long.
    """

    title: str
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, title: str, names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> "Table":
        """Return rows as a table; a column without a text holds numbers."""
        cells = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return cls(
            title=title,
            columns=tuple(
                Column(
                    name=name,
                    cells=tuple(column),
                    is_number=not any(isinstance(cell, str) for cell in column),
                )
                for name, column in zip(names, cells, strict=True)
            ),
        )

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The rows, exact."""
        return list(zip(*(column.cells for column in self.columns), strict=True))

    def to_polars(self) -> "pl.DataFrame":
        """Return a frame: texts as they are, numbers as float64; exact ones stay in the result."""
        import polars as pl  # noqa: PLC0415 heavy, and only frames need it

        return pl.DataFrame(
            {
                column.name: pl.Series(
                    [float(c) if isinstance(c, Decimal) else c for c in column.cells],
                    dtype=pl.Float64 if column.is_number else pl.String,
                )
                for column in self.columns
            },
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(column.name)}</th>" for column in self.columns)
        body = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in self.rows)
        caption = f"<caption>{escape(self.title)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_cell(cell: Cell) -> str:
    if isinstance(cell, Decimal):
        style = "text-align:right;font-variant-numeric:tabular-nums"
        return f'<td style="{style}">{figure(cell)}</td>'
    return f"<td>{escape(cell or '')}</td>"


POSITION_COLUMNS = (
    "instrument",
    "leg",
    "size",
    "mark_price",
    "settle",
    "notional",
    "unrealized_pnl",
    "initial_margin",
    "maintenance_margin",
)

REQUIREMENTS = 2
"""How many of the last columns are requirements."""


def position_cells(held: PositionMargin) -> tuple[Cell, ...]:
    """Return a position under `POSITION_COLUMNS`, amounts in its settle asset."""
    position = held.position
    return (
        position.instrument,
        position.leg.name.lower(),
        position.size,
        held.mark_price,
        held.settle,
        held.exposure,
        held.unrealized_pnl,
        held.initial_margin,
        held.maintenance_margin,
    )


def margin_table(report: MarginReport) -> Table:
    """Return the positions of a margin report, one a row, amounts in their settle assets."""
    title = f"{report.model_name} {report.unit.unit_id}"
    return Table.of(title, POSITION_COLUMNS, [position_cells(held) for held in report.positions])
