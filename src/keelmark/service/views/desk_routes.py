"""The routes of one account: what the desk's commands answer, of the book or of a document."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from keelmark.service.views import answers
from keelmark.service.views.desk import Desk
from keelmark.service.views.face import face
from keelmark.service.views.figures import Json
from keelmark.service.views.routes import Name, long_answer
from keelmark.service.views.schemas import described
from keelmark.service.views.shared import LongWork
from keelmark.service.views.standing_in import PAIRS_MAX, pairs_of

Text = Annotated[str, Field(max_length=answers.NAME_MAX)]
Unit = Annotated[str | None, Query(max_length=answers.NAME_MAX, description="Margin unit.")]
Share = Annotated[str, Query(max_length=40, description="A relative move: -0.5 or -50%.")]


class Edits(BaseModel):
    """Edits of an account that nobody has made."""

    model_config = ConfigDict(extra="forbid")
    edits: Annotated[
        list[Text],
        Field(
            max_length=answers.EDITS_MAX,
            description="In the words of `keelmark whatif`: `close BTCUSDT=50%`, in order.",
        ),
    ]
    fee: Annotated[
        str | None, Field(max_length=40, description="Fee of fills, 0.0005 or 0.05%.")
    ] = None


class Rescue(BaseModel):
    """A target to be brought to."""

    model_config = ConfigDict(extra="forbid")
    target: Annotated[
        str | None, Field(max_length=40, description="Maintenance over equity: 0.5 or 50%.")
    ] = None
    distance: Annotated[
        str | None, Field(max_length=40, description="No move below this liquidates: 0.15 or 15%.")
    ] = None
    unit: Annotated[str | None, Field(max_length=answers.NAME_MAX)] = None
    allow: Annotated[
        list[Text] | None,
        Field(max_length=10, description="Of deposit, transfer, close, hedge; all where left out."),
    ] = None
    deposits: Annotated[
        dict[Text, Annotated[str, Field(max_length=40)] | None] | None,
        Field(max_length=50, description="Assets that can come in, with a limit or null."),
    ] = None
    wallet: Annotated[
        dict[Text, Annotated[str, Field(max_length=40)]] | None,
        Field(max_length=50, description="What lies ready, by asset."),
    ] = None
    kept: Annotated[
        list[Text], Field(max_length=200, description="Instruments to leave alone.")
    ] = []
    toxic: bool = False

    @property
    def wish(self) -> answers.Wish:
        """The same in numbers."""
        limits = {a: _maybe("deposits", x) for a, x in (self.deposits or {}).items()}
        ready = {a: answers.number("wallet", x) for a, x in (self.wallet or {}).items()}
        return answers.Wish(
            ratio=_maybe("target", self.target),
            distance=_maybe("distance", self.distance),
            unit=self.unit,
            allow=self.allow,
            deposits=limits,
            wallet=ready,
            kept=self.kept,
            toxic=self.toxic,
        )


def _maybe(name: str, text: str | None) -> Decimal | None:
    return None if text is None else answers.number(name, text)


@dataclass(slots=True)
class DeskViews:
    """What the routes of one account work with.

    Attributes:
        desk: Where accounts are found.
        quick: Questions of some milliseconds, off the event loop all the same: a document may
            have hundreds of positions.
        long: Questions of seconds.
    """

    desk: Desk
    quick: LongWork = field(default_factory=lambda: LongWork(at_once=2, waiting=64, limit_s=10.0))
    long: LongWork = field(default_factory=lambda: LongWork(at_once=1, waiting=4, limit_s=20.0))

    async def asked(self, work: Callable[[], Json]) -> Json:
        """Return the answer to a quick question."""
        return await long_answer(self.quick, work)

    def close(self) -> None:
        """Let the threads end."""
        self.quick.close()
        self.long.close()


def desk_router(views: DeskViews) -> APIRouter:
    """Return the routes of one account."""
    router = APIRouter(prefix="/v1/accounts/{account}", tags=["account"])
    _add_reads(router, views)
    _add_drawn(router, views)
    _add_questions(router, views)
    return router


def _add_reads(router: APIRouter, views: DeskViews) -> None:
    @router.get("/check", summary="How far from liquidation", **described("check"))
    async def check(account: Name) -> Json:
        """Answer as `keelmark check --json`."""
        found = views.desk.find(account)
        return await views.asked(partial(answers.checked, found))

    @router.get("/explain", summary="Where a figure comes from", **described("explain"))
    async def explain(
        account: Name,
        figure: Annotated[
            str, Query(max_length=answers.NAME_MAX, description="Left out: which there are.")
        ] = "",
        unit: Unit = None,
    ) -> Json:
        """Answer as `keelmark explain --json`."""
        found = views.desk.find(account)
        return await views.asked(partial(answers.explained, found, figure, unit))

    @router.get("/face", summary="What a browser margins with", **described("face"))
    async def face_of(account: Name) -> Json:
        """Tell the formulas' own numbers, as JSON numbers; `exact` tells whether they do."""
        found = views.desk.find(account)
        return await views.asked(partial(face, found))


