"""`keelmark serve`: its options, its file, what it refuses and what it says."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.program import main
from keelmark.cli.serve import read_config
from keelmark.cli.serve import serve as command
from keelmark.cli.serving import settings_of
from keelmark.core.errors import InvalidInput, OtherTerms
from keelmark.rulebooks.load import load_rulebook
from keelmark.service.api.process import ProcessSettings
from keelmark.service.replay.request import ReplayKept, replay_path
from keelmark.service.supervisor.front import Front
from keelmark.service.supervisor.lock import FolderLock
from keelmark.service.supervisor.serving import (
    ReplayRequest,
    ServeSettings,
    _as_begun,
    plans_of,
)
from keelmark.service.supervisor.voice import Voice
from keelmark.service.venue import Venue, begin_venue, chosen_venue, kept_rulebook, kept_venue


def refused(*arguments: str) -> str:
    """Return what the command says when it refuses to begin."""
    done = CliRunner().invoke(main, ["serve", *arguments])
    assert done.exit_code == ExitCode.BAD_INPUT, done.output
    return done.output


# --- the file -----------------------------------------------------------------------------------


def test_a_configuration_file_says_what_options_say(tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    path.write_text('port = 9000\ndata = "folder"\nlog-level = "warning"\ntls_cert = "a.pem"\n')
    assert read_config(path) == {
        "port": 9000,
        "data": "folder",
        "log_level": "warning",
        "tls_cert": "a.pem",
    }
    context = command.make_context("serve", ["--config", str(path), "--port", "9001"])
    assert context.params["port"] == 9001, "the command line wins"
    assert context.params["data"] == Path("folder")
    assert context.params["log_level"] == "warning"


def test_a_configuration_file_says_how_it_is_reached_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    path.write_text(
        'host-name = ["a.example", "b.example"]\nproxy = "10.0.0.1"\nbehind_tls = true\n'
    )
    params = command.make_context("serve", ["--config", str(path), "--access-log"]).params
    assert params["host_name"] == ("a.example", "b.example")
    assert params["proxy"] == ("10.0.0.1",)
    assert params["behind_tls"]
    assert params["access_log"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("proxy = [1]", "proxy must be one value each"),
        ("prot = 1", "'prot' (did you mean 'port'?)"),
        ("port = ", "cannot be read"),
        ("[port]\na = 1", "must be one value each"),
    ],
)
def test_a_configuration_file_that_nobody_reads_is_refused(
    tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "serve.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as error:
        read_config(path)
    assert why in str(error.value)
    assert why in refused("--config", str(path))


def test_a_missing_configuration_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused("--config", str(tmp_path / "none.toml"))


# --- what cannot be served ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--venue", "nowhere"], "no rulebook 'nowhere'"),
        (["--venue", "generic", "--replay", "oct10"], "leave out --venue"),
        (["--replay", "oct10", "--execution", "external"], "leave out --execution"),
        (["--replay", "oct10", "--speed", "0"], "give a number above 0"),
        (["--replay", "oct10", "--speed", "nan"], "give a number above 0"),
        (["--tls-cert", "cert.pem"], "TLS needs both files"),
        (["--tls-cert", "none.pem", "--tls-key", "none.pem"], "there is no file none.pem"),
        (["--accounts", "2000", "--speed", "60"], "--accounts is of a replay; name one, as"),
        (["--recorded", "."], "--recorded is of a replay; name one, as --replay oct10"),
        (["--speed", "60"], "begin a new folder with one, as --replay oct10"),
        (["--venue", "okx-multi"], "lists no instruments"),
        (["--port", "0"], "0 is not in the range"),
        (["--host-name", "https://margin.example.org"], "without scheme, port and path"),
        (["--proxy", "gateway"], "is no address"),
        (["--proxy", "0.0.0.0/0"], "believes everybody"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_served_is_refused_at_once(
    tmp_path: Path, arguments: list[str], why: str
) -> None:
    assert why in refused("--data", str(tmp_path / "data"), *arguments)
    assert not (tmp_path / "data").exists()


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        assert "a service runs on" in refused("--data", str(tmp_path))
    assert not (tmp_path / "keys.json").exists()


# --- the venue of a folder ----------------------------------------------------------------------


def test_a_folder_keeps_the_venue_it_was_begun_with(tmp_path: Path) -> None:
    begun = chosen_venue(tmp_path, "generic", None)
    assert begun == kept_venue(tmp_path) == chosen_venue(tmp_path, None, None)
    assert kept_rulebook(tmp_path).model == load_rulebook("generic").model
    assert chosen_venue(tmp_path, begun.rulebook, "simulated") == begun
    with pytest.raises(OtherTerms, match="was begun with the venue generic, not binance-usdm"):
        chosen_venue(tmp_path, "binance-usdm", None)
    with pytest.raises(OtherTerms, match="simulated execution, not external"):
        chosen_venue(tmp_path, None, "external")


def test_a_folder_that_serves_no_replay_is_not_made_to(tmp_path: Path) -> None:
    rulebook = load_rulebook("generic")
    begin_venue(tmp_path, rulebook, Venue(reference="generic", rulebook=rulebook.name))
    assert "serves a venue and no replay" in refused("--data", str(tmp_path), "--replay", "oct10")
    assert "--speed is of a replay" in refused("--data", str(tmp_path), "--speed", "60")


# --- what runs ----------------------------------------------------------------------------------


def test_the_writer_starts_first_and_a_password_is_in_no_argument(tmp_path: Path) -> None:
    secret = "postgresql://user:hunter2@host/db"  # noqa: S105 made up
    plans = plans_of(ServeSettings(data=tmp_path, journal=secret))
    assert plans[0].name == "writer"
    assert plans[0].is_vital
    assert [plan.after for plan in plans] == ["staging", "writer", "api"]
    assert all(secret not in plan.module for plan in plans)
    assert plans[0].settings["journal"] == secret


def test_the_journal_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEELMARK_JOURNAL", "postgresql://host/db")
    assert command.make_context("serve", []).params["journal"] == "postgresql://host/db"
    said = command.make_context("serve", ["--journal", "postgresql://other/db"]).params
    assert said["journal"] == "postgresql://other/db", "the command line wins"


def test_how_it_is_reached_from_outside_is_what_the_api_is_told(tmp_path: Path) -> None:
    front = Front(host_names=("margin.example",), proxies=("10.0.0.0/8",), behind_tls=True)
    asked = ServeSettings(data=tmp_path, front=front)
    api = next(plan for plan in plans_of(asked) if plan.name == "api")
    told = msgspec.convert(json.loads(json.dumps(api.settings)), ProcessSettings)
    assert told.api.hosts == ("127.0.0.1", "margin.example")
    assert told.api.is_tls
    assert told.place.proxies == ("10.0.0.0/8",)
    assert not told.access_log
    assert asked.url == "https://margin.example"
    assert asked.local_url == "http://127.0.0.1:8420"
    own = ServeSettings(data=tmp_path, front=Front(host_names=("margin.example",)))
    assert own.url == "http://margin.example:8420"


def test_a_replay_is_staged_before_and_fed_after_the_writer(tmp_path: Path) -> None:
    request = ReplayRequest(scenario="oct10", speed=60.0)
    plans = plans_of(ServeSettings(data=tmp_path, replay=request))
    names = [plan.name for plan in plans]
    assert names[0] == "staging"
    assert names[1] == plans[2].after == "writer"
    assert names[-1] == "feed"
    assert plans[1].settings["time"] == "marks"


def test_a_replay_goes_on_at_the_speed_that_is_asked_for(tmp_path: Path) -> None:
    rulebook = load_rulebook("generic")
    begin_venue(tmp_path, rulebook, Venue(reference="replay oct10", rulebook=rulebook.name))
    replay_path(tmp_path).write_bytes(
        msgspec.json.encode(ReplayKept(scenario="oct10", accounts=10))
    )
    going_on = _as_begun(ServeSettings(data=tmp_path, speed=60.0))
    assert going_on.replay == ReplayRequest(scenario="oct10", speed=60.0)
    assert _as_begun(ServeSettings(data=tmp_path)).replay == ReplayRequest(scenario="oct10")


def test_what_is_not_said_of_a_replay_is_as_usual() -> None:
    params = command.make_context("serve", ["--replay", "oct10", "--accounts", "9"]).params
    asked = settings_of({**params, "alerts": None}).replay
    assert asked is not None
    assert (asked.speed, asked.accounts) == (1.0, 9)


def test_prices_and_whoever_wakes_people_run_where_they_are_asked_for(tmp_path: Path) -> None:
    asked = ServeSettings(data=tmp_path, host="0.0.0.0", feed="binanceusdm", alerts={"rearm_s": 60})  # noqa: S104 asked about
    plans = {plan.name: plan for plan in plans_of(asked)}
    assert plans["feed"].settings["exchange"] == "binanceusdm"
    assert plans["guard"].settings["rules"] == {"rearm_s": 60}
    assert plans["guard"].settings["api_url"] == "http://127.0.0.1:8420"
    assert plans["guard"].after == "api"
    with pytest.raises(InvalidInput, match="leave out --feed"):
        ServeSettings(data=tmp_path, feed="okx", replay=ReplayRequest(scenario="oct10"))


def test_alerts_that_cannot_be_sent_are_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    hook = '[alerts.channels.ops]\nkind = "webhook"\nurl = "https://x"\nsecret_env = "KM_NONE"\n'
    path.write_text(f'data = "{tmp_path / "data"}"\n{hook}')
    assert "KM_NONE is not set" in refused("--config", str(path))
    path.write_text("[alerts]\nrearm = 1\n")
    assert "rearm" in refused("--config", str(path))


# --- what is said -------------------------------------------------------------------------------

REPORTS: list[tuple[dict[str, Any], str]] = [
    (
        {"event": "progress", "what": "reading the journal", "done": 1200, "total": 5000},
        "  writer    reading the journal: 1,200 of 5,000",
    ),
    ({"event": "ready", "position": 5000}, "  writer    ready at position 5,000"),
    ({"event": "ready"}, "  writer    ready"),
    (
        {"event": "died", "code": 70, "reason": "a bug", "again_in_s": 0.1},
        "  writer    ended with code 70: a bug; started again in 0.1 s",
    ),
    ({"event": "said", "text": "hello"}, "  writer    hello"),
    (
        {"event": "snapshot_left_out", "file": "1.snapshot", "reason": "damaged"},
        "  writer    snapshot left out: damaged: 1.snapshot",
    ),
]


@pytest.mark.parametrize(("report", "line"), REPORTS, ids=lambda value: str(value)[:40])
def test_reports_are_lines_for_people(report: dict[str, Any], line: str) -> None:
    lines: list[str] = []
    Voice(line=lines.append, as_json=False, level="debug", now=str).hear("writer", report)
    assert lines == [line]


def test_reports_are_objects_for_logs_and_what_matters_less_is_left_out() -> None:
    lines: list[str] = []
    voice = Voice(line=lines.append, as_json=True, level="warning", now=lambda: "noon")
    voice.hear("writer", {"event": "ready", "position": 1})
    voice.hear("writer", {"event": "behind", "reason": "full"})
    voice.hear("api", {"event": "odd", "level": "ERROR"})
    assert [json.loads(line) for line in lines] == [
        {
            "at": "noon",
            "process": "writer",
            "event": "behind",
            "reason": "full",
            "level": "warning",
        },
        {"at": "noon", "process": "api", "event": "odd", "level": "error"},
    ]
