"""The page somebody sees who is not signed in: one file, nothing from elsewhere."""

import re
from functools import cache
from importlib.resources import files

from starlette.responses import Response

from keelmark.service.security.headers import inline_policy

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@cache
def _page() -> tuple[bytes, str]:
    """Return the page, and the policy that allows its own script and style and no other."""
    text = files(__package__).joinpath("sign_in.html").read_text("utf-8")
    found = _INLINE.findall(text)
    scripts = [content for kind, content in found if kind == "script"]
    styles = [content for kind, content in found if kind == "style"]
    policy = inline_policy(scripts=scripts, styles=styles).replace(
        "default-src 'none'", "default-src 'none'; img-src data:"
    )
    return text.encode(), policy


def sign_in_page() -> Response:
    """Return the page."""
    content, policy = _page()
    headers = {"content-security-policy": policy, "www-authenticate": 'Bearer realm="keelmark"'}
    return Response(content, 401, headers, media_type="text/html")
