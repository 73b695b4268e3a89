"""A whole service whose parts are killed, starved and crowded: what docs/reliability.md says.

The long ones run at night: `pytest -m nightly tests/service/whole`.
"""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests import postgres
from tests.service.whole.running import Running, command, connections, environment, free_port

resource = pytest.importorskip("resource", reason="limits of processes are POSIX")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc"),
]
UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that every test leaves well."""
    with Running(tmp_path_factory.mktemp("data")) as running:
        running.open_alice()
        yield running


def limited(pid: int, limit: int, amount: int) -> None:
    """Set a limit of a process that runs."""
    resource.prlimit(pid, limit, (amount, UNLIMITED if limit != resource.RLIMIT_NOFILE else 4096))


def refused(answer: httpx.Response, code: str) -> None:
    """An answer that says: not now, send it again."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, code)
    assert int(answer.headers["retry-after"]) >= 1
    assert "send it again" in answer.json()["error"]["fix"]


# --- the writer ----------------------------------------------------------------------------------


def test_while_the_writer_is_gone_reads_go_on_and_commands_are_told_to_come_back(
    service: Running,
) -> None:
    before = service.done("before")
    balance = int(service.balance())
    service.kill("writer")
    service.until(lambda: service.deposit("meanwhile").status_code == 503)
    refused(service.deposit("meanwhile"), "no_writer")
    assert service.balance() == str(balance)
    assert service.health()["writer"] == "failing"
    assert (before, service.done("meanwhile")) == ("done", "done")
    assert [service.done(key) for key in ("before", "meanwhile")] == ["repeated"] * 2
    service.until(lambda: service.balance() == str(balance + 1))


def test_a_full_disk_is_answered_and_what_was_refused_is_done_once(service: Running) -> None:
    """A limit of the writer's files stands for the disk."""
    service.done("fits")
    balance, writer = int(service.balance()), service.children()["writer"]
    limited(writer, resource.RLIMIT_FSIZE, 100)
    refused(service.deposit("full"), "behind")
    assert service.balance() == str(balance)
    assert service.health()["journal"] == "failing"
    limited(writer, resource.RLIMIT_FSIZE, UNLIMITED)
    service.done("full")
    service.until(lambda: service.balance() == str(balance + 1))
    assert service.children()["writer"] == writer, "it was never ended"


# --- clients --------------------------------------------------------------------------------------


def test_a_thousand_idle_connections_and_readers_who_never_read_slow_nobody(
    service: Running,
) -> None:
    stream = (
        f"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {service.key}\r\n\r\n"
    ).encode()
    with connections(service.port, 1_000), connections(service.port, 20) as readers:
        for reader in readers:
            reader.sendall(stream)
        for half in readers[:5]:
            half.shutdown(socket.SHUT_WR)
        begun = time.monotonic()
        assert {service.done(f"idle {n}") for n in range(10)} == {"done"}
        assert time.monotonic() - begun < 30  # one that waits for them waits for ever


def test_without_free_file_descriptors_those_inside_are_served_and_others_wait(
    service: Running,
) -> None:
    api = service.children()["api"]
    used = len(os.listdir(f"/proc/{api}/fd"))  # noqa: PTH208 the names alone
    base = f"http://127.0.0.1:{service.port}"
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.Client(base_url=base, headers=headers, timeout=30) as inside:
        assert inside.get("/v1/accounts/alice").status_code == 200
        limited(api, resource.RLIMIT_NOFILE, used + 4)
        with connections(service.port, 30):
            assert inside.get("/v1/accounts/alice").status_code == 200
            time.sleep(0.3)
        limited(api, resource.RLIMIT_NOFILE, 4096)
    service.until(lambda: service.ask("GET", "/v1/accounts/alice").status_code == 200)
    assert service.children()["api"] == api


# --- at night -------------------------------------------------------------------------------------


