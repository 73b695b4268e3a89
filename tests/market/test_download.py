import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.market.download import Fetching, download, kline_paths

NAME = "BTCUSDT-5m-2025-10-10.zip"
PATH = f"data/futures/um/daily/klines/BTCUSDT/5m/{NAME}"
BODY = bytes(range(256)) * 1_000


@dataclass
class Archive:
    """What the server holds and how it misbehaves."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)  # bytes sent by the next answers
    fail_with: list[int] = field(default_factory=list)  # status of the next answers
    resumes: bool = True
    ranges: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def archive() -> Iterator[Archive]:
    state = Archive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            is_checksum = self.path.endswith(".CHECKSUM")
            if state.fail_with and not is_checksum:
                self.send_error(state.fail_with.pop(0))
                return
            content = state.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            wanted = self.headers.get("Range", "")
            start = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if state.resumes else 0
            if wanted:
                state.ranges.append(wanted)
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cut = state.cut_after.pop(0) if state.cut_after and not is_checksum else None
            self.wfile.write(content[start : None if cut is None else start + cut])

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    publish(state, PATH, BODY)
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def publish(state: Archive, path: str, body: bytes) -> None:
    state.files[path] = body
    line = f"{hashlib.sha256(body).hexdigest()}  {Path(path).name}\n"
    state.files[f"{path}.CHECKSUM"] = line.encode()


@pytest.fixture
def waits() -> list[float]:
    return []


def fetch(archive: Archive, folder: Path, waits: list[float], attempts: int = 3) -> Path:
    patience = Fetching(attempts=attempts, backoff_s=0.5, timeout_s=5.0, sleep=waits.append)
    (path,) = download([PATH], folder, base_url=archive.url, fetching=patience)
    return path


def test_a_file_arrives_whole_checked_and_under_its_own_name(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    path = fetch(archive, tmp_path / "new", waits)
    assert path == tmp_path / "new" / NAME
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]
    assert waits == []


def test_a_checked_file_is_not_fetched_again_and_a_damaged_one_is(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    path = fetch(archive, tmp_path, waits)
    fetch(archive, tmp_path, waits)
    assert archive.requests.count(f"/{PATH}") == 1
    path.write_bytes(BODY[:-1])
    assert fetch(archive, tmp_path, waits).read_bytes() == BODY


def test_a_wrong_checksum_deletes_the_copy_and_says_so(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    archive.files[PATH] = BODY + b"tampered"
    with pytest.raises(UnreadableData, match="the archive publishes"):
        fetch(archive, tmp_path, waits)
    assert list(tmp_path.iterdir()) == []


def test_a_file_the_archive_does_not_hold_is_named_at_once(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    archive.files.clear()
    with pytest.raises(UnreadableData, match=r"not in the archive \(404\)"):
        fetch(archive, tmp_path, waits)
    assert waits == []


def test_a_truncated_body_is_continued_where_it_broke_off(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    archive.cut_after = [100_000, 50_000]
    assert fetch(archive, tmp_path, waits).read_bytes() == BODY
    assert archive.ranges == ["bytes=100000-", "bytes=150000-"]
    assert waits == [0.5, 1.0]


def test_a_server_that_cannot_resume_starts_over(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    archive.resumes, archive.cut_after = False, [100_000]
    assert fetch(archive, tmp_path, waits).read_bytes() == BODY
    assert archive.ranges == ["bytes=100000-"]


def test_a_body_that_is_always_truncated_gives_up_and_keeps_the_part(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    archive.cut_after = [10, 10, 10]
    with pytest.raises(UnreadableData, match="failed 3 times, last: 30 of 256000 bytes arrived"):
        fetch(archive, tmp_path, waits)
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.part"]
    assert waits == [0.5, 1.0]
    assert fetch(archive, tmp_path, waits).read_bytes() == BODY


def test_a_part_of_another_file_is_dropped(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(BODY * 2)
    assert fetch(archive, tmp_path, waits).read_bytes() == BODY
    assert waits == [0.5]


def test_a_complete_part_is_only_renamed(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(BODY)
    assert fetch(archive, tmp_path, waits).read_bytes() == BODY
    assert f"/{PATH}" not in archive.requests


def test_a_busy_server_is_tried_again_and_a_refusal_is_not(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    archive.fail_with = [503, 429]
    assert fetch(archive, tmp_path / "a", waits).read_bytes() == BODY
    assert waits == [0.5, 1.0]
    archive.fail_with = [403]
    with pytest.raises(UnreadableData, match="answered 403"):
        fetch(archive, tmp_path / "b", waits)


def test_a_server_that_is_not_there_is_reported(tmp_path: Path, waits: list[float]) -> None:
    gone = Archive(url="http://127.0.0.1:9")
    with pytest.raises(UnreadableData, match="failed 2 times"):
        fetch(gone, tmp_path, waits, attempts=2)


def test_a_checksum_file_without_a_checksum_is_refused(
    archive: Archive, tmp_path: Path, waits: list[float]
) -> None:
    archive.files[f"{PATH}.CHECKSUM"] = b"<html>"
    with pytest.raises(UnreadableData, match="no SHA-256 in it"):
        fetch(archive, tmp_path, waits)


def test_the_progress_display_reaches_the_end(archive: Archive, tmp_path: Path) -> None:
    with Progress(console=Console(quiet=True)) as progress:
        download([PATH], tmp_path, base_url=archive.url, progress=progress)
        (task,) = progress.tasks
    assert (task.description, task.completed, task.total) == (NAME, len(BODY), len(BODY))


def test_paths_follow_the_archive_scheme() -> None:
    paths = kline_paths("BTCUSDT", "5m", first=date(2025, 10, 10), last=date(2025, 10, 12))
    assert paths[0] == PATH
    assert [path[-14:-4] for path in paths] == ["2025-10-10", "2025-10-11", "2025-10-12"]
    with pytest.raises(InvalidInput, match="before the first"):
        kline_paths("BTCUSDT", "5m", first=date(2025, 10, 10), last=date(2025, 10, 9))


@pytest.mark.parametrize(
    ("base_url", "paths", "message"),
    [
        ("file:///etc", ["a.zip"], "not an http"),
        ("https://", ["a.zip"], "not an http"),
        ("https://example.com", ["../a.zip"], "not a path inside"),
        ("https://example.com", ["/a.zip"], "not a path inside"),
        ("https://example.com", ["x/a.zip", "y/a.zip"], "one file name"),
    ],
)
def test_what_is_not_in_an_archive_is_refused_before_anything_is_fetched(
    base_url: str, paths: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=message):
        download(paths, tmp_path / "none", base_url=base_url)
    assert not (tmp_path / "none").exists()


def test_at_least_one_attempt_is_needed() -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        Fetching(attempts=0)
