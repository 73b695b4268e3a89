"""How the API of a service is reached from outside: names, proxies, TLS in front of it."""

import re
from dataclasses import dataclass
from ipaddress import ip_network

from keelmark.core.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What stands between browsers and the API.

    Attributes:
        host_names: Names it answers to, besides this machine's own and its address.
        proxies: Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
        behind_tls: Whether a proxy speaks TLS to browsers.
        access_log: Whether every request is told.
    """

    host_names: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    behind_tls: bool = False
    access_log: bool = False

    def __post_init__(self) -> None:
        for name in self.host_names:
            if _NAME.fullmatch(name) is None:
                msg = f"--host-name {name!r} is no name; give it without scheme, port and path"
                raise InvalidInput(msg)
        for proxy in self.proxies:
            _require_network(proxy)


def _require_network(proxy: str) -> None:
    """Refuse a proxy that is no address: a name, or everybody, would let anybody be anybody."""
    try:
        network = ip_network(proxy)
    except ValueError as error:
        msg = f"--proxy {proxy!r} is no address; give one as 127.0.0.1 or 10.0.0.0/8"
        raise InvalidInput(msg) from error
    if network.prefixlen == 0:
        msg = f"--proxy {proxy} believes everybody; name the proxy's own address"
        raise InvalidInput(msg)
