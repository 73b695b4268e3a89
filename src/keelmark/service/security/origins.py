"""Which names the service answers to, and which pages may send for a signed-in browser.

A page elsewhere can point its own name at this machine (DNS rebinding) or send requests with the
user's cookie; the first is stopped by the name in `Host`, the second by the `Origin`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Origins:
    """The names and the scheme of a service.

    Attributes:
        names: Host names it answers to, lower case, without port.
        is_tls: Whether browsers reach it by https, directly or through a proxy.
    """

    names: frozenset[str]
    is_tls: bool = False

    @classmethod
    def of(cls, names: Iterable[str], *, is_tls: bool = False) -> "Origins":
        """Return the origins of a service that answers to these names and to this machine's."""
        return cls(frozenset(name.lower() for name in (*LOOPBACK, *names)), is_tls)

    def has_host(self, host: str) -> bool:
        """Whether a `Host` header names this service."""
        found = _HOST.fullmatch(host)
        return found is not None and found[1].lower() in self.names

    def is_own(self, origin: str, host: str) -> bool:
        """Whether an `Origin` header is a page of this service, reached by the name in `Host`."""
        scheme = "https" if self.is_tls else "http"
        return self.has_host(host) and origin.lower() == f"{scheme}://{host.lower()}"
