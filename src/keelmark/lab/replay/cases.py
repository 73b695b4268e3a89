"""The largest liquidations with their working, from the events of each."""

from decimal import Decimal

from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.engine import events as e
from keelmark.engine.event_rows import HoldingRow
from keelmark.lab.replay.ledger import Ledger
from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.names import Names
from keelmark.lab.replay.recorder import CaseRecord
from keelmark.lab.replay.steps import steps_of
from keelmark.lab.report.figures import all_digits, clock, percent
from keelmark.lab.report.model import (
    Attribution,
    Case,
    CaseCollateral,
    CasePosition,
    Counterparty,
    Payer,
    Share,
    WorkingLine,
)

SHOWN = 25
COUNTERPARTIES = 8


def cases_of(measures: Measures) -> tuple[Case, ...]:
    """Return the liquidations that closed most, the largest first; one case a unit."""
    records = measures.replay.recorder.cases
    sizes = {case: _closed(record) for case, record in records.items()}
    order = sorted(sizes, key=lambda case: (-sizes[case], case))
    chosen: dict[int, int] = {}
    for case in order:
        if sizes[case] and records[case].unit not in chosen:
            chosen[records[case].unit] = case
        if len(chosen) == SHOWN:
            break
    return tuple(case_of(measures, case) for case in chosen.values())


def _closed(record: CaseRecord) -> int:
    """Return the value of what a case closed, quanta."""
    closed = 0
    for _, event in record.events:
        if isinstance(event, e.Filled):
            closed += abs(event.value)
        elif isinstance(event, e.Deleveraged):
            closed += sum(abs(value) for value in event.values)
    return closed


def case_of(measures: Measures, case: int) -> Case:
    """Return one case with everything that explains it."""
    record, names = measures.replay.recorder.cases[case], measures.names
    started = record.started
    counterparties = _counterparties(names, record)
    return Case(
        account=names.account(record.unit),
        unit=names.unit(record.unit),
        time_ms=started.time_ms,
        notional=sum((Decimal(row.notional) for row in started.holdings), ZERO),
        liquidated=measures.money(_closed(record)),
        equity=Decimal(started.equity),
        maintenance_margin=Decimal(started.maintenance),
        attribution=attribution(measures, measures.ledgers[case], _payers(record)),
        positions=tuple(_position(names, row) for row in started.holdings),
        collateral=_collateral(measures, record),
        working=_working(measures, record),
        steps=steps_of(names, record),
        counterparties=counterparties[:COUNTERPARTIES],
        counterparties_more=max(0, len(counterparties) - COUNTERPARTIES),
    )


def attribution(measures: Measures, ledger: Ledger, counts: dict[Payer, int]) -> Attribution:
    """Return who paid, in the settle asset; payers that paid nothing are left out."""
    amounts = {
        Payer.UNIT: ledger.unit,
        Payer.FEE: ledger.fee,
        Payer.FUND: ledger.fund,
        Payer.BACKSTOP: ledger.backstop,
        Payer.DELEVERAGED: ledger.deleveraged,
        Payer.SOCIALISED: ledger.socialised,
    }
    return Attribution(
        asset=measures.replay.scenario.settle.asset,
        total=measures.money(ledger.lost),
        shares=tuple(
            Share(payer=payer, amount=measures.money(quanta), count=counts.get(payer, 0))
            for payer, quanta in amounts.items()
            if quanta or payer is Payer.UNIT
        ),
    )


def _payers(record: CaseRecord) -> dict[Payer, int]:
    """Return how many units paid, by kind."""
    victims, payers = set[int](), set[int]()
    for _, event in record.events:
        if isinstance(event, e.Deleveraged):
            victims.update(event.victims)
        elif isinstance(event, e.LossSocialised):
            payers.update(event.payers)
    return {Payer.DELEVERAGED: len(victims), Payer.SOCIALISED: len(payers)}


def _position(names: Names, row: HoldingRow) -> CasePosition:
    """Return a holding at the mark of the decision, with the bracket that applied."""
    terms = names.state.model.instruments[names.symbol(row.instrument)]
    face = terms.maintenance.parameters()
    mark = Decimal(row.mark)
    size = names.size(row.instrument, row.lots)
    with exact():
        value = terms.instrument.value(size, mark)
    return CasePosition(
        instrument=names.symbol(row.instrument),
        size=size,
        mark_price=mark,
        value=value,
        cost=names.money(row.instrument, row.cost),
        maintenance_rate=face.rates[row.tier],
        maintenance_margin=Decimal(row.maintenance),
        tier=_tier(face.floors, face.rates[row.tier], face.deductions[row.tier], row.tier),
    )


