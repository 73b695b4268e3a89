"""Questions about one account: what if, how far, where from here, and at which venue.

Names load when they are first used: asking what if imports no arrays and no pictures.
"""

from importlib import import_module

_HOMES = {
    "Action": "keelmark.risk.rescues",
    "Add": "keelmark.risk.edits",
    "BetaMove": "keelmark.risk.beta_move",
    "Close": "keelmark.risk.edits",
    "Ladder": "keelmark.risk.ladders",
    "Surface": "keelmark.risk.surfaces",
    "Comparison": "keelmark.risk.comparison",
    "Deposit": "keelmark.risk.edits",
    "Hedge": "keelmark.risk.rescues",
    "Impact": "keelmark.risk.rescues",
    "Money": "keelmark.risk.rescues",
    "MovePrice": "keelmark.risk.edits",
    "Rescue": "keelmark.risk.rescues",
    "RescueOptions": "keelmark.risk.rescues",
    "NearestMove": "keelmark.risk.nearest_move",
    "Resize": "keelmark.risk.edits",
    "SetLeverage": "keelmark.risk.edits",
    "SetMarginMode": "keelmark.risk.edits",
    "SetVenue": "keelmark.risk.edits",
    "Target": "keelmark.risk.rescues",
    "Transfer": "keelmark.risk.edits",
    "WhatIf": "keelmark.risk.what_if",
    "Withdraw": "keelmark.risk.edits",
    "ladder": "keelmark.risk.ladders",
    "compare_modes": "keelmark.risk.comparison",
    "compare_venues": "keelmark.risk.comparison",
    "find_beta_move": "keelmark.risk.beta_move",
    "find_nearest_move": "keelmark.risk.nearest_move",
    "parse_edit": "keelmark.risk.edit_text",
    "rescue": "keelmark.risk.rescues",
    "read_returns": "keelmark.risk.returns",
    "surface": "keelmark.risk.surfaces",
    "whatif": "keelmark.risk.what_if",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'keelmark.risk' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
