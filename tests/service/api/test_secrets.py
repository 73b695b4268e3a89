"""No key is in any log, error, file or answer but the one that makes it."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from keelmark.service.api.logs import start_logs
from keelmark.service.security.roles import Role
from tests.service.api.venue_app import ApiVenue


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    start_logs("debug", access=True, stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_no_secret_is_told_whatever_is_asked(tmp_path: Path, log: io.StringIO) -> None:
    api = ApiVenue(tmp_path)
    made = api.ask("POST", "/v1/admin/keys", json={"name": "desk", "role": "viewer"})
    keys = [*api.texts.values(), made.json()["key"]]
    answers, cookies = [], []
    for text in keys:
        bearer = {"Authorization": f"Bearer {text}"}
        signed_in = api.ask("POST", "/session", None, json={"key": text})
        cookie = signed_in.headers["set-cookie"].split(";")[0]
        cookies.append(cookie.split("=", 1)[1])
        answers += [
            signed_in,
            api.ask("GET", f"/session?key={text}", None, headers=bearer),
            api.ask("GET", f"/{text}", None, headers=bearer),
            api.ask("POST", "/session", None, json={"key": text, "extra": text}),
            api.ask("POST", "/session", None, json={"key": [text]}),
            api.ask("POST", "/session", None, content=text.encode()),
            api.ask("POST", "/v1/commands", None, headers=bearer, json={"type": text}),
            api.ask("POST", "/v1/commands", json={"type": "OpenAccount", text: text}),
            api.ask("GET", f"/v1/events?topics={text}", None, headers=bearer),
            api.ask("DELETE", f"/v1/admin/keys/{text}"),
            api.ask("GET", "/session", None, headers={"Cookie": cookie}),
            api.ask("GET", "/v1/audit"),
            api.ask("GET", "/v1/admin/keys"),
        ]
    told = log.getvalue()
    told += "".join(answer.text for answer in answers)
    told += "".join(p.read_text() for p in tmp_path.iterdir() if p.is_file())
    secrets = [text.split("_", 2)[2] for text in keys] + cookies
    assert len(secrets) > 4
    assert '"path":"/session"' in log.getvalue()
    assert [secret for secret in secrets if secret in told] == []


def test_a_log_line_hides_the_key_in_it(log: io.StringIO, tmp_path: Path) -> None:
    text = ApiVenue(tmp_path).texts[Role.VIEWER]
    try:
        int(text)
    except ValueError:
        logging.getLogger("anything").exception("with %s", text)
    assert text not in log.getvalue()
    assert "ValueError" in log.getvalue()
