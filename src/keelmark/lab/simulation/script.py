"""What happens in a run, written down before it begins: commands and marks, with their faults."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from keelmark.book.book import LIQUIDITY
from keelmark.core.errors import InvalidDocument, nearest
from keelmark.engine import commands as c
from keelmark.engine.events import MarksSet
from keelmark.engine.state import State
from keelmark.lab.simulation.feed import MINUTE_MS, Feed, draw_feed
from keelmark.lab.simulation.spec import SimulationSpec

Step = c.Command | MarksSet
USDT, BITCOIN = "USDT", "BTC"


@dataclass(slots=True)
class Draw:
    """What commands are drawn from.

    Attributes:
        spec: The simulation.
        state: An empty state: rows, in-house units.
        feed: Prices, to trade near them.
        rng: Of this part of the script.
        snapshot: Present snapshot.
        isolated: Account of each isolated unit so far, by unit.
        number: Number of commands so far, for ids.
    """

    spec: SimulationSpec
    state: State
    feed: Feed
    rng: np.random.Generator
    snapshot: int = 0
    isolated: dict[int, int] = field(default_factory=dict)
    number: int = 0

    @property
    def first(self) -> int:
        """First unit that belongs to a client."""
        return len(self.state.book.in_house)

    def unit(self) -> int:
        """Draw a client's unit."""
        units = [self.first + account for account in range(self.spec.accounts)] + list(
            self.isolated
        )
        return int(self.rng.choice(units))

    def instrument(self) -> int:
        """Draw an instrument."""
        return int(self.rng.integers(len(self.state.universe.symbols)))

    def ticks(self, instrument: int) -> int:
        """Return the present price of an instrument."""
        row = self.state.universe.instruments[instrument]
        price = self.feed.prices[self.snapshot, row["mark_factor"]]
        return max(1, round(float(price) / float(row["price_unit"])))

    def lots(self, instrument: int, money: float) -> int:
        """Return the lots that are worth an amount of money, at least one."""
        row = self.state.universe.instruments[instrument]
        price = float(self.feed.prices[self.snapshot, row["mark_factor"]])
        asset = self.state.universe.asset_rows[row["settle"]]
        quantum = float(asset["value_scale"])
        if asset["price_factor"] >= 0:
            quantum *= float(self.feed.prices[self.snapshot, asset["price_factor"]])
        per_lot = float(row["value_scale"]) * (1.0 / price if row["inverse"] else price) * quantum
        return max(1, int(money / per_lot))

    def money(self) -> float:
        """Draw an amount of money, valuation currency."""
        return self.spec.deposit * float(np.exp(self.rng.normal(0.0, 1.0)))

    def quanta(self, asset: int, money: float) -> int:
        """Return the quanta of an asset that are worth an amount of money."""
        row = self.state.universe.asset_rows[asset]
        factor = int(row["price_factor"])
        price = float(self.feed.prices[self.snapshot, factor]) if factor >= 0 else 1.0
        return max(1, int(money / (float(row["value_scale"]) * price)))

    def side(self) -> int:
        """Draw a side; longs are in the majority."""
        return 1 if self.rng.random() < 0.65 else -1  # noqa: PLR2004 the share of longs


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
        steps.append(_isolate_of(draw, account))
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


# --- commands -----------------------------------------------------------------------------------


def _fill(draw: Draw) -> c.Command:
    instrument = draw.instrument()
    unit, other = draw.unit(), draw.unit()
    money = draw.money() * float(draw.rng.uniform(0.1, 20.0))
    return c.Fill(
        unit=unit,
        counterparty=LIQUIDITY if other == unit or draw.rng.random() < 0.6 else other,  # noqa: PLR2004
        instrument=instrument,
        lots=draw.side() * draw.lots(instrument, money),
        ticks=draw.ticks(instrument),
        fee=int(draw.rng.integers(0, 1000)),
    )


def _deposit(draw: Draw) -> c.Command:
    asset = int(draw.rng.integers(len(draw.state.universe.assets)))
    return c.Deposit(unit=draw.unit(), asset=asset, quanta=draw.quanta(asset, 0.1 * draw.money()))


def _withdraw(draw: Draw) -> c.Command:
    asset = draw.state.universe.asset_row(USDT)
    return c.Withdraw(unit=draw.unit(), asset=asset, quanta=draw.quanta(asset, 0.1 * draw.money()))


def _transfer(draw: Draw) -> c.Command:
    asset = draw.state.universe.asset_row(USDT)
    quanta = draw.quanta(asset, 0.05 * draw.money())
    return c.Transfer(source=draw.unit(), target=draw.unit(), asset=asset, quanta=quanta)


