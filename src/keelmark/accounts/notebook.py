"""A check as a page for notebooks: one piece of HTML, no script, no outside request.

Colours follow the page: light or dark, by the system or by JupyterLab's own theme. Every colour has
its word or its shape beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from keelmark.accounts.figures import exactly, figure, percent
from keelmark.accounts.gauge import Gauge, beam, outline
from keelmark.accounts.levels import Level, Levels
from keelmark.accounts.position import PRICE_HEADING, RECOVERY_HEADING, PositionCheck
from keelmark.accounts.volatilities import sigmas_text
from keelmark.core.liquidation_price import LiquidationPrices
from keelmark.core.margin import MarginReport, Ratio

STYLE = """
.km{--ink:#1f2428;--soft:#5b636b;--line:#d9dde1;--paper:#fff;--hull:#f1f4f6;
--green:#00805d;--amber:#a86f00;--red:#c65300;--unknown:#cc79a7;--long:#0072b2;--short:#b36b00;
font:14px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;
padding:.9rem 1rem;border:1px solid var(--line);border-radius:6px;font-variant-numeric:tabular-nums}
@media(prefers-color-scheme:dark){.km{--ink:#e6e9ec;--soft:#a2abb3;--line:#3a4249;--paper:#15191c;
--hull:#20262b;--green:#2fc79b;--amber:#f0b429;--red:#ff8a3d;--unknown:#e29ac1;--long:#5db3ea;
--short:#f0b429}}
[data-jp-theme-light="true"] .km{--ink:#1f2428;--soft:#5b636b;--line:#d9dde1;--paper:#fff;
--hull:#f1f4f6;--green:#00805d;--amber:#a86f00;--red:#c65300;--unknown:#cc79a7;--long:#0072b2;
--short:#b36b00}
[data-jp-theme-light="false"] .km{--ink:#e6e9ec;--soft:#a2abb3;--line:#3a4249;--paper:#15191c;
--hull:#20262b;--green:#2fc79b;--amber:#f0b429;--red:#ff8a3d;--unknown:#e29ac1;--long:#5db3ea;
--short:#f0b429}
.km header{color:var(--soft)}.km .head{font-size:1.35rem;margin:.15rem 0 .7rem}
.km .level{font-weight:600;margin-right:.5rem}.km .parts{display:flex;flex-wrap:wrap;gap:1.5rem;
align-items:flex-start}
.km dl{display:grid;grid-template-columns:auto auto;gap:.1rem 1.1rem;margin:0}
.km dt{color:var(--soft)}.km dd{margin:0;text-align:right}
.km .wide{overflow-x:auto;margin-top:.8rem}
.km table{border-collapse:collapse;width:100%;background:none;color:inherit;font-size:inherit}
.km th,.km td{padding:.22rem .45rem;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap;background:none}.km th{color:var(--soft);font-weight:400}
.km th:first-child,.km td:first-child,.km th:nth-child(2),.km td:nth-child(2){text-align:left}
.km .long{color:var(--long)}.km .short{color:var(--short)}.km .green{color:var(--green)}
.km .amber{color:var(--amber)}.km .red,.km .liquidatable{color:var(--red)}
.km .unknown{color:var(--unknown)}.km svg{display:block}.km svg text{font:12px system-ui,sans-serif;
fill:var(--soft)}.km svg .now{fill:var(--ink);font-weight:600}.km p{margin:.5rem 0 0;
color:var(--soft)}.km p.amber{margin:0 0 .4rem;color:var(--amber);font-weight:600}
.km+.km{margin-top:.6rem}
"""

HEIGHT, TOP = 170, 14
MIDDLE, HALF = 46, 42
RIGHT = MIDDLE + HALF
LABEL_GAP = 15
BAR = 84


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is shown of one unit.

    Attributes:
        title: Rulebook, unit and time.
        currency: What totals are in.
        level: Its word.
        headline: The nearest liquidating move in words.
        report: Its margin, `None` where it is unknown.
        gauge: Its hull, where it has one.
        positions: Its positions.
        notes: Sentences below the table.
        warnings: Sentences above everything.
    """

    title: str
    currency: str
    level: Level
    headline: str
    report: MarginReport | None
    gauge: Gauge | None
    positions: Sequence[PositionCheck]
    notes: Sequence[str]
    warnings: Sequence[str] = ()


def page(panels: Sequence[Panel], levels: Levels, head: tuple[Level, str] | None = None) -> str:
    """Return the panels of an account, the style before the first.

    Args:
        panels: Of its units.
        levels: Where the words change.
        head: The word and the headline of the account, where it has several units.
    """
    whole = "" if head is None else f'<div class="km">{_head(*head)}</div>'
    parts = "".join(_panel(panel, levels) for panel in panels)
    return f"<style>{STYLE}</style>{whole}{parts}"


def _head(level: Level, headline: str) -> str:
    word = level.value
    return (
        f'<div class="head"><span class="level {word.lower()}">{word}</span>'
        f"{escape(headline)}</div>"
    )


def _panel(panel: Panel, levels: Levels) -> str:
    word = panel.level.value
    parts = [gauge_drawing(panel.gauge, word.lower())] if panel.gauge is not None else []
    parts += [_measures(panel.report, panel.currency)] if panel.report is not None else []
    table = _positions(panel, levels) if panel.positions else ""
    notes = "".join(f"<p>{escape(note)}</p>" for note in panel.notes)
    warnings = "".join(f'<p class="amber">{escape(text)}</p>' for text in panel.warnings)
    return (
        f'<div class="km">{warnings}<header>{escape(panel.title)}</header>'
        f'{_head(panel.level, panel.headline)}<div class="parts">{"".join(parts)}</div>'
        f"{table}{notes}</div>"
    )


def gauge_drawing(gauge: Gauge, level: str) -> str:
    """Return the hull as a drawing: water by maintenance usage, lines with their names.

    The page around it gives the colours `--ink`, `--line` and `--hull`, and one to the class of the
    level.
    """
    used = "over 100 %" if gauge.usage is None or gauge.usage > 1 else percent(gauge.usage)
    return (
        f'<svg width="300" height="{HEIGHT + 2 * TOP}" role="img" '
        f'aria-label="maintenance takes {used} of equity">'
        f'<polygon points="{_points(1.0)}" fill="var(--hull)" stroke="var(--line)"/>'
        f'<polygon points="{_points(float(gauge.level))}" fill="currentColor" '
        f'fill-opacity=".8" class="{level}"/>{"".join(_labels(gauge, used))}{LOAD_LINE}</svg>'
    )


LOAD_LINE = (
    f'<circle cx="{MIDDLE}" cy="{TOP}" r="7" fill="none" stroke="var(--ink)" stroke-width="1.5"/>'
    f'<line x1="{MIDDLE - 12}" x2="{MIDDLE + 12}" y1="{TOP}" y2="{TOP}" stroke="var(--ink)" '
    f'stroke-width="1.5"/>'
)
"""The mark of a ship's side: where it is under water, she carries too much."""


def _points(top: float) -> str:
    """Return the hull up to a height as the points of a polygon."""
    corners = (
        f"{MIDDLE + HALF * x:.1f},{TOP + HEIGHT * (1 - height):.1f}" for x, height in outline(top)
    )
    return " ".join(corners)


def _labels(gauge: Gauge, used: str) -> Iterator[str]:
    """Yield the lines with their names, from the top, no two names on each other."""
    rows = [(float(m.usage), f"{percent(m.usage)} {m.name}", "") for m in gauge.marks]
    rows.append((float(gauge.level), f"{used} now", "now"))
    free = 0.0
    for usage, text, kind in sorted(rows, reverse=True):
        y, half = TOP + HEIGHT * (1 - usage), HALF * beam(usage)
        place = max(y + 4, free)
        free = place + LABEL_GAP
        end = MIDDLE + half
        yield (
            f'<line x1="{MIDDLE - half:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="var(--ink)" stroke-width="{2 if kind else 1}" '
            f'stroke-opacity="{1 if kind else 0.35}"/>'
            f'<polyline points="{end:.1f},{y:.1f} {RIGHT + 12},{place - 4:.1f}" fill="none" '
            f'stroke="var(--line)"/>'
            f'<text x="{RIGHT + 16}" y="{place:.1f}" class="{kind}">{escape(text)}</text>'
        )


def _measures(report: MarginReport, currency: str) -> str:
    rows = {
        f"equity, {currency}": figure(report.equity),
        "initial margin": figure(report.initial_margin),
        "liquidation end": figure(report.liquidation_end_margin),
        "maintenance": figure(report.maintenance_margin),
        "excess": figure(report.maintenance_excess, signed=True),
        "available": figure(report.available),
        "withdrawable": figure(report.withdrawable),
        "margin ratio": _ratio(report.margin_ratio, "%"),
        "health": _ratio(report.health, ""),
        "utilisation": _ratio(report.utilisation, "%"),
        "leverage": _ratio(report.effective_leverage, "x"),
    }
    cells = "".join(f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in rows.items())
    return f"<dl>{cells}</dl>"


def _ratio(ratio: Ratio, unit: str) -> str:
    if ratio.value is None:
        return f"none: {ratio.reason}"
    return percent(ratio.value) if unit == "%" else f"{ratio.value:,.2f}{unit}"


COLUMNS = (
    "instrument",
    "side",
    "size",
    "mark",
    "notional",
    "profit",
    "maint.",
    PRICE_HEADING,
    "distance",
)
SIGMA = "sigma"


def _positions(panel: Panel, levels: Levels) -> str:
    told = any(position.sigmas is not None for position in panel.positions)
    names = (*COLUMNS, *((SIGMA,) if told else ()), "")
    if any(position.recovers for position in panel.positions):
        names = tuple(RECOVERY_HEADING if name == PRICE_HEADING else name for name in names)
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(_row(position, panel, levels, told=told) for position in panel.positions)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _row(position: PositionCheck, panel: Panel, levels: Levels, *, told: bool) -> str:
    held = position.held
    side = "long" if held.position.size > 0 else "short"
    unit = "" if held.settle == panel.currency else f" {held.settle}"
    is_due = panel.report is not None and panel.report.is_liquidatable
    word = Level.LIQUIDATABLE if is_due else levels.of_distance(position.distance)
    level = word.value.lower()
    leg = f" {held.position.leg.name.lower()} leg" if held.position.leg else ""
    far = "" if position.distance is None else percent(position.distance, signed=True)
    cells = (
        escape(held.position.instrument + leg),
        f'<span class="{side}">{side}</span>',
        escape(exactly(abs(held.position.size))),
        figure(held.mark_price),
        figure(held.notional) + escape(unit),
        figure(held.unrealized_pnl, signed=True) + escape(unit),
        figure(held.maintenance_margin) + escape(unit),
        _price(position.liquidation),
        f'<span class="{level}">{far}</span>',
        *((sigmas_text(position.sigmas),) if told else ()),
        _bar(position.distance, level, levels),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _price(price: LiquidationPrices) -> str:
    """Return a price in one of its three states, the reason where the pointer rests on it."""
    if price.value is not None:
        more = ", ".join(map(figure, price.others))
        return figure(price.value) + (f" <small>also {more}</small>" if more else "")
    return f'<span title="{escape(price.reason or "")}">{price.status.value}</span>'


def _bar(distance: Decimal | None, level: str, levels: Levels) -> str:
    """Return the distance as a bar: full where green begins, a tick where red ends."""
    if distance is None or not levels.amber:
        return ""
    filled = BAR * min(1.0, float(abs(distance) / levels.amber))
    tick = BAR * float(levels.red_share)
    return (
        f'<svg width="{BAR}" height="12" class="{level}" role="img" aria-label="{level}">'
        f'<rect width="{BAR}" height="6" y="3" fill="var(--hull)"/>'
        f'<rect width="{filled:.1f}" height="6" y="3" fill="currentColor"/>'
        f'<rect x="{tick:.1f}" width="1" height="12" fill="var(--ink)"/></svg>'
    )
