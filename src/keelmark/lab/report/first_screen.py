"""The first screen: what was replayed, on which data, and the four figures."""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.accounts.markup import Content, Html, element, joined
from keelmark.core.numbers import ZERO
from keelmark.lab.report.figures import (
    all_digits,
    amount,
    clock,
    data,
    duration,
    instant,
    percent,
    share,
    signed,
)
from keelmark.lab.report.figures import compact as short
from keelmark.lab.report.model import (
    Attribution,
    Figure,
    Headline,
    Outcome,
    Payer,
    Residual,
    Run,
)
from keelmark.lab.report.story import debt_story

DIGEST_SHOWN = 16


def first_screen(
    headline: Headline, attributions: Sequence[Attribution], mark_models: Sequence[Run] = ()
) -> Html:
    """Return the header of the page."""
    paid = next((item for item in attributions if item.asset == headline.currency), None)
    return joined(
        (
            element("h1", headline.title),
            _data(headline),
            _provenance(headline),
            _figures(headline.outcome, headline.currency, paid),
            _small_figures(headline, paid, mark_models),
        )
    )


def _data(headline: Headline) -> Html:
    provenance = headline.provenance
    kind = "recorded prices" if provenance.recorded else "built-in prices"
    start = element("time", instant(headline.start_ms))
    length = duration(headline.end_ms - headline.start_ms)
    return element(
        "p",
        element("span", kind, class_="badge"),
        f" {provenance.data} ",
        joined((start, " to ", element("time", _end(headline)), f", {length}.")),
        class_="data",
    )


def _end(headline: Headline) -> str:
    same_day = instant(headline.start_ms)[:10] == instant(headline.end_ms)[:10]
    return f"{clock(headline.end_ms)} UTC" if same_day else instant(headline.end_ms)


def _provenance(headline: Headline) -> Html:
    source = headline.provenance
    digest = source.digest
    shown = (
        digest if len(digest) <= DIGEST_SHOWN else f"{digest[:DIGEST_SHOWN]}\N{HORIZONTAL ELLIPSIS}"
    )
    pairs = (
        ("scenario", headline.scenario),
        ("mark model", source.mark_model),
        ("rulebook", source.rulebook),
        *((policy.label, policy.value) for policy in source.policies),
        ("seed", str(source.seed)),
        ("digest", element("span", shown, title=digest, class_="mono")),
    )
    return element("dl", *(_pair(label, value) for label, value in pairs), class_="provenance")


def _pair(label: str, value: Content) -> Html:
    return element("div", element("dt", label), element("dd", value))


def _figures(outcome: Outcome, currency: str, paid: Attribution | None) -> Html:
    hit = share(outcome.accounts_liquidated, outcome.accounts)
    kept = share(outcome.fund_end, outcome.fund_start)
    long = share(outcome.liquidated_long, outcome.liquidated)
    return element(
        "div",
        _figure(
            "accounts liquidated",
            data(outcome.accounts_liquidated, all_digits(outcome.accounts_liquidated)),
            joined((f"{percent(hit)} of ", data(outcome.accounts, all_digits(outcome.accounts)))),
            _meter(("vermilion", float(hit))),
        ),
        _figure(
            f"liquidated notional, {currency}",
            amount(outcome.liquidated),
            _sides(outcome),
            _meter(("long", float(long)), ("short", float(1 - long)))
            if outcome.liquidated
            else _meter(),
        ),
        _figure(
            f"change of the insurance fund, {currency}",
            data(outcome.fund_change, signed(short(outcome.fund_change), outcome.fund_change)),
            joined(("from ", amount(outcome.fund_start), " to ", amount(outcome.fund_end))),
            _meter(("fund", min(float(kept), 1.0))),
        ),
        _figure(
            f"bad debt, {currency}",
            amount(outcome.bad_debt),
            debt_story(outcome, paid),
            _debt_meter(outcome.bad_debt, paid),
        ),
        class_="headline",
    )


