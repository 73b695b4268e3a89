"""Tables whose columns sort, with numbers that carry their exact value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.accounts.markup import Content, Html, element, joined
from keelmark.core.numbers import ZERO
from keelmark.lab.report.figures import all_digits, clock, data, percent, rounded, share, signed

WHOLE_FROM = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its title, the unit of its figures, and what it means."""

    title: str
    unit: str = ""
    meaning: str = ""
    numeric: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell: what it shows and, if it is a number, what it sorts by."""

    content: Content
    key: Decimal | int | None = None
    numeric: bool = True
    gauge: Html | None = None

    @property
    def size(self) -> Decimal:
        """The number without its sign; zero of words."""
        return abs(Decimal(self.key or 0))


def text(value: Content) -> Cell:
    """Return a cell of words."""
    return Cell(content=value, numeric=False)


def unknown(reason: str) -> Cell:
    """Return a cell for a figure that has no meaning here, and says why."""
    return Cell(content=element("span", "none", class_="none", title=reason))


def money(value: Decimal, *, change: bool = False) -> Cell:
    """Return an amount in whole units, small ones with cents; a change carries its sign."""
    shown = rounded(value, 0 if abs(value) >= WHOLE_FROM or value == int(value) else 2)
    return Cell(content=data(value, signed(shown, value) if change else shown), key=value)


def number(value: Decimal | int, *, change: bool = False) -> Cell:
    """Return a number with every digit it has."""
    shown = all_digits(value)
    return Cell(content=data(value, signed(shown, value) if change else shown), key=value)


def fraction(value: Decimal, digits: int = 1, *, change: bool = False) -> Cell:
    """Return a fraction as a percentage."""
    shown = percent(value, digits)
    return Cell(content=data(value, signed(shown, value) if change else shown), key=value)


def moment(time_ms: int) -> Cell:
    """Return a time of day that sorts by its instant."""
    return Cell(content=element("time", clock(time_ms)), key=time_ms)


def with_gauges(rows: Iterable[Sequence[Cell]], hues: Mapping[int, str]) -> list[list[Cell]]:
    """Return the rows with a bar below each figure of some columns.

    Args:
        rows: Of one table.
        hues: Column index to the colour of its bars; the longest is the column's largest size.
    """
    table = [list(row) for row in rows]
    for column, hue in hues.items():
        most = max((row[column].size for row in table), default=ZERO)
        for row in table:
            row[column] = replace(row[column], gauge=_gauge(row[column].size, most, hue))
    return table


def _gauge(size: Decimal, most: Decimal, hue: str) -> Html | None:
    width = share(size, most)
    style = f"width:{float(width):.1%}"
    return element("span", class_=f"gauge fill-{hue}", style=style) if width else None


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    sortable: bool = True,
) -> Html:
    """Return a table in a box of its own that scrolls sideways where it must.

    Args:
        caption: What the table says, also the name of the box for screen readers.
        columns: One per cell of a row.
        rows: The first cell of each is the row's header.
        sortable: Whether its headers are buttons that sort.
    """
    body = element("tbody", *(table_row(columns, row) for row in rows))
    return framed(caption, columns, body, sortable=sortable)


def framed(caption: str, columns: Sequence[Column], body: Html, *, sortable: bool = True) -> Html:
    """Return a table around bodies that are made already."""
    head = element("thead", element("tr", *(_header(column, sortable) for column in columns)))
    style = "figures sortable" if sortable else "figures"
    inside = element("table", element("caption", caption), head, body, class_=style)
    return element("div", inside, class_="scroll", tabindex=0, role="region", aria_label=caption)


def table_row(columns: Sequence[Column], row: Sequence[Cell], style: str | None = None) -> Html:
    """Return one row."""
    cells = zip(columns, row, strict=True)
    return element(
        "tr",
        *(_cell(cell, is_header=index == 0) for index, (_, cell) in enumerate(cells)),
        class_=style,
    )


def _header(column: Column, sortable: bool) -> Html:  # noqa: FBT001 one caller, next to it
    unit = element("span", column.unit, class_="unit") if column.unit else None
    label = joined((column.title, unit))
    inside = element("button", label, type="button") if sortable else label
    style = None if column.numeric else "words"
    return element("th", inside, scope="col", class_=style, title=column.meaning or None)


def _cell(cell: Cell, *, is_header: bool) -> Html:
    key = None if cell.key is None else f"{Decimal(cell.key):f}"
    return element(
        "th" if is_header else "td",
        cell.content,
        cell.gauge,
        scope="row" if is_header else None,
        class_=None if cell.numeric and not is_header else "words",
        data_sort=key if cell.numeric else None,
    )
