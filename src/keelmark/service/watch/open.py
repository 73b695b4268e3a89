"""Put a watch together: sources, streams, alerts and their store."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from keelmark.accounts.fetch import plan_of
from keelmark.core.errors import InvalidDocument, InvalidInput, StorageFailed
from keelmark.service.alerts.book import AlertBook
from keelmark.service.alerts.channels.build import build_channels
from keelmark.service.alerts.courier import Courier, Told
from keelmark.service.alerts.store import AlertStore
from keelmark.service.feeds.venue_prices import VenuePrices, open_stream
from keelmark.service.folder import Folder
from keelmark.service.watch.chance import DAY_S, TableChance
from keelmark.service.watch.config import WatchConfig, WatchedAccount
from keelmark.service.watch.daemon import Daemon
from keelmark.service.watch.desk import Desk
from keelmark.service.watch.sources import Source, open_source
from keelmark.service.watch.tape import Tape


def clock_ms() -> int:
    """Return the time of this machine, milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def open_watch(
    config: WatchConfig,
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    undelivered: Told | None = None,
) -> Daemon:
    """Return a watch that is ready to run.

    Args:
        config: What to watch and whom to wake.
        folder: Where alerts are kept; made where it is not there.
        environment: Holds keys and secrets; the process's own where left out.
        undelivered: Hears of alerts that could not be delivered for good.

    Raises:
        InvalidDocument: Keys or secrets are missing; lists all of them.
        MissingExtra: ccxt or httpx is not installed and needed.
        StorageFailed: The folder cannot be written.
    """
    sources = _sources(config.accounts, environment)
    secrets = os.environ if environment is None else environment
    channels = build_channels(config.alerts.channels, secrets, clock_ms)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder}: cannot be made ({error.strerror}); name another folder with --data"
        raise StorageFailed(msg) from error
    store = AlertStore(Folder(folder).alerts)
    chance = TableChance(days=config.alerts.horizon_s / DAY_S)
    return Daemon(
        desk=Desk(
            config=config,
            alerts=AlertBook(config.alerts, store.standings()),
            chance=chance if config.alerts.asks_probability else None,
        ),
        sources=sources,
        tapes={a.name: Tape(_opens(a)) for a in config.accounts if a.stream},
        store=store,
        courier=Courier(config.alerts, store, channels, undelivered),
        clock=clock_ms,
    )


def _sources(
    accounts: Iterable[WatchedAccount], environment: Mapping[str, str] | None
) -> dict[str, Source]:
    """Return where each account is read; every key that is missing is named at once."""
    found: dict[str, Source] = {}
    problems: list[str] = []
    for account in accounts:
        try:
            found[account.name] = open_source(account, environment=environment)
        except InvalidInput as error:
            problems.append(f"{account.name}: {error}")
    if problems:
        title = "accounts cannot be read"
        raise InvalidDocument(title, problems)
    return found


def _opens(account: WatchedAccount) -> Callable[[Iterable[str]], VenuePrices]:
    exchange = plan_of(account.venue).exchange
    return lambda wanted: open_stream(exchange, wanted, api_url=account.api_url)
