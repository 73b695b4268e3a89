"""An account made ready for risk: every unit compiled, and which coins and assets it stands on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keelmark.accounts import Account
from keelmark.core.errors import InvalidInput, nearest
from keelmark.risk.returns import Array
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.scenarios.pegged import VOLATILITY
from keelmark.risk.symbols import DOLLARS, coin_of

STEP = 1e-4
"""Return over which a slope of worth is taken, to both sides."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskBook:
    """An account, or one unit of it, compiled.

    Attributes:
        account: What is asked about.
        valuers: One a unit that holds anything.
        coins: Whose returns the units read.
        assets: Whose price they read beside those of coins: dollars that could lose their peg.
    """

    account: Account
    valuers: tuple[UnitValuer, ...]
    coins: tuple[str, ...]
    assets: tuple[str, ...]

    @classmethod
    def of(cls, account: Account, unit_id: str | None = None) -> "RiskBook":
        """Compile an account.

        Raises:
            InvalidInput: It holds nothing, there is no such unit, or its units are margined in
                several currencies and none is named.
            MissingNumber: The margin of a unit is unknown.
        """
        held = [u for u in account.units if u.positions or u.balances or u.loans]
        if unit_id is not None:
            named = [u for u in held if u.unit_id == unit_id]
            if not named:
                msg = f"no margin unit {unit_id!r}; {nearest(unit_id, [u.unit_id for u in held])}"
                raise InvalidInput(msg)
            held = named
        if not held:
            msg = "the account holds nothing: no scenario changes it"
            raise InvalidInput(msg)
        valuers = tuple(UnitValuer.of(account, unit) for unit in held)
        coins = tuple(dict.fromkeys(coin for v in valuers for coin in v.coins))
        assets = tuple(dict.fromkeys(a for v in valuers for a in v.assets if a not in coins))
        book = cls(account=account, valuers=valuers, coins=coins, assets=assets)
        _ = book.currency
        return book

    @property
    def currency(self) -> str:
        """What worth is in.

        Raises:
            InvalidInput: Units are margined in several currencies.
        """
        found = list(dict.fromkeys(v.currency for v in self.valuers))
        if len(found) > 1:
            ids = ", ".join(v.unit.unit_id for v in self.valuers)
            msg = (
                f"the units are margined in {', '.join(found)}, each by itself: there is no sum "
                f"of them; name one with --unit ({ids})"
            )
            raise InvalidInput(msg)
        return found[0]

    @property
    def worth(self) -> float:
        """Worth now, valuation currency."""
        return sum(v.now[2] for v in self.valuers)

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the parts, in the order of `leg_pnl`."""
        is_one = len(self.valuers) == 1
        return tuple(
            leg if is_one else f"{leg} ({v.unit.unit_id})" for v in self.valuers for leg in v.legs
        )

    @property
    def leg_coins(self) -> tuple[str, ...]:
        """Return the coin or the asset each leg stands on."""
        found = []
        for valuer in self.valuers:
            model = valuer.model
            bases = [model.instrument(p.instrument).instrument.base for p in valuer.unit.positions]
            found += [*bases, *valuer.legs[len(bases) :]]
        return tuple(found)

    def scenarios(self, coins: Sequence[str], values: Array, days: float) -> Scenarios:
        """Return returns by name as shocks: of coins as they are, of dollars to their price.

        Args:
            coins: Names of the columns: coins, assets, `BTC volatility`.
            values: (n, names).
            days: Horizon.
        """
        pegs = [i for i, name in enumerate(coins) if name in self.assets]
        moved = [i for i, name in enumerate(coins) if name.endswith(VOLATILITY)]
        rest = [i for i in range(len(coins)) if i not in pegs and i not in moved]
        pegged = Shocks(names=tuple(coins[i] for i in pegs), values=values[:, pegs])
        names = tuple(coins[i].removesuffix(VOLATILITY) for i in moved)
        return Scenarios(
            returns=Shocks(names=tuple(coins[i] for i in rest), values=values[:, rest]),
            collateral=pegged if pegs else None,
            volatility=Shocks(names=names, values=values[:, moved]) if moved else None,
            days=days,
        )

    def placed(self, scenarios: Scenarios) -> Scenarios:
        """Return scenarios with returns of dollars moved to where prices of dollars are shocked.

        Those of volatilities likewise.
        """
        names = scenarios.returns.names
        if not any(name in self.assets or name.endswith(VOLATILITY) for name in names):
            return scenarios
        if scenarios.collateral is not None or scenarios.volatility is not None:
            return scenarios
        own = self.scenarios(scenarios.returns.names, scenarios.returns.values, scenarios.days)
        return replace(
            scenarios, returns=own.returns, collateral=own.collateral, volatility=own.volatility
        )

    def pnl(self, scenarios: Scenarios) -> Array:
        """Return the change of worth, (n,)."""
        total = np.zeros(len(scenarios))
        for valuer in self.valuers:
            total += valuer.values(scenarios).pnl
        return total

    def leg_pnl(self, scenarios: Scenarios) -> Array:
        """Return the change of worth by leg, (n, legs); sums to `pnl`."""
        return np.hstack([valuer.leg_pnl(scenarios) for valuer in self.valuers])

    def slopes(self, names: Sequence[str]) -> Array:
        """Return the slope of worth in the return of each coin or the price of each asset."""
        steps = STEP * np.eye(len(names))
        both = np.vstack([steps, -steps])
        pnl = self.pnl(self.scenarios(names, both, 1.0))
        found: Array = (pnl[: len(names)] - pnl[len(names) :]) / (2.0 * STEP)
        return found

    def still_assets(self, known: Mapping[str, object] | Sequence[str]) -> tuple[str, ...]:
        """Return the assets whose price stands still because nothing tells how it moves."""
        return tuple(a for a in self.assets if a not in known and a in DOLLARS)

    @property
    def option_coins(self) -> tuple[str, ...]:
        """Coins that options are held on."""
        found: dict[str, None] = {}
        for valuer in self.valuers:
            for position in valuer.unit.positions:
                instrument = valuer.model.instrument(position.instrument).instrument
                if instrument.is_option:
                    found[coin_of(instrument.base)[0]] = None
        return tuple(found)
