"""The view of `keelmark risk --scenarios`: what is lost under scenarios of one's own."""

from collections.abc import Iterator
from decimal import Decimal

import numpy as np

from keelmark.accounts.figures import figure, percent, terse
from keelmark.cli.painting import GAP, INDENT, WIDTH, wrapped
from keelmark.risk.statistics import Unknown
from keelmark.risk.tail.given import GivenRisk

SHOWN = 10
"""Scenarios and legs that are named one by one."""

NAME = 34


def given_lines(found: GivenRisk, file: str, level: float) -> Iterator[str]:
    """Return the view line by line."""
    count = len(found.scenarios)
    yield (
        f"{count:,} scenarios{GAP}worth {_money(found.worth)} {found.currency}{GAP}"
        f"level {100.0 * level:g} %"
    )
    yield from wrapped(f"from {found.scenarios.source}", WIDTH)
    chance = percent(Decimal(repr(found.probability)), digits=2)
    yield from wrapped(f"liquidated at the end of {chance} of them, by weight", WIDTH)
    risk = found.risk
    if isinstance(risk, Unknown):
        yield from wrapped(f"VaR and ES: unknown, {risk.why}", WIDTH)
    else:
        text = f"VaR {_money(risk.var)}, ES {_money(risk.es)}, mean {_money(found.mean)}"
        yield from wrapped(text, WIDTH)
    yield ""
    yield f"{INDENT}{'worst':<{NAME}}{'profit':>14}"
    for row in found.worst[:SHOWN]:
        end = f"{GAP}liquidated" if found.is_liquidated[row] else ""
        yield (
            f"{INDENT}{found.label(int(row))[: NAME - 2]:<{NAME}}"
            f"{terse(_decimal(float(found.profits[row])), signed=True):>14}{end}"
        )
    yield from _parts(found)
    for note in found.scenarios.notes:
        yield from wrapped(f"note: {note}", WIDTH)
    text = f"next: `keelmark risk {file}` - `keelmark stress {file}`"
    yield text if len(text) <= WIDTH else text.replace(f" {file}", " FILE")


def _parts(found: GivenRisk) -> Iterator[str]:
    if found.parts is None:
        return
    yield ""
    yield f"{INDENT}{'what contributes to the ES':<{NAME}}{'ES':>14}"
    for i in np.argsort(-found.parts.es)[:SHOWN]:
        name = found.parts.names[i][: NAME - 2]
        yield f"{INDENT}{name:<{NAME}}{terse(_decimal(float(found.parts.es[i]))):>14}"


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _money(value: float) -> str:
    return figure(_decimal(value))
