"""What was done to a liquidated unit, in order, in words and figures."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from keelmark.engine import events as e
from keelmark.lab.replay.names import Names
from keelmark.lab.replay.recorder import CaseRecord
from keelmark.lab.report.figures import all_digits, rounded
from keelmark.lab.report.model import CaseStep

FILLS = {
    "reduce": "filled in the order book around the last trade",
    "takeover": "the backstop took it over",
}
TRANSFERS = {
    "conversion": "convert_collateral",
    "seizure": "takeover",
    "surplus": "insurance",
    "deficit": "insurance",
    "borne": "takeover",
}
WAITS = {
    "interval": "orders keep a distance in time",
    "notional limit": "what may be sold in this window is sold",
}
OUTCOMES = {
    "recovered": "the unit is above its liquidation-end margin again",
    "taken_over": "the unit ends at zero: the backstop has everything",
    "deleveraged": "the unit ends at zero: part of it was closed against solvent accounts",
    "released": "an operator released the unit",
}


def steps_of(names: Names, record: CaseRecord) -> tuple[CaseStep, ...]:
    """Return the steps of a case."""
    return tuple(
        step
        for time_ms, event in record.events
        for step in _STEPS.get(type(event), _nothing)(names, record, time_ms, event)
    )


Step = Callable[[Names, CaseRecord, int, Any], Iterator[CaseStep]]


def _nothing(_names: Names, _record: CaseRecord, _time_ms: int, _event: Any) -> Iterator[CaseStep]:  # noqa: ANN401 an event
    yield from ()


def _cancelled(
    _names: Names, _record: CaseRecord, time_ms: int, _event: e.OrdersCancelled
) -> Iterator[CaseStep]:
    yield CaseStep(time_ms=time_ms, stage="cancel_orders", result="open orders cancelled")


def _filled(names: Names, _record: CaseRecord, time_ms: int, event: e.Filled) -> Iterator[CaseStep]:
    row = event.instrument
    at_tick = names.price(row, event.ticks) if event.ticks else None
    price = at_tick or names.average_price(row, event.lots, event.value)
    yield CaseStep(
        time_ms=time_ms,
        stage=event.reason,
        instrument=names.symbol(row),
        size=names.size(row, event.lots),
        price=price,
        fee=names.money(row, event.fee) if event.fee else None,
        result=FILLS.get(event.reason, event.reason),
    )


def _deleveraged(
    names: Names, _record: CaseRecord, time_ms: int, event: e.Deleveraged
) -> Iterator[CaseStep]:
    row, lots = event.instrument, sum(event.lots)
    count = len(event.victims)
    yield CaseStep(
        time_ms=time_ms,
        stage="auto_deleverage",
        instrument=names.symbol(row),
        size=names.size(row, lots),
        price=names.average_price(row, lots, sum(event.values)),
        result=f"closed against {count:,} solvent account{'s' if count > 1 else ''}, without a fee",
    )


def _transferred(
    names: Names, record: CaseRecord, time_ms: int, event: e.Transferred
) -> Iterator[CaseStep]:
    if event.reason not in TRANSFERS:
        return
    asset = names.asset(event.asset)
    amount = _money(names.amount(event.asset, event.quanta))
    given = event.source == record.unit
    words = {
        "conversion": f"{'sold' if given else 'received'} {amount} {asset}",
        "seizure": f"{'gave' if given else 'received'} {amount} {asset} in exchange",
        "surplus": f"{amount} {asset} of what was left went to the insurance fund",
        "deficit": f"the insurance fund paid {amount} {asset} of the deficit",
        "borne": f"the backstop bore {amount} {asset}",
    }
    yield CaseStep(
        time_ms=time_ms,
        stage=TRANSFERS[event.reason],
        instrument=asset,
        result=words[event.reason],
    )


def _socialised(
    names: Names, _record: CaseRecord, time_ms: int, event: e.LossSocialised
) -> Iterator[CaseStep]:
    amount = _money(names.amount(event.asset, sum(event.quanta)))
    asset = names.asset(event.asset)
    count = f"{len(event.payers):,}"
    yield CaseStep(
        time_ms=time_ms,
        stage="socialise",
        result=f"{count} claims paid {amount} {asset}",
    )


def _exhausted(
    _names: Names, _record: CaseRecord, time_ms: int, event: e.StageExhausted
) -> Iterator[CaseStep]:
    yield CaseStep(time_ms=time_ms, stage=event.stage, result=f"exhausted: {event.reason}")


def _waiting(
    _names: Names, _record: CaseRecord, time_ms: int, event: e.Waiting
) -> Iterator[CaseStep]:
    seconds = (event.until_ms - time_ms) // 1000
    times = f"order {event.attempts} done; " if event.attempts else ""
    why = WAITS.get(event.reason, event.reason)
    result = f"{times}waits {seconds} s: {why}"
    yield CaseStep(time_ms=time_ms, stage="reduce", result=result)


def _ended(
    names: Names, _record: CaseRecord, time_ms: int, event: e.LiquidationEnded
) -> Iterator[CaseStep]:
    result = OUTCOMES.get(event.outcome, event.outcome)
    if event.deficit:
        deficit = _money(names.amount(event.asset, event.deficit))
        result += f"; deficit {deficit} {names.asset(event.asset)}"
    yield CaseStep(time_ms=time_ms, stage="ended", result=result)


def _money(amount: Decimal) -> str:
    """Return an amount to the cent, small ones in full."""
    return rounded(amount, 2) if amount >= 1 else all_digits(amount)


_STEPS: dict[type, Step] = {
    e.OrdersCancelled: _cancelled,
    e.Filled: _filled,
    e.Deleveraged: _deleveraged,
    e.Transferred: _transferred,
    e.LossSocialised: _socialised,
    e.StageExhausted: _exhausted,
    e.Waiting: _waiting,
    e.LiquidationEnded: _ended,
}
