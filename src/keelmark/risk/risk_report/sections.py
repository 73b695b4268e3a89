"""The parts of the page below the first screen, each one question with its answer."""

from collections.abc import Iterator, Sequence

from keelmark.accounts.figures import exactly, figure, percent
from keelmark.accounts.markup import Content, Html, element
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.volatilities import sigmas_text
from keelmark.core.numbers import ZERO
from keelmark.risk.portfolio.portfolio import Bucket, Portfolio
from keelmark.risk.risk_report import charts
from keelmark.risk.risk_report.model import (
    Chances,
    Headroom,
    Move,
    Report,
    Reverse,
    StressRow,
    Tails,
)
from keelmark.risk.risk_report.parts import behind, note, section, table, unknown
from keelmark.risk.risk_report.parts import figure as picture
from keelmark.risk.risk_report.texts import (
    MINUS,
    chance,
    chance_of,
    chance_span,
    coins,
    money,
    share,
    span,
    times,
)

TOLD = (0.05, 0.5, 0.95)
"""Shares of the cases whose time is told in the sentence."""

DRAWN_FROM = 1e-6
"""Probabilities all below this are told, not drawn: the picture would be a line at nothing."""

STRESSES_SHOWN = 10
"""Scenarios shown at once, and every one that liquidates; the rest is a click away."""


def contributions(found: Tails | str) -> Html:
    """Return what each leg adds to the expected shortfall, the largest first."""
    name, title = "contributions", "What contributes"
    if isinstance(found, str):
        return section(name, title, None, unknown(found))
    parts = sorted(found.parts, key=lambda part: -part.amount)
    total = sum(part.amount for part in parts)
    largest = max((abs(part.amount) for part in parts), default=0.0)
    is_mixed = any(part.amount < 0.0 for part in parts)
    rows = [
        (
            part.name,
            charts.bar(
                part.amount,
                largest,
                kind="lost" if part.amount > 0.0 else "gained",
                is_diverging=is_mixed,
            ),
            money(part.amount, signed=True),
            share(part.amount / total) if total > 0.0 else "",
            "" if part.error is None else f"\N{PLUS-MINUS SIGN} {money(part.error)}",
        )
        for part in parts
    ]
    hedges = [part.name for part in parts if part.amount < 0.0]
    lead = f"{found.parts_of} within {span(found.days)} is {money(total)}; the legs sum to it."
    if parts and total > 0.0:
        lead += f" {parts[0].name} is {share(parts[0].amount / total, digits=0)} of it"
        lead += (
            f"; {', '.join(hedges)} {'take' if hedges[1:] else 'takes'} from it." if hedges else "."
        )
    heads = ("leg", "", "adds", "of all", "std. error")
    return section(name, title, lead, table(heads, rows, kind="bars"))


def pictures(report: Report) -> Html:
    """Return the distribution of profits beside the probability over time."""
    over_time = _over_time(report.chances, is_due=bool(report.unit.is_liquidatable))
    return element("div", _distribution(report.tails), over_time, class_="pair")


def _distribution(found: Tails | str) -> Html:
    name, title = "distribution", "How profits are spread"
    if isinstance(found, str):
        return section(name, title, None, unknown(found))
    marks = [(m.name, m.loss) for m in found.measures if m.name in found.marked and m.loss]
    drawing = charts.distribution(found.profits, found.liquidated, marks)
    out = found.share_liquidated
    lead = f"{len(found.profits):,} scenarios of {span(found.days)}: "
    lead += "none liquidates." if not out else f"{chance(out)} liquidate (orange)."
    rows = [(m.name, money(m.loss), f"{money(m.low)} to {money(m.high)}") for m in found.measures]
    data = table(("measure", "loss", "95 % interval"), rows)
    caption = "The outermost bars gather what lies beyond."
    return section(name, title, lead, picture(drawing, caption, behind("Table", data)))