def _debt_meter(bad_debt: Decimal, paid: Attribution | None) -> Html:
    """Return how much of all deficits was paid (purple) and was not (vermilion)."""
    deficit = paid.deficit if paid else bad_debt
    unpaid = min(float(share(bad_debt, deficit)), 1.0)
    return _meter(("fund", 1 - unpaid), ("vermilion", unpaid)) if deficit else _meter()


def _sides(outcome: Outcome) -> Content:
    if not outcome.liquidated:
        return "none on either side"
    long = percent(share(outcome.liquidated_long, outcome.liquidated))
    return joined(
        (
            f"{long} long: ",
            element("span", amount(outcome.liquidated_long), class_="key key-long"),
            " ",
            element("span", amount(outcome.liquidated_short), class_="key key-short"),
        )
    )


def _figure(label: str, value: Html, remark: Content, meter: Html) -> Html:
    return element(
        "div",
        element("p", label, class_="label"),
        element("p", value, class_="value"),
        meter,
        element("p", remark, class_="remark"),
        class_="figure",
    )


def _meter(*parts: tuple[str, float]) -> Html:
    bars = (
        element("span", class_=f"fill fill-{kind}", style=f"width:{width:.2%}")
        for kind, width in parts
        if width > 0
    )
    return element("div", *bars, class_="meter", aria_hidden="true")


def _small_figures(
    headline: Headline, paid: Attribution | None, mark_models: Sequence[Run]
) -> Html:
    outcome, currency = headline.outcome, headline.currency
    others = [run for run in mark_models if not run.is_this_report]
    return element(
        "dl",
        _pair(f"auto-deleveraged, {currency}", _deleveraged(outcome, paid)),
        _pair(f"socialised, {currency}", amount(outcome.socialised)),
        *(_pair(_label(figure), _figure_value(figure)) for figure in headline.figures),
        *(
            _pair(
                f"liquidated with mark model {run.name}, {currency}", _beside(run.outcome, outcome)
            )
            for run in others
        ),
        _pair("conservation residual, quanta", _residuals(headline.residuals)),
        class_="small-figures",
    )


def _deleveraged(outcome: Outcome, paid: Attribution | None) -> Html:
    """Say how much was closed against how many accounts, and what that cost them."""
    if not outcome.deleveraged_accounts:
        return amount(outcome.deleveraged_notional)
    shares = paid.shares if paid else ()
    given = sum((s.amount for s in shares if s.payer is Payer.DELEVERAGED), start=ZERO)
    people = data(outcome.deleveraged_accounts, all_digits(outcome.deleveraged_accounts))
    return joined(
        (
            amount(outcome.deleveraged_notional),
            " from ",
            people,
            " accounts, who gave up ",
            amount(given),
        )
    )


def _beside(other: Outcome, own: Outcome) -> Html:
    """Return what another run liquidated, and by how much that differs."""
    change = share(other.liquidated - own.liquidated, own.liquidated)
    return joined((amount(other.liquidated), f" ({signed(percent(change), change)})"))


def _label(figure: Figure) -> str:
    return f"{figure.label}, {figure.unit}" if figure.unit else figure.label


def _figure_value(figure: Figure) -> Html:
    """Return a figure, a gain or loss with its sign."""
    if figure.value is None:
        return element("span", "none", class_="none", title=figure.meaning)
    value = short(figure.value)
    shown = data(figure.value, signed(value, figure.value) if figure.is_change else value)
    return element("span", shown, title=figure.meaning or None)


def _residuals(residuals: tuple[Residual, ...]) -> Html:
    if not residuals:
        return Html("not checked")
    wrong = [item for item in residuals if item.quanta]
    shown = wrong or residuals
    figures = joined(
        joined(
            (
                ", " if index else None,
                data(item.quanta, all_digits(item.quanta)),
                f" {item.asset}",
            )
        )
        for index, item in enumerate(shown)
    )
    verdict = "money is missing or made up" if wrong else "every quantum is accounted for"
    style = "bad" if wrong else "good"
    return joined((figures, element("span", verdict, class_=f"verdict {style}")))
