"""The frame every part of the page shares: a title, one plain sentence, the content."""

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


def note(text: Content) -> Html:
    """Return a small remark."""
    return element("p", text, class_="note")


def nothing(text: str) -> Html:
    """Return what stands where a table or picture would be empty."""
    return element("p", text, class_="nothing")


def behind(name: str, title: str) -> Html:
    """Return the closed table behind a picture; its script fills it when it is opened."""
    inside = element("div", class_="scroll", tabindex=0, role="region", aria_label=title)
    return element("details", element("summary", title), inside, id=name, class_="behind")


def choices(name: str, legend: str, options: list[tuple[str, str]]) -> Html | None:
    """Return radio buttons in a row, the first chosen; nothing if there is no choice."""
    if not options[1:]:
        return None
    buttons = (
        element(
            "label",
            element("input", type="radio", name=name, value=value, checked=index == 0),
            element("span", label),
        )
        for index, (value, label) in enumerate(options)
    )
    legend_text = element("legend", legend)
    return element("fieldset", legend_text, *buttons, class_="choices")
