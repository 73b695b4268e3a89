"""Reasons that differ by an instrument alone, told once with every instrument in them."""

from collections.abc import Iterable


def grouped(reasons: Iterable[tuple[str, str]]) -> list[str]:
    """Return each reason once, those alike but for the instrument as one that names them all.

    Args:
        reasons: Instruments with why a figure of theirs is unknown; the first word that is the
            instrument stands for any.
    """
    found: dict[tuple[str, str], dict[str, None]] = {}
    for symbol, reason in reasons:
        before, name, after = reason.partition(f" {symbol} ") if symbol else (reason, "", "")
        names = found.setdefault((before, after), {})
        if name:
            names[symbol] = None
    return [
        f"{before} {_listed([*names])} {after}" if names else before
        for (before, after), names in found.items()
    ]


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
