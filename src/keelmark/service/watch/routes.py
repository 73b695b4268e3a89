"""The routes of a watch that a venue answers in another way: its accounts and its health."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from keelmark.service.alerts.board import AlertBoard
from keelmark.service.health.routes import HEALTH_ANSWERS, UNWELL
from keelmark.service.health.values import Health, worst
from keelmark.service.times import iso_time
from keelmark.service.views.accounts import QUERY_MAX
from keelmark.service.views.figures import Json
from keelmark.service.views.routes import Name
from keelmark.service.views.schemas import described
from keelmark.service.watch.views import WatchDesk


def watch_router(desk: WatchDesk, board: AlertBoard) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get(
        "/v1/accounts",
        summary="Accounts, the worst first",
        tags=["account"],
        **described("desk_accounts"),
    )
    async def accounts(
        query: Annotated[str, Query(max_length=QUERY_MAX, description="Part of a name.")] = "",
    ) -> Json:
        """List the accounts that are watched: word, distance, chance, residuals, last read."""
        return desk.accounts(query)

    @router.get(
        "/v1/accounts/{account}",
        summary="An account in short",
        tags=["account"],
        **described("desk_account"),
    )
    async def account(account: Name) -> Json:
        """Tell how it stands and was read, and the venue's own figures beside ours."""
        return await asyncio.to_thread(desk.account, account)

    @router.get("/health", summary="Whether it is well", tags=["operation"], **HEALTH_ANSWERS)
    async def health() -> JSONResponse:
        """Look at every account's reads and streams and at the delivery of alerts."""
        found = await asyncio.to_thread(desk.findings, board)
        whole = worst(found)
        content: Json = {
            "status": whole.value,
            "position": None,
            "time": iso_time(desk.daemon.clock()),
            "findings": [
                {"name": f.name, "health": f.health.value, "detail": f.detail} for f in found
            ],
        }
        return JSONResponse(content, UNWELL if whole is Health.FAILING else 200)

    return router
