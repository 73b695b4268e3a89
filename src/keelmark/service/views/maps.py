"""Who would be liquidated by which move: of one instrument, or of everything together.

Every figure here is drawn: float64 as JSON numbers, each step decided by the kernel that margins
the fleet, within its stated error. What is not above its trigger now, and what no kernel can tell,
stands apart and is in no bin. So does whoever reads a price that is not believed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.standing import STANDING, spare_kernel, standing_kernel
from keelmark.book.kernels.subset import cleared_kernel, notional_kernel
from keelmark.core.errors import InvalidInput
from keelmark.lab.arrays import totals
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.lab.fleet.looks import LONG, MAP_MOVES, SHORT
from keelmark.lab.fleet.questions import (
    holders_of,
    instrument_ladder,
    joint_ladder,
    open_units,
)
from keelmark.lab.fleet.reads import prices_read, readers_of
from keelmark.service.views.figures import Json, drawn, maybe_instant

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DISTANCES = np.array([0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5])
"""Sizes of the joint moves that are asked about."""

NO_KERNEL = "their rules have no kernel face: the exact core alone can tell"


# --- one instrument -----------------------------------------------------------------------------


def liquidation_map(glimpse: Glimpse, instrument: int, move: float | None = None) -> Json:
    """Return who falls first at which move of one instrument's mark, everything else standing.

    Args:
        glimpse: The fleet.
        instrument: Row of what moves.
        move: One move more, whatever it is: who would be liquidated by it.

    Raises:
        InvalidInput: The move is none.
    """
    _require_move(move)
    universe = glimpse.universe
    price = float(glimpse.tables.prices[universe.instruments[instrument]["mark_factor"]])
    contract = universe.instrument(instrument)
    head = {
        "position": glimpse.position,
        "time": maybe_instant(glimpse.time_ms),
        "instrument": contract.symbol,
        "settle": contract.settle,
        "price": drawn(price),
        "reason": None if np.isfinite(price) else f"no mark of {contract.symbol} yet",
        "moves": MAP_MOVES.tolist(),
    }
    if not np.isfinite(price):
        return head | _nobody() | {"question": None}
    seen = _Seen.spare(glimpse, holders_of(glimpse, instrument))
    quantum = float(universe.quantum(int(universe.instruments[instrument]["settle"])))
    found = _Map(glimpse, instrument, seen, quantum)
    question = None if move is None else found.question(price, move)
    return head | found.bins() | {"question": question}


def _require_move(move: float | None) -> None:
    if move is not None and not -1.0 < move < np.inf:
        msg = f"move={move}: a relative change above -1, such as -0.07 for a fall of 7 %"
        raise InvalidInput(msg)


def _nobody() -> Json:
    """Return a map without anybody."""
    nothing = [0.0] * len(MAP_MOVES)
    counts = [0] * len(MAP_MOVES)
    apart: Json = {"accounts": 0, "notional": 0.0}
    return {
        "longs": nothing,
        "shorts": nothing,
        "long_accounts": counts,
        "short_accounts": counts,
        "beyond": {"long_accounts": 0, "longs": 0.0, "short_accounts": 0, "shorts": 0.0},
        "now": apart,
        "unknown": {**apart, "reason": None},
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Units asked about, and how each stands now."""

    units: Int32s
    standing: npt.NDArray[np.void]
    is_doubted: Bools

    @classmethod
    def of(cls, glimpse: Glimpse, units: Int32s) -> "_Seen":
        """Return how units stand, with what they are worth."""
        standing = np.zeros(len(units), STANDING)
        standing_kernel(units, glimpse.tables, standing)
        return cls(units, standing, readers_of(glimpse, glimpse.untrusted)[units])

    @classmethod
    def spare(cls, glimpse: Glimpse, units: Int32s) -> "_Seen":
        """Return which units are above their trigger, and nothing else of them."""
        standing = np.zeros(len(units), STANDING)
        spare_kernel(units, glimpse.tables, standing)
        return cls(units, standing, readers_of(glimpse, glimpse.untrusted)[units])

    @property
    def is_unknown(self) -> Bools:
        """Which nothing can be told about: their rules, or a price that is not believed."""
        return np.asarray(np.isnan(self.standing["excess"]) | self.is_doubted)

    @property
    def is_above(self) -> Bools:
        """Which are proved above their trigger, at prices that are believed."""
        is_proved = self.standing["excess"] > self.standing["error"]
        return np.asarray(is_proved & ~self.is_doubted)


