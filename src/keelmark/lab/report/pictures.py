"""The three pictures: their frames, controls and the tables behind them. Scripts draw inside."""

from keelmark.accounts.markup import Html, element, joined
from keelmark.lab.report.figures import instant
from keelmark.lab.report.model import ReplayReport
from keelmark.lab.report.sections import behind, choices, note, nothing, section
from keelmark.lab.report.series import DistanceHistory, LiquidationMap, Timeline
from keelmark.lab.report.story import timeline_story


def timeline_section(timeline: Timeline, currency: str) -> Html:
    """Return the big picture."""
    lines = [(str(index), line.name) for index, line in enumerate(timeline.prices)]
    zooms = [("all", "whole replay")]
    if timeline.focus_ms:
        zooms.append(("focus", "the crash"))
    return section(
        "timeline",
        "What happened",
        timeline_story(timeline, currency),
        element(
            "div",
            choices("line", "price", lines),
            choices("zoom", "show", zooms),
            class_="controls",
        ),
        element("dl", id="timeline-readout", class_="readout", aria_live="off"),
        element("div", id="timeline-chart", class_="chart"),
        note(
            "Point at the picture, or use the arrow keys, to read a step. The tint behind price "
            "and liquidations is the last stage that was needed; darker lanes mean more units. The "
            "market index weighs all marks by open interest and starts at 100."
        ),
        behind("timeline-table", "Every step as a table"),
    )


def map_section(maps: tuple[LiquidationMap, ...]) -> Html:
    """Return the liquidation maps of every moment side by side."""
    title = "Who would be liquidated next"
    if not maps:
        return section("map", title, None, nothing("No liquidation map was recorded in this run."))
    instruments = list(dict.fromkeys(item.instrument for item in maps))
    moments = {item.moment: item.time_ms for item in maps}
    frames = (_map_frame(moment, time_ms) for moment, time_ms in moments.items())
    return section(
        "map",
        title,
        "How much is liquidated if one price moves and every other stands still: longs on the "
        "left, shorts on the right, the present price in the middle.",
        element("div", _instrument_choice(instruments), class_="controls"),
        element("div", *frames, id="maps", class_="pair"),
        element(
            "label",
            element("span", "price falls", class_="end-label"),
            element("input", type="range", id="map-move", aria_label="Move of the price"),
            element("span", "price rises", class_="end-label"),
            class_="slider",
        ),
        note(
            "Read from the whole book at that mark; nobody is sampled. Point at a map or move the "
            "slider. Each margin unit counts once, at its nearest "
            "liquidation price; what liquidations would themselves do to prices is left out here."
        ),
        behind("map-table", "The maps as a table"),
    )


def _map_frame(moment: str, time_ms: int) -> Html:
    heading = element("h3", moment, element("span", instant(time_ms), class_="unit"))
    return element(
        "div",
        heading,
        element("p", class_="answer", aria_live="off"),
        element("div", class_="chart map"),
    )


def _instrument_choice(instruments: list[str]) -> Html:
    if not instruments[1:]:
        return element("span", instruments[0], class_="only")
    options = (element("option", name, value=index) for index, name in enumerate(instruments))
    select = element("select", *options, id="map-instrument")
    return element("label", element("span", "instrument "), select)


def distance_section(history: DistanceHistory | None) -> Html:
    """Return the histogram that moves with time."""
    title = "How far from liquidation"
    if history is None:
        missing = nothing("Distances were not recorded in this run.")
        return section("distance", title, None, missing)
    units = [("accounts", "accounts"), ("notional", "notional")]
    controls = element(
        "div",
        choices("distance-by", "count", units),
        element("button", "Play", type="button", id="distance-play", aria_pressed="false"),
        class_="controls",
    )
    return section(
        "distance",
        title,
        "How far prices may move before an account is liquidated. As the market falls the bars "
        "drift to the left, and out of the picture into liquidation.",
        controls,
        element("dl", id="distance-readout", class_="readout"),
        element("div", id="distance-chart", class_="chart"),
        element(
            "label",
            element("input", type="range", id="distance-time", aria_label="Time"),
            class_="slider inset",
        ),
        note(
            "A distance is a move of every price but that of stable assets by the same fraction, "
            "up or down, whichever liquidates first. Out of reach: accounts with positions that no "
            "such move liquidates."
        ),
        behind("distance-table", "This instant as a table"),
    )


def pictures(report: ReplayReport) -> Html:
    """Return the three pictures in order."""
    return joined(
        (
            timeline_section(report.timeline, report.headline.currency),
            map_section(report.maps),
            distance_section(report.distances),
        )
    )
