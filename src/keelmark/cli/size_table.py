"""The terminal views of `keelmark size`, within eighty columns."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from keelmark.accounts.figures import brief, exactly, percent
from keelmark.cli.painting import GAP, INDENT, WIDTH, painted, wrapped
from keelmark.risk.sizing.account_size import AccountSize, RuleSize
from keelmark.risk.sizing.recommend import Recommendation, Rule, Wish


def wish_lines(wish: Wish, found: Recommendation) -> Iterator[str]:
    """Return the leverage of one position by every rule, and shares of Kelly beside each other."""
    yield f"{_side(is_long=wish.is_long)}{GAP}{_drift_words(wish)}"
    rows = [(rule.name, _times(rule.leverage), rule.reason) for rule in found.rules]
    yield from _ruled(("rule", "leverage", ""), rows, found.binding)
    if found.binding is None:
        yield from wrapped("no rule says anything: give what they ask for", WIDTH)
    else:
        yield from wrapped(f"{_times(found.leverage)} at most: {found.binding.name} binds", WIDTH)
    if found.without_drift is not None and wish.bound is not None:
        text = (
            f"without a drift of the logarithm the chance of liquidation allows "
            f"{_times(found.without_drift)}"
        )
        yield from wrapped(text, WIDTH)
    yield from _shares(found)
    yield from wrapped(
        "Kelly keeps its leverage by trading as the price moves; the chance of liquidation is of a "
        "position left alone, at one maintenance rate, in a price without jumps",
        WIDTH,
    )
    yield from wrapped(
        "next: `keelmark size FILE --instrument BTCUSDT --side long` sizes it in an account", WIDTH
    )


def account_lines(file: str, rulebook: str, found: AccountSize) -> Iterator[str]:
    """Return how large a leg may be by every rule, and which binds."""
    side = _side(is_long=found.is_long)
    equity = brief(Decimal(repr(found.equity)))
    yield f"{rulebook}{GAP}{found.unit_id}{GAP}{found.instrument} {side}{GAP}equity {equity}"
    held = exactly(abs(found.held)) if found.held else "nothing"
    word = "" if not found.held else " long" if found.held > 0 else " short"
    yield from wrapped(f"held now: {held}{word}; sizes below are of the whole position", WIDTH)
    yield ""
    rows = [
        (
            rule.name,
            "unknown" if rule.size is None else exactly(rule.size),
            "" if rule.notional is None else brief(Decimal(repr(rule.notional))),
            _times(rule.leverage) if rule.size is not None else "",
        )
        for rule in found.rules
    ]
    heads = ("rule", "size", f"notional, {found.currency}", "leverage")
    yield from _table(heads, rows, None if found.binding is None else found.binding.name)
    for rule in found.rules:
        yield from wrapped(f"{rule.name}: {rule.reason}", WIDTH)
    yield ""
    yield from wrapped(_answer(found), WIDTH)
    for note in found.notes:
        yield from wrapped(note, WIDTH)
    if found.trade:
        size = f"{found.trade:f}"
        yield from wrapped(f"next: `keelmark whatif {file} --add {found.instrument}={size}`", WIDTH)


def _answer(found: AccountSize) -> str:
    """Say what binds and what to trade."""
    binding, trade = found.binding, found.trade
    if binding is None or trade is None:
        return "no rule says anything: give what they ask for"
    what = f"{binding.name} binds"
    if not trade:
        return f"it is as large as it may be: {what}"
    verb = "buy" if trade > 0 else "sell"
    return f"{verb} {exactly(abs(trade))} to be there: {what}"


def _shares(found: Recommendation) -> Iterator[str]:
    """Yield shares of Kelly with growth and the chance of a fall."""
    if not found.shares:
        return
    yield ""
    rows = [
        (
            f"{share.share:g}",
            _times(share.leverage),
            _share_text(share.growth, signed=True),
            "none" if share.growth_share is None else _share_text(share.growth_share),
            _share_text(share.fall_probability),
        )
        for share in found.shares
    ]
    fall = _share_text(found.shares[0].fall, digits=0)
    heads = ("share of Kelly", "leverage", "growth a year", "of the best", f"ever at {fall}")
    yield from _table(heads, rows, None)
    yield ""


def _ruled(
    heads: Sequence[str], rows: Sequence[tuple[str, str, str]], binding: Rule | RuleSize | None
) -> Iterator[str]:
    yield ""
    yield from _table(heads[:2], [row[:2] for row in rows], binding.name if binding else None)
    for name, _, reason in rows:
        yield from wrapped(f"{name}: {reason}", WIDTH)
    yield ""


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], binding: str | None
) -> Iterator[str]:
    """Yield a table: the first column to the left, the rest to the right, what binds marked."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    for row in (heads, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        line = INDENT + GAP.join(cells)
        is_binding = row is not heads and row[0] == binding
        yield f"{line}{GAP}<- binds" if is_binding else line.rstrip()


def _drift_words(wish: Wish) -> str:
    parts = [f"sigma {_share_text(wish.volatility)} a year"]
    if wish.drift is not None:
        parts.insert(0, f"mu {_share_text(wish.drift.mean, signed=True)} a year")
        if wish.drift.funding:
            parts.append(f"funding {_share_text(wish.drift.funding, signed=True)} a year")
    return GAP.join(parts)


def _side(*, is_long: bool) -> str:
    word = "long" if is_long else "short"
    return painted(word, word)


def _times(leverage: float | None) -> str:
    return "unknown" if leverage is None else f"{leverage:,.2f}x"


def _share_text(share: float, *, signed: bool = False, digits: int = 1) -> str:
    return percent(Decimal(repr(share)), signed=signed, digits=digits)
