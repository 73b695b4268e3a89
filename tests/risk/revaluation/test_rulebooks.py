"""Under every rulebook that ships, a book valued by arrays is the book valued by core."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from keelmark.core.codes import UnitKind
from keelmark.core.collateral import UnknownWeights
from keelmark.core.errors import KeelmarkError
from keelmark.core.market import Market
from keelmark.core.model import InstrumentTerms
from keelmark.core.numbers import ONE, exact
from keelmark.core.rules import UnknownRule
from keelmark.core.unit import MarginUnit, Position, TierRow
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.rulebooks import Rulebook, load_rulebook, rulebook_names
from keelmark.rulebooks.spelling import SPELLINGS
from tests.risk.revaluation.drawn import agrees_with_core

D = Decimal
PRICES = {
    "BTC": D(50_000),
    "ETH": D(3_000),
    "SOL": D(150),
    "1000PEPE": D("0.01"),
    "kPEPE": D("0.01"),
}
OPTIONS = (
    "BTC-27DEC24-60000-C",
    "BTC-27DEC24-40000-P",
    "BTC-27DEC24-60000-C-USDT",
    "BTC-27DEC24-40000-P-USDT",
    "BTC_USDC-27DEC24-60000-C",
    "BTC_USDC-27DEC24-40000-P",
    "BTC-20241227-60000-C",
    "BTC-20241227-40000-P",
)
NOW = datetime(2024, 12, 1, tzinfo=UTC)
ROWS = 40


def listed(rulebook: Rulebook) -> list[InstrumentTerms]:
    """Return contracts of a rulebook: perpetuals, futures and options it can tell."""
    settles = ("USDT", "USDC", "USD")
    spelt = [text.format(base=b, settle=s) for b in PRICES for s in settles for text in SPELLINGS]
    found: dict[tuple[str, str, str], InstrumentTerms] = {}
    for symbol in (*rulebook.model.instruments, *spelt, *OPTIONS):
        try:
            terms = rulebook.terms_for(symbol)
        except KeelmarkError:
            continue
        one = terms.instrument
        name = one.symbol if one.is_option else one.base
        if one.base in PRICES:
            found.setdefault((name, one.kind, one.settle), terms)
    return list(found.values())


def unit_in(settle: str | None, rulebook: Rulebook, seed: int) -> UnitValuer:
    """Return a unit with a position in every contract, of one settle asset where it must be."""
    draw = np.random.default_rng(seed)
    held = [t for t in listed(rulebook) if settle is None or t.instrument.settle == settle]
    coins = ("BTC", "ETH") if settle is None else ()
    rules = rulebook.with_terms(*held, assets=coins)
    dark = [n for n, t in rules.model.assets.items() if isinstance(t.schedule, UnknownWeights)]
    model = rules.with_weights(dict.fromkeys(dark, D("0.95"))).model
    marks = {t.instrument.symbol: mark_of(t) for t in held}
    positions = tuple(position(t, marks, draw) for t in held)
    settles = dict.fromkeys(t.instrument.settle for t in held)
    cash = {name: D(int(draw.integers(-50_000, 900_000))) for name in settles}
    cash |= {name: D(int(draw.integers(-3, 9))) for name in cash if name in PRICES}
    cash |= {name: D(int(draw.integers(-2, 9))) for name in coins if name in model.assets}
    market = Market(
        marks=marks,
        indices=PRICES
        | {t.instrument.index: PRICES[t.instrument.base] for t in held if t.instrument.index},
        asset_prices={**PRICES, "USDT": D("0.999"), "USDC": D("1.001"), "BUSD": ONE, "USD": ONE},
        forwards={t.instrument.symbol: PRICES[t.instrument.base] for t in held if t.option},
        volatilities={t.instrument.symbol: D("0.55") for t in held if t.option},
        time=NOW,
    )
    unit = MarginUnit(
        unit_id=rulebook.name,
        kind=UnitKind.CROSS,
        balances=cash,
        positions=positions,
        loans={"BTC": D(1)} if model.margins_gross_loans else {},
    )
    return UnitValuer.over(unit, market, model)


def mark_of(terms: InstrumentTerms) -> Decimal:
    """Return a mark a little off the index."""
    instrument = terms.instrument
    if instrument.is_option:
        return D("0.02") if instrument.settle == "BTC" else D(900)
    return PRICES[instrument.base] * D("1.001")


def position(
    terms: InstrumentTerms, marks: dict[str, Decimal], draw: np.random.Generator
) -> Position:
    """Return a position of some thousands up to some millions."""
    instrument = terms.instrument
    mark = marks[instrument.symbol]
    with exact():
        one = PRICES[instrument.base]
        each = instrument.contract_size if instrument.is_inverse else instrument.contract_size * one
        size = (D(int(draw.integers(1_000, 3_000_000))) / each).quantize(D("0.00001")) or ONE
        size *= int(draw.choice([-1, 1]))
        cost = instrument.value(size, mark * D(int(draw.integers(90, 110))) / 100)
    unknown = isinstance(terms.maintenance, UnknownRule)
    return Position(
        instrument=instrument.symbol,
        size=size,
        cost=cost,
        leverage=D(10),
        tier=TierRow(maintenance_rate=D("0.01"), maintenance_amount=D(50)) if unknown else None,
    )


def shocks(valuer: UnitValuer, seed: int) -> Scenarios:
    """Return scenarios of everything the unit reads."""
    draw = np.random.default_rng(seed)
    coins, assets = valuer.coins, valuer.assets

    def block(names: tuple[str, ...], spread: float) -> Shocks:
        return Shocks(names=names, values=np.expm1(spread * draw.normal(size=(ROWS, len(names)))))

    return Scenarios(
        returns=block(coins, 0.4),
        volatility=block(coins, 0.3),
        basis=block(coins, 0.01),
        funding=block(coins, 0.01),
        collateral=block(assets, 0.1),
    )


@pytest.mark.parametrize("name", rulebook_names())
def test_a_book_of_every_rulebook_is_valued_as_core_values_it(name: str) -> None:
    rulebook = load_rulebook(name).for_documents()
    held = listed(rulebook)
    assert held
    settles = {t.instrument.settle for t in held} if rulebook.model.single_asset else {None}
    for seed, settle in enumerate(sorted(settles, key=str)):
        valuer = unit_in(settle, rulebook, seed)
        assert valuer.method == "arrays", valuer.why
        agrees_with_core(valuer, shocks(valuer, seed))
