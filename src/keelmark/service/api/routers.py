"""Every route that reads: the venue, its accounts, its health, over one reader."""

from dataclasses import dataclass

from fastapi import APIRouter

from keelmark.engine.journal.port import Journal
from keelmark.service.api.link import WriterLink
from keelmark.service.folder import Folder
from keelmark.service.health.observed import Counts, Observed
from keelmark.service.health.routes import health_router
from keelmark.service.reading import Reader
from keelmark.service.replay.request import kept_replay
from keelmark.service.times import engine_present, machine_present
from keelmark.service.views.desk import BookDesk
from keelmark.service.views.desk_routes import DeskViews, desk_router
from keelmark.service.views.routes import Views, venue_router


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadingRoutes:
    """Routes that read, and the threads they work on.

    Attributes:
        routers: The routes.
    """

    routers: tuple[APIRouter, ...]
    views: Views
    desk: DeskViews

    @classmethod
    def of(
        cls,
        reader: Reader,
        journal: Journal | None,
        link: WriterLink,
        folder: Folder,
        *,
        alerts: Counts = dict,
    ) -> "ReadingRoutes":
        """Return the routes of a venue.

        Args:
            reader: What is read.
            journal: Where liquidations are read from.
            link: Tells whether the writer is there.
            folder: Where the parts say how they are.
            alerts: Deliveries of alerts by what became of them.
        """
        present = machine_present if kept_replay(folder.path) is None else engine_present
        views, desk = Views(reader, journal, present), DeskViews(BookDesk(reader, present))
        observed = Observed(
            reader=reader,
            is_connected=lambda: link.is_connected,
            counters=folder.counters,
            follower=folder.follower,
            recording_over=folder.recording_over,
            alerts=alerts,
        )
        routers = (venue_router(views), desk_router(desk), health_router(observed, views.fleet))
        return cls(routers=routers, views=views, desk=desk)

    def close(self) -> None:
        """Let the threads end."""
        self.views.close()
        self.desk.close()