def _over_time(found: Chances | str, *, is_due: bool) -> Html:
    name, title = "over-time", "Liquidation over time"
    if isinstance(found, str):
        return section(name, title, None, unknown(found))
    curve = [charts.Point(c.days, c.probability, c.low, c.high) for c in found.curve]
    shown = [charts.Point(c.days, c.probability, c.low, c.high) for c in found.shown]
    rows = [(span(c.days), chance_of(c), chance_span(c.low, c.high)) for c in found.curve]
    data = table(("within", "probability", "95 % interval"), rows)
    lead = _times_words(found)
    if is_due:
        return section(name, title, "It is liquidatable now: there is no time to tell.")
    if not curve or max(point.value for point in curve) < DRAWN_FROM:
        return section(name, title, lead, note("Too rare to draw."), behind("Table", data))
    drawing = charts.chances_curve(curve, shown)
    caption = f"Probability by then: {found.law}; the band is its 95 % interval."
    return section(name, title, lead, picture(drawing, caption, behind("Table", data)))


def _times_words(found: Chances) -> str:
    """Say by when it is liquidated with a probability, where that is within the time looked at."""
    told = [
        f"{share(level, digits=0)} by {span(days)}"
        for level, days in found.times
        if days is not None and level in TOLD
    ]
    if told:
        return f"Liquidated: {', '.join(told)}."
    last = found.curve[-1] if found.curve else None
    if last is None:
        return "No time was looked at."
    text = chance_of(last)
    return f"{text[:1].upper()}{text[1:]} within {span(last.days)}."


def positions(report: Report) -> Html:
    """Return every position of the unit with its price of liquidation."""
    held = report.unit.positions
    rows = [_position(position, report.currency) for position in held]
    heads = (
        "instrument",
        "side",
        "size",
        "notional",
        "profit",
        "maint.",
        "liq. price",
        "distance",
        "sigma",
    )
    lead = f"{len(held)} positions; each distance is of that price alone, all others held."
    return section("positions", "Positions", lead, table(heads, rows))


def _position(position: PositionCheck, currency: str) -> Sequence[Content]:
    held = position.held
    side = "long" if held.position.size > ZERO else "short"
    unit = "" if held.settle == currency else f" {held.settle}"
    price = position.liquidation
    far = "" if position.distance is None else percent(position.distance, signed=True)
    margin = position.maintenance_margin
    return (
        held.position.instrument,
        element("span", side, class_=side),
        exactly(abs(held.position.size)),
        figure(held.notional) + unit,
        figure(held.unrealized_pnl, signed=True).replace("-", MINUS) + unit,
        "unknown" if margin is None else figure(margin) + unit,
        element("span", price.status.value, title=price.reason or "")
        if price.value is None
        else figure(price.value),
        far.replace("-", MINUS),
        sigmas_text(position.sigmas),
    )


def stresses(found: Sequence[StressRow] | str) -> Html:
    """Return the library of stresses, the worst first."""
    name, title = "stress", "Stress"
    if isinstance(found, str):
        return section(name, title, None, unknown(found))
    known = sorted(found, key=lambda row: (not row.is_liquidated, row.profit or 0.0))
    out = [row.name for row in known if row.is_liquidated]
    largest = max((abs(row.profit or 0.0) for row in known), default=0.0)
    is_mixed = len({(row.profit or 0.0) > 0.0 for row in known if row.profit}) > 1
    rows = [_stress(row, largest, is_mixed=is_mixed) for row in known]
    lead = (
        f"{len(out)} of {len(known)} liquidate it" if out else f"None of {len(known)} liquidates it"
    )
    lead += f": {', '.join(out[:3])}{' and others' if len(out) > 3 else ''}." if out else "."  # noqa: PLR2004 names in a sentence
    heads = ("scenario", "", "", "profit", "excess after", "worst legs")
    first = max(STRESSES_SHOWN, len(out))
    rest = rows[first:]
    more = behind(f"{len(rest)} milder", table(heads, rest, kind="bars stress")) if rest else None
    return section(name, title, lead, table(heads, rows[:first], kind="bars stress"), more)


