"""The page says what the report says, asks nobody for anything, and stays small."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from keelmark.accounts.markup import VOID
from keelmark.core.errors import InvalidInput
from keelmark.lab.report import ReplayReport, render, write
from keelmark.lab.report.model import Attribution, Fact, Figure, Paragraph, Payer, Residual, Share
from keelmark.lab.report.page import SIZE_MAX
from keelmark.lab.report.series import PriceLine
from tests.lab.report_example import COINS, MINUTE, START, example, liquidation_map, quiet

HOSTILE = "</script><script>alert('1')</script><img src=x onerror=\"alert(2)\">&\u2028]]>"
OUTSIDE = re.compile(
    r"https?:|//[a-z]|@import|url\(|\bfetch\(|XMLHttpRequest|WebSocket|importScripts|sendBeacon",
    re.IGNORECASE,
)
ATTRIBUTES_THAT_LOAD = {"src", "srcset", "action", "data", "poster", "background", "ping"}


class Page(HTMLParser):
    """Elements of a page, its exact figures, and whether every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.figures: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in VOID:
            return
        self.open.append(tag)
        if tag == "data":
            self.figures.append((dict(attrs)["value"] or "", ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["data"]:
            value, shown = self.figures.pop()
            self.figures.append((value, shown + data))
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)

    @property
    def values(self) -> set[Decimal]:
        return {Decimal(value) for value, _ in self.figures}

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]


@pytest.fixture(scope="module")
def report() -> ReplayReport:
    return example()


@pytest.fixture(scope="module")
def text(report: ReplayReport) -> str:
    return render(report)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def payload(page: Page) -> dict[str, object]:
    found = json.loads(page.scripts[0])
    assert isinstance(found, dict)
    return found


def at_scale() -> ReplayReport:
    """Sixty instruments, two moments, ten-second steps for 190 minutes."""
    report = example(coins=("BTC", "ETH", *COINS, *(f"COIN{n}" for n in range(46))))
    steps = 1140
    times = START + np.arange(steps) * 10_000
    rng = np.random.default_rng(1)

    def flow() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return rng.lognormal(14, 2, steps)

    base = report.timeline
    timeline = replace(
        base,
        times_ms=times,
        end_ms=START + steps * 10_000,
        prices=tuple(replace(line, values=flow()) for line in base.prices),
        stages=tuple(replace(stage, units=rng.integers(0, 9_000, steps)) for stage in base.stages),
        liquidated_long=flow(),
        liquidated_short=flow(),
        deleveraged=flow(),
        fund=flow(),
        backstop=flow(),
    )
    return replace(report, timeline=timeline)


def test_the_page_is_well_formed_and_every_name_in_it_is_given_once(page: Page) -> None:
    assert page.elements[0] == ("html", {"lang": "en"})
    assert len(page.ids) == len(set(page.ids))


def test_every_inner_link_and_control_points_at_something(page: Page) -> None:
    targets = [str(a["href"])[1:] for tag, a in page.elements if tag == "a"]
    targets += [str(a["aria-controls"]) for _, a in page.elements if "aria-controls" in a]
    targets += [str(a["aria-labelledby"]) for _, a in page.elements if "aria-labelledby" in a]
    assert len(targets) > 30
    assert set(targets) <= set(page.ids)


def test_the_page_asks_nobody_for_anything(text: str, page: Page) -> None:
    assert OUTSIDE.findall(text) == []
    assert {
        a for _, attributes in page.elements for a in attributes
    } & ATTRIBUTES_THAT_LOAD == set()
    assert {tag for tag, _ in page.elements} & {"link", "iframe", "img", "object", "base"} == set()


def test_only_the_script_of_the_page_may_run_and_nothing_may_be_fetched(page: Page) -> None:
    (policy,) = [a["content"] for _, a in page.elements if "http-equiv" in a]
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert policy is not None
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
    ]
    assert len(page.scripts) == 2


def test_equal_reports_give_equal_pages_and_others_do_not(text: str) -> None:
    assert render(example()) == text
    assert render(example(seed=8)) != text


def test_a_page_of_sixty_instruments_and_ten_second_steps_is_under_three_megabytes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "report.html"
    write(at_scale(), path)
    assert 1_000_000 < path.stat().st_size < SIZE_MAX


