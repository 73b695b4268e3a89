"""What happens in a run, written down before it begins: commands and marks, with their faults."""

import numpy as np

from keelmark.book.book import LIQUIDITY
from keelmark.core.errors import InvalidDocument, nearest
from keelmark.engine import commands as c
from keelmark.engine.events import MarksSet
from keelmark.engine.state import State
from keelmark.lab.simulation.draw import BITCOIN, USDT, Draw
from keelmark.lab.simulation.feed import MINUTE_MS, draw_feed
from keelmark.lab.simulation.kinds import KINDS, WEIGHTS, isolate_of
from keelmark.lab.simulation.spec import SimulationSpec

Step = c.Command | MarksSet


def write_script(spec: SimulationSpec, state: State, rng: np.random.Generator) -> list[Step]:
    """Return the steps of a run: an opening, then minutes of commands and marks."""
    feed = draw_feed(spec, state.universe, rng)
    draw = Draw(spec, state, feed, rng)
    steps = _opening(draw)
    kinds, weights = _weights(spec)
    for minute in range(spec.minutes):
        draw.snapshot = minute * spec.snapshots
        block: list[Step] = []
        for kind in rng.choice(len(kinds), spec.commands, p=weights):
            draw.number += 1
            block.append(KINDS[kinds[kind]](draw))
        block += _marks(draw, minute)
        steps += _reordered(block, spec.faults.reordered, rng)
    end_ms = int(feed.times_ms[-1])
    return [*steps, c.AdvanceTime(time_ms=end_ms + MINUTE_MS)]


def _opening(draw: Draw) -> list[Step]:
    """Return the first marks, accounts, their money and their first positions."""
    spec, state = draw.spec, draw.state
    asset = state.universe.asset_row(USDT)
    fund = draw.quanta(asset, spec.fund) if spec.fund else 0
    steps: list[Step] = [draw.feed.stretch(0, 1)]
    steps += [c.OpenAccount(name=f"account {n}") for n in range(spec.accounts)]
    if fund:
        steps += [
            c.Deposit(unit=unit, asset=asset, quanta=fund) for unit in sorted(state.funds.values())
        ]
    steps.append(c.Deposit(unit=state.backstop, asset=asset, quanta=max(1, 2 * fund)))
    for account in range(spec.accounts):
        steps += _first_position(draw, draw.first + account)
    for account in range(0, spec.accounts, 4):
        steps.append(isolate_of(draw, account))
        steps += _first_position(draw, max(draw.isolated))
    return steps


def _first_position(draw: Draw, unit: int) -> list[Step]:
    money = draw.money()
    leverage = float(np.exp(draw.rng.uniform(np.log(2.0), np.log(draw.spec.leverage))))
    name = BITCOIN if draw.rng.random() < 0.3 else USDT  # noqa: PLR2004 share of coin collateral
    asset = draw.state.universe.asset_row(name)
    steps: list[Step] = [c.Deposit(unit=unit, asset=asset, quanta=draw.quanta(asset, money))]
    for _ in range(1 + int(draw.rng.integers(3))):
        instrument = draw.instrument()
        lots = draw.side() * draw.lots(instrument, 0.4 * money * leverage)
        fill = c.Fill(
            unit=unit,
            counterparty=LIQUIDITY,
            instrument=instrument,
            lots=lots,
            ticks=draw.ticks(instrument),
        )
        steps.append(fill)
    return steps


def _marks(draw: Draw, minute: int) -> list[Step]:
    """Return the marks of a minute, silent, bad or sent twice where a fault says so."""
    rng, faults, spec = draw.rng, draw.spec.faults, draw.spec
    first = 1 + minute * spec.snapshots
    factors = draw.feed.prices.shape[1]
    silent: frozenset[int] = frozenset()
    if rng.random() < faults.stale_feed:
        silent = frozenset(rng.integers(0, factors, 2).tolist())
    marks = draw.feed.stretch(first, first + spec.snapshots, silent)
    if rng.random() < faults.bad_price and len(marks.prices):
        at = int(rng.integers(len(marks.prices)))
        marks.prices[at] = rng.choice([np.nan, 0.0, -1.0, np.inf])
    return [marks, marks] if rng.random() < faults.duplicated_feed else [marks]


def _reordered(block: list[Step], share: float, rng: np.random.Generator) -> list[Step]:
    """Return the steps with some neighbours in the other order."""
    for at in range(len(block) - 1):
        if rng.random() < share:
            block[at], block[at + 1] = block[at + 1], block[at]
    return block


def _weights(spec: SimulationSpec) -> tuple[list[str], list[float]]:
    unknown = [kind for kind in spec.weights if kind not in KINDS]
    if unknown:
        msg = "weights"
        raise InvalidDocument(msg, [f"{kind}: {nearest(kind, KINDS)}" for kind in unknown])
    weights = {**WEIGHTS, **spec.weights}
    total = sum(weights.values())
    return list(weights), [weight / total for weight in weights.values()]