def _stress(row: StressRow, largest: float, *, is_mixed: bool) -> Sequence[Content]:
    word = (
        "unknown" if row.is_liquidated is None else "LIQUIDATED" if row.is_liquidated else "holds"
    )
    kind = "deficit" if row.is_liquidated else "none" if row.is_liquidated is None else "green"
    profit = row.profit
    kept = charts.bar(
        profit or 0.0,
        largest,
        kind="gained" if (profit or 0.0) > 0.0 else "lost",
        is_diverging=is_mixed,
    )
    return (
        row.name,
        element("span", word, class_=f"word {kind}"),
        kept,
        money(profit, signed=True),
        money(row.excess, signed=True),
        element("span", row.note, title=row.source or None, class_="words"),
    )


def reverse(found: Reverse | str) -> Html:
    """Return the likeliest liquidating scenario, and what would move it farther away."""
    name, title = "reverse", "What would do it"
    if isinstance(found, str):
        return section(name, title, None, unknown(found))
    moves = table(("moves", "", "change", "own sigma"), _moves(found.moves), kind="bars")
    tables = [element("div", element("h3", "The scenario"), moves)]
    if found.sensitivities:
        largest = max(abs(s.sigmas) for s in found.sensitivities)
        ordered = sorted(found.sensitivities, key=lambda s: s.sigmas)
        rows = [
            (
                s.name,
                charts.bar(
                    s.sigmas,
                    largest,
                    kind="lost" if s.sigmas < 0.0 else "gained",
                    is_diverging=True,
                ),
                f"{s.sigmas:+.3f}".replace("-", MINUS),
            )
            for s in ordered
        ]
        heads = ("change", "", "sigma farther")
        legs = table(heads, rows, kind="bars")
        tables.append(element("div", element("h3", "What moves it farther away"), legs))
    lead = found.words or f"The nearest liquidating scenario is {found.sigmas:.2f} sigma away."
    extra = note(found.method) if found.method else None
    return section(name, title, lead, element("div", *tables, class_="pair"), extra)


def _moves(moves: Sequence[Move]) -> Iterator[Sequence[Content]]:
    largest = max((abs(move.change) for move in moves), default=0.0)
    for move in moves:
        kind = "short" if move.change < 0.0 else "long"
        text = share(move.change, signed=True)
        if move.is_price and move.price is not None:
            text = f"to {move.price:.4g}"
        yield (
            move.name,
            charts.bar(move.change, largest, kind=kind, is_diverging=True),
            text,
            "" if move.sigmas is None else f"{move.sigmas:+.1f}".replace("-", MINUS),
        )


def exposure(found: Portfolio | str) -> Html:
    """Return Greeks by coin and expiry, concentration, open interest and carry."""
    name, title = "exposure", "Exposure"
    if isinstance(found, str):
        return section(name, title, None, unknown(found))
    lead = _concentration(found)
    by_coin = table(_greek_heads(found, "coin"), [_greeks(b, found) for b in found.coins])
    parts = [element("h3", "By coin, collateral counted"), by_coin]
    if any(bucket.expiry for bucket in found.buckets):
        rows = [_greeks(bucket, found, dated=True) for bucket in found.buckets]
        parts += [element("h3", "By expiry"), table(_greek_heads(found, "bucket"), rows)]
    parts.append(note(_unit_words(found)))
    shares = [(n, k) for n, k in found.open_interest.items() if k.value is not None]
    carries = [(n, k) for n, k in found.carry.items() if k.value is not None]
    if shares:
        rows = [(n, share(k.value or 0.0, digits=2)) for n, k in shares]
        parts += [element("h3", "Share of open interest"), table(("instrument", "share"), rows)]
    if carries:
        rows = [(n, money(k.value, signed=True)) for n, k in carries]
        parts += [element("h3", "Funding received a day"), table(("instrument", "a day"), rows)]
    return section(name, title, lead, *parts)


