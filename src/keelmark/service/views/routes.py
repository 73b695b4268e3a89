"""The routes of the views: what is asked over HTTP, who works it out, and how old it may be.

Reads of one account and of the venue's notes are answered on the event loop, from the shared
columns. Passes over the fleet run on one thread, once for all who ask within a second; questions
that take long run on a few, bounded.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query

from keelmark.core.errors import UnknownInstrument, nearest
from keelmark.engine.journal.port import Journal
from keelmark.service.api.problems import Problem, seconds
from keelmark.service.reading import Reader
from keelmark.service.times import Present, engine_present
from keelmark.service.views import accounts as account_views
from keelmark.service.views import funds, liquidations, maps, orders, prices, queue, riskiest
from keelmark.service.views import venue as venue_views
from keelmark.service.views.cases import Cases
from keelmark.service.views.figures import Json
from keelmark.service.views.names import Roster, account_number
from keelmark.service.views.schemas import described
from keelmark.service.views.shared import LONGEST, LongWork, Shared, TooLong, TooMany

Answer = TypeVar("Answer")

CATCH_UP_S = 0.05
"""Rest between two stretches of the journal that are read into the index."""

SLOW = LONGEST
"""Times as long that passes over everybody are kept: a second of work at a million accounts."""

Name = Annotated[str, Path(max_length=200, description="An account's name or number.")]


@dataclass(slots=True)
class Views:
    """What the routes of the venue work with.

    Attributes:
        reader: The venue.
        journal: Where the events of a liquidation are read from; `None` where there is none here.
        present: What time it is at the venue.
        fleet: Passes over every account.
        long: Questions that take long.
    """

    reader: Reader
    journal: Journal | None = None
    present: Present = engine_present
    fleet: Shared = field(default_factory=Shared)
    long: LongWork = field(default_factory=LongWork)
    roster: Roster = field(default_factory=Roster)
    cases: Cases = field(init=False)
    _reading: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        rows = self.reader.state.universe.instruments["settle"].tolist()
        self.cases = Cases(dict(enumerate(rows)))

    async def pass_over(
        self, question: tuple[Any, ...], work: Callable[[], Json], *, times: float = 1.0
    ) -> Json:
        """Return the answer of a pass over the fleet, with its age; see `Shared.ask`."""
        aged = await self.fleet.ask(question, work, times=times)
        return {"age_ms": aged.age_ms, **aged.answer}

    def follow(self) -> None:
        """Read the journal into the index of liquidations where it has a gap, in the background."""
        if self.journal is None or self.cases.through >= self.reader.position:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_journal(self.journal))

    async def indexed(self) -> None:
        """Let the index have the newest batches, if that takes no longer than a moment."""
        self.follow()
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading], timeout=0.5)

    async def _read_journal(self, journal: Journal) -> None:
        is_behind = True
        while is_behind:
            is_behind = not await asyncio.to_thread(
                self.cases.catch_up, journal, self.reader.position
            )
            await asyncio.sleep(CATCH_UP_S if is_behind else 0.0)

    def close(self) -> None:
        """Let the threads end."""
        if self._reading is not None:
            self._reading.cancel()
        self.fleet.close()
        self.long.close()


def venue_router(views: Views) -> APIRouter:
    """Return the routes about the venue."""
    router = APIRouter(prefix="/v1", tags=["venue"])
    _add_notes(router, views)
    _add_fleet(router, views)
    _add_liquidations(router, views)
    return router


def _add_notes(router: APIRouter, views: Views) -> None:
    """Add what is read off the notes of a state, and off one account."""

    @router.get("/venue", summary="Instruments, assets, rules, state", **described("venue"))
    async def venue() -> Json:
        """Tell the rules in force, the instruments and assets, and how many stand where."""
        return venue_views.venue(views.reader)

    @router.get("/prices", summary="Prices and their trust", **described("prices"))
    async def prices_now() -> Json:
        """Tell every price with its age, its limits and whether it is believed."""
        return prices.prices(views.reader, views.present)

    @router.get("/accounts", summary="Accounts, paged and searched", **described("accounts"))
    async def accounts(
        after: Annotated[
            int | None, Query(ge=0, le=2**31, description="Last account of the page before.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=account_views.LIMIT_MAX)] = account_views.LIMIT,
        query: Annotated[
            str,
            Query(max_length=account_views.QUERY_MAX, description="Part of a name, or a number."),
        ] = "",
    ) -> Json:
        """List accounts by number; of those whose name holds a text, or of that number."""
        work = partial(
            account_views.accounts,
            views.reader,
            views.roster,
            after=after,
            limit=limit,
            query=query,
        )
        return await asyncio.to_thread(work) if query else work()

    @router.get("/accounts/{account}", summary="An account and its units", **described("account"))
    async def account(account: Name) -> Json:
        """Tell units, balances, positions, orders, protections, margin, and what goes on."""
        return account_views.account(views.reader, views.roster, account)

    @router.get("/orders", summary="Liquidation orders out in the market", **described("orders"))
    async def orders_out() -> Json:
        """Tell the orders that an outside market is to execute."""
        return orders.orders(views.reader, views.roster)


def _add_fleet(router: APIRouter, views: Views) -> None:
    """Add what takes a pass over every account."""

    @router.get("/fund", summary="The venue's own money", **described("fund"))
    async def fund() -> Json:
        """Tell funds with their windows, fees, the backstop, open interest and conservation."""
        own = funds.own_money(views.reader)
        work = partial(funds.book_totals, views.reader)
        totals = await views.pass_over(("totals",), work, times=SLOW)
        totals["totals_age_ms"] = totals.pop("age_ms")
        return own | totals

    @router.get("/map", summary="Liquidation map of an instrument", **described("map"))
    async def liquidation_map(
        instrument: Annotated[str, Query(max_length=100)],
        move: Annotated[
            float | None,
            Query(gt=-1.0, le=10.0, allow_inf_nan=False, description="One move more: -0.07."),
        ] = None,
    ) -> Json:
        """Tell who falls first at which move of one mark, everything else standing still."""
        row = _instrument_row(views.reader, instrument)
        question = ("map", row, move)
        state = views.reader.state
        trust = prices.trust_of_instrument(state, row).value
        work = partial(_map, views.reader, row, move)
        return await views.pass_over(question, work) | {"trust": trust}

    @router.get("/distance", summary="What is at risk by joint move", **described("distance"))
    async def distance() -> Json:
        """Tell accounts, notional and equity by the nearest joint move that liquidates."""
        return await views.pass_over(("distance",), partial(_distance, views.reader), times=SLOW)

    @router.get("/riskiest", summary="Accounts nearest to liquidation", **described("riskiest"))
    async def nearest_accounts(
        limit: Annotated[int, Query(ge=1, le=riskiest.LIMIT_MAX)] = riskiest.LIMIT,
    ) -> Json:
        """Tell the units nearest to liquidation, screened by kernels and told by the exact core."""
        work = partial(riskiest.riskiest, views.reader, views.roster, limit)
        return await views.pass_over(("riskiest", limit), work, times=SLOW)

    @router.get(
        "/accounts/{account}/adl", summary="Place in the queue of deleveraging", **described("adl")
    )
    async def adl(account: Name) -> Json:
        """Tell rank, score and share ahead of each position, by the rulebook's own policy."""
        number = account_number(views.reader, account)
        work = partial(queue.queue, views.reader, str(account))
        return await views.pass_over(("adl", number), work)


