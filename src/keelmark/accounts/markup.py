"""HTML by construction: text is escaped unless it is `Html` already, so none is forgotten.

Every page of ours is made of it, in one palette.
"""

import json
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib import resources

JSON_IN_HTML = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)
VOID = frozenset({"br", "col", "input", "meta"})


class Html(str):
    """Text that is markup already; only this file and the page's own template make it."""

    __slots__ = ()


Content = str | Html | None
Attribute = str | int | bool | None


def element(name: str, /, *content: Content, **attributes: Attribute) -> Html:
    """Return `<name ...>content</name>`.

    Args:
        name: Element.
        content: Children in order; plain text is escaped, `None` is left out.
        attributes: By name; `_` stands for `-`, a trailing one is dropped (`class_`). `True` is an
            attribute without value; `False` and `None` leave it out.
    """
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Html(start) if name in VOID else Html(f"{start}{joined(content)}</{name}>")


def joined(content: Iterable[Content]) -> Html:
    """Return pieces of content one after the other, escaped where they are plain text."""
    return Html("".join(_safe(piece) for piece in content if piece is not None))


def json_block(value: object) -> Html:
    """Return JSON that cannot end the script element it stands in.

    Raises:
        ValueError: A number that JSON does not have (NaN, infinity).
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Html(text.translate(JSON_IN_HTML))


@cache
def palette() -> str:
    """Return the colours of every page as CSS: light, dark and printed."""
    return (resources.files("keelmark.accounts") / "palette.css").read_text(encoding="utf-8")


def _safe(piece: str | Html) -> str:
    return piece if isinstance(piece, Html) else escape(piece)


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape(str(value))}"'
