"""The first screen: how far, how likely, how much, and what would do it."""

from collections.abc import Callable
from itertools import zip_longest

from keelmark.accounts.figures import percent
from keelmark.accounts.gauge import gauge_of
from keelmark.accounts.levels import Level
from keelmark.accounts.markup import Content, Html, element
from keelmark.accounts.notebook import gauge_drawing
from keelmark.risk.portfolio.portfolio import Known, Portfolio
from keelmark.risk.risk_report.model import Chance, Chances, Report, Reverse, Tails
from keelmark.risk.risk_report.parts import unknown
from keelmark.risk.risk_report.texts import (
    MINUS,
    chance_of,
    chance_span,
    money,
    share,
    sigmas,
    span,
    times,
)


def first_screen(report: Report) -> Html:
    """Return the head of the page."""
    level = report.unit.level(report.check.levels)
    warnings = [element("p", text, class_="warning") for text in report.check.warnings]
    age = report.check.age.words
    return element(
        "header",
        *warnings,
        element(
            "p",
            report.check.account.rulebook.name,
            f", {report.unit.unit.unit_id}",
            f", {age}" if age else None,
            class_="kicker",
        ),
        element("h1", report.title),
        element(
            "p",
            element("span", level.value, class_=f"word {level.value.lower()}"),
            report.unit.headline,
            class_="headline",
        ),
        *(element("p", text, class_="kicker") for text in report.others),
        element(
            "div",
            _gauge(report, level),
            element(
                "div",
                _distance(report, level, report.reverse),
                _chances(report.chances),
                _losses(report.tails, report.worth),
                _size(report),
                class_="cards",
            ),
            class_="first",
        ),
        _likeliest(report.reverse),
    )


def _gauge(report: Report, level: Level) -> Html:
    gauge = gauge_of(report.unit.report, report.check.account.rulebook.liquidation)
    if gauge is None:
        why = report.unit.reason or "no position needs margin"
        return element("div", unknown(why), class_="gauge")
    drawing = Html(gauge_drawing(gauge, level.value.lower()))
    caption = element("p", "maintenance over equity", class_="note")
    return element("div", drawing, caption, class_="gauge")


def _card(title: Content, *content: Content) -> Html:
    return element("div", element("h3", title), *content, class_="card")


def _pairs(*rows: tuple[Content, Content, Content]) -> Html:
    """Return lines of a card: name, figure, and what stands small beside it."""
    lines = (
        element(
            "div",
            element("dt", name),
            element("dd", element("b", value), element("small", more) if more else None),
        )
        for name, value, more in rows
    )
    return element("dl", *lines)


def _distance(report: Report, level: Level, joint: Reverse | str) -> Html:
    nearest = report.unit.nearest
    if report.unit.is_liquidatable:
        word = element("p", "liquidatable now", class_=f"big {level.value.lower()}")
        return _card("Nearest liquidating move", word)
    if nearest is None:
        text = report.unit.reason or "no move found liquidates it"
        return _card("Nearest liquidating move", element("p", text, class_="big none"))
    size = percent(nearest.distance, signed=True).replace("-", MINUS)
    known = "" if nearest.sigmas is None else f", {sigmas(nearest.sigmas)}"
    alone = "" if nearest.instrument is None else " alone"
    red = percent(report.check.levels.red, digits=0)
    return _card(
        "Nearest liquidating move",
        element("p", size, class_=f"big {level.value.lower()}"),
        element("p", f"{nearest.words}{alone}{known}", class_="sub"),
        element("p", f"{level.value}; red below {red}", class_="note"),
        None
        if isinstance(joint, str)
        else element("p", f"likeliest joint move: {sigmas(joint.sigmas)}", class_="sub apart"),
    )


def _chances(found: Chances | str) -> Html:
    title = "Probability of liquidation"
    if isinstance(found, str):
        return _card(title, unknown(found))
    rows = [
        (f"within {span(one.days)}", chance_of(one), chance_small(one, other))
        for one, other in zip_longest(found.shown, found.beside)
    ]
    return _card(
        title,
        _pairs(*rows),
        element("p", f"{found.law}; 95 % interval", class_="note"),
        *(element("p", words, class_="sub apart") for words in found.pegs),
    )


def chance_small(one: Chance, other: Chance | None) -> str:
    """Return what stands beside a chance: its interval, and what Student's law tells."""
    interval = "" if one.is_bound else chance_span(one.low, one.high)
    student = "" if other is None else f"Student t: {chance_of(other)}"
    return "; ".join(filter(None, (interval, student)))


def _losses(found: Tails | str, worth: float | None) -> Html:
    if isinstance(found, str):
        return _card("Loss at risk", unknown(found))
    rows = []
    for measure in found.measures:
        part = measure.reason
        if measure.loss is not None and worth and worth > 0.0:
            part = f"{share(measure.loss / worth)} of worth"
        rows.append((measure.name, money(measure.loss), part))
    return _card(f"Loss within {span(found.days)}", _pairs(*rows))


def _size(report: Report) -> Html:
    found = report.portfolio
    rows: list[tuple[Content, Content, Content]] = [("worth", money(report.worth), report.currency)]
    if isinstance(found, Portfolio):
        rows += [
            ("leverage", _leverage(report), "notional over equity"),
            ("exposure", _known(found.gross_leverage, times), "coins netted, over equity"),
            ("volatility", _known(found.relative_volatility, share), found.horizon and "a day"),
        ]
        return _card("Size", _pairs(*rows))
    return _card("Size", _pairs(*rows), unknown(found))


def _leverage(report: Report) -> Content:
    margin = report.unit.report
    ratio = None if margin is None else margin.effective_leverage
    if ratio is None or ratio.value is None:
        why = report.unit.reason if ratio is None else ratio.reason
        return element("span", "unknown", title=why or "", class_="none")
    return times(float(ratio.value))


def _known(known: Known, text: Callable[[float], str]) -> Content:
    if known.value is None:
        return element("span", "unknown", title=known.reason or "", class_="none")
    return text(known.value)


def _likeliest(found: Reverse | str) -> Html:
    title = element("h3", "Likeliest way to be liquidated")
    if isinstance(found, str):
        return element("div", title, unknown(found), class_="likeliest")
    return element("div", title, element("p", found.words), class_="likeliest")
