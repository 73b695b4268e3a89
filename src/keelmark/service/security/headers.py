"""Headers that tell a browser what these answers may not be used for."""

import base64
from collections.abc import Iterable
from hashlib import sha256

_COMMON = (
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
)

DATA_POLICY = "; ".join(("default-src 'none'", "sandbox", *_COMMON))
"""Of answers that are data: they may do nothing at all."""

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        *_COMMON,
    ),
)
"""Of the dashboard: its own files, its own API, nothing inline, nothing from elsewhere."""

HSTS = "max-age=31536000"

Headers = tuple[tuple[bytes, bytes], ...]


def inline_policy(*, scripts: Iterable[str], styles: Iterable[str]) -> str:
    """Return the policy of a page that carries its scripts and styles: these and no others."""
    script = " ".join(_source(text) for text in scripts)
    style = " ".join(_source(text) for text in styles)
    parts = ("default-src 'none'", f"script-src {script}", f"style-src {style}")
    return "; ".join((*parts, "connect-src 'self'", *_COMMON))


def security_headers(*, is_tls: bool) -> Headers:
    """Return the headers of every answer, besides its policy."""
    fixed = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
    if is_tls:
        fixed["strict-transport-security"] = HSTS
    return tuple((name.encode(), value.encode()) for name, value in fixed.items())


def _source(text: str) -> str:
    digest = base64.b64encode(sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
