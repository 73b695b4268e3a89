"""Where positions stand in the queue of auto-deleveraging, by the rulebook's own policy."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from keelmark.book.views import PositionView
from keelmark.core.codes import Leg, UnitStatus
from keelmark.core.numbers import exact
from keelmark.core.process import Stage
from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.adl.policies import QUEUES
from keelmark.engine.liquidation.holders import Holders, Sided
from keelmark.engine.state import State
from keelmark.engine.unknown import everybody
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.service.reading import Reader
from keelmark.service.views.figures import Json, maybe_instant, size, text
from keelmark.service.views.moment import state_of
from keelmark.service.views.names import account_number, unit_id

LIGHTS = 5
"""Of the indicator that venues show: all of them are lit in the first fifth of the queue."""

SHARED_IN_WORDS = "every candidate gives a share at once: there is no queue"


def queue(reader: Reader, name: str) -> Json:
    """Return the queue position of every position of an account.

    Asks for the fleet: call it where a pass over every account is no harm.

    Raises:
        UnknownAccount: There is none of that name or number.
    """
    number = account_number(reader, name)
    return queue_of(reader.fleet(), reader.state, number, reader.state.book.units_of(number))


def queue_of(glimpse: Glimpse, state: State, number: int, units: Iterable[int]) -> Json:
    """Return the queue position of every position of some units, of one moment."""
    return _Queue.of(glimpse, state).document(number, [u for u in units if u < glimpse.units])


@dataclass(frozen=True, slots=True, eq=False)
class _Queue:
    """The fleet of a moment, with who cannot be told of."""

    glimpse: Glimpse
    state: State
    blind: npt.NDArray[np.int32]

    @classmethod
    def of(cls, glimpse: Glimpse, notes: State) -> "_Queue":
        state = state_of(glimpse, notes)
        blind = everybody(state)
        seen = copy(state)
        seen.untrusted = (
            set()
        )  # who reads an untrusted price is left out in columns, not one by one
        return cls(glimpse, seen, blind)

    @property
    def policy(self) -> str:
        return self.state.rules.deleverage

    def document(self, number: int, units: list[int]) -> Json:
        """Return the answer."""
        rows = []
        for unit in units:
            view = self.state.book.unit_view(unit)
            rows += [
                {"unit": unit, "unit_id": unit_id(view, self.state)} | self.of_position(unit, held)
                for held in view.positions
            ]
        return {
            "position": self.glimpse.position,
            "time": maybe_instant(self.glimpse.time_ms),
            "account": number,
            "policy": self.policy,
            "is_queue": self.policy in QUEUES,
            "runs": self.state.rules.runs(Stage.AUTO_DELEVERAGE),
            "positions": rows,
        }

    def of_position(self, unit: int, held: PositionView) -> Json:
        """Return one position's place."""
        state, row = self.state, held.instrument
        side = 1 if held.lots > 0 else -1
        head: Json = {
            "instrument": state.universe.symbols[row],
            "side": "long" if side > 0 else "short",
            "leg": Leg(held.leg).name.lower(),
            "size": text(abs(size(state.universe, row, held.lots))),
        }
        reason = self._unasked(unit, row)
        if reason is not None:
            return head | _nowhere(reason)
        sided = self._candidates(row, side)
        at = np.flatnonzero(sided.candidates.unit == unit)
        if not len(at):
            return head | _nowhere(self._why_not(unit)) | {"of": len(sided.candidates)}
        return head | self._place(row, sided.candidates, int(at[0]))

    def _unasked(self, unit: int, row: int) -> str | None:
        """Say why nobody can be asked; nothing where they can."""
        if not self.state.has_mark(row):
            return f"no mark of {self.state.universe.symbols[row]} yet"
        if unit in self.blind:
            return "a price it reads is not trusted: nobody is closed against until it is"
        return None

    def _why_not(self, unit: int) -> str:
        status = UnitStatus(int(self.state.book.units[unit]["status"]))
        if status is UnitStatus.IN_LIQUIDATION:
            return "it is being liquidated: it is no candidate"
        return "it has nothing to spare above maintenance: it is no candidate"

    def _candidates(self, row: int, side: int) -> Sided:
        sided = Holders().candidates(self.state, row, side, 0.0)
        known = ~np.isin(sided.candidates.unit, self.blind)
        return Sided(sided.candidates.take(np.flatnonzero(known)), sided.legs[known])

    def _place(self, row: int, found: Candidates, at: int) -> Json:
        """Return rank, score and what is closed before; of a policy that shares, its share."""
        total = sum(found.closable.tolist())
        own = int(found.closable[at])
        told: Json = {"of": len(found), "closable": self._size(row, own)}
        if self.policy not in QUEUES:
            with exact():
                share = text(self._share(own, total))
            return _nowhere(SHARED_IN_WORDS) | told | {"closable_share": share}
        scores = QUEUES[self.policy](found)
        order = np.lexsort((found.unit, -scores))
        place = int(np.flatnonzero(order == at)[0])
        before = sum(found.closable[order[:place]].tolist())
        with exact():
            ahead_share, own_share = self._share(before, total), self._share(own, total)
        symbol = self.state.universe.symbols[row]
        other = "shorts" if found.lots[at] > 0 else "longs"
        gone = self._size(row, before)
        return told | {
            "rank": place + 1,
            "score": float(scores[at]),
            "ahead": gone,
            "ahead_share": text(ahead_share),
            "closable_share": text(own_share),
            "lights": LIGHTS - min(LIGHTS - 1, int(LIGHTS * ahead_share)),
            "takes": f"bankrupt {other} of more than {gone} in {symbol} that the fund cannot carry",
            "reason": None,
        }

    def _size(self, row: int, lots: int) -> str:
        return text(size(self.state.universe, row, lots))

    @staticmethod
    def _share(part: int, total: int) -> Decimal:
        return Decimal(part) / total if total else Decimal(0)


def _nowhere(reason: str) -> Json:
    names = ("rank", "score", "ahead", "ahead_share", "closable_share", "lights", "takes")
    nothing: Json = dict.fromkeys((*names, "of", "closable"))
    return nothing | {"reason": reason}


__all__ = ["queue", "queue_of"]
