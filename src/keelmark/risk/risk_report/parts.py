"""The frame every part of the page shares: a title, one plain sentence, the content."""

from collections.abc import Iterable, Sequence

from keelmark.accounts.markup import Content, Html, element


def section(name: str, title: str, lead: Content, *content: Content) -> Html:
    """Return a part of the page with its title and leading sentence."""
    return element(
        "section",
        element("h2", title, id=f"{name}-title"),
        element("p", lead, class_="lead") if lead else None,
        *content,
        id=name,
        aria_labelledby=f"{name}-title",
    )


def unknown(why: str) -> Html:
    """Return what stands where a part cannot be had."""
    return element("p", element("b", "unknown: "), why, class_="unknown")


def note(text: Content) -> Html:
    """Return a small remark."""
    return element("p", text, class_="note")


def table(heads: Sequence[Content], rows: Iterable[Sequence[Content]], *, kind: str = "") -> Html:
    """Return a table that scrolls by itself where it is wider than the page.

    Args:
        heads: Of the columns; numbers stand to the right but in the first.
        rows: Cells.
        kind: Class of the table.
    """
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    body = [element("tr", *_cells(row)) for row in rows]
    return element(
        "div",
        element("table", element("thead", head), element("tbody", *body), class_=kind or None),
        class_="scroll",
        tabindex=0,
    )


def _cells(row: Sequence[Content]) -> Iterable[Html]:
    first, *rest = row
    yield element("th", first, scope="row")
    for cell in rest:
        yield element("td", cell)


def behind(title: str, content: Html) -> Html:
    """Return a closed table behind a picture."""
    return element("details", element("summary", title), content)


def figure(picture: Html, caption: Content, *under: Content) -> Html:
    """Return a picture with its caption, and what stands under it."""
    return element("figure", picture, element("figcaption", caption), *under)