@pytest.mark.nightly
def test_a_writer_that_hangs_is_told_and_its_commands_are_answered(service: Running) -> None:
    service.done("well")
    service.kill("writer", signal.SIGSTOP)
    answer = service.deposit("hangs")
    refused(answer, "unknown_outcome")
    assert service.balance()
    assert service.health()["writer"] != "ok"
    service.kill("writer", signal.SIGCONT)
    assert service.done("hangs") == "repeated"


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["api", "follower"])
def test_a_part_that_is_killed_is_started_again_and_the_writer_goes_on(
    service: Running, name: str
) -> None:
    writer, said = service.children()["writer"], len(service.lines)
    service.kill(name)
    service.until(lambda: service.said(f"{name} +(ready|following)", after=said))
    assert service.done(f"after the {name}") == "done"
    assert service.children()["writer"] == writer


@pytest.mark.nightly
def test_a_journal_that_is_locked_or_moved_away_is_waited_for(service: Running) -> None:
    path, away = service.data / "journal.db", service.data / "away"
    away.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused(service.deposit("locked"), "behind")
        other.execute("ROLLBACK")
    service.done("locked")
    moved(service.data, away)
    refused(service.deposit("moved"), "behind")
    assert service.balance()
    events = service.ask("GET", "/v1/events")
    assert (events.status_code, events.json()["error"]["code"]) == (503, "storage_failed")
    for part in ("writer", "follower", "api"):
        service.kill(part)
    said = len(service.lines)
    service.until(lambda: service.said("ended with code 75", after=said))
    assert not list(service.data.glob("journal.db*")), "nobody begins another"
    moved(away, service.data)
    service.done("moved")
    assert service.ask("GET", "/v1/events").status_code == 200


def moved(source: Path, target: Path) -> None:
    for file in source.glob("journal.db*"):
        shutil.move(file, target / file.name)


@pytest.mark.nightly
@pytest.mark.skipif(postgres.binaries() is None, reason=postgres.REASON)
def test_a_database_that_stops_and_starts_is_waited_for(tmp_path: Path) -> None:
    with postgres.cluster(is_durable=True) as server:
        url = postgres.new_schema(server.url)
        with Running(tmp_path / "data", ("--journal", url)) as running:
            running.open_alice()
            running.done("before")
            server.stop()
            refused(running.deposit("meanwhile"), "behind")
            assert running.balance() == "1"
            running.kill("writer")  # it starts while there is no database
            running.until(lambda: running.said("writer +ended with code 75"))
            server.start()
            running.done("meanwhile")
            assert running.done("before") == "repeated"
            running.until(lambda: running.balance() == "2")


@pytest.mark.nightly
def test_a_second_service_and_a_port_in_use_are_refused(service: Running, tmp_path: Path) -> None:
    for data, port, why in (
        (service.data, free_port(), f"process {service.process.pid}"),
        (tmp_path / "other", service.port, "is the port in use?"),
    ):
        second = subprocess.run(  # noqa: S603 ours
            command(data, port), capture_output=True, text=True, env=environment(), check=False
        )
        assert second.returncode == 64
        assert why in second.stdout + second.stderr
    assert service.done("a second") == "done"


@pytest.mark.nightly
def test_children_end_with_their_parent_and_the_folder_serves_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Running(data) as running:
        running.open_alice()
        key, children = running.key, running.children()
        assert set(children) == {"writer", "api", "follower"}
        running.process.kill()
        end = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in children.values()):
            assert time.monotonic() < end
            time.sleep(0.05)
    with Running(data, key=key) as running:
        assert running.done("after") == "done"


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("keys.json", b"{", "no file of keys"),
        ("journal.db", b"garbage" * 1000, "no Keelmark journal"),
        ("venue/about.json", b"{", "restore it from a copy"),
        ("run", None, "cannot be used"),
    ],
)
def test_a_damaged_file_is_named_and_ends_the_service(
    tmp_path: Path, file: str, content: bytes | None, said: str
) -> None:
    data = tmp_path / "data"
    with Running(data) as running:
        running.open_alice()
    path = data / file
    if content is None:
        shutil.rmtree(path)
    path.write_bytes(content or b"")
    started = subprocess.run(  # noqa: S603 ours
        command(data, free_port()), capture_output=True, text=True, env=environment(), check=False
    )
    assert started.returncode in {64, 70}
    assert said in started.stdout + started.stderr
    assert "Traceback" not in started.stdout + started.stderr


