"""Tables per instrument and minute, then how it was done, what it cannot tell, and the words."""

from collections.abc import Sequence

from keelmark.accounts.markup import Html, element, joined
from keelmark.lab.report.model import (
    Fact,
    Headline,
    InstrumentRow,
    Paragraph,
    PeakRow,
    ReplayReport,
)
from keelmark.lab.report.sections import nothing, section
from keelmark.lab.report.tables import (
    Column,
    fraction,
    moment,
    money,
    number,
    table,
    text,
    with_gauges,
)
from keelmark.lab.report.words import GLOSSARY

LONG = Column(title="longs liquidated")
SHORT = Column(title="shorts liquidated")
DELEVERAGED = Column(title="deleveraged")
FUND_PAID = Column(title="fund paid", meaning="What the insurance fund paid for deficits.")
ACCOUNTS = Column(title="accounts", meaning="Accounts liquidated.")
INSTRUMENT_COLUMNS = (
    Column(title="instrument", numeric=False),
    Column(title="largest move", meaning="From the first mark of the replay."),
    Column(title="at", unit="UTC"),
    ACCOUNTS,
    LONG,
    SHORT,
    DELEVERAGED,
    FUND_PAID,
)
PEAK_COLUMNS = (
    Column(title="minute", unit="UTC"),
    Column(title="index move", meaning="Of the market index within the minute."),
    ACCOUNTS,
    LONG,
    SHORT,
    DELEVERAGED,
    FUND_PAID,
)


def detail_tables(report: ReplayReport) -> Html:
    """Return the table per instrument and the worst minutes."""
    currency = report.headline.currency
    return section(
        "tables",
        "By instrument and minute",
        f"Amounts in {currency}. Choose a header to sort.",
        _instruments(report.instruments, currency),
        _peaks(report.peaks, currency),
    )


def closing(report: ReplayReport) -> Html:
    """Return method, limits, provenance and glossary."""
    return joined(
        (
            _prose("method", "How it was done", report.method),
            _prose("limits", "What it cannot tell", report.limits),
            _provenance(report.headline),
            _glossary(report.glossary),
        )
    )


def _instruments(rows: Sequence[InstrumentRow], currency: str) -> Html:
    if not rows:
        return nothing("No instrument had a liquidation.")
    cells = (
        (
            text(row.instrument),
            fraction(row.move, change=True),
            moment(row.move_ms),
            number(row.accounts),
            money(row.liquidated_long),
            money(row.liquidated_short),
            money(row.deleveraged),
            money(row.fund_paid),
        )
        for row in rows
    )
    hues = {4: "long", 5: "short", 6: "deleveraged", 7: "fund"}
    return table(f"Every instrument, {currency}", INSTRUMENT_COLUMNS, with_gauges(cells, hues))


def _peaks(rows: Sequence[PeakRow], currency: str) -> Html:
    if not rows:
        return nothing("No minute had a liquidation.")
    cells = (
        (
            moment(row.time_ms),
            fraction(row.move, 2, change=True),
            number(row.accounts),
            money(row.liquidated_long),
            money(row.liquidated_short),
            money(row.deleveraged),
            money(row.fund_paid),
        )
        for row in rows
    )
    hues = {3: "long", 4: "short", 5: "deleveraged", 6: "fund"}
    return table(f"The worst minutes, {currency}", PEAK_COLUMNS, with_gauges(cells, hues))


def _prose(name: str, title: str, paragraphs: Sequence[Paragraph]) -> Html:
    if not paragraphs:
        return section(name, title, None, nothing("Nothing was written down for this run."))
    blocks = (
        element("div", element("h3", item.title), element("p", item.text)) for item in paragraphs
    )
    return section(name, title, None, element("div", *blocks, class_="prose"))


def _provenance(headline: Headline) -> Html:
    source = headline.provenance
    facts = (
        Fact(label="scenario", value=headline.scenario),
        Fact(label="mark model", value=source.mark_model),
        Fact(label="rulebook", value=source.rulebook),
        *source.policies,
        Fact(label="seed", value=str(source.seed)),
        Fact(label="digest", value=source.digest),
        *source.versions,
        *source.facts,
    )
    pairs = (element("div", element("dt", fact.label), element("dd", fact.value)) for fact in facts)
    return section(
        "provenance",
        "To run it again",
        "Equal inputs, seed and versions give an equal digest, on any machine.",
        element("dl", *pairs, class_="facts"),
    )


def _glossary(own: Sequence[Paragraph]) -> Html:
    known = {item.title: item for item in (*GLOSSARY, *own)}
    lines = (
        joined((element("dt", item.title), element("dd", item.text)))
        for _, item in sorted(known.items(), key=lambda pair: pair[0].casefold())
    )
    return section("words", "Words", None, element("dl", *lines, class_="glossary"))
