"""`keelmark watch`: several accounts on several venues, looked at again and again."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.options import json_option

if TYPE_CHECKING:
    from keelmark.service.alerts.values import Alert
    from keelmark.service.watch.daemon import Daemon
    from keelmark.service.watch.front import Front

FOLDER = "keelmark-watch"
CODES = {
    "liquidatable": ExitCode.LIQUIDATABLE,
    "unknown": ExitCode.UNKNOWN,
    "red": ExitCode.WARNING,
}
"""The exit code of `--once` is of the worst account."""


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Folder of its alerts, keys and audit trail.",
)
@click.option("--once", is_flag=True, help="Look once, print, and leave with the worst verdict.")
@json_option
def watch(*, config: Path, data: Path, once: bool, as_json: bool) -> None:
    """Watch the accounts that CONFIG (TOML) names, and wake whom it names before a venue acts.

    Keys come from the environment (KEELMARK_BYBIT_KEY, ...) or from the keyring, never from the
    file; a read-only key is enough, and only calls that read are made. With --once: exit code 0
    when all are healthy, 1 inside the warning distance, 2 liquidatable, 3 unknown.
    """
    from keelmark.service.watch.config import load_config  # noqa: PLC0415 heavy
    from keelmark.service.watch.open import open_watch  # noqa: PLC0415 heavy

    daemon = open_watch(load_config(config), data, undelivered=_undelivered)
    try:
        if once:
            click.get_current_context().exit(_look_once(daemon, as_json=as_json))
        _watch_on(daemon, data, as_json=as_json)
    finally:
        daemon.store.close()


def _look_once(daemon: "Daemon", *, as_json: bool) -> ExitCode:
    from keelmark.cli.watch_table import print_watch  # noqa: PLC0415 heavy
    from keelmark.service.watch.document import account_row, watch_document  # noqa: PLC0415 heavy
    from keelmark.service.watch.once import look_once  # noqa: PLC0415 heavy

    look_once(daemon)
    now = daemon.clock()
    rows = [account_row(daemon.desk, one, now) for one in daemon.desk.watched.values()]
    if as_json:
        click.echo(json.dumps(watch_document(daemon.desk, now), indent=2))
    else:
        print_watch(rows)
    levels = {row["level"] for row in rows}
    return next((code for level, code in CODES.items() if level in levels), ExitCode.OK)


def _watch_on(daemon: "Daemon", data: Path, *, as_json: bool) -> None:
    """Watch until the process is told to stop; each alert is printed as it comes."""
    from keelmark.cli.watch_table import alert_line  # noqa: PLC0415 heavy
    from keelmark.service.supervisor.lock import FolderLock  # noqa: PLC0415 heavy
    from keelmark.service.watch.document import instant  # noqa: PLC0415 heavy
    from keelmark.service.watch.front import served  # noqa: PLC0415 heavy

    def told(alert: "Alert") -> None:
        if as_json:
            click.echo(json.dumps(alert_document(alert)))
        else:
            click.echo(alert_line(alert, instant(alert.time_ms)[11:19]))

    daemon.told, daemon.complained = told, lambda problem: click.echo(problem, err=True)
    with FolderLock(data), served(daemon, data) as front, _ended_by_signals(daemon):
        _introduce(list(daemon.sources), front, as_json=as_json)
        daemon.run()


def _introduce(names: list[str], front: "Front | None", *, as_json: bool) -> None:
    """Say what is watched and where it is shown; the first key is printed this once."""
    url = "" if front is None else front.url
    key = "" if front is None or not front.first_key else f"{url}/#key={front.first_key}"
    if as_json:
        said = {
            "event": "watching",
            "accounts": names,
            "url": url or None,
            "first_key": key or None,
        }
        click.echo(json.dumps(said), err=True)
        return
    click.echo(f"watching {', '.join(names)}; alerts (times UTC) follow, Ctrl-C ends", err=True)
    if url:
        click.echo(f"  page      {url}/", err=True)
    if key:
        click.echo(
            f"  first key {key}\n"
            "            a risk admin's, shown this once: keep it; "
            "make others by POST /v1/admin/keys",
            err=True,
        )


def alert_document(alert: "Alert") -> dict[str, object]:
    """Return an alert as JSON."""
    from msgspec import to_builtins  # noqa: PLC0415 only alerts need it

    from keelmark.service.watch.document import instant  # noqa: PLC0415 heavy

    plain: dict[str, object] = to_builtins(alert)
    times = {"time": instant(alert.time_ms), "since": instant(alert.since_ms)}
    kept = {name: value for name, value in plain.items() if name not in {"time_ms", "since_ms"}}
    return {"id": alert.alert_id, **times, **kept}


@contextmanager
def _ended_by_signals(daemon: "Daemon") -> Iterator[None]:
    """Let the usual signals end the watch in order."""
    before = {
        number: signal.signal(number, lambda *_: daemon.stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _undelivered(channel: str, problem: str) -> None:
    click.echo(f"alert not delivered by {channel}: {problem}", err=True)