def _distance(reader: Reader) -> Json:
    return maps.distance(reader.fleet())


def _map(reader: Reader, row: int, move: float | None) -> Json:
    return maps.liquidation_map(reader.fleet(), row, move)


def _add_liquidations(router: APIRouter, views: Views) -> None:
    @router.get("/liquidations", summary="Liquidations", **described("liquidations"))
    async def liquidations_now(
        *,
        open: Annotated[  # noqa: A002 the name of the parameter
            bool | None, Query(description="Only those in progress, or only those that ended.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=liquidations.LIMIT_MAX)] = liquidations.LIMIT,
    ) -> Json:
        """List liquidations in progress, and those that ended, the newest first."""
        await views.indexed()
        return liquidations.liquidations(
            views.reader, views.roster, views.cases, is_open=open, limit=limit
        )

    @router.get("/liquidations/{case}", summary="A liquidation", **described("liquidation"))
    async def liquidation(case: Annotated[int, Path(ge=1, le=2**53)]) -> Json:
        """Tell one liquidation: its working, its steps, and who paid each quantum."""
        await views.indexed()
        journal = views.journal
        if journal is None:
            msg = "this service has no journal to read liquidations from; ask the venue's own"
            raise Problem(404, msg)
        work = partial(
            liquidations.liquidation, views.reader, views.roster, views.cases, journal, case
        )
        try:
            return await asyncio.to_thread(work)
        except liquidations.UnknownCase as error:
            raise Problem(404, str(error), code="unknown_case", where="case") from error


def _instrument_row(reader: Reader, symbol: str) -> int:
    """Return the row of an instrument.

    Raises:
        UnknownInstrument: There is none.
    """
    universe = reader.state.universe
    if symbol not in universe.symbols:
        msg = f"no instrument {symbol!r}; {nearest(symbol, universe.symbols)}"
        raise UnknownInstrument(msg)
    return universe.instrument_row(symbol)


async def long_answer(long: LongWork, work: Callable[[], Answer]) -> Answer:
    """Return what a long question comes to; what cannot be had in time says so.

    Raises:
        Problem: 429 beyond the bound, 422 beyond the time limit.
    """
    try:
        return await long.run(work)
    except TooMany as error:
        headers = {"Retry-After": seconds(error.retry_after_ms)}
        raise Problem(429, str(error), code="busy", headers=headers) from error
    except TooLong as error:
        raise Problem(422, str(error), code="too_long") from error


__all__ = ["Views", "long_answer", "venue_router"]
