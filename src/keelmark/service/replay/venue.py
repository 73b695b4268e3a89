"""The venue of a replay, as a document a folder keeps: the scenario's contracts, one rulebook."""

from decimal import Decimal

import msgspec

from keelmark.core.numbers import exact
from keelmark.lab.population.values import Population
from keelmark.lab.replay.spec import ReplaySpec, venue_rulebook
from keelmark.lab.replay.stage import one_sided_interest, venue_part
from keelmark.lab.scenarios.values import Scenario, ScenarioInstrument
from keelmark.rulebooks.document import (
    AssetDocument,
    InstrumentDocument,
    TableDocument,
    TierRow,
    WeightRow,
)
from keelmark.rulebooks.load import Rulebook, load_rulebook, read_rulebook
from keelmark.rulebooks.text import rulebook_text
from keelmark.service.venue import Books


def replay_rulebook(spec: ReplaySpec, scenario: Scenario, population: Population) -> Rulebook:
    """Return the rulebook of a replay as one that can be written down whole.

    Its terms are those of `lab.replay.spec.venue_rulebook`, its name is no built-in's.
    """
    with exact():
        interest = one_sided_interest(population) * scenario.settle.quantum
    built = venue_rulebook(spec, scenario, population.spec, interest)
    document = load_rulebook(spec.rulebook).document
    rules = built.liquidation
    changed = msgspec.structs.replace(
        document,
        name=f"{document.name}-{scenario.name}",
        source=f"the contracts of the replay {scenario.name}, the rules of {spec.rulebook}",
        valuation=scenario.settle.asset,
        tables={row.symbol: _table(row) for row in scenario.instruments},
        instruments={row.symbol: _instrument(row) for row in scenario.instruments},
        assets={name: _asset(built, name) for name in built.model.assets},
        liquidation=msgspec.structs.replace(
            document.liquidation,
            deleverage=rules.deleverage,
            socialise=rules.socialise,
            takeover=msgspec.structs.replace(
                document.liquidation.takeover,
                inventory_max=rules.takeover.inventory_max,
                deleverage_below=rules.takeover.deleverage_below,
            ),
        ),
    )
    return read_rulebook(rulebook_text(changed), title=f"of {scenario.name}")


def replay_books(spec: ReplaySpec, scenario: Scenario, population: Population) -> Books:
    """Return the order books of a replay: the venue's, to the scale of the population."""
    part = venue_part(population)
    scales = []
    lot_notionals = population.opening.lot_notionals
    for row, notional in zip(scenario.instruments, lot_notionals, strict=True):
        lots_a_day = part * row.daily_volume / float(notional)
        scales.append(spec.execution.prefactor * row.daily_sigma / lots_a_day**0.5)
    return Books(
        scales=tuple(scales),
        half_life_s=spec.execution.half_life_s,
        time_ms=int(scenario.times[0]) * 1000,
    )


def _table(row: ScenarioInstrument) -> TableDocument:
    rows = tuple(
        TierRow(floor=t.floor, rate=t.rate, amount=t.deduction, leverage=t.leverage)
        for t in row.tiers
    )
    return TableDocument(rows=rows, source=f"venue bracket table of {row.brackets_as_of}")


def _instrument(row: ScenarioInstrument) -> InstrumentDocument:
    contract = row.contract
    return InstrumentDocument(
        kind=contract.kind,
        base=contract.base,
        settle=contract.settle,
        contract_size=contract.contract_size,
        lot=contract.lot,
        price_unit=contract.price_unit,
        table=row.symbol,
    )


def _asset(rulebook: Rulebook, name: str) -> AssetDocument:
    terms = rulebook.model.assets[name]
    return AssetDocument(
        quantum=terms.quantum,
        weights=tuple(WeightRow(floor=t.floor, weight=t.weight) for t in terms.schedule.tiers),
        conversion_haircut=terms.conversion_haircut or Decimal(0),
    )
