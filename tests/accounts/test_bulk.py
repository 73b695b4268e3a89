"""Many documents: each is answered as it would be alone, and none stops another."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import keelmark as km
from keelmark.accounts import bulk
from keelmark.accounts.bulk import BulkTerms, check_many, sources, summaries
from keelmark.accounts.check_document import check_document
from keelmark.accounts.document import read_document
from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode

D = Decimal


def one(balance: str, **changes: object) -> dict[str, Any]:
    row = {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"}
    collateral = [{"asset": "USDT", "balance": balance}]
    return {"venue": "generic", "collateral": collateral, "positions": [row], **changes}


MANY = [one(str(100 + 700 * i)) for i in range(30)]


def folder(path: Path, *documents: dict[str, Any]) -> Path:
    for number, document in enumerate(documents):
        (path / f"a{number}.json").write_text(json.dumps(document), encoding="utf-8")
    return path


def lines(path: Path, *documents: object) -> Path:
    file = path / "many.jsonl"
    file.write_text("\n\n".join(json.dumps(d) for d in documents), encoding="utf-8")
    return file


def invoke(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", "--bulk", str(path), *options])


def test_each_of_many_is_what_it_is_alone() -> None:
    alone = [km.check(km.read_account(json.dumps(document))) for document in MANY]
    for found, wanted in zip(km.check_many(MANY), alone, strict=True):
        assert found.check is not None
        assert check_document(found.check) == check_document(wanted)


def test_documents_come_as_texts_files_tables_or_decoded(tmp_path: Path) -> None:
    file = folder(tmp_path, MANY[0]) / "a0.json"
    text = json.dumps(MANY[0])
    given: list[bulk.Source] = [text, file, MANY[0], read_document(MANY[0], title="mine")]
    verdicts = {found.check.verdict for found in check_many(given) if found.check}
    assert len(verdicts) == 1


def test_a_document_that_cannot_be_read_says_why_and_stops_nobody() -> None:
    first, bad, last = check_many([MANY[3], "{", one("1", venue="nowhere")])
    assert first.check is not None
    assert bad.check is None
    assert bad.error is not None
    assert "not JSON" in bad.error or "neither JSON" in bad.error
    assert "no rulebook 'nowhere'" in (last.error or "")


def test_the_levels_are_those_asked_for() -> None:
    (wide,) = check_many([one("12000")], warn_distance=D("0.25"))
    assert wide.check is not None
    assert wide.check.verdict.value == "warning"
    assert wide.check.levels.amber == D("0.5")


def test_several_processes_give_the_same_answers_in_the_same_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 7)
    work = [(f"line {i}", json.dumps(document)) for i, document in enumerate(MANY)]
    alone = list(summaries(work, BulkTerms(), processes=1))
    assert list(summaries(work, BulkTerms(), processes=2)) == alone
    assert [row["name"] for row in alone] == [name for name, _ in work]


def test_a_folder_is_read_by_name_and_a_file_line_by_line(tmp_path: Path) -> None:
    place = folder(tmp_path, *MANY[:3])
    (place / "notes.txt").write_text("no account")
    assert [name for name, _ in sources(str(place))] == ["a0.json", "a1.json", "a2.json"]
    assert [name for name, _ in sources(str(lines(tmp_path, *MANY[:2])))] == ["line 1", "line 3"]


def test_json_is_one_result_a_line_as_check_gives_it(tmp_path: Path) -> None:
    done = invoke(lines(tmp_path, *MANY[5:8]), "--json")
    rows = [json.loads(line) for line in done.output.splitlines()]
    for row, document in zip(rows, MANY[5:8], strict=True):
        alone = CliRunner().invoke(main, ["check", "-", "--json"], input=json.dumps(document))
        wanted = json.loads(alone.output)
        assert {key: row[key] for key in wanted} == wanted
        assert (row["error"], row["name"].startswith("line")) == (None, True)


def test_the_table_counts_the_verdicts_and_begins_with_the_nearest(tmp_path: Path) -> None:
    done = invoke(lines(tmp_path, one("900000"), one("9000"), one("12000"), one("100")))
    shown = done.output.splitlines()
    counts = "2 healthy, 1 warning, 1 liquidatable, 0 unknown, 0 unreadable"
    assert shown[0] == f"4 accounts: {counts}"
    words = [line.split()[2] for line in shown[3:]]
    assert words == ["LIQUIDATABLE", "RED", "AMBER", "GREEN"]
    assert "none" in shown[-1]
    assert all(len(line) <= 80 for line in shown)


@pytest.mark.parametrize(
    ("documents", "code"),
    [
        ([one("900000")], ExitCode.OK),
        ([one("900000"), one("9000")], ExitCode.WARNING),
        ([one("9000"), one("1", collateral=[{"asset": "SOL", "balance": "1"}])], ExitCode.UNKNOWN),
        ([one("9000"), {"venue": "generic"}], ExitCode.BAD_INPUT),
        ([one("100"), {"venue": "generic"}], ExitCode.LIQUIDATABLE),
    ],
)
def test_the_exit_code_is_of_the_worst(
    tmp_path: Path, documents: list[dict[str, Any]], code: ExitCode
) -> None:
    assert invoke(lines(tmp_path, *documents)).exit_code == code
    assert invoke(lines(tmp_path, *documents), "--json").exit_code == code


def test_what_is_no_folder_and_no_file_is_bad_input(tmp_path: Path) -> None:
    assert "cannot be read" in invoke(tmp_path / "gone").output
    assert invoke(tmp_path / "gone").exit_code == ExitCode.BAD_INPUT
    assert "holds no .json" in invoke(tmp_path).output
    refused = invoke(lines(tmp_path, MANY[0]), "--rulebook", "generic")
    assert (refused.exit_code, "names its own" in refused.output) == (ExitCode.BAD_INPUT, True)
