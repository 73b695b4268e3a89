"""Hypotheses with one free number, solved so that the figure comes out: plausible or not by size.

A number that is fitted always fits, so these rank behind what fits without one, unless further
figures of the venue confirm them.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from keelmark.accounts.agreement import agrees
from keelmark.accounts.figures import figure, percent
from keelmark.accounts.mismatch.hypotheses import LEVERAGED
from keelmark.accounts.mismatch.values import Question, Scene, Trial
from keelmark.core.margin import margin_report
from keelmark.core.model import MarginPrice
from keelmark.core.numbers import ONE, ZERO, exact

STEPS_MAX = 24
LEVERAGE_MAX = 200
"""No venue allows more."""

STALE_MAX = Decimal("0.1")
"""A mark further away than this is no stale one."""

MISSING_MAX = Decimal(10)
"""More than this multiple of equity is no balance that was left out."""

SPENT_MAX = Decimal("0.05")
"""A smaller balance than given is plausible up to this share of equity: fees, funding, orders."""

FIRST_STEP = Decimal("1e-4")
SETTLED = Decimal("1e-20")
"""Relative step below which a solution no longer moves."""


def missing_leverage(question: Question) -> Iterator[Trial]:
    """A leverage that the document lacks: the whole one at which the figure is the venue's."""
    scene = question.scene
    if question.name not in LEVERAGED:
        return
    report = margin_report(scene.unit, scene.market, scene.model)
    for held in report.positions:
        position = held.position
        is_option = held.terms.instrument.is_option
        if position.leverage is not None or not question.asks(position) or is_option:
            continue
        for number in range(1, LEVERAGE_MAX + 1):
            set_to = replace(position, leverage=Decimal(number))
            rows = tuple(set_to if p is position else p for p in scene.unit.positions)
            changed = replace(scene, unit=replace(scene.unit, positions=rows))
            if agrees(question.reported, changed.figure(question.number)):
                text = f"{position.instrument} has a leverage of {number}, which the document lacks"
                yield Trial(code="leverage", text=text, scene=changed, change=ZERO)
                break


def stale_marks(question: Question) -> Iterator[Trial]:
    """The venue's figure was taken at another mark of one instrument: which?"""
    scene = question.scene
    positional = question.symbol and not question.name.endswith("_price")
    for symbol in dict.fromkeys(p.instrument for p in scene.unit.positions):
        if positional and symbol != question.symbol:
            continue
        mark = scene.market.mark(symbol)

        def at(share: Decimal, symbol: str = symbol) -> Scene:
            return _with_mark(scene, symbol, share)

        share = _solve(question, at, STALE_MAX)
        if share is not None and abs(share) <= STALE_MAX:
            with exact():
                price = mark * (ONE + share)
            moved = percent(share, signed=True, digits=2)
            text = f"it would match at another mark: {symbol} at {figure(price)} ({moved})"
            yield Trial(code="stale_mark", text=text, scene=at(share), change=abs(share))


def missing_collateral(question: Question) -> Iterator[Trial]:
    """The venue counts a balance the document lacks, or does not count all of one: how much?"""
    scene = question.scene
    report = margin_report(scene.unit, scene.market, scene.model)
    if question.symbol and not question.name.endswith("_price"):
        return
    size = max(abs(report.equity), report.maintenance_margin)
    for asset in report.assets:
        if not size or asset.asset not in _cash_assets(question):
            continue

        def with_more(
            share: Decimal, name: str = asset.asset, price: Decimal = asset.price
        ) -> Scene:
            with exact():
                more = share * size / price
            balances = {**scene.unit.balances}
            with exact():
                balances[name] = balances.get(name, ZERO) + more
            return replace(scene, unit=replace(scene.unit, balances=balances))

        share = _solve(question, with_more, MISSING_MAX)
        if share is None or not -SPENT_MAX <= share <= MISSING_MAX:
            continue
        with exact():
            more = share * size / asset.price
        code, text = _told(more, asset.asset, scene)
        yield Trial(code=code, text=text, scene=with_more(share), change=abs(share))


def _told(more: Decimal, asset: str, scene: Scene) -> tuple[str, str]:
    """Return what a missing amount is and what to say of it: a quantum a position is rounding."""
    quantum = scene.model.asset(asset).quantum
    if abs(more) <= quantum * len(scene.unit.positions):
        return "rounding", f"the venue rounds its amounts to {quantum:f} {asset}"
    amount = figure(abs(more))
    if more < ZERO:
        text = f"{amount} {asset} less would do: fees, funding or orders left out?"
    else:
        text = f"{amount} {asset} more would do: does a balance elsewhere (spot) count?"
    return "missing_collateral", text


def _cash_assets(question: Question) -> set[str]:
    """Return the assets a missing balance is looked for in: what the positions settle in."""
    scene = question.scene
    settles = {scene.model.instrument(p.instrument).instrument.settle for p in scene.unit.positions}
    return settles or set(scene.unit.balances)


def _with_mark(scene: Scene, symbol: str, share: Decimal) -> Scene:
    """Return a scene with one mark moved, and the index and coin that the mark stands for."""
    market, terms = scene.market, scene.model.instrument(symbol)
    instrument = terms.instrument
    old = market.mark(symbol)
    with exact():
        new = old * (ONE + share)
        indices = dict(market.indices)
        if terms.margin_price is MarginPrice.INDEX and instrument.index in indices:
            indices[instrument.index] *= ONE + share
    prices = dict(market.asset_prices)
    if prices.get(instrument.base) == old:
        prices[instrument.base] = new
    marks = {**market.marks, symbol: new}
    return replace(scene, market=replace(market, marks=marks, indices=indices, asset_prices=prices))


def _solve(question: Question, at: Callable[[Decimal], Scene], limit: Decimal) -> Decimal | None:
    """Return the share at which the figure is the venue's, by secants; `None` where none is found.

    Figures are piecewise linear or nearly so: a few steps settle them or they do not settle.
    """

    def gap(share: Decimal) -> Decimal | None:
        found = at(share).figure(question.number)
        return None if found is None else found - question.reported

    with exact():
        before, here = ZERO, FIRST_STEP
        was, now = gap(before), gap(here)
        for _ in range(STEPS_MAX):
            if now is None or (abs(here - before) <= SETTLED * abs(here)):
                break
            if was is None or now == was:
                return here if now == ZERO else None
            step = here - now * (here - before) / (now - was)
            if abs(step) > 2 * limit:
                return None
            before, was = here, now
            here, now = step, gap(step)
    fits = now is not None and agrees(question.reported, now + question.reported)
    return here if fits else None