def _reserve(draw: Draw) -> c.Command:
    instrument = draw.instrument()
    lots = draw.side() * draw.lots(instrument, draw.money())
    ticks = draw.ticks(instrument)
    return c.ReserveOrder(
        unit=draw.unit(), order=draw.number, instrument=instrument, lots=lots, ticks=ticks
    )


def _release(draw: Draw) -> c.Command:
    return c.ReleaseOrder(unit=draw.unit(), order=int(draw.rng.integers(1, draw.number + 1)))


def _funding(draw: Draw) -> c.Command:
    rows = range(len(draw.state.universe.symbols))
    return c.PostFunding(
        instruments=tuple(rows),
        rates=tuple(int(rate) for rate in draw.rng.integers(-(10**9), 10**9, len(rows))),
        ticks=tuple(draw.ticks(row) for row in rows),
    )


def _interest(draw: Draw) -> c.Command:
    rows = range(len(draw.state.universe.assets))
    rates = tuple(int(rate) for rate in draw.rng.integers(0, 10**8, len(rows)))
    return c.PostInterest(assets=tuple(rows), rates=rates)


def _pause(draw: Draw) -> c.Command:
    return c.Pause(instrument=draw.instrument(), reason="simulation")


def _resume(draw: Draw) -> c.Command:
    return c.Resume(instrument=-1 if draw.rng.random() < 0.2 else draw.instrument(), reason="over")  # noqa: PLR2004


def _protect(draw: Draw) -> c.Command:
    kind = str(draw.rng.choice(["stop_loss", "take_profit", "equity_floor", "deleverage"]))
    instrument = draw.instrument() if kind in {"stop_loss", "take_profit"} else -1
    trigger = int(draw.rng.integers(300_000, 900_000))
    if instrument >= 0:
        trigger = max(1, int(draw.ticks(instrument) * draw.rng.uniform(0.8, 1.2)))
    elif kind == "equity_floor":
        trigger = draw.quanta(draw.state.universe.asset_row(USDT), 0.2 * draw.money())
    return c.SetProtection(
        unit=draw.unit(),
        protection=draw.number,
        kind=kind,
        trigger=trigger,
        instrument=instrument,
        target=trigger // 2 if kind == "deleverage" else 0,
    )


def _top_up(draw: Draw) -> c.Command:
    """Let the account's cross unit save an isolated one."""
    unit = int(draw.rng.choice(list(draw.isolated)))
    trigger = int(draw.rng.integers(200_000, 700_000))
    return c.SetProtection(
        unit=unit,
        protection=draw.number,
        kind="top_up",
        trigger=trigger,
        source=draw.first + draw.isolated[unit],
        asset=draw.state.universe.asset_row(USDT),
        target=trigger // 2,
    )


def _override(draw: Draw) -> c.Command:
    action = str(draw.rng.choice(["hold", "release", "takeover"], p=[0.4, 0.5, 0.1]))
    return c.Override(unit=draw.unit(), action=action, operator="simulation", reason="drawn")


def _close(draw: Draw) -> c.Command:
    account = int(draw.rng.integers(draw.spec.accounts))
    return c.CloseAccount(account=account, reason="request")


def _isolate(draw: Draw) -> c.Command:
    return _isolate_of(draw, int(draw.rng.integers(draw.spec.accounts)))


def _isolate_of(draw: Draw, account: int) -> c.OpenIsolated:
    """Open an isolated unit; its number is known, for only this opens units after the accounts."""
    draw.isolated[draw.first + draw.spec.accounts + len(draw.isolated)] = account
    return c.OpenIsolated(account=account)


KINDS: dict[str, Callable[[Draw], c.Command]] = {
    "fill": _fill,
    "deposit": _deposit,
    "withdraw": _withdraw,
    "transfer": _transfer,
    "reserve": _reserve,
    "release": _release,
    "funding": _funding,
    "interest": _interest,
    "pause": _pause,
    "resume": _resume,
    "protect": _protect,
    "top_up": _top_up,
    "override": _override,
    "close": _close,
    "isolate": _isolate,
}
WEIGHTS = {
    "fill": 6.0,
    "deposit": 2.0,
    "withdraw": 1.0,
    "transfer": 1.0,
    "reserve": 1.5,
    "release": 0.5,
    "funding": 0.5,
    "interest": 0.5,
    "pause": 0.2,
    "resume": 0.6,
    "protect": 1.5,
    "top_up": 1.0,
    "override": 0.3,
    "close": 0.2,
    "isolate": 0.4,
}


def _weights(spec: SimulationSpec) -> tuple[list[str], list[float]]:
    unknown = [kind for kind in spec.weights if kind not in KINDS]
    if unknown:
        msg = "weights"
        raise InvalidDocument(msg, [f"{kind}: {nearest(kind, KINDS)}" for kind in unknown])
    weights = {**WEIGHTS, **spec.weights}
    total = sum(weights.values())
    return list(weights), [weight / total for weight in weights.values()]