def _tier(floors: tuple[Decimal, ...], rate: Decimal, deduction: Decimal, tier: int) -> str:
    """Return a bracket in words."""
    above = all_digits(floors[tier])
    stretch = f"{above} to {all_digits(floors[tier + 1])}" if floors[tier + 1 :] else f"{above} up"
    less = f" less {all_digits(deduction)}" if deduction else ""
    return f"{stretch}: {percent(rate, 2)}{less}"


def _collateral(measures: Measures, record: CaseRecord) -> tuple[CaseCollateral, ...]:
    """Return the balances at the decision and what they counted for."""
    names = measures.names
    return tuple(
        CaseCollateral(
            asset=names.asset(asset),
            balance=names.amount(asset, quanta),
            price=record.prices[asset],
            value=_counted(names, record, asset, quanta),
        )
        for asset, quanta in record.started.balances
        if quanta
    )


def _counted(names: Names, record: CaseRecord, asset: int, quanta: int) -> Decimal:
    """Return what a balance counts for: less the haircut if it is ours, in full if it is owed."""
    schedule = names.state.model.asset(names.asset(asset)).schedule
    with exact():
        amount = names.amount(asset, quanta)
        kept = schedule.value(amount) if amount > ZERO else amount
        return kept * record.prices[asset]


def _working(measures: Measures, record: CaseRecord) -> tuple[WorkingLine, ...]:
    """Return how equity and maintenance margin came about."""
    names, started = measures.names, record.started
    model = names.state.model
    source = f"marks of {clock(started.time_ms)} UTC, {measures.replay.mark_model}"
    lines = []
    for asset, quanta in started.balances:
        if quanta:
            line = _balance_line(measures, record, asset, quanta)
            lines.append(line)
    with exact():
        profit = sum((_profit(names, row) for row in started.holdings), ZERO)
    return (
        *lines,
        WorkingLine(
            label="unrealized profit and loss",
            formula="sum of value - cost over the positions above",
            value=profit,
            source=source,
        ),
        WorkingLine(
            label="equity",
            formula="sum of the lines above",
            value=Decimal(started.equity),
            source="decided in exact decimals",
        ),
        WorkingLine(
            label="maintenance margin",
            formula="sum of notional * rate - deduction over the positions above",
            value=Decimal(started.maintenance),
            source=next(iter(model.instruments.values())).source,
        ),
    )


def _balance_line(measures: Measures, record: CaseRecord, asset: int, quanta: int) -> WorkingLine:
    """Return the line of one balance."""
    names = measures.names
    name = names.asset(asset)
    amount = names.amount(asset, quanta)
    weight = _weight(names, name) if amount > ZERO else ONE
    shown = [all_digits(amount)]
    if record.prices[asset] != ONE:
        shown.append(all_digits(record.prices[asset]))
    if weight != ONE:
        shown.append(all_digits(weight))
    words = "balance * price * weight" if amount > ZERO else "debt, counted in full"
    return WorkingLine(
        label=f"collateral in {name}",
        formula=" * ".join(shown),
        value=_counted(names, record, asset, quanta),
        source=words,
    )


def _weight(names: Names, asset: str) -> Decimal:
    return names.state.model.asset(asset).schedule.tiers[0].weight


def _profit(names: Names, row: HoldingRow) -> Decimal:
    held = _position(names, row)
    return held.value - held.cost


def _counterparties(names: Names, record: CaseRecord) -> tuple[Counterparty, ...]:
    """Return who was closed against, those that gave up most first."""
    marks = {row: names.price(row, ticks) for row, ticks in record.marks.items()}
    found = []
    for _, event in record.events:
        if isinstance(event, e.Deleveraged):
            rows = zip(event.victims, event.lots, event.values, strict=True)
            found += [_counterparty(names, event, marks, row) for row in rows]
    return tuple(sorted(found, key=_rank))


def _rank(one: Counterparty) -> tuple[Decimal, str]:
    return -one.paid, one.account


def _counterparty(
    names: Names,
    event: e.Deleveraged,
    marks: dict[int, Decimal],
    row: tuple[int, int, int],
) -> Counterparty:
    """Return one; what it gave up is against the mark of that moment, from its side."""
    victim, lots, value = row
    instrument = event.instrument
    contract = names.state.universe.instrument(instrument)
    price = names.average_price(instrument, lots, value)
    with exact():
        at_mark = contract.value(names.size(instrument, lots), marks[instrument])
        paid = at_mark - names.money(instrument, value)
    return Counterparty(
        account=names.account(victim),
        instrument=names.symbol(instrument),
        size=names.size(instrument, -lots),
        price=price if price is not None else ZERO,
        paid=paid,
    )