def _concentration(found: Portfolio) -> str:
    known = found.concentration
    if known is None:
        return f"Exposure is unknown: {found.reason}." if found.reason else "Nothing moves it."
    gross, net = found.gross_leverage.value, found.net_leverage.value
    text = (
        f"{known.largest} is {share(known.share, digits=0)} of the gross exposure; it is as "
        f"concentrated as {known.coins:.1f} equal coins"
    )
    if gross is None or net is None:
        return f"{text}."
    return f"{text}. Gross {times(gross)}, net {times(net)} of equity."


def _has_options(found: Portfolio) -> bool:
    return any(leg.is_option for leg in found.legs)


def _greek_heads(found: Portfolio, first: str) -> tuple[str, ...]:
    heads: tuple[str, ...] = (first, "delta, coins", f"delta, {found.currency}", "of gross")
    if _has_options(found):
        heads = (*heads, "gamma, coins per 1 %", "vega per point", "theta a day")
    return heads if first == "bucket" else (*heads, "adds to volatility")


def _greeks(bucket: Bucket, found: Portfolio, *, dated: bool = False) -> Sequence[Content]:
    name = bucket.coin
    if dated:
        name = f"{name} {bucket.expiry:%Y-%m-%d}" if bucket.expiry else f"{name} perpetual"
    gross = found.gross.value
    cells: list[Content] = [
        name,
        "unknown" if bucket.delta is None else coins(bucket.delta),
        money(bucket.value, signed=True),
        share(abs(bucket.value) / gross) if bucket.value is not None and gross else "",
    ]
    if _has_options(found):
        cells += [
            coins(bucket.gamma),
            money(bucket.vega, signed=True),
            money(bucket.theta, signed=True),
        ]
    if not dated:
        part = found.contributions.get(bucket.coin)
        cells.append("" if part is None else money(part, signed=True))
    return cells


def _unit_words(found: Portfolio) -> str:
    known = found.volatility
    if known.value is None:
        return f"Volatility unknown: {known.reason}."
    text = f"Volatility {money(known.value)} {found.currency} over {found.horizon or 'a day'}"
    return f"{text}; what the coins add sums to it. Options count by their delta."


def sizing(found: Sequence[Headroom] | str) -> Html:
    """Return how large each position may be."""
    name, title = "sizing", "Room to size"
    if isinstance(found, str):
        return section(name, title, None, unknown(found))
    if not found:
        return section(name, title, None, note("No position to size."))
    rules = [rule for rule, _, _ in found[0].rules]
    rows = [
        (
            row.instrument,
            element("span", _side(row), class_=_side(row)),
            exactly(row.held),
            *(
                "unknown" if size is None else _room(size, leverage, is_binding=rule == row.binding)
                for rule, size, leverage in row.rules
            ),
        )
        for row in found
    ]
    heads = ("instrument", "side", "held", *(f"at most by {rule}" for rule in rules))
    lead = (
        "The largest size of each position while all others stay: what the venue lets open, and "
        "what is liquidated seldom enough. The smaller binds (bold)."
    )
    return section(name, title, lead, table(heads, rows))


def _side(row: Headroom) -> str:
    return "long" if row.is_long else "short"


def _room(size: object, leverage: float | None, *, is_binding: bool) -> Html:
    text = f"{size:,f}".rstrip("0").rstrip(".") if "." in f"{size:,f}" else f"{size:,f}"
    more = None if leverage is None else element("small", f" {times(leverage)}")
    return element("b" if is_binding else "span", text, more)


def method(report: Report) -> Html:
    """Return how it was worked out, on what data, and what it does not cover."""
    rows = [element("div", element("dt", name), element("dd", text)) for name, text in report.facts]
    limits = element("ul", *(element("li", text) for text in report.limits))
    notes = [element("li", text) for text in report.check.account.notes]
    return section(
        "method",
        "Method and limits",
        None,
        element("dl", *rows, class_="facts"),
        element("h3", "What is assumed and not covered") if report.limits else None,
        limits if report.limits else None,
        element("h3", "Assumed of the account") if notes else None,
        element("ul", *notes) if notes else None,
    )