def test_a_page_that_would_be_too_large_is_refused_with_what_to_leave_out(
    tmp_path: Path, report: ReplayReport
) -> None:
    rng = np.random.default_rng(2)
    maps = tuple(
        liquidation_map(f"COIN{n}", "before the crash", 99_999.123, 1e9, rng) for n in range(400)
    )
    with pytest.raises(InvalidInput, match="fewer instruments or bins"):
        write(replace(report, maps=maps), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_the_first_screen_sets_the_other_mark_model_and_the_givers_beside_the_figures(
    report: ReplayReport,
) -> None:
    page = render(report)
    first = page[page.index("<header>") : page.index("</header>")]
    others = [run for run in report.mark_models if not run.is_this_report]
    assert others
    for run in others:
        assert f"liquidated with mark model {run.name}, USDT" in first
        assert f'value="{run.outcome.liquidated:f}"' in first
    shares = report.attributions[0].shares
    given = next(s.amount for s in shares if s.payer is Payer.DELEVERAGED)
    assert "who gave up" in first
    assert f'value="{given:f}"' in first


def test_a_further_figure_of_the_headline_carries_its_sign_or_says_none(
    report: ReplayReport,
) -> None:
    gained = Figure(label="backstop result", value=Decimal(12), unit="USDT", meaning="why")
    gained = replace(gained, is_change=True)
    absent = Figure(label="never", value=None, meaning="not measured")
    headline = replace(report.headline, figures=(gained, absent))
    first = render(replace(report, headline=headline)).partition("</header>")[0]
    assert "backstop result, USDT" in first
    assert ">+12<" in first
    assert 'title="not measured">none<' in first


def headline_figures(report: ReplayReport) -> Iterator[Decimal]:
    outcome = report.headline.outcome
    yield Decimal(outcome.accounts)
    yield Decimal(outcome.accounts_liquidated)
    yield outcome.liquidated
    yield outcome.liquidated_long
    yield outcome.liquidated_short
    yield outcome.fund_start
    yield outcome.fund_end
    yield outcome.fund_change
    yield outcome.bad_debt
    yield outcome.deleveraged_notional
    yield Decimal(outcome.deleveraged_accounts)
    yield outcome.socialised


def table_figures(report: ReplayReport) -> Iterator[Decimal]:
    for row in report.instruments:
        yield from (row.move, Decimal(row.accounts), row.liquidated_long, row.liquidated_short)
        yield from (row.deleveraged, row.fund_paid)
    for peak in report.peaks:
        yield from (peak.move, Decimal(peak.accounts), peak.liquidated_long)
        yield from (peak.liquidated_short, peak.deleveraged, peak.fund_paid)
    for run in (*report.policies, *report.mark_models):
        yield from (run.outcome.liquidated, run.outcome.bad_debt, run.outcome.socialised)
        yield from (figure.value for figure in run.figures if figure.value is not None)


def case_figures(report: ReplayReport) -> Iterator[Decimal]:
    for case in report.cases:
        yield from (case.notional, case.liquidated, case.equity)
        yield from (case.attribution.total, case.attribution.deficit)
        yield case.equity - case.maintenance_margin
        yield from (share.amount for share in case.attribution.shares)
        for position in case.positions:
            yield from (position.size, position.value, position.cost, position.unrealized_pnl)
            yield from (position.maintenance_rate, position.maintenance_margin)
        for step in case.steps:
            yield from (x for x in (step.size, step.price, step.fee) if x is not None)
        yield from (item.paid for item in case.counterparties)
        yield from (item.value for item in case.collateral)
        yield from (line.value for line in case.working)


@pytest.mark.parametrize("figures", [headline_figures, table_figures, case_figures])
def test_every_figure_of_the_report_is_on_the_page_to_the_last_digit(
    page: Page, report: ReplayReport, figures: Callable[[ReplayReport], Iterator[Decimal]]
) -> None:
    wanted = set(figures(report))
    assert len(wanted) > 10
    assert wanted - page.values == set()


def test_the_pictures_draw_the_numbers_of_the_report(page: Page, report: ReplayReport) -> None:
    found = payload(page)
    timeline = found["timeline"]
    maps = found["maps"]
    distances = found["distances"]
    assert isinstance(timeline, dict)
    assert isinstance(maps, dict)
    assert isinstance(distances, dict)
    assert report.distances is not None
    assert timeline["t"] == report.timeline.times_ms.tolist()
    np.testing.assert_allclose(timeline["long"], report.timeline.liquidated_long, atol=0.005)
    np.testing.assert_allclose(timeline["fund"], report.timeline.fund, atol=0.005)
    first = report.timeline.prices[0].values
    np.testing.assert_allclose(timeline["prices"][0]["v"], first, rtol=1e-7)
    second = report.maps[1]
    assert maps["instruments"][maps["items"][1]["instrument"]] == second.instrument
    assert maps["moments"][maps["items"][1]["moment"]] == second.moment
    assert maps["items"][1]["longNotional"] == second.long_notional.round().tolist()
    assert maps["items"][1]["shortUnits"] == second.short_units.tolist()
    assert distances["accounts"] == report.distances.accounts.tolist()


def test_the_shares_of_a_loss_their_sum_and_what_is_left_are_shown_exactly(
    page: Page, report: ReplayReport
) -> None:
    (attribution,) = report.attributions
    shown = dict.fromkeys(page.figures)
    for share in attribution.shares:
        assert (f"{share.amount:f}", f"{share.amount:,f}") in shown
    assert attribution.paid == attribution.total == Decimal("1184220591.77310442")
    assert ("1184220591.77310442", "1,184,220,591.77310442") in shown
    assert ("0.00000000", "0") in shown


def test_a_loss_that_nobody_paid_is_shown_as_wrong(report: ReplayReport) -> None:
    short = Attribution(
        asset="USDT",
        total=Decimal("10.00000003"),
        shares=(Share(payer=Payer.FUND, amount=Decimal("10.00000001")),),
    )
    text = render(replace(report, attributions=(short,)))
    assert 'class="sum bad"' in text
    assert "0.00000002" in text
    assert 'class="sum bad"' not in render(report)


def test_a_residual_of_conservation_is_shown_as_wrong(report: ReplayReport) -> None:
    headline = replace(
        report.headline,
        residuals=(Residual(asset="USDT", quanta=0), Residual(asset="ETH", quanta=-3)),
    )
    text = render(replace(report, headline=headline))
    assert "money is missing or made up" in text
    assert '<data value="-3" title="\N{MINUS SIGN}3">\N{MINUS SIGN}3</data> ETH' in text
    assert "every quantum is accounted for" not in text


def hostile(report: ReplayReport) -> ReplayReport:
    headline = replace(
        report.headline,
        title=HOSTILE,
        scenario=HOSTILE,
        currency=HOSTILE,
        provenance=replace(
            report.headline.provenance,
            data=HOSTILE,
            digest=HOSTILE,
            facts=(Fact(label=HOSTILE, value=HOSTILE),),
        ),
    )
    line = PriceLine(name=HOSTILE, unit=HOSTILE, values=report.timeline.fund)
    stages = tuple(replace(stage, stage=HOSTILE) for stage in report.timeline.stages[:1])
    timeline = replace(report.timeline, prices=(line, line), stages=stages)
    maps = tuple(replace(item, instrument=HOSTILE, moment=HOSTILE) for item in report.maps)
    first = report.cases[0]
    case = replace(
        first,
        account=HOSTILE,
        unit=HOSTILE,
        positions=(replace(first.positions[0], instrument=HOSTILE, tier=HOSTILE),),
        steps=(replace(first.steps[0], stage=HOSTILE, result=HOSTILE),),
        working=(replace(first.working[0], formula=HOSTILE),),
    )
    return replace(
        report,
        headline=headline,
        timeline=timeline,
        maps=maps,
        cases=(case,),
        policies=(replace(report.policies[0], name=HOSTILE, note=HOSTILE),),
        method=(Paragraph(title=HOSTILE, text=HOSTILE),),
        glossary=(Paragraph(title=HOSTILE, text=HOSTILE),),
    )


def test_hostile_names_stay_text(report: ReplayReport) -> None:
    text = render(hostile(report))
    page = Page(text)
    assert len(page.scripts) == 2
    assert "<img" not in text
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in Page(render(report)).elements}
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    timeline = payload(page)["timeline"]
    assert isinstance(timeline, dict)
    assert timeline["prices"][0]["name"] == HOSTILE
    assert "\u2028" not in page.scripts[0]