def _moves(low: Share = "-50%", high: Share = "50%") -> tuple[Decimal, Decimal]:
    return answers.number("low", low), answers.number("high", high)


Moves = Annotated[tuple[Decimal, Decimal], Depends(_moves)]


def _add_drawn(router: APIRouter, views: DeskViews) -> None:
    @router.get("/ladder", summary="Margin along one price", **described("ladder"))
    async def ladder(
        account: Name,
        moves: Moves,
        along: Annotated[str, Query(max_length=answers.NAME_MAX)] = "all",
        steps: Annotated[int, Query(ge=2, le=answers.LADDER_STEPS_MAX)] = answers.LADDER_STEPS,
        unit: Unit = None,
    ) -> Json:
        """Answer as `keelmark ladder --json`: an instrument, a coin, an asset, or all."""
        found, span = views.desk.find(account), _span(moves, steps, unit)
        return await views.asked(partial(answers.laddered, found, along, span))

    @router.get("/surface", summary="Margin over two prices", **described("surface"))
    async def surface(
        account: Name,
        x: Annotated[str, Query(max_length=answers.NAME_MAX)],
        moves: Moves,
        y: Annotated[str, Query(max_length=answers.NAME_MAX)] = "volatility",
        steps: Annotated[int, Query(ge=2, le=answers.SURFACE_STEPS_MAX)] = answers.SURFACE_STEPS,
        unit: Unit = None,
    ) -> Json:
        """Answer as `keelmark surface --json`; in a worker, bounded."""
        found, span = views.desk.find(account), _span(moves, steps, unit)
        return await long_answer(views.long, partial(answers.surfaced, found, x, y, span))


def _span(moves: tuple[Decimal, Decimal], steps: int, unit: str | None) -> answers.Span:
    low, high = moves
    return answers.Span(low=low, high=high, steps=steps, unit=unit)


def _chance(
    horizon: Annotated[str, Query(max_length=10, description="8h, 1d or 10d.")] = "1d",
    level: Annotated[float, Query(ge=0.5, lt=1.0, allow_inf_nan=False)] = 0.99,
    vol: Annotated[
        list[str] | None, Query(max_length=100, description="COIN=0.03, of a day.")
    ] = None,
    like: Annotated[
        list[str] | None,
        Query(
            max_length=PAIRS_MAX,
            description="XPL=SOL: a coin the table does not know moves like one it does; "
            "`*`: every other like the table's liveliest, `*=SOL` like that one.",
        ),
    ] = None,
    seed: Annotated[int, Query(ge=0, le=2**31)] = 0,
    unit: Unit = None,
) -> answers.Chance:
    chance = answers.Chance(
        horizon=answers.horizon(horizon),
        level=level,
        volatilities=answers.deviations(vol or ()),
        seed=seed,
        unit=unit,
        like=pairs_of(like or ()),
    )
    chance.require()
    return chance


def _add_questions(router: APIRouter, views: DeskViews) -> None:
    @router.get("/risk", summary="Losses and chances of liquidation", **described("risk"))
    async def risk(account: Name, chance: Annotated[answers.Chance, Depends(_chance)]) -> Json:
        """Answer as `keelmark risk --json`, by the built-in table; in a worker, bounded."""
        found = views.desk.find(account)
        return await long_answer(views.long, partial(answers.risked, found, chance))

    @router.post("/whatif", summary="The account after edits", **described("whatif"))
    async def whatif(account: Name, body: Annotated[Edits, Body()]) -> Json:
        """Answer as `keelmark whatif --json`; nothing is changed."""
        found = views.desk.find(account)
        fee = None if body.fee is None else answers.number("fee", body.fee)
        return await views.asked(partial(answers.edited, found, body.edits, fee))

    @router.post("/rescue", summary="The cheapest way out", **described("rescue"))
    async def rescue(account: Name, body: Annotated[Rescue, Body()]) -> Json:
        """Answer as `keelmark rescue --json`; in a worker, bounded; nothing is changed."""
        found, wish = views.desk.find(account), body.wish
        return await long_answer(views.long, partial(answers.rescued, found, wish))


__all__ = ["DeskViews", "desk_router"]
