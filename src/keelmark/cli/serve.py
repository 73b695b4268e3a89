"""`keelmark serve`: the engine as a service."""

import tomllib
from pathlib import Path
from typing import Any

import click

from keelmark.cli.options import json_option
from keelmark.core.errors import InvalidInput, nearest

CONFIGURED = frozenset(
    (
        "data",
        "venue",
        "journal",
        "host",
        "port",
        "execution",
        "stale_s",
        "band",
        "confirm_marks",
        "confirm_s",
        "replay",
        "speed",
        "accounts",
        "recorded",
        "feed",
        "tls_cert",
        "tls_key",
        "host_name",
        "proxy",
        "behind_tls",
        "access_log",
        "log_level",
    )
)
"""What a configuration file may say: the options' own names, with `-` or `_`."""

LISTS = frozenset(("host_name", "proxy"))
"""Of them, those that may be a list."""

TABLES = frozenset(("alerts",))
"""Tables that only a configuration file has."""


def _configured(ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """Take what the file says where the command line says nothing."""
    if path is not None:
        ctx.default_map = {**(ctx.default_map or {}), **read_config(path)}
    return path


def read_config(path: Path) -> dict[str, Any]:
    """Return what a configuration file says.

    Raises:
        InvalidInput: It cannot be read, or says something unknown.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"the configuration {path} cannot be read: {error}"
        raise InvalidInput(msg) from error
    found = {key.replace("-", "_"): value for key, value in said.items()}
    unknown = sorted(found.keys() - CONFIGURED - TABLES)
    if unknown:
        told = "; ".join(f"{key!r} ({nearest(key, CONFIGURED)})" for key in unknown)
        msg = f"the configuration {path} names what nobody reads: {told}"
        raise InvalidInput(msg)
    values = {key: value for key, value in found.items() if key not in TABLES}
    wrong = sorted(key for key, value in values.items() if not _is_readable(key, value))
    if wrong:
        msg = f"the configuration {path}: {', '.join(wrong)} must be one value each"
        raise InvalidInput(msg)
    return {
        key: [value] if key in LISTS and isinstance(value, str) else value
        for key, value in found.items()
    }


def _is_readable(key: str, value: object) -> bool:
    """Whether a key's value is of a form that its option has."""
    if isinstance(value, list):
        return key in LISTS and all(isinstance(part, str) for part in value)
    return not isinstance(value, dict)


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    callback=_configured,
    is_eager=True,
    expose_value=False,
    help="TOML file with the names of these options; the command line wins.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("keelmark-data"),
    show_default=True,
    help="Folder of the service; made private to you.",
)
@click.option("--venue", help="Rulebook of a new folder: name or TOML file. Default: generic.")
@click.option(
    "--journal",
    default="",
    envvar="KEELMARK_JOURNAL",
    help="postgresql://... Default: a file in the folder.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--execution",
    type=click.Choice(("simulated", "external")),
    help="Who fills liquidation orders. Default: simulated.",
)
@click.option(
    "--stale-s",
    type=click.IntRange(0),
    help="Seconds after which a price is not believed; 0: no guard. New folder: 60.",
)
@click.option("--band", help="Largest step believed at once; 0: no guard. New folder: 0.1.")
@click.option(
    "--confirm-marks",
    type=click.IntRange(0),
    help="Prices that confirm a larger step; 0: an operator does. New folder: 3.",
)
@click.option(
    "--confirm-s", type=click.IntRange(0), help="Seconds that they must span. New folder: 5."
)
@click.option("--replay", help="Crash to replay in a new folder, as oct10.")
@click.option("--speed", type=float, help="Seconds of it in a second. Default: 1.")
@click.option("--accounts", type=int, help="Accounts to draw for it. Default: 20000.")
@click.option("--recorded", type=click.Path(path_type=Path), help="Folder of recorded prices.")
@click.option("--feed", default="", help="Stream marks by ccxt: its class, as binanceusdm.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate chain, PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key, PEM.")
@click.option("--host-name", multiple=True, help="Name it answers to; may be repeated.")
@click.option("--proxy", multiple=True, help="Address of a proxy that is believed; repeatable.")
@click.option("--behind-tls", is_flag=True, help="A proxy in front of it speaks TLS to browsers.")
@click.option("--access-log", is_flag=True, help="Log every request, without its query.")
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error")),
    default="info",
    show_default=True,
)
@json_option
def serve(**options: Any) -> int:  # noqa: ANN401 click's options
    """Run the engine as a service: writer, API, dashboard and snapshots.

    The first start prints a key once; a new folder needs nothing else.
    """
    from keelmark.cli.serving import run  # noqa: PLC0415 what it imports is heavy

    said = click.get_current_context().default_map or {}
    return run({**options, "alerts": said.get("alerts")})
