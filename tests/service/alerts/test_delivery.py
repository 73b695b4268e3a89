import json
import socketserver
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import sleep

import pytest

from keelmark.core.errors import InvalidDocument, NewerFormat, StorageFailed, UnreadableData
from keelmark.service.alerts import courier as couriers
from keelmark.service.alerts.book import Standing
from keelmark.service.alerts.channels.build import build_channels
from keelmark.service.alerts.channels.http import is_signed_by
from keelmark.service.alerts.channels.port import Channel, NotDelivered
from keelmark.service.alerts.courier import GIVE_UP_S, Courier
from keelmark.service.alerts.rules import AlertRules, read_rules
from keelmark.service.alerts.store import FAILED, OPEN, SENT, AlertStore
from keelmark.service.alerts.values import Alert, Kind

SECRET = "s3cret-of-the-hook"  # noqa: S105 of a test
NOW = 1_760_000_000_000


def alert(text: str = "a: RED", *, rank: int = 0, time_ms: int = NOW, to: str = "hook") -> Alert:
    return Alert(
        subject="a",
        kind=Kind.RAISED,
        level="red",
        rank=rank,
        since_ms=time_ms,
        time_ms=time_ms,
        text=text,
        channels=(to,),
    )


@dataclass
class Receiver:
    """A server on this machine that keeps what it is sent."""

    url: str = ""
    status: int = 200
    retry_after: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append((self.path, dict(self.headers), body))
            self.send_response(kept.status)
            if kept.retry_after:
                self.send_header("Retry-After", kept.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kept
    server.shutdown()
    server.server_close()


def channel_rules(url: str) -> AlertRules:
    hook = {"kind": "webhook", "url": url, "secret_env": "HOOK"}
    slack = {"kind": "slack", "url_env": "SLACK"}
    telegram = {"kind": "telegram", "url": url, "secret_env": "BOT", "chat": "42"}
    channels = {"hook": hook, "slack": slack, "telegram": telegram}
    return read_rules({"channels": channels}, title="test")


def built(url: str) -> dict[str, Channel]:
    environment = {"HOOK": SECRET, "SLACK": f"{url}/T0/B0/xyz", "BOT": "123:token"}
    return build_channels(channel_rules(url).channels, environment, lambda: NOW)


def test_a_webhook_is_signed_so_that_its_receiver_can_tell(receiver: Receiver) -> None:
    built(receiver.url)["hook"].send([alert("a: <RED>")])
    _, headers, body = receiver.got[0]
    assert is_signed_by(SECRET, headers, body, now_ms=NOW)
    assert not is_signed_by(SECRET, headers, body + b" ", now_ms=NOW)
    assert not is_signed_by("another", headers, body, now_ms=NOW)
    assert not is_signed_by(SECRET, headers, body, now_ms=NOW + 301_000)
    assert not is_signed_by(SECRET, {}, body, now_ms=NOW)
    content = json.loads(body)
    assert content["id"] == headers["X-Keelmark-Id"] == alert("a: <RED>").alert_id
    assert content["alerts"][0]["text"] == "a: <RED>"


def test_slack_and_telegram_get_the_lines_worst_first(receiver: Receiver) -> None:
    channels = built(receiver.url)
    alerts = [alert("mild & calm", rank=0), alert("worst", rank=3)]
    channels["slack"].send(alerts)
    channels["telegram"].send(alerts)
    (slack_path, _, slack), (telegram_path, _, telegram) = receiver.got
    assert slack_path == "/T0/B0/xyz"
    assert json.loads(slack) == {"text": "2 alerts\nworst\nmild &amp; calm"}
    assert telegram_path == "/bot123:token/sendMessage"
    assert json.loads(telegram) == {"chat_id": "42", "text": "2 alerts\nworst\nmild & calm"}


@pytest.mark.parametrize(("status", "is_final"), [(500, False), (429, False), (404, True)])
def test_a_refused_message_is_told_without_its_secrets(
    receiver: Receiver, status: int, is_final: object
) -> None:
    receiver.status, receiver.retry_after = status, "7"
    for channel in built(receiver.url).values():
        with pytest.raises(NotDelivered) as caught:
            channel.send([alert()])
        assert caught.value.is_final is is_final
        assert caught.value.retry_after_s == (7.0 if status == 429 else 0.0)
        assert not any(s in str(caught.value) for s in (SECRET, "xyz", "token", receiver.url))


def test_nobody_listening_is_told_without_the_address() -> None:
    for channel in built("http://127.0.0.1:9").values():
        with pytest.raises(NotDelivered) as caught:
            channel.send([alert()])
        chained = f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
        assert not any(s in chained for s in (SECRET, "xyz", "token", "127.0.0.1"))


def test_every_missing_secret_is_named_at_once() -> None:
    with pytest.raises(InvalidDocument, match=r"(?s)HOOK.*SLACK.*BOT"):
        build_channels(channel_rules("http://127.0.0.1:9").channels, {}, lambda: NOW)


class Mail(socketserver.StreamRequestHandler):
    """Enough of SMTP to take one message."""

    refuses = False

    def handle(self) -> None:
        self.say("220 ready")
        for raw in self.rfile:
            word = raw.decode().split()[0].upper()
            if word == "DATA":
                self.say("354 go on")
                lines = []
                for line in self.rfile:
                    if line.strip() == b".":
                        break
                    lines.append(line.decode())
                self.server.messages.append("".join(lines))  # type: ignore[attr-defined]
                self.say("250 taken")
            elif word == "RCPT" and self.refuses:
                self.say("550 nobody here")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def test_mail_cannot_be_given_a_header_by_the_name_of_an_account() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.messages = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        mail = {"kind": "email", "host": "127.0.0.1", "port": port, "starttls": False}
        mail |= {"sender": "keelmark@example.org", "recipients": ["ana@example.org"]}
        rules = read_rules({"channels": {"mail": mail}}, title="test")
        channel = build_channels(rules.channels, {}, lambda: NOW)["mail"]
        channel.send([alert("x\r\nBcc: everybody@example.org")])
        Mail.refuses = True
        with pytest.raises(NotDelivered) as caught:
            channel.send([alert()])
        Mail.refuses = False
        assert caught.value.is_final
        server.shutdown()
        headers, _, body = server.messages[0].partition("\r\n\r\n")  # type: ignore[attr-defined]
    assert "Subject: Keelmark: x" in headers
    assert "\nBcc" not in headers
    assert "everybody" in body


class Flaky:
    """A channel that fails as it is told."""

    def __init__(self) -> None:
        self.problem: NotDelivered | None = None
        self.sent: list[list[str]] = []

    def send(self, alerts: Sequence[Alert]) -> None:
        if self.problem is not None:
            raise self.problem
        self.sent.append([alert.text for alert in alerts])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AlertStore]:
    found = AlertStore(tmp_path / "alerts.db")
    yield found
    found.close()


