"""Where liquidation orders are sold: the port, the simulated order book, a market of the user's.

Fills are facts that the engine writes down, so a replay never asks a market again; the simulated
book's own state is restored by showing it the fills.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from keelmark.core.errors import InvalidInput
from keelmark.engine.working import ExternalTerms
from keelmark.market.impact import (
    NO_LIMIT_BUY,
    NO_LIMIT_SELL,
    ImpactModel,
    ImpactState,
    MarketOrder,
    advance,
    displacement,
    execute,
    initial_state,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationOrder:
    """An order to be filled at once, up to its limit.

    Attributes:
        instrument: Row of the instrument.
        lots: Signed; negative sells.
        mark_ticks: Mark price now.
        limit_ticks: Worst price; `None` for no limit.
        time_ms: When.
    """

    instrument: int
    lots: int
    mark_ticks: int
    limit_ticks: int | None
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What was filled: signed lots at one average price, against the taker."""

    lots: int
    ticks: int


class ExecutionVenue(Protocol):
    """Takes liquidation orders and answers with fills."""

    def execute(self, order: LiquidationOrder) -> Execution:
        """Fill what the book holds within the limit."""

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Take note of a fill that is read back from the journal."""


@runtime_checkable
class RememberingVenue(ExecutionVenue, Protocol):
    """A venue whose state a snapshot of the engine takes along."""

    def memory(self) -> list[Any]:
        """Return the state as plain JSON values."""

    def restore(self, memory: list[Any]) -> None:
        """Take over a state that `memory` returned."""


class SimulatedMarket:
    """One impact book per instrument; prices are displaced by what is sold and recover."""

    def __init__(self, models: Sequence[ImpactModel], *, time_ms: int = 0) -> None:
        self._models = tuple(models)
        self._states = [initial_state(model, time_ms=time_ms) for model in self._models]

    def execute(self, order: LiquidationOrder) -> Execution:
        """Fill an order in closed form against the book as it stands at the order's time."""
        model = self._models[order.instrument]
        done = execute(model, self._at(order), _market_order(order))
        if done.filled_lots:  # what fills nothing leaves no trace: replay sees fills alone
            self._states[order.instrument] = done.state
        return Execution(lots=done.filled_lots, ticks=done.average_ticks)

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Displace the book by a fill that happened before."""
        model = self._models[order.instrument]
        state = self._at(order)
        self._states[order.instrument] = ImpactState(
            time_ms=state.time_ms,
            volumes=model.memory.absorb(state.volumes, float(execution.lots)),
            depth=state.depth,
            flow=state.flow + execution.lots,
        )

    def memory(self) -> list[Any]:
        """Return time, displaced volumes, depth and flow of each book."""
        return [[s.time_ms, list(s.volumes), s.depth, s.flow] for s in self._states]

    def restore(self, memory: list[Any]) -> None:
        """Take over books that `memory` returned.

        Raises:
            InvalidInput: They are not the books of these instruments.
        """
        states = [
            ImpactState(time_ms=time_ms, volumes=tuple(volumes), depth=depth, flow=flow)
            for time_ms, volumes, depth, flow in memory
        ]
        wanted = [len(model.memory.rates) for model in self._models]
        found = [len(state.volumes) for state in states]
        if found != wanted:
            msg = f"books with {found} components, and models with {wanted}; use the same models"
            raise InvalidInput(msg)
        self._states = states

    def displacement(self, instrument: int, time_ms: int) -> float:
        """Return how far our own selling holds the price from its reference, fraction."""
        model = self._models[instrument]
        state = self._states[instrument]
        return displacement(model, advance(model, state, time_ms=max(time_ms, state.time_ms)))

    def _at(self, order: LiquidationOrder) -> ImpactState:
        state = self._states[order.instrument]
        time_ms = max(order.time_ms, state.time_ms)
        return advance(self._models[order.instrument], state, time_ms=time_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalVenue:
    """A market of the user's: orders are sent to it as events and answered by commands, later.

    Which of the two executes orders is a term of the journal (`JournalOpened.external`).

    Attributes:
        time_out_s: How long an order may work before its cancellation is requested.
        retry_s: How long a protection waits whose order came back without having closed all.
    """

    time_out_s: int = 30
    retry_s: int = 1

    def __post_init__(self) -> None:
        if self.time_out_s < 1 or self.retry_s < 0:
            msg = (
                f"a time-out of {self.time_out_s} s with a retry after {self.retry_s} s; give at "
                "least 1 s and 0 s"
            )
            raise InvalidInput(msg)

    @property
    def terms(self) -> ExternalTerms:
        """What of it is a term of the journal."""
        return ExternalTerms(time_out_ms=1000 * self.time_out_s, retry_ms=1000 * self.retry_s)

    def execute(self, order: LiquidationOrder) -> Execution:
        """Fill nothing: what is filled is reported by a command."""
        return Execution(lots=0, ticks=order.mark_ticks)

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Nothing to remember: the orders are in the state."""


def terms_of(market: ExecutionVenue | None) -> ExternalTerms | None:
    """Return the terms of a market of the user's, `None` for one that is built in."""
    return market.terms if isinstance(market, ExternalVenue) else None


class MarkMarket:
    """Fills everything at the mark: the frictionless book of tests and what-ifs."""

    def execute(self, order: LiquidationOrder) -> Execution:
        """Fill all lots at the mark, unless the limit forbids it."""
        side = 1 if order.lots > 0 else -1
        limit = order.limit_ticks
        allowed = limit is None or side * (order.mark_ticks - limit) <= 0
        return Execution(lots=order.lots if allowed else 0, ticks=order.mark_ticks)

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Nothing to remember."""


def _market_order(order: LiquidationOrder) -> MarketOrder:
    free = NO_LIMIT_BUY if order.lots > 0 else NO_LIMIT_SELL
    limit = free if order.limit_ticks is None else max(1, order.limit_ticks)
    return MarketOrder(lots=order.lots, reference_ticks=order.mark_ticks, limit_ticks=limit)
