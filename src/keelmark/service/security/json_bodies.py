"""JSON as the standard has it, and no deeper than anybody needs.

Refused before any route sees it: text that is no UTF-8 or no JSON, NaN and Infinity, half of a
surrogate pair, a key twice in one object (two readers would take two different values), nesting.
"""

import json
import re
from typing import Any, NoReturn

import msgspec

from keelmark.core.errors import InvalidInput

DEPTH_MAX = 16
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|([\[{])|([\]}])', re.DOTALL)


class BadJson(InvalidInput):
    """A body that is not JSON, or says one thing twice."""


def require_plain_json(body: bytes, *, depth_max: int = DEPTH_MAX) -> None:
    """Refuse a body that is not plain JSON.

    Raises:
        BadJson: Saying what is wrong.
    """
    require_shallow(body, depth_max=depth_max)
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"the body is not JSON: {error}"
        raise BadJson(msg) from None
    try:
        json.loads(body, object_pairs_hook=_once, parse_constant=_refuse, parse_int=str)
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadJson):
            raise
        msg = "the body is not JSON"
        raise BadJson(msg) from None


def require_shallow(body: bytes, *, depth_max: int = DEPTH_MAX) -> None:
    """Refuse a body whose brackets nest too deep.

    Raises:
        BadJson: Naming the limit.
    """
    if body.count(b"[") + body.count(b"{") <= depth_max:
        return
    depth = 0
    for found in _TOKENS.finditer(body):
        depth += (found.start(1) >= 0) - (found.start(2) >= 0)
        if depth > depth_max:
            msg = f"the body nests deeper than {depth_max} levels; send it flat"
            raise BadJson(msg)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, none of whose keys may come twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"the key {twice[:80]!r} comes twice in one object; send it once"
        raise BadJson(msg)
    return found


def _refuse(name: str) -> NoReturn:
    msg = f"{name} is not a number in JSON; send amounts as decimal text"
    raise BadJson(msg)
