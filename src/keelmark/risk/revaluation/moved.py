"""What one scenario makes of a market and of a unit: the plain definition of every revaluation.

Options keep their strikes' volatilities times the shock on their coin, and are not aged: what moves
is prices, not time. Only perpetual contracts pay funding.

Source: docs/model.md, "Revaluation".
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.core.bound import FactorKind, options_of, reads
from keelmark.core.excess import value_and_notional
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.repricing import Repricer, model_price
from keelmark.core.unit import MarginUnit
from keelmark.risk.axes import coins_that_move
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.symbols import coin_of

PERPETUALS = frozenset({InstrumentKind.LINEAR_PERPETUAL, InstrumentKind.INVERSE_PERPETUAL})
"""What pays funding."""


def scenario_coins(unit: MarginUnit, model: MarginModel) -> tuple[str, ...]:
    """Return the coins a unit stands on; a bundle of a thousand moves as its coin."""
    return tuple(dict.fromkeys(coin_of(name)[0] for name in coins_that_move(unit, model)))


def priced_in(unit: MarginUnit, model: MarginModel) -> tuple[str, ...]:
    """Return the assets whose price the margin of a unit reads."""
    return tuple(sorted(f.name for f in reads(unit, model) if f.kind is FactorKind.ASSET))


def scenario_market(
    account: Account, unit: MarginUnit, scenarios: Scenarios, row: int
) -> tuple[Market, MarginUnit]:
    """Return the market after a scenario, and the unit after the funding it pays in it.

    Raises:
        CannotReprice: An option has no volatility or time to expiry.
        InvalidInput: A coin of the unit has no column of returns.
    """
    return after_scenario(unit, account.market, account.model, scenarios, row)


def after_scenario(
    unit: MarginUnit, market: Market, model: MarginModel, scenarios: Scenarios, row: int
) -> tuple[Market, MarginUnit]:
    """Return what `scenario_market` does, over a market and a model; raises likewise."""
    coins = scenario_coins(unit, model)
    scenarios.require(coins)
    with exact():
        scene = _Scene(scenarios=scenarios, row=row, market=market, coins=frozenset(coins))
        return scene.market_of(unit, model), scene.unit_after(unit, model)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """One row of scenarios over one market."""

    scenarios: Scenarios
    row: int
    market: Market
    coins: frozenset[str]

    def market_of(self, unit: MarginUnit, model: MarginModel) -> Market:
        """Return the market after the scenario."""
        symbols = {p.instrument for p in unit.positions} | {o.instrument for o in unit.orders}
        held = [model.instrument(symbol).instrument for symbol in sorted(symbols)]
        options = [Repricer.of(t.instrument, self.market) for t in options_of(unit, model)]
        now = self.market
        marks = {i.symbol: now.mark(i.symbol) * self.on_mark(i) for i in held if not i.is_option}
        indices = {
            name: now.indices[name] * self.ratio(i.base)
            for i in held
            for name in (i.index, i.base)
            if name is not None and name in now.indices
        }
        prices = {
            name: now.asset_prices[name] * self.on_asset(name)
            for name in priced_in(unit, model)
            if name in now.asset_prices
        }
        forwards = {o.instrument.symbol: o.forward * self.ratio(o.instrument.base) for o in options}
        marks |= {o.instrument.symbol: self.premium(o) for o in options}
        return replace(
            now,
            marks={**now.marks, **marks},
            indices={**now.indices, **indices},
            asset_prices={**now.asset_prices, **prices},
            forwards={**now.forwards, **forwards},
        )

    def unit_after(self, unit: MarginUnit, model: MarginModel) -> MarginUnit:
        """Return the unit after its perpetuals paid funding: longs pay what is above zero."""
        balances = dict(unit.balances)
        for position in unit.positions:
            terms = model.instrument(position.instrument)
            instrument = terms.instrument
            rate = self.shock(self.scenarios.funding, coin_of(instrument.base)[0])
            if rate == ZERO or instrument.kind not in PERPETUALS:
                continue
            value, _ = value_and_notional(position, terms, self.market)
            paid = rate * abs(value) * (ONE if position.size > ZERO else -ONE)
            balances[instrument.settle] = balances.get(instrument.settle, ZERO) - paid
        return replace(unit, balances=balances)

    def premium(self, option: Repricer) -> Decimal:
        """Return the mark of an option at its moved forward and volatility."""
        base = option.instrument.base
        shock = self.shock(self.scenarios.volatility, coin_of(base)[0])
        forward = option.forward * self.ratio(base)
        if shock == ZERO:
            return option.mark_at(forward)
        volatility = option.volatility * float(ONE + shock)
        model = model_price(option.instrument, forward, volatility, option.years)
        return max(ZERO, model + option.difference)

    def on_mark(self, instrument: Instrument) -> Decimal:
        """Return a contract's mark over the present one."""
        basis = self.shock(self.scenarios.basis, coin_of(instrument.base)[0])
        return self.ratio(instrument.base) * (ONE + basis)

    def on_asset(self, asset: str) -> Decimal:
        """Return a collateral price over the present one."""
        coin = coin_of(asset)[0]
        moved = self.ratio(asset) if coin in self.coins else ONE
        return moved * (ONE + self.shock(self.scenarios.collateral, asset))

    def ratio(self, base: str) -> Decimal:
        """Return the price of a coin over the present one."""
        return ONE + self.shock(self.scenarios.returns, coin_of(base)[0])

    def shock(self, block: Shocks | None, name: str) -> Decimal:
        """Return a shock as the exact value of its float; zero where nothing moves."""
        column = None if block is None else block.column(name)
        return ZERO if column is None else Decimal(repr(float(column[self.row])))