def courier(store: AlertStore, channel: Channel, digest_s: float = 0.0) -> Courier:
    hook = {"kind": "webhook", "url": "http://x", "secret_env": "S", "digest_s": digest_s}
    return Courier(read_rules({"channels": {"hook": hook}}, title="test"), store, {"hook": channel})


def test_an_alert_is_delivered_once_however_often_it_is_kept(store: AlertStore) -> None:
    flaky = Flaky()
    post = courier(store, flaky)
    store.keep([alert()], {"a": Standing(rank=1)})
    assert post.run_due(NOW) == 1
    store.keep([alert()], {})
    assert post.run_due(NOW + 10**9) == 0
    assert flaky.sent == [["a: RED"]]
    assert store.counts() == {OPEN: 0, SENT: 1, FAILED: 0}
    assert store.standings() == {"a": Standing(rank=1)}
    assert [found for _, found in store.history(subject="a")] == [alert()]


def test_a_failed_delivery_is_tried_again_with_patience(store: AlertStore) -> None:
    flaky = Flaky()
    post = courier(store, flaky)
    store.keep([alert()], {})
    flaky.problem = NotDelivered("away")
    waits, now = [], NOW
    for _ in range(10):
        assert post.run_due(now) == 0
        (open_one,) = store.due(10**15)
        waits.append((open_one.next_ms - now) // 1000)
        assert post.run_due(open_one.next_ms - 1) == 0
        now = open_one.next_ms
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    flaky.problem = None
    assert post.run_due(now) == 1


def test_a_receiver_that_asks_to_wait_is_left_alone_as_long(store: AlertStore) -> None:
    flaky = Flaky()
    flaky.problem = NotDelivered("too many", retry_after_s=3600)
    store.keep([alert()], {})
    courier(store, flaky).run_due(NOW)
    assert store.due(10**15)[0].next_ms == NOW + 3_600_000


@pytest.mark.parametrize(
    ("problem", "later_s"),
    [(NotDelivered("gone", is_final=True), 0.0), (NotDelivered("away"), GIVE_UP_S)],
)
def test_what_cannot_be_delivered_is_given_up_aloud(
    store: AlertStore, problem: NotDelivered, later_s: float
) -> None:
    flaky, heard = Flaky(), []
    flaky.problem = problem
    hook = {"kind": "webhook", "url": "http://x", "secret_env": "S"}
    rules = read_rules({"channels": {"hook": hook}}, title="test")
    post = Courier(rules, store, {"hook": flaky}, lambda *told: heard.append(told))
    store.keep([alert()], {})
    post.run_due(NOW + int(1000 * later_s))
    assert heard == [("hook", str(problem))]
    assert store.counts()[FAILED] == 1


class Hanging:
    """A channel that answers when it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.let_go = threading.Event()

    def send(self, alerts: Sequence[Alert]) -> None:
        assert alerts
        self.asked += 1
        self.let_go.wait(10)


def test_a_channel_that_hangs_delays_no_other(
    store: AlertStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "PATIENCE_S", 0.02)
    monkeypatch.setattr(couriers, "LIMIT_S", 0.0)
    hook = {"kind": "webhook", "url": "http://x", "secret_env": "S"}
    rules = read_rules({"channels": {"hook": hook, "slow": hook}}, title="test")
    hanging, good = Hanging(), Flaky()
    post = Courier(rules, store, {"hook": good, "slow": hanging})
    store.keep([alert("first", to="slow"), alert("second")], {})

    def until_sent(count: int, now: int) -> None:
        for _ in range(500):
            if store.counts()[SENT] == count:
                return
            post.run_due(now)
            sleep(0.01)

    until_sent(1, NOW)
    store.keep([alert("third")], {})
    until_sent(2, NOW)
    assert good.sent == [["second"], ["third"]]
    assert hanging.asked == 1
    (late,) = store.due(NOW + 10_000)
    assert late.problem == "no answer within 0 s"
    now = NOW
    for _ in range(5):
        now += 3_600_000
        post.run_due(now)
        post.run_due(now)
    assert hanging.asked == couriers.HANGING_MAX
    hanging.let_go.set()
    until_sent(3, now)
    assert store.due(10**15) == []  # it arrived after all: it is not sent again


def test_a_channel_that_is_no_more_is_told(store: AlertStore) -> None:
    store.keep([alert(to="gone")], {})
    assert courier(store, Flaky()).run_due(NOW) == 0
    assert store.counts()[FAILED] == 1


def test_a_digest_gathers_what_can_wait_and_nothing_else(store: AlertStore) -> None:
    flaky = Flaky()
    post = courier(store, flaky, digest_s=60)
    store.keep([alert("one"), alert("two", time_ms=NOW + 1)], {})
    assert post.run_due(NOW + 59_000) == 0
    assert post.run_due(NOW + 60_000) == 2
    store.keep([alert("three", time_ms=NOW + 70_000)], {})
    assert post.run_due(NOW + 70_000) == 0
    store.keep([alert("worst", rank=3, time_ms=NOW + 71_000)], {})
    assert post.run_due(NOW + 71_000) == 2
    assert flaky.sent == [["one", "two"], ["three", "worst"]]


def test_many_alerts_go_out_in_messages_of_bounded_size(store: AlertStore) -> None:
    flaky = Flaky()
    store.keep([alert(f"number {n}") for n in range(120)], {})
    assert courier(store, flaky).run_due(NOW) == 120
    assert [len(message) for message in flaky.sent] == [50, 50, 20]


def test_a_store_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("no database, and long enough to be taken for one" * 10)
    with pytest.raises(UnreadableData, match="no database"):
        AlertStore(path)
    with pytest.raises(StorageFailed):
        AlertStore(tmp_path / "absent" / "x.db")
    good = tmp_path / "alerts.db"
    store = AlertStore(good)
    store._connection.execute("PRAGMA user_version = 9")  # noqa: SLF001 what a newer release does
    store.close()
    with pytest.raises(NewerFormat, match="version 9"):
        AlertStore(good)
