"""What the options of `keelmark serve` mean."""

import os
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from keelmark.core.errors import InvalidInput
from keelmark.service.guard_terms import GuardTerms
from keelmark.service.supervisor.front import Front
from keelmark.service.supervisor.serving import ReplayRequest, ServeSettings, serve
from keelmark.service.supervisor.voice import Voice
from keelmark.service.times import iso_time, now_ms


def run(options: dict[str, Any]) -> int:
    """Serve what was asked for; return the exit code."""
    voice = Voice(
        line=click.echo,
        as_json=options["as_json"],
        level=options["log_level"],
        now=lambda: iso_time(now_ms()),
    )
    return serve(settings_of(options), voice)


def settings_of(options: dict[str, Any]) -> ServeSettings:
    """Return what was asked for.

    Raises:
        InvalidInput: Options contradict each other.
    """
    return ServeSettings(
        data=options["data"].expanduser().absolute(),
        venue=options["venue"],
        journal=options["journal"],
        host=options["host"],
        port=options["port"],
        execution=options["execution"],
        guards=guards_of(options),
        replay=replay_of(options),
        speed=options["speed"],
        feed=options["feed"],
        tls_cert=options["tls_cert"],
        tls_key=options["tls_key"],
        front=Front(
            host_names=tuple(options["host_name"]),
            proxies=tuple(options["proxy"]),
            behind_tls=options["behind_tls"],
            access_log=options["access_log"],
        ),
        alerts=alerts_of(options["alerts"]),
    )


def replay_of(options: Mapping[str, Any]) -> ReplayRequest | None:
    """Return which crash is replayed, `None` where none is named.

    Raises:
        InvalidInput: What only a replay has is said without one, or another venue is asked for.
    """
    if options["replay"] is None:
        for name in ("accounts", "recorded"):
            if options[name] is not None:
                msg = f"--{name} is of a replay; name one, as --replay oct10, or leave it out"
                raise InvalidInput(msg)
        return None
    if options["venue"] is not None:
        msg = "--replay brings its own venue; leave out --venue"
        raise InvalidInput(msg)
    from keelmark.market.datasets import find_data  # noqa: PLC0415 polars is slow to load

    said = {name: options[name] for name in ("speed", "accounts") if options[name] is not None}
    recorded = find_data(options["recorded"])
    return ReplayRequest(scenario=options["replay"], recorded=recorded, **said)


def guards_of(options: Mapping[str, Any]) -> GuardTerms:
    """Return when prices are not believed, as far as it is said.

    Raises:
        InvalidInput: A band that is no fraction.
    """
    band = options["band"]
    try:
        fraction = None if band is None else Decimal(band)
    except InvalidOperation as error:
        msg = f"band {band!r}; give a fraction below 1, as 0.1 for 10 %; 0 for none"
        raise InvalidInput(msg) from error
    return GuardTerms(
        stale_s=options["stale_s"],
        band=fraction,
        confirm_marks=options["confirm_marks"],
        confirm_s=options["confirm_s"],
    )


def alerts_of(table: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the `[alerts]` part of a configuration, once it is known to work.

    Raises:
        InvalidDocument: Listing every problem, missing secrets among them.
    """
    if table is None:
        return None
    from keelmark.service.alerts.channels.build import build_channels  # noqa: PLC0415 rarely asked
    from keelmark.service.alerts.venue import read_venue_rules  # noqa: PLC0415 as above

    rules = read_venue_rules(table)
    build_channels(rules.channels, os.environ, now_ms)
    return table
