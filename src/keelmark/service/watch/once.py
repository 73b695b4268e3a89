"""One look at every account, for a person or a scheduled job that asks and goes."""

from concurrent.futures import ThreadPoolExecutor

from keelmark.core.errors import KeelmarkError
from keelmark.service.watch.daemon import Daemon

THREADS_MAX = 16


def look_once(daemon: Daemon) -> None:
    """Read every account once, all at the same time, and take note; nothing is delivered."""
    desk = daemon.desk
    desk.begin(daemon.clock())
    names = list(daemon.sources)
    with ThreadPoolExecutor(min(THREADS_MAX, len(names))) as pool:
        outcomes = list(pool.map(daemon.read, names))
    for outcome in outcomes:
        if isinstance(outcome.found, KeelmarkError):
            desk.failed(outcome.name, outcome.found, outcome.time_ms)
        else:
            desk.read(outcome.name, outcome.found, outcome.time_ms, as_of_ms=outcome.as_of_ms)