@dataclass(frozen=True, slots=True, eq=False)
class _Map:
    """The map of one instrument."""

    glimpse: Glimpse
    instrument: int
    seen: _Seen
    quantum: float

    def bins(self) -> Json:
        """Return longs by the first fall that liquidates them, shorts by the first rise."""
        units, steps = self.seen.units[self.seen.is_above], len(MAP_MOVES)
        notional = self._notional(units)
        sides: Json = {"beyond": {}}
        for name, side, moves in (("long", LONG, -MAP_MOVES), ("short", SHORT, MAP_MOVES)):
            chosen = notional[:, side] > 0
            ladder = instrument_ladder(self.glimpse, units[chosen], self.instrument, moves)
            held = totals(ladder.step, notional[chosen, side], steps + 1)
            accounts = _first_of_account(self._accounts(ladder.units), ladder.step, steps)
            sides[f"{name}s"] = held[:steps].tolist()
            sides[f"{name}_accounts"] = accounts[:steps].tolist()
            sides["beyond"][f"{name}s"] = float(held[steps])
            sides["beyond"][f"{name}_accounts"] = int(accounts[steps])
        return sides | self._apart()

    def question(self, price: float, move: float) -> Json:
        """Return who one move liquidates, exactly at that move, and what they hold of it."""
        above = self.seen.units[self.seen.is_above]
        factor = int(self.glimpse.universe.instruments[self.instrument]["mark_factor"])
        prices = self.glimpse.tables.prices.copy()
        prices[factor] *= 1.0 + move
        cleared = np.zeros(len(above), np.bool_)
        cleared_kernel(above, 1.0, self.glimpse.tables._replace(prices=prices), cleared)
        fallen = above[~cleared]
        held = self._notional(fallen)
        return {
            "move": move,
            "price": price * (1.0 + move),
            "accounts": len(np.unique(self._accounts(fallen))),
            "notional": float(held.sum()),
            "longs": float(held[:, LONG].sum()),
            "shorts": float(held[:, SHORT].sum()),
        }

    def _apart(self) -> Json:
        """Return who is not above its trigger now, and who cannot be told of."""
        unknown = self.seen.is_unknown
        down = ~self.seen.is_above & ~unknown
        told = {}
        for name, chosen in (("now", down), ("unknown", unknown)):
            units = self.seen.units[chosen]
            told[name] = {
                "accounts": len(np.unique(self._accounts(units))),
                "notional": float(np.nansum(self._notional(units))),
            }
        reason = why_unknown(self.glimpse, self.seen.units[unknown])
        return {"now": told["now"], "unknown": told["unknown"] | {"reason": reason}}

    def _notional(self, units: Int32s) -> Floats:
        """Return what units hold of the instrument, long and short, settle asset."""
        found = np.zeros((len(units), 2))
        notional_kernel(self.instrument, units, self.glimpse.tables, found)
        return found * self.quantum

    def _accounts(self, units: Int32s) -> Int32s:
        return np.asarray(self.glimpse.tables.units["account"][units])


def _first_of_account(accounts: Int32s, place: Int64s, steps: int) -> Int64s:
    """Return accounts by the first bin of any of their units."""
    if not len(accounts):
        return np.zeros(steps + 1, np.int64)
    nearest = np.full(int(accounts.max()) + 1, steps + 1, np.int64)
    np.minimum.at(nearest, accounts, place)
    return np.bincount(nearest, minlength=steps + 2)[: steps + 1].astype(np.int64)


def why_unknown(glimpse: Glimpse, units: Int32s) -> str | None:
    """Say why nothing can be told of some units; nothing where there are none."""
    if not len(units):
        return None
    chosen = np.zeros(glimpse.units, np.bool_)
    chosen[units] = True
    read, came = prices_read(glimpse, chosen), np.isfinite(glimpse.tables.prices[:-1])
    doubted = np.zeros(len(read), np.bool_)
    doubted[list(glimpse.untrusted)] = True
    missing, refused = _names(glimpse, read & ~came), _names(glimpse, read & came & doubted)
    reasons = [f"no price of {missing} yet"] if missing else []
    reasons += [f"the price of {refused} is not believed"] if refused else []
    return "; ".join(reasons) or NO_KERNEL


def _names(glimpse: Glimpse, rows: Bools) -> str:
    factors = glimpse.universe.factors
    return ", ".join(factors[row].name for row in np.flatnonzero(rows).tolist())


# --- everything together ------------------------------------------------------------------------


def distance(glimpse: Glimpse) -> Json:
    """Return accounts, notional and equity by the smallest joint move that liquidates.

    Every price but that of stable assets moves alike, down or up, whichever is nearer.
    """
    seen = _Seen.of(glimpse, open_units(glimpse))
    above, unknown = seen.is_above, seen.is_unknown
    units, standing = seen.units[above], seen.standing[above]
    down = joint_ladder(glimpse, units, -DISTANCES).step
    up = joint_ladder(glimpse, units, DISTANCES).step
    nearest, steps = np.minimum(down, up), len(DISTANCES)
    owners = glimpse.tables.units["account"]
    accounts = _first_of_account(owners[units], nearest, steps)
    notional = totals(nearest, standing["notional"], steps + 1)
    equity = totals(nearest, standing["equity"], steps + 1)
    return {
        "position": glimpse.position,
        "time": maybe_instant(glimpse.time_ms),
        "valuation": glimpse.universe.model.valuation,
        "moves": DISTANCES.tolist(),
        "accounts": accounts.tolist(),
        "notional": notional.tolist(),
        "equity": equity.tolist(),
        "down": {"notional": totals(down, standing["notional"], steps + 1).tolist()},
        "up": {"notional": totals(up, standing["notional"], steps + 1).tolist()},
        "within": [
            {
                "move": float(DISTANCES[place]),
                "accounts": int(accounts[: place + 1].sum()),
                "notional": float(notional[: place + 1].sum()),
                "equity": float(equity[: place + 1].sum()),
            }
            for place in range(steps)
        ],
        "now": _aside(seen, ~above & ~unknown, owners),
        "unknown": _aside(seen, unknown, owners)
        | {"reason": why_unknown(glimpse, seen.units[unknown])},
        "open_accounts": len(np.unique(owners[seen.units])),
    }


def _aside(seen: _Seen, chosen: Bools, owners: Int32s) -> Json:
    rows = seen.standing[chosen]
    return {
        "accounts": len(np.unique(owners[seen.units[chosen]])),
        "notional": float(np.nansum(rows["notional"])),
        "equity": float(np.nansum(rows["equity"])),
    }


__all__ = ["DISTANCES", "distance", "liquidation_map", "why_unknown"]
