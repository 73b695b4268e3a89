"""Fetch files of a public market-data archive: checked, resumable, never half written.

The archive publishes `FILE.CHECKSUM` (SHA-256) beside every file. A file is written to
`FILE.part`, continued from there after an interruption, checked, and only then renamed.
"""

import hashlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from typing import TypeVar

from rich.progress import Progress

from keelmark.core.errors import InvalidInput, UnreadableData

BASE_URL = "https://data.binance.vision"
_CHUNK_BYTES = 1 << 16
_PARTIAL, _NOT_FOUND, _RANGE_REFUSED, _TOO_MANY_REQUESTS, _SERVER_ERROR = 206, 404, 416, 429, 500
_HEX_DIGITS = 64
_CHECKSUM_BYTES_MAX = 4096
_Report = Callable[[int, int | None], None]  # bytes done, bytes in all where the server says
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How patiently to fetch.

    Attributes:
        attempts: Tries per file; a missing file is not tried again.
        backoff_s: Wait after the first failure, doubled after each further one.
        timeout_s: Silence after which a connection counts as failed.
        sleep: Waits; a test passes its own.
    """

    attempts: int = 5
    backoff_s: float = 1.0
    timeout_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Refuse no attempt at all."""
        if self.attempts < 1:
            msg = f"attempts is {self.attempts}; at least one is needed"
            raise InvalidInput(msg)


class _Interrupted(Exception):
    """A transfer that may succeed when tried again; leaves this module as `UnreadableData`."""


class _CannotResume(Exception):
    """The partial file does not fit what the archive holds."""


def kline_paths(
    symbol: str, interval: str, *, first: date, last: date, market: str = "futures/um"
) -> tuple[str, ...]:
    """Return the archive paths of daily kline files from `first` to `last`, both included.

    Args:
        symbol: As the venue writes it, BTCUSDT.
        interval: 1m, 3m, 5m, 1h, ...
        first: First day, UTC.
        last: Last day, UTC.
        market: `futures/um` (USDS-M), `futures/cm` (COIN-M) or `spot`.

    Raises:
        InvalidInput: The days are in the wrong order.
    """
    if last < first:
        msg = f"the last day {last} is before the first {first}"
        raise InvalidInput(msg)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    folder = f"data/{market}/daily/klines/{symbol}/{interval}"
    return tuple(f"{folder}/{symbol}-{interval}-{day.isoformat()}.zip" for day in days)


