"""One plain sentence above each picture: what a reader should have seen after five seconds."""

from decimal import Decimal

import numpy as np

from keelmark.lab.report.figures import clock, compact, percent, share
from keelmark.lab.report.minutes import MINUTE_MS, worst_minute
from keelmark.lab.report.model import Attribution, Outcome, Payer
from keelmark.lab.report.series import Float64Array, Timeline

FLAT = 0.0005


def timeline_story(timeline: Timeline, currency: str) -> str:
    """Say how far the first price moved and when most was liquidated."""
    return f"{_move(timeline)} {_worst_minute(timeline, currency)}"


def paid_story(attribution: Attribution) -> str:
    """Say who paid, in the order of the waterfall, leaving out who paid nothing."""
    if not attribution.total:
        return "Nobody lost more than nothing: there was nothing to pay."
    own = attribution.total - attribution.deficit - attribution.residual
    first = (
        f"Of {compact(attribution.total)} {attribution.asset} lost, the liquidated units "
        f"themselves paid {percent(share(own, attribution.total))}"
    )
    if not attribution.deficit:
        return f"{first}: there was no deficit for anyone else to pay."
    return f"{first}; of the deficit that was left, {_others(attribution)}."


def debt_story(outcome: Outcome, attribution: Attribution | None) -> str:
    """Say what bad debt means in this run.

    Args:
        outcome: Its figures.
        attribution: Who paid in the currency of the figures, if anything had to be paid.
    """
    if not outcome.liquidated:
        return "nothing was liquidated"
    deficit = attribution.deficit if attribution else outcome.bad_debt
    if not deficit:
        return "there was no deficit"
    if not outcome.bad_debt:
        return f"the fund paid every deficit, {compact(deficit)}"
    rest = f"what the fund could not pay of {compact(deficit)} of deficits"
    carriers = _carriers(attribution) if attribution else ""
    return f"{rest}; carried by {carriers}" if carriers else rest


def _carriers(attribution: Attribution) -> str:
    names = {
        Payer.DELEVERAGED: "deleveraged accounts",
        Payer.SOCIALISED: "shared losses",
        Payer.BACKSTOP: "the backstop",
    }
    paid = {item.payer for item in attribution.shares if item.amount}
    return _listed([name for payer, name in names.items() if payer in paid])


def _move(timeline: Timeline) -> str:
    line = timeline.prices[0]
    moves = _moves(line.values)
    if float(np.abs(moves).max()) < FLAT:
        return f"{_sentence_case(line.name)} hardly moved."
    worst = int(np.abs(moves).argmax())
    verb = "fell" if moves[worst] < 0 else "rose"
    until = clock(_end(timeline, worst))
    return f"{_sentence_case(line.name)} {verb} {percent(abs(moves[worst]))} by {until} UTC."


def _moves(values: Float64Array) -> Float64Array:
    """Return moves from the first known price; none while there is no price."""
    known = values[np.isfinite(values)]
    return np.nan_to_num(values / known[0] - 1) if known.size else np.zeros_like(values)


def _end(timeline: Timeline, step: int) -> int:
    following = timeline.times_ms[step + 1 :]
    return int(following[0]) if following.size else timeline.end_ms


def _worst_minute(timeline: Timeline, currency: str) -> str:
    worst = worst_minute(timeline)
    if not worst.total:
        return "Nothing was liquidated."
    amount = compact(Decimal(str(round(worst.total, 2))))
    when = clock(worst.minute * MINUTE_MS)
    return (
        f"In the worst minute, {when}, {amount} {currency} was liquidated, "
        f"{percent(worst.long / worst.total)} of it long."
    )


def _others(attribution: Attribution) -> str:
    names = {
        Payer.FUND: "the insurance fund paid {}",
        Payer.BACKSTOP: "the backstop {}",
        Payer.DELEVERAGED: "deleveraged accounts {}",
        Payer.SOCIALISED: "accounts that share losses {}",
    }
    parts = [
        names[item.payer].format(compact(item.amount))
        for item in attribution.shares
        if item.payer in names and item.amount
    ]
    return _listed(parts)


def _listed(parts: list[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if parts[1:] else "".join(parts)


def _sentence_case(name: str) -> str:
    is_word = name[:1].islower()
    return f"The {name}" if is_word else name
