"""A universe gives rows their meaning: scales, rules, prices and back."""

from decimal import Decimal

import numpy as np
import pytest

from keelmark.book.universe import Universe
from keelmark.core.bound import Factor, FactorKind
from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput, UnknownAsset, UnknownInstrument
from keelmark.rulebooks import Rulebook, load_rulebook
from keelmark.rulebooks.load import read_rulebook
from tests.option_books import model_of, option, perpetual


def extended() -> Rulebook:
    generic = load_rulebook("generic")
    return generic.with_terms(generic.terms_for("SOLUSDT"), generic.terms_for("BTCUSD_PERP"))


def own(text: str) -> Universe:
    head = 'name = "own"\ndate = "2026-01"\nread = "2026-01-02"\nsource = "me"\n'
    table = '[tables.all]\nrows = [{ floor = "0", rate = "0.01" }]\n'
    terms = (
        '[instruments.XUSDT]\nkind = "linear_perpetual"\nbase = "X"\nsettle = "USDT"\n'
        'table = "all"\n'
    )
    return Universe.build(read_rulebook(head + text + table + terms, title="test").model)


def test_a_lot_and_a_tick_are_a_whole_number_of_quanta_for_both_payoffs() -> None:
    universe = Universe.build(extended().model)
    linear = universe.instruments[universe.instrument_row("BTCUSDT")]
    inverse = universe.instruments[universe.instrument_row("BTCUSD_PERP")]
    assert linear["unit_value"] == 100  # 0.001 BTC * 0.1 USDT in quanta of 1e-6
    assert inverse["unit_value"] == 10_000_000  # 0.001 * 1 USD / (0.01 * 1e-8)
    assert inverse["inverse"] == 1


def test_a_grid_that_does_not_fit_whole_quanta_is_refused_by_name() -> None:
    generic = load_rulebook("generic")
    text = 'lot = "0.0000001"\nprice_unit = "0.001"'
    with pytest.raises(InvalidInput, match="XUSDT: lot"):
        own(f'[assets.USDT]\nquantum = "0.01"\n[defaults]\n{text}\n')
    assert Universe.build(generic.model).symbols == ("BTCUSDT", "ETHUSDT")


def test_only_priced_assets_have_a_price_and_every_mark_has_one() -> None:
    universe = Universe.build(extended().model)
    priced = {f.name for f in universe.factors if f.kind is FactorKind.ASSET}
    assert "USDT" not in priced
    assert {"USDC", "USDE", "BTC", "ETH"} <= priced
    assert universe.factor_row(Factor(FactorKind.MARK, "BTCUSDT")) == 0
    assert universe.time_factor == len(universe.factors)


def test_what_kernels_cannot_see_is_left_to_core() -> None:
    plain = own("[assets.USDT]\n")
    orders = own("orders_in_maintenance = true\n[assets.USDT]\n")
    capped = own('[assets.USDT]\n[profit.maintenance]\ncap = "5"\n')
    entry = own('[assets.USDT]\n[defaults]\nmargin_price = "entry"\n')
    kinds = [u.instruments["rule_kind"].tolist() for u in (plain, orders, capped, entry)]
    assert kinds == [[RuleKind.TIERED], *[[RuleKind.CORE_ONLY]] * 3]


def test_marks_come_back_on_their_grid_and_other_prices_whole() -> None:
    universe = Universe.build(extended().model)
    prices = np.full(len(universe.factors) + 1, 1.0)
    prices[0] = 0.1 + 0.2  # 0.30000000000000004 in binary
    prices[universe.factor_row(Factor(FactorKind.ASSET, "USDE"))] = 0.65123456789
    market = universe.market(prices, "now")
    assert market.mark("BTCUSDT") == Decimal("0.3")
    assert market.asset_price("USDE") == Decimal("0.65123456789")


def test_open_interest_is_the_longs_at_the_mark() -> None:
    universe = own("[assets.USDT]\n")
    prices = np.array([50.0, 0.0])
    assert universe.open_interest([4000], prices) == {"XUSDT": Decimal(200)}
    assert universe.open_interest([4000], np.array([np.nan, 0.0])) == {"XUSDT": Decimal(0)}


def test_unknown_names_are_refused() -> None:
    universe = Universe.build(extended().model)
    with pytest.raises(UnknownInstrument, match="no instrument BTCUSD "):
        universe.instrument_row("BTCUSD")
    with pytest.raises(UnknownAsset, match="DOGE"):
        universe.asset_row("DOGE")
    with pytest.raises(UnknownInstrument, match="no formula"):
        universe.factor_row(Factor(FactorKind.INDEX, "BTC"))


def test_options_are_refused_by_name() -> None:
    call = option("call", "50000")
    with pytest.raises(InvalidInput, match="50000-C: the book holds no options"):
        Universe.build(model_of(perpetual(), call))