def download(
    paths: Iterable[str],
    folder: Path | str,
    *,
    base_url: str = BASE_URL,
    fetching: Fetching | None = None,
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Fetch archive files into `folder`, keeping their names; a checked file is not fetched again.

    Args:
        paths: Paths inside the archive, see `kline_paths`.
        folder: Where the files go; made if it does not exist.
        base_url: The archive, http or https.
        fetching: Attempts and waits.
        progress: A rich progress display that is already shown; none by default.

    Raises:
        InvalidInput: `base_url` is not http(s), a path leaves the archive, or two have one name.
        UnreadableData: Not in the archive, a wrong checksum, or no attempt succeeded.
    """
    wanted = tuple(paths)
    urls = tuple(_url(base_url, path) for path in wanted)
    if len({PurePosixPath(path).name for path in wanted}) != len(wanted):
        msg = "two of the paths have one file name; fetch them into different folders"
        raise InvalidInput(msg)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    patience = fetching or Fetching()
    return tuple(
        _fetch(url, target / PurePosixPath(path).name, patience, progress)
        for url, path in zip(urls, wanted, strict=True)
    )


def _url(base_url: str, path: str) -> str:
    parts = urllib.parse.urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        msg = f"{base_url!r} is not an http or https address"
        raise InvalidInput(msg)
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.name:
        msg = f"{path!r} is not a path inside the archive"
        raise InvalidInput(msg)
    return f"{base_url.rstrip('/')}/{urllib.parse.quote(path)}"


def _fetch(url: str, target: Path, fetching: Fetching, progress: Progress | None) -> Path:
    expected = _retried(lambda: _published_checksum(url, fetching), url, fetching)
    if _holds(target, expected):
        return target
    partial = target.with_name(target.name + ".part")
    if not _holds(partial, expected):
        with _shown(progress, target.name) as report:
            _retried(lambda: _transfer(url, partial, fetching, report), url, fetching)
        _require_checksum(url, partial, expected)
    partial.replace(target)
    return target


def _retried(work: Callable[[], _Result], url: str, fetching: Fetching) -> _Result:
    for attempt in range(1, fetching.attempts):
        try:
            return work()
        except _Interrupted:
            fetching.sleep(fetching.backoff_s * 2.0 ** (attempt - 1))
    try:
        return work()
    except _Interrupted as error:
        msg = f"{url}: failed {fetching.attempts} times, last: {error}; try again later"
        raise UnreadableData(msg) from error


def _published_checksum(url: str, fetching: Fetching) -> str:
    with _opened(url + ".CHECKSUM", 0, fetching) as response:
        words = _received(response, _CHECKSUM_BYTES_MAX).decode("ascii", "replace").split()
    digest = words[0].lower() if words else ""
    if len(digest) != _HEX_DIGITS or not set(digest) <= set("0123456789abcdef"):
        msg = f"{url}.CHECKSUM: no SHA-256 in it, found {' '.join(words)[:80]!r}"
        raise UnreadableData(msg)
    return digest


def _transfer(url: str, partial: Path, fetching: Fetching, report: _Report) -> None:
    """Append to the partial file what is missing, from the start if the server cannot resume."""
    have = partial.stat().st_size if partial.is_file() else 0
    try:
        with _opened(url, have, fetching) as response:
            resumed = have if response.status == _PARTIAL else 0
            length = response.headers.get("Content-Length")
            total = resumed + int(length) if length else None
            with partial.open("ab" if resumed else "wb") as file:
                report(resumed, total)
                while block := _received(response, _CHUNK_BYTES):
                    file.write(block)
                    report(file.tell(), total)
                done = file.tell()
    except _CannotResume as error:
        partial.unlink(missing_ok=True)
        raise _Interrupted(str(error)) from error
    if total is not None and done != total:
        msg = f"{done} of {total} bytes arrived"
        raise _Interrupted(msg)


@contextmanager
def _opened(url: str, have: int, fetching: Fetching) -> Iterator[http.client.HTTPResponse]:
    headers = {"User-Agent": "keelmark", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 _url lets http(s) through
    try:
        response = urllib.request.urlopen(request, timeout=fetching.timeout_s)  # noqa: S310 ditto
    except urllib.error.HTTPError as error:
        raise _refusal(url, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error
    with response:
        yield response


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    """Return what an HTTP error means: absent, not resumable, worth another try, or final."""
    code = error.code
    error.close()
    if code == _NOT_FOUND:
        return UnreadableData(f"{url}: not in the archive (404); check symbol, interval and day")
    if code == _RANGE_REFUSED:
        return _CannotResume("the partial file is longer than the archive's")
    if code >= _SERVER_ERROR or code == _TOO_MANY_REQUESTS:
        return _Interrupted(f"the server answered {code}")
    return UnreadableData(f"{url}: the server answered {code} {error.reason}; check the address")


def _received(response: http.client.HTTPResponse, size: int) -> bytes:
    try:
        return response.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _holds(path: Path, expected: str) -> bool:
    return path.is_file() and _sha256(path) == expected


def _require_checksum(url: str, partial: Path, expected: str) -> None:
    found = _sha256(partial)
    if found != expected:
        partial.unlink()
        msg = (
            f"{url}: SHA-256 is {found}, the archive publishes {expected}; the copy was deleted, "
            "fetch it again"
        )
        raise UnreadableData(msg)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _shown(progress: Progress | None, name: str) -> Iterator[_Report]:
    """Show one file in the progress display while it is fetched."""
    if progress is None:
        yield lambda _done, _total: None
        return
    task = progress.add_task(name, total=None)
    yield lambda done, total: progress.update(task, completed=done, total=total)
    progress.stop_task(task)
