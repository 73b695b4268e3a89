"""The dashboard: static files, for who is signed in."""

import mimetypes
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from keelmark.service.api.problems import Problem
from keelmark.service.api.services import services_of
from keelmark.service.security.headers import PAGE_POLICY

router = APIRouter(include_in_schema=False)
FOLDER = Path(__file__).resolve().parents[2] / "dashboard"
INDEX = "index.html"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".woff2": "font/woff2"}


@router.get("/")
async def index(request: Request) -> Response:
    """Return the page."""
    return _file(request, INDEX)


@router.get("/assets/{path:path}")
async def asset(request: Request, path: str) -> Response:
    """Return a file of the page."""
    return _file(request, path)


def _file(request: Request, name: str) -> Response:
    """Return a file of the dashboard's folder, and of nowhere else.

    Raises:
        Problem: There is no such file.
    """
    folder = (services_of(request).settings.dashboard or FOLDER).resolve()
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.is_file() or path.suffix == ".py":
            raise FileNotFoundError
        content = path.read_bytes()
    except (OSError, ValueError):
        msg = "there is no such file of the dashboard"
        raise Problem(404, msg) from None
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {
        "etag": tag,
        "cache-control": "no-cache",
        "content-security-policy": PAGE_POLICY,
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return Response(content, headers=headers, media_type=kind or "application/octet-stream")
