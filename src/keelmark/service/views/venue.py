"""What venue this is: its rules, its instruments, and how many accounts stand where."""

from collections import Counter

from keelmark.engine.state import State
from keelmark.service.reading import Reader
from keelmark.service.views.figures import Json, maybe_instant, price_text, text
from keelmark.service.views.prices import (
    mark_of,
    price_of_asset,
    trust_of_asset,
    trust_of_instrument,
)
from keelmark.service.views.stages import call_level, level_name


def venue(reader: Reader) -> Json:
    """Return the rules in force, the instruments and assets, and the counts."""
    position, state = reader.position, reader.state
    document, model = state.rulebook.document, state.model
    levels, call = Counter(list(state.levels.values())), call_level(state)
    calls = levels[call] if call else 0
    return {
        "position": position,
        "time": maybe_instant(state.time_ms),
        "mode": "venue",
        "rulebook": {
            "name": state.rulebook.name,
            "source": document.source,
            "read": document.read,
            "terms": state.terms,
        },
        "valuation": model.valuation,
        "trigger": model.trigger.value,
        "stages": [stage.value for stage in state.rules.stages],
        "levels": level_documents(state),
        "deleverage": state.rules.deleverage,
        "socialise": state.rules.socialise,
        "accounts": state.book.accounts_count,
        "units": state.book.units_count - len(state.book.in_house),
        "warned": sum(levels.values()) - calls,
        "margin_calls": calls,
        "grace": len(state.grace),
        "liquidations": {
            "open": len(state.cases),
            "held": len(state.held),
            "ever": state.cases_count,
        },
        "paused": {
            "everything": -1 in state.paused,
            "instruments": [state.universe.symbols[row] for row in sorted(state.paused - {-1})],
        },
        "untrusted_prices": len(state.untrusted),
        "instruments": [_instrument(state, row) for row in range(len(state.universe.symbols))],
        "assets": [_asset(state, row) for row in range(len(state.universe.assets))],
    }


def level_documents(state: State) -> list[Json]:
    """Return the usages at which something happens before liquidation."""
    return [
        {"level": number, "name": level_name(state, number), "usage": text(usage)}
        for number, usage in enumerate(state.usages, start=1)
    ]


def _instrument(state: State, row: int) -> Json:
    instrument = state.universe.instrument(row)
    fund = state.book.unit_name(state.fund_of(row)).removeprefix("fund:")
    return {
        "instrument": instrument.symbol,
        "kind": instrument.kind.value,
        "base": instrument.base,
        "settle": instrument.settle,
        "contract_size": text(instrument.contract_size),
        "lot": text(instrument.lot),
        "price_unit": text(instrument.price_unit),
        "expiry": None if instrument.expiry is None else f"{instrument.expiry:%Y-%m-%dT%H:%M:%SZ}",
        "price": price_text(mark_of(state, row)),
        "trust": trust_of_instrument(state, row).value,
        "is_paused": state.is_paused(row),
        "fund": fund,
    }


def _asset(state: State, row: int) -> Json:
    return {
        "asset": state.universe.assets[row],
        "quantum": text(state.universe.quantum(row)),
        "price": price_text(price_of_asset(state, row)),
        "trust": trust_of_asset(state, row).value,
    }
