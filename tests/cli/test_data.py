"""`keelmark data`: list, fetch from a local archive, import what people have."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from keelmark.cli.data import data
from keelmark.cli.program import exit_code_of
from keelmark.core.errors import KeelmarkError

NAME = "BTCUSDT-5m-2025-10-10.zip"
HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,a,b,c"
ROWS = "\n".join(
    f"{1760054400000 + 300_000 * n},100,101,{99 - n},100,{5 + n},0,0,1,0,0,0" for n in range(3)
)


def archive_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr(NAME.replace(".zip", ".csv"), f"{HEADER}\n{ROWS}\n")
    return buffer.getvalue()


@pytest.fixture
def archive() -> Iterator[str]:
    """Serve one kline file with its checksum on the loopback."""
    body = archive_file()
    checksum = f"{hashlib.sha256(body).hexdigest()}  {NAME}\n".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = {NAME: body, f"{NAME}.CHECKSUM": checksum}
            found = known.get(self.path.rpartition("/")[2])
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *args: object) -> None:
            """Keep the test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(data, args)
    if isinstance(result.exception, KeelmarkError):
        return int(exit_code_of(result.exception)), str(result.exception)
    return result.exit_code, result.output


def test_a_day_is_fetched_checked_and_imported(archive: str, tmp_path: Path) -> None:
    fetched = tmp_path / "raw"
    options = ["--first", "2025-10-10", "--interval", "5m", "--base-url", archive, "--quiet"]
    code, text = run("fetch", "BTCUSDT", *options, "--out", str(fetched))
    assert code == 0, text
    assert "every checksum right" in text
    code, text = run("import", str(fetched / NAME), "--out", str(tmp_path / "bars.parquet"))
    assert code == 0, text
    assert "gaps: none" in text
    frame = pl.read_parquet(tmp_path / "bars.parquet")
    assert frame["low"].to_list() == [99.0, 98.0, 97.0]
    assert frame["symbol"].unique().to_list() == ["BTCUSDT"]


def test_a_day_the_archive_lacks_is_named_and_nothing_is_written(
    archive: str, tmp_path: Path
) -> None:
    options = ["--first", "2025-10-11", "--interval", "5m", "--base-url", archive, "--quiet"]
    code, text = run("fetch", "BTCUSDT", *options, "--out", str(tmp_path / "raw"))
    assert code == 64
    assert "BTCUSDT-5m-2025-10-11.zip" in text
    assert list((tmp_path / "raw").iterdir()) == []


def test_an_import_never_writes_over_a_file(tmp_path: Path) -> None:
    source, target = tmp_path / NAME, tmp_path / "bars.parquet"
    source.write_bytes(archive_file())
    target.write_bytes(b"mine")
    code, text = run("import", str(source), "--out", str(target))
    assert code == 64
    assert "exists already" in text
    assert target.read_bytes() == b"mine"


def test_the_list_names_every_data_set() -> None:
    code, text = run("list")
    assert code == 0
    assert "crash-2025-10" in text
