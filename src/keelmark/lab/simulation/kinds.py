"""The kinds of commands a simulation plays, and how often each."""

from collections.abc import Callable

from keelmark.book.book import LIQUIDITY
from keelmark.engine import commands as c
from keelmark.lab.simulation.draw import USDT, Draw


def _fill(draw: Draw) -> c.Fill:
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
        leverage=_leverage(draw) if draw.rng.random() < 0.3 else 0,  # noqa: PLR2004 share that sets one
    )


def _leverage(draw: Draw) -> int:
    """Draw a leverage, hundredths; some are more than any tier allows."""
    return int(draw.rng.integers(100, 15_000))


def _batch(draw: Draw) -> c.Command:
    """Return trades that stand or fall together."""
    return c.FillBatch(fills=tuple(_fill(draw) for _ in range(int(draw.rng.integers(1, 6)))))


def _execute(draw: Draw) -> c.Command:
    """Execute an order that was placed, whole, in part or beyond what is left of it."""
    if not draw.orders:
        return _fill(draw)
    number = int(draw.rng.choice(list(draw.orders)))
    order = draw.orders[number]
    part = max(1, int(abs(order.lots) * draw.rng.uniform(0.2, 1.1)))
    return c.Fill(
        unit=order.unit,
        counterparty=LIQUIDITY,
        instrument=order.instrument,
        lots=part if order.lots > 0 else -part,
        ticks=draw.ticks(order.instrument),
        order=number,
    )


def _set_leverage(draw: Draw) -> c.Command:
    return c.SetLeverage(unit=draw.unit(), instrument=draw.instrument(), leverage=_leverage(draw))


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
    placed = c.ReserveOrder(
        unit=draw.unit(),
        order=draw.number,
        instrument=instrument,
        lots=lots,
        ticks=ticks,
        leverage=_leverage(draw) if draw.rng.random() < 0.3 else 0,  # noqa: PLR2004 as for fills
        reduce_only=bool(draw.rng.random() < 0.1),  # noqa: PLR2004 share of closing orders
    )
    draw.orders[draw.number] = placed
    return placed


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


def _unprotect(draw: Draw) -> c.Command:
    number = int(draw.rng.integers(1, draw.number + 1))
    return c.RemoveProtection(unit=draw.unit(), protection=number)


def _override(draw: Draw) -> c.Command:
    action = str(draw.rng.choice(["hold", "release", "takeover"], p=[0.4, 0.5, 0.1]))
    return c.Override(unit=draw.unit(), action=action, operator="simulation", reason="drawn")


def _close(draw: Draw) -> c.Command:
    account = int(draw.rng.integers(draw.spec.accounts))
    return c.CloseAccount(account=account, reason="request")


def _isolate(draw: Draw) -> c.Command:
    return isolate_of(draw, int(draw.rng.integers(draw.spec.accounts)))


def isolate_of(draw: Draw, account: int) -> c.OpenIsolated:
    """Open an isolated unit; its number is known, for only this opens units after the accounts."""
    draw.isolated[draw.first + draw.spec.accounts + len(draw.isolated)] = account
    return c.OpenIsolated(account=account)


KINDS: dict[str, Callable[[Draw], c.Command]] = {
    "fill": _fill,
    "batch": _batch,
    "execute": _execute,
    "set_leverage": _set_leverage,
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
    "unprotect": _unprotect,
    "top_up": _top_up,
    "override": _override,
    "close": _close,
    "isolate": _isolate,
}
WEIGHTS = {
    "fill": 6.0,
    "batch": 1.0,
    "execute": 1.5,
    "set_leverage": 0.7,
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
    "unprotect": 0.3,
    "top_up": 1.0,
    "override": 0.3,
    "close": 0.2,
    "isolate": 0.4,
}
