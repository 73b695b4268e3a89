"""What each event says, field by field. Every type of event has its row in `WORDS`."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np

from keelmark.book.records import FILL, OUTSIDE
from keelmark.engine import events as e
from keelmark.engine.entries import PRICE_KINDS
from keelmark.service.events_json.names import (
    Json,
    Namer,
    instant,
    leg,
    leverage,
    rate,
    usage,
)
from keelmark.service.views.figures import price_text

Word = Callable[[Namer, Any], Json]


def _journal(_: Namer, x: e.JournalOpened) -> Json:
    return {"rulebook": x.rulebook, "terms": x.terms, "external": x.external is not None}


def _keyed(_: Namer, x: e.Keyed) -> Json:
    return {"digest": x.stamp.hex()}


def _account_opened(_: Namer, x: e.AccountOpened) -> Json:
    return {"account": x.name or x.account, "unit": x.unit, "number": x.account}


def _isolated_opened(n: Namer, x: e.IsolatedOpened) -> Json:
    return {"account": n.account(x.account), "unit": x.unit}


def _money(n: Namer, x: e.Deposited | e.Withdrawn) -> Json:
    return n.unit(x.unit) | n.cash(x.asset, x.quanta)


def _transferred(n: Namer, x: e.Transferred) -> Json:
    sides = n.unit(x.source, "source_") | n.unit(x.target, "target_")
    return sides | n.cash(x.asset, x.quanta) | {"reason": x.reason, "case": x.case or None}


def _filled(n: Namer, x: e.Filled) -> Json:
    return {
        **n.unit(x.unit),
        **n.unit(x.counterparty, "counterparty_"),
        "instrument": n.instrument(x.instrument),
        "size": n.size(x.instrument, x.lots),
        "price": n.price(x.instrument, x.ticks),
        "value": n.worth(x.instrument, x.value),
        "fee": n.worth(x.instrument, x.fee),
        "counterparty_fee": n.worth(x.instrument, x.counterparty_fee),
        "settle": n.asset(n.settle(x.instrument)),
        "leg": leg(x.leg),
        "counterparty_leg": leg(x.counterparty_leg),
        "leverage": leverage(x.leverage),
        "counterparty_leverage": leverage(x.counterparty_leverage),
        "reason": x.reason,
        "case": x.case or None,
    }


def _leverage_set(n: Namer, x: e.LeverageSet) -> Json:
    found = {"instrument": n.instrument(x.instrument), "leg": leg(x.leg)}
    return n.unit(x.unit) | found | {"leverage": leverage(x.leverage)}


def _deleveraged(n: Namer, x: e.Deleveraged) -> Json:
    rows = zip(x.victims, x.victim_legs, x.lots, x.values, strict=True)
    return {
        **n.unit(x.unit),
        "case": x.case,
        "instrument": n.instrument(x.instrument),
        "leg": leg(x.leg),
        "victims": [
            {
                **n.unit(victim),
                "leg": leg(victim_leg),
                "size": n.size(x.instrument, lots),
                "value": n.worth(x.instrument, value),
            }
            for victim, victim_leg, lots, value in rows
        ],
        "loss": n.worth(x.instrument, x.loss),
        "settle": n.asset(n.settle(x.instrument)),
    }


def _socialised(n: Namer, x: e.LossSocialised) -> Json:
    return {
        **n.unit(x.unit),
        "case": x.case,
        "asset": n.asset(x.asset),
        "form": x.form,
        "payers": [
            {**n.unit(payer), "amount": n.money(x.asset, quanta)}
            for payer, quanta in zip(x.payers, x.quanta, strict=True)
        ],
        "instrument": n.instrument(x.instrument),
        "size": n.size(x.instrument, x.lots) if x.instrument >= 0 else None,
        "loss": n.money(x.asset, x.loss),
    }


def _funding(n: Namer, x: e.FundingPosted) -> Json:
    rows = zip(x.instruments, x.rates, x.ticks, strict=True)
    return {
        "rows": [
            {"instrument": n.instrument(row), "rate": rate(parts), "price": n.price(row, ticks)}
            for row, parts, ticks in rows
        ],
    }


def _interest(n: Namer, x: e.InterestPosted) -> Json:
    rows = zip(x.assets, x.rates, strict=True)
    return {"rows": [{"asset": n.asset(row), "rate": rate(parts)} for row, parts in rows]}


def _settled(n: Namer, x: e.Settled) -> Json:
    return {"instrument": n.instrument(x.instrument), "price": n.price(x.instrument, x.ticks)}


def _reserved(n: Namer, x: e.OrderReserved) -> Json:
    return {
        **n.unit(x.unit),
        "order": x.order,
        "instrument": n.instrument(x.instrument),
        "size": n.size(x.instrument, x.lots),
        "price": n.price(x.instrument, x.ticks),
        "leg": leg(x.leg),
        "leverage": leverage(x.leverage),
        "reduce_only": x.reduce_only,
    }


def _released(n: Namer, x: e.OrderReleased) -> Json:
    return n.unit(x.unit) | {"order": x.order, "lots_left": x.lots}


def _cancelled(n: Namer, x: e.OrdersCancelled) -> Json:
    found = {"instrument": n.instrument(x.instrument), "case": x.case or None}
    return n.unit(x.unit) | found


def _rulebook(_: Namer, x: e.RulebookSet) -> Json:
    digest = sha256(x.text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"characters": len(x.text), "sha256": digest}


def _time(_: Namer, x: e.TimeAdvanced) -> Json:
    return {"to": instant(x.time_ms)}


def _work(_: Namer, x: e.WorkDone) -> Json:
    return {"work": x.work}


def _refused(n: Namer, x: e.MarkRefused) -> Json:
    return n.factor(x.factor) | {"price": x.price, "reason": x.reason}


def _doubted(n: Namer, x: e.MarkDoubted) -> Json:
    found = {"price": price_text(x.price), "marks": x.marks, "since": instant(x.since_ms)}
    return n.factor(x.factor) | found


def _confirmed(n: Namer, x: e.MarkConfirmed) -> Json:
    return n.factor(x.factor) | {"price": price_text(x.price), "marks": x.marks}


def _health_unknown(n: Namer, x: e.HealthUnknown) -> Json:
    return {"units": n.units(x.units), "missing": [n.factor(row) for row in x.factors]}


def _health_known(n: Namer, x: e.HealthKnown) -> Json:
    return {"units": n.units(x.units)}


def _paused(n: Namer, x: e.Paused | e.Resumed) -> Json:
    return {"instrument": n.instrument(x.instrument), "reason": x.reason}


def _warned(n: Namer, x: e.Warned | e.WarningCleared) -> Json:
    levels = len(n.state.usages)
    return {"level": x.level, "levels": levels, "units": n.units(x.units)}


def _grace(n: Namer, x: e.GraceStarted) -> Json:
    return n.unit(x.unit) | {"until": instant(x.until_ms)}


def _unit(n: Namer, x: e.GraceEnded) -> Json:
    return n.unit(x.unit)


def _started(n: Namer, x: e.LiquidationStarted) -> Json:
    return {
        **n.unit(x.unit),
        "case": x.case,
        "equity": x.equity,
        "maintenance_margin": x.maintenance,
        "valuation": n.state.universe.model.valuation,
        "positions": [
            {
                "instrument": n.instrument(row.instrument),
                "leg": leg(row.leg),
                "size": n.size(row.instrument, row.lots),
                "mark_price": row.mark,
                "notional": row.notional,
                "maintenance_margin": row.maintenance,
            }
            for row in x.holdings
        ],
        "balances": [n.cash(asset, quanta) for asset, quanta in x.balances],
    }


def _waiting(n: Namer, x: e.Waiting) -> Json:
    found = {"until": instant(x.until_ms), "reason": x.reason, "attempts": x.attempts}
    return n.unit(x.unit) | {"case": x.case} | found


def _exhausted(n: Namer, x: e.StageExhausted) -> Json:
    return n.unit(x.unit) | {"case": x.case, "stage": x.stage, "reason": x.reason}


def _ended(n: Namer, x: e.LiquidationEnded) -> Json:
    parts = ("deficit", "fund", "deleveraged", "socialised", "backstop", "surplus")
    bills = [
        {"asset": n.asset(bill.asset)}
        | {part: n.money(bill.asset, getattr(bill, part)) for part in parts}
        for bill in x.bills
        if bill.asset >= 0
    ]
    return n.unit(x.unit) | {"case": x.case, "outcome": x.outcome, "bills": bills}


def _protection(n: Namer, x: e.ProtectionSet) -> Json:
    if x.kind in PRICE_KINDS:
        trigger = n.price(x.instrument, x.trigger)
    elif x.kind == "equity_floor":
        trigger = n.money(max(0, x.asset), x.trigger)
    else:
        trigger = usage(x.trigger)
    return {
        **n.unit(x.unit),
        "protection": x.protection,
        "kind": x.kind,
        "trigger": trigger,
        "instrument": n.instrument(x.instrument),
        "asset": n.asset(x.asset),
        "source_unit": n.unit(x.source)["unit"] if x.source >= 0 else None,
        "target": usage(x.target),
    }


def _protection_removed(n: Namer, x: e.ProtectionRemoved) -> Json:
    return n.unit(x.unit) | {"protection": x.protection, "fired": x.fired}


def _overridden(n: Namer, x: e.Overridden) -> Json:
    return n.unit(x.unit) | {"action": x.action, "operator": x.operator, "reason": x.reason}


def _closed(n: Namer, x: e.AccountClosed) -> Json:
    return {
        "account": n.account(x.account),
        "reason": x.reason,
        "price_source": x.price_source,
        "statement": [{"payee": r.payee, **n.cash(r.asset, r.quanta)} for r in x.statement],
    }


# --- in bulk --------------------------------------------------------------------------------------


def _marks(n: Namer, x: e.MarksSet) -> Json:
    """Write the last price of each row that the snapshots name."""
    last = dict(zip(x.factors.tolist(), x.prices.tolist(), strict=True))
    kinds: dict[str, dict[str, str | None]] = {"mark": {}, "index": {}, "asset": {}}
    for row, price in last.items():
        factor = n.state.universe.factors[row]
        kinds[factor.kind.value][factor.name] = price_text(price)
    return {
        "snapshots": len(x.times_ms),
        "marks": kinds["mark"],
        "indices": kinds["index"],
        "asset_prices": kinds["asset"],
    }


def _posted(_: Namer, x: e.Posted) -> Json:
    fills = int(np.count_nonzero(x.rows["kind"] == FILL))
    return {"fills": fills, "payments": len(x.rows) - fills}


def _accounts_opened(_: Namer, x: e.AccountsOpened) -> Json:
    return {"count": x.count, "isolated": len(x.isolated)}


def posted_rows(n: Namer, x: e.Posted) -> list[Json]:
    """Return every posting of a batch."""
    return [_posting(n, row) for row in x.rows]


def _posting(n: Namer, row: np.void) -> Json:
    unit, other, subject = (int(row[name]) for name in ("unit", "counterparty", "subject"))
    outside = {"account": None, "unit": None}
    if int(row["kind"]) != FILL:
        sides = [outside if u == OUTSIDE else n.unit(u) for u in (unit, other)]
        found = {"source": sides[0], "target": sides[1]}
        return {"kind": "payment", **found, **n.cash(subject, int(row["value"]))}
    return {
        "kind": "fill",
        **n.unit(unit),
        **n.unit(other, "counterparty_"),
        "instrument": n.instrument(subject),
        "size": n.size(subject, int(row["lots"])),
        "value": n.worth(subject, int(row["value"])),
        "fee": n.worth(subject, int(row["fee"])),
        "counterparty_fee": n.worth(subject, int(row["counterparty_fee"])),
    }


WORDS: dict[type, Word] = {
    e.JournalOpened: _journal,
    e.Keyed: _keyed,
    e.AccountOpened: _account_opened,
    e.IsolatedOpened: _isolated_opened,
    e.Deposited: _money,
    e.Withdrawn: _money,
    e.Transferred: _transferred,
    e.Filled: _filled,
    e.LeverageSet: _leverage_set,
    e.Deleveraged: _deleveraged,
    e.LossSocialised: _socialised,
    e.FundingPosted: _funding,
    e.InterestPosted: _interest,
    e.Settled: _settled,
    e.OrderReserved: _reserved,
    e.OrderReleased: _released,
    e.OrdersCancelled: _cancelled,
    e.RulebookSet: _rulebook,
    e.TimeAdvanced: _time,
    e.WorkDone: _work,
    e.MarkRefused: _refused,
    e.MarkDoubted: _doubted,
    e.MarkConfirmed: _confirmed,
    e.HealthUnknown: _health_unknown,
    e.HealthKnown: _health_known,
    e.Paused: _paused,
    e.Resumed: _paused,
    e.Warned: _warned,
    e.WarningCleared: _warned,
    e.GraceStarted: _grace,
    e.GraceEnded: _unit,
    e.LiquidationStarted: _started,
    e.Waiting: _waiting,
    e.StageExhausted: _exhausted,
    e.LiquidationEnded: _ended,
    e.ProtectionSet: _protection,
    e.ProtectionRemoved: _protection_removed,
    e.Overridden: _overridden,
    e.AccountClosed: _closed,
    e.MarksSet: _marks,
    e.Posted: _posted,
    e.AccountsOpened: _accounts_opened,
}