@pytest.mark.nightly
def test_damaged_notes_and_snapshots_are_left_out_and_the_journal_decides(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Running(data) as running:
        running.open_alice()
        running.done("before")
        key = running.key
    for snapshot in (data / "snapshots").glob("*.snapshot"):
        snapshot.write_bytes(snapshot.read_bytes()[:50])
    (data / "stopped.json").write_bytes(b"{")
    (data / "run/writer.counters").write_bytes(b"xx")
    (data / "audit.jsonl").write_bytes(b'{"sequ')
    with Running(data, key=key) as running:
        assert running.said("snapshot left out")
        assert running.balance() == "1"
        trail = running.ask("GET", "/v1/audit").json()
        assert (trail["is_intact"], trail["entries"][0]["kind"]) == (True, "torn")


@pytest.mark.nightly
def test_a_trail_that_was_changed_lets_nobody_in_and_the_venue_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Running(data) as running:
        running.open_alice()
    (data / "audit.jsonl").write_bytes(b'{"sequence":1}\n')
    process = subprocess.Popen(  # noqa: S603 ours
        command(data, free_port()), stdout=subprocess.PIPE, text=True, env=environment()
    )
    with process:
        assert process.stdout is not None
        told = next(line for line in process.stdout if "the audit trail has been changed" in line)
        assert "api" in told
        assert process.poll() is None
        process.terminate()
        process.stdout.read()
    assert process.returncode == 0


def opened(running: Running, name: str, amount: str) -> None:
    for form in (
        {"type": "OpenAccount", "name": name},
        {"type": "Deposit", "account": name, "asset": "USDT", "amount": amount},
    ):
        assert running.ask("POST", "/v1/commands", form).status_code == 200


def marked(running: Running, price: int) -> None:
    body = {"snapshots": [{"marks": {"BTCUSDT": str(price)}}]}
    running.until(lambda: running.ask("POST", "/v1/marks", body).status_code == 200)


@pytest.mark.nightly
def test_a_liquidation_in_flight_outlives_kills_exactly_once(tmp_path: Path) -> None:
    """Its order is out at a market of somebody else; every process is killed before the fill."""
    with Running(tmp_path / "data", ("--execution", "external")) as running:
        opened(running, "alice", "3000")
        opened(running, "bob", "1000000")
        marked(running, 20_000)
        fill = {"type": "Fill", "instrument": "BTCUSDT", "size": "1", "price": "20000"}
        fill |= {"account": "alice", "counterparty": {"account": "bob"}}  # type: ignore[dict-item]
        assert running.ask("POST", "/v1/commands", fill).status_code == 200
        for price in (19_000, 18_000, 17_300, 17_060):
            marked(running, price)
        running.until(lambda: bool(running.ask("GET", "/v1/orders").json()["orders"]))
        (order,) = running.ask("GET", "/v1/orders").json()["orders"]
        report = {
            "type": "ReportExecution",
            "order": order["order"],
            "execution": "fill 1",
            "instrument": "BTCUSDT",
            "size": f"-{order['size']}",
            "price": "17050",
        }
        for part in ("writer", "api", "follower"):
            running.kill(part)
        running.until(lambda: answers(running, "/v1/orders"))
        assert order_numbers(running) == [order["order"]], "it is out once"
        running.until(lambda: answers(running, "/v1/executions", [report]))
        running.kill("writer")
        running.until(lambda: answers(running, "/v1/executions", [report]))
        told = running.ask("GET", "/v1/events?topics=trades,orders&limit=10000").json()["events"]
        kinds = [event["type"] for event in told]
        assert kinds.count("OrderSent") == 1
        assert [e["size"] for e in told if e["type"] == "OrderFilled"] == [report["size"]]


def answers(running: Running, path: str, body: object = None) -> bool:
    try:
        answer = running.ask("POST" if body else "GET", path, body)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and running.health()["writer"] == "ok"


def order_numbers(running: Running) -> list[int]:
    return [row["order"] for row in running.ask("GET", "/v1/orders").json()["orders"]]
