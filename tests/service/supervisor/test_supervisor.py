"""The parent of the service: order, restarts, limits, the end."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from keelmark.service.supervisor import patience
from keelmark.service.supervisor.child import Plan
from keelmark.service.supervisor.lock import FolderInUse, FolderLock
from keelmark.service.supervisor.patience import DEATHS_MAX, WINDOW_S, Patience
from keelmark.service.supervisor.supervisor import Supervisor

TOY = "tests.service.supervisor.toy"


class Family:
    """Toys under a supervisor, and what it hears of them."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def plan(self, name: str, *, of: dict[str, Any] | None = None, **how: Any) -> Plan:  # noqa: ANN401 fields of Plan
        settings = {"log": str(self.log), "name": name, **(of or {})}
        return Plan(name=name, module=TOY, settings=settings, **how)

    def run(self, *plans: Plan, until: str = "") -> int:
        """Supervise; stop as soon as something has been heard, if it does not end by itself."""
        supervisor = Supervisor(plans, self._hear)
        self._until, self._supervisor = until, supervisor
        watchdog = threading.Timer(30, supervisor.stop)
        watchdog.start()
        code = supervisor.run()
        watchdog.cancel()
        return code

    def _hear(self, name: str, report: dict[str, Any]) -> None:
        self.heard.append((name, report))
        if f"{name} {report['event']}" == self._until:
            self._supervisor.stop()

    def events(self, name: str) -> list[str]:
        return [report["event"] for who, report in self.heard if who == name]

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path)


def test_processes_start_one_after_the_other_and_stop_in_the_opposite_order(
    family: Family,
) -> None:
    plans = [family.plan("a"), family.plan("b", after="a"), family.plan("c", after="b")]
    assert family.run(*plans, until="c said") == 0
    started = [f"{name} started" for name in "abc"]
    stopped = [f"{name} stopped" for name in "cba"]
    assert family.lines() == started + stopped
    assert ("c", {"event": "said", "text": "no report"}) in family.heard


def test_an_early_one_is_launched_at_once_and_begins_in_its_turn(family: Family) -> None:
    slow = family.plan("a", of={"ready_when_s": 1.0})
    early = family.plan("b", of={"says_its_birth": True}, after="a", is_early=True)
    assert family.run(slow, early, until="b said") == 0
    assert family.lines() == ["a started", "b started", "b stopped", "a stopped"]
    waited = next(r["waited_s"] for who, r in family.heard if who == "b" and r["event"] == "born")
    assert waited > 0.5


def test_an_early_one_ends_with_those_it_waited_for(family: Family) -> None:
    plans = [family.plan("a", of={"fails": 64}), family.plan("b", after="a", is_early=True)]
    assert family.run(*plans) == 64
    assert family.lines() == ["a started"]
    assert family.events("b") == []


def test_one_that_dies_is_started_again_and_the_others_are_left_alone(family: Family) -> None:
    plans = [family.plan("a"), family.plan("b", of={"dies_once": True}, after="a")]
    assert family.run(*plans, until="b said") == 0
    assert family.events("a").count("started") == 1
    assert family.events("b").count("started") == 2
    died = next(report for _, report in family.heard if report["event"] == "died")
    assert died == {"event": "died", "code": 3, "reason": "", "again_in_s": patience.PAUSES_S[0]}


def test_a_vital_one_that_keeps_dying_ends_the_service_with_its_code(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PAUSES_S", (0.01,))
    plans = [family.plan("a", of={"fails": 70}, is_vital=True)]
    assert family.run(*plans) == 70
    assert family.events("a").count("started") == DEATHS_MAX
    assert family.heard[-1][1] == {"event": "gave_up", "code": 70, "reason": "as asked"}


def test_one_that_cannot_start_as_asked_ends_the_service_at_once(family: Family) -> None:
    plans = [family.plan("a"), family.plan("b", of={"fails": 64}, after="a")]
    assert family.run(*plans) == 64
    assert family.lines() == ["a started", "b started", "a stopped"]


def test_one_whose_storage_is_away_is_tried_until_it_is_back(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database may be away for longer than a process may keep dying."""
    monkeypatch.setattr(patience, "PAUSES_S", (0.01,))
    of = {"away": DEATHS_MAX + 2}
    assert family.run(family.plan("a", of=of, is_vital=True), until="a back") == 0
    assert family.events("a").count("started") == DEATHS_MAX + 4
    assert "gave_up" not in family.events("a")


def test_one_whose_storage_is_away_at_the_first_start_ends_the_service(family: Family) -> None:
    """A wrong address is told at once."""
    assert family.run(family.plan("a", of={"fails": 75}, is_vital=True)) == 64
    assert family.events("a") == ["started", "failed", "gave_up"]


def test_one_that_has_done_its_work_is_not_started_again(family: Family) -> None:
    plans = [family.plan("a"), family.plan("b", of={"ends": True}, after="a", is_once=True)]
    assert family.run(*plans, until="b done") == 0
    assert family.events("b").count("started") == 1


def test_one_that_does_not_stop_is_killed(family: Family) -> None:
    plans = [family.plan("a", of={"stubborn": True}, stop_s=0.2)]
    assert family.run(*plans, until="a said") == 0
    assert family.heard[-1] == ("a", {"event": "killed", "after_s": 0.2})


def test_a_signal_stops_everything(family: Family) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    assert family.run(family.plan("a", of={"calls_stop": True})) == 0
    assert family.lines() == ["a started", "a stopped"]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_patience_ends_with_too_many_deaths_and_comes_back_with_time() -> None:
    held = Patience()
    pauses = [held.died(float(n)) for n in range(DEATHS_MAX)]
    assert pauses == sorted(pauses)
    assert held.is_over
    assert held.died(WINDOW_S + DEATHS_MAX + 1) == pauses[0]
    assert not held.is_over


# --- the folder ---------------------------------------------------------------------------------


def test_two_services_never_share_a_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with FolderLock(data), pytest.raises(FolderInUse, match=f"process {os.getpid()}"):
        FolderLock(data)
    assert data.stat().st_mode & 0o777 == 0o700
    FolderLock(data).release()


def test_a_killed_service_leaves_its_folder_free(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from keelmark.service.supervisor.lock import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1]))\nprint('held', flush=True)\ntime.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as holder:  # noqa: S603 ours
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUse):
            FolderLock(tmp_path)
        holder.kill()
    FolderLock(tmp_path).release()
