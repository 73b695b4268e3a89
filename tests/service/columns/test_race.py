"""Readers beside a writer at full speed never see half a posting; without a check they do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODES = ("whole", "no stamp", "no age", "no sequence")


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.service.columns.race", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 ours


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run folder whose writer does not stop."""
    folder = tmp_path_factory.mktemp("race")
    writer = started("write", str(folder))
    yield folder
    writer.kill()
    writer.communicate()


def told(reader: subprocess.Popen[str]) -> list[dict[str, Any]]:
    text, _ = reader.communicate(timeout=600)
    assert reader.returncode == 0
    answers: list[dict[str, Any]] = json.loads(text)
    return answers


def test_no_reader_sees_half_a_posting_unless_it_lacks_a_check(run: Path) -> None:
    whole, *broken = told(started("read", str(run), "400", *MODES))
    assert whole["wrong"] == []
    assert whole["reads"] == 400
    assert whole["positions"] > 3  # the writer was at work meanwhile
    assert [bool(answer["wrong"]) for answer in broken] == [True] * len(broken), broken


@pytest.mark.nightly
def test_no_reader_sees_half_a_posting_for_long(run: Path) -> None:
    for answers in map(told, [started("read", str(run), "400000", "whole") for _ in range(2)]):
        assert answers[0]["wrong"] == []