def test_a_day_on_which_nothing_happened_says_so_in_words() -> None:
    text = render(quiet())
    page = Page(text)
    for words in (
        "Nothing was liquidated.",
        "Nothing was liquidated: there was nothing to pay.",
        "No unit was liquidated.",
        "Distances were not recorded in this run.",
        "This run was not compared with other policies.",
        "No minute had a liquidation.",
    ):
        assert words in text
    assert payload(page)["distances"] is None


def test_one_instrument_offers_no_choice_of_instruments(report: ReplayReport) -> None:
    assert "map-instrument" not in Page(render(quiet())).ids
    assert "map-instrument" in Page(render(report)).ids


def test_a_report_without_maps_still_gives_a_page() -> None:
    page = Page(render(replace(quiet(), maps=())))
    assert payload(page)["maps"] is None
    assert "map" in page.ids


def test_a_price_that_is_not_known_yet_is_null_and_the_rest_is_drawn(report: ReplayReport) -> None:
    values = report.timeline.prices[0].values.copy()
    values[:5] = np.nan
    line = PriceLine(name="market index", unit="", values=values)
    page = Page(render(replace(report, timeline=replace(report.timeline, prices=(line,)))))
    timeline = payload(page)["timeline"]
    assert isinstance(timeline, dict)
    drawn = timeline["prices"][0]["v"]
    assert drawn[:5] == [None] * 5
    assert None not in drawn[5:]


def test_the_worst_step_lies_in_the_minute_named_above_the_picture(
    text: str, report: ReplayReport
) -> None:
    timeline = report.timeline
    total = timeline.liquidated_long + timeline.liquidated_short
    minutes = timeline.times_ms // MINUTE
    sums = {int(m): float(total[minutes == m].sum()) for m in np.unique(minutes)}
    worst = max(sums, key=lambda minute: sums[minute])
    drawn = payload(Page(text))["timeline"]
    assert isinstance(drawn, dict)
    assert minutes[drawn["worst"]] == worst
    hours = worst // 60 % 24
    assert f"In the worst minute, {hours:02}:{worst % 60:02}, " in text
