"""Who paid: bars that sum to the loss exactly."""

from collections.abc import Sequence
from decimal import Decimal

from keelmark.accounts.markup import Html, element, joined
from keelmark.lab.report.figures import (
    aligned,
    all_digits,
    data,
    decimals_of,
    percent,
    share,
)
from keelmark.lab.report.model import Attribution, Payer, Share
from keelmark.lab.report.sections import nothing, section
from keelmark.lab.report.story import paid_story
from keelmark.lab.report.words import PAYERS

LETTERS_IN_BAR = 140
OWN = frozenset({Payer.UNIT, Payer.FEE})


def paid_section(attributions: Sequence[Attribution]) -> Html:
    """Return one block per settle asset."""
    if not attributions:
        empty = nothing("Nothing was liquidated: there was nothing to pay.")
        return section("paid", "Who paid", None, empty)
    blocks = (_block(item) for item in attributions)
    return section("paid", "Who paid", paid_story(attributions[0]), *blocks)


def attribution_bars(attribution: Attribution) -> Html:
    """Return the whole loss as one bar and, where others had to pay, their part drawn larger."""
    shares = sorted(attribution.shares, key=lambda item: list(Payer).index(item.payer))
    others = [item for item in shares if item.payer not in OWN]
    deficit = attribution.deficit
    own = attribution.paid - deficit
    start = f"--from:{float(share(own, attribution.paid)):.2%}"
    both = own > 0 and deficit > 0
    return element(
        "div",
        _bar("the whole loss", shares, attribution.total),
        element("div", class_="zoom", style=start, aria_hidden="true") if both else None,
        _bar("of it, the deficit others paid", others, deficit) if both else None,
        class_="bars",
    )


def attribution_table(attribution: Attribution) -> Html:
    """Return the shares, their sum and what is left, to the last digit."""
    digits = decimals_of((*(item.amount for item in attribution.shares), attribution.total))
    rows = (_share_row(item, attribution.total, digits) for item in attribution.shares)
    verdict = "bad" if attribution.residual else "good"
    return element(
        "table",
        element("caption", f"Who paid, {attribution.asset}"),
        _head(),
        element("tbody", *rows),
        element(
            "tfoot",
            _total_row("sum of the shares", attribution.paid, digits),
            _total_row("loss to be paid", attribution.total, digits),
            _total_row("residual", attribution.residual, digits, verdict),
        ),
        class_="figures attribution",
    )


def _head() -> Html:
    titles = ("who", "amount", "part of the loss", "how many")
    cells = (
        element("th", title, scope="col", class_=None if index else "words")
        for index, title in enumerate(titles)
    )
    return element("thead", element("tr", *cells))


def _block(attribution: Attribution) -> Html:
    return element(
        "div",
        element("h3", f"in {attribution.asset}"),
        attribution_bars(attribution),
        element("div", attribution_table(attribution), class_="scroll"),
        class_="paid",
    )


def _sum(shares: Sequence[Share]) -> Decimal:
    return sum((item.amount for item in shares), start=Decimal(0))


def _bar(label: str, shares: Sequence[Share], total: Decimal) -> Html:
    positive = [item for item in shares if item.amount > 0]
    whole = max(total, _sum(positive))
    parts = (_part(item, whole) for item in positive)
    return joined(
        (
            element("p", label, class_="bar-label"),
            element("div", *parts, class_="bar", aria_hidden="true"),
        )
    )


def _part(item: Share, whole: Decimal) -> Html:
    width = float(share(item.amount, whole))
    label = f"{PAYERS[item.payer]} {percent(width, 0)}"
    fits = width * LETTERS_IN_BAR > len(label)
    return element(
        "span",
        element("span", label) if fits else None,
        class_=f"fill fill-{item.payer}",
        style=f"width:{width:.4%}",
        title=f"{PAYERS[item.payer]}: {all_digits(item.amount)}",
    )


def _share_row(item: Share, total: Decimal, digits: int) -> Html:
    people = all_digits(item.count) if item.count > 1 else ""
    part = share(item.amount, total)
    name = element("span", PAYERS[item.payer], class_=f"key key-{item.payer}")
    return element(
        "tr",
        element("th", name, scope="row", class_="words"),
        element("td", data(item.amount, aligned(item.amount, digits))),
        element("td", percent(part, 2)),
        element("td", people),
    )


def _total_row(label: str, value: Decimal, digits: int, style: str = "") -> Html:
    return element(
        "tr",
        element("th", label, scope="row", class_="words"),
        element("td", data(value, aligned(value, digits))),
        element("td"),
        element("td"),
        class_=f"sum {style}".rstrip(),
    )


def paid_line(attribution: Attribution) -> Html:
    """Return the shares of a case in one small bar."""
    positive = [item for item in attribution.shares if item.amount > 0]
    whole = max(attribution.total, _sum(positive))
    parts = joined(
        element(
            "span",
            class_=f"fill fill-{item.payer}",
            style=f"width:{float(share(item.amount, whole)):.2%}",
            title=f"{PAYERS[item.payer]}: {all_digits(item.amount)}",
        )
        for item in positive
    )
    return element("div", parts, class_="bar small", aria_hidden="true")
