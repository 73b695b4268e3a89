"""How old a snapshot is: said plainly where it is too old to act on, and nowhere else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import keelmark as km
from keelmark.accounts.bulk import check_many
from keelmark.accounts.check_document import check_document
from keelmark.accounts.snapshot_age import Freshness, ago
from keelmark.cli import main
from keelmark.cli.check_table import check_lines
from keelmark.cli.exit_codes import ExitCode

NOW = datetime(2025, 10, 10, 21, 0, tzinfo=UTC)
BOOK: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "60000"}],
    "positions": [
        {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"}
    ],
}


def checked(seconds: int | None, **more: object) -> km.AccountCheck:
    when = {} if seconds is None else {"as_of": f"{NOW - timedelta(seconds=seconds):%FT%TZ}"}
    account = km.read_account(json.dumps({**BOOK, **when, **more}))
    return km.check(account, freshness=Freshness(clock=lambda: NOW))


def text_of(found: km.AccountCheck) -> str:
    return click.unstyle("\n".join(check_lines(found, "a.json")))


def test_a_snapshot_older_than_five_minutes_is_called_stale_on_every_surface() -> None:
    found = checked(301)
    assert found.age.is_stale
    assert any("STALE: as of 2025-10-10 20:54 UTC, 5 minutes ago" in w for w in found.warnings)
    assert text_of(found).startswith("STALE")
    page = found._repr_html_()
    assert page.index("STALE") < page.index("equity")  # before any figure
    assert page.count("STALE") == 1
    document = check_document(found)
    assert document["snapshot"] == {
        "as_of": "2025-10-10T20:54:59Z",
        "prices_as_of": None,
        "historical": False,
        "age_seconds": "301",
        "max_age_seconds": "300",
        "is_stale": True,
        "warnings": list(found.warnings),
    }


def test_a_fresh_snapshot_says_its_age_in_the_head_and_warns_of_nothing() -> None:
    found = checked(42)
    assert found.age.is_stale is False
    assert found.warnings == ()
    assert "20:59 UTC, 42 s ago" in text_of(found).splitlines()[0]


def test_a_document_of_the_past_is_no_noise() -> None:
    found = checked(40_000_000, historical=True)
    assert found.warnings == ()
    assert found.age.is_stale is None
    assert "STALE" not in text_of(found)
    assert "ago" not in text_of(found)


def test_a_document_without_an_instant_says_so_once_and_quietly() -> None:
    found = checked(None)
    assert found.warnings == ()
    assert found.age.is_stale is None
    assert text_of(found).count("no time given") == 1
    assert "no time given" not in text_of(checked(None, historical=True))


def test_prices_and_positions_of_different_instants_are_said() -> None:
    found = checked(10, prices_as_of=f"{NOW - timedelta(seconds=200):%FT%TZ}")
    assert found.age.age == timedelta(seconds=200)
    (warning,) = found.warnings
    assert "prices are 190 s older than the positions" in warning
    assert "fetch them together" in text_of(found)
    past = checked(10, prices_as_of=f"{NOW + timedelta(seconds=100):%FT%TZ}", historical=True)
    assert "110 s newer" in past.warnings[0]


def test_a_snapshot_from_the_future_is_a_wrong_clock() -> None:
    found = checked(-3600)
    assert "1 hour from now" in found.warnings[0]
    assert "clock" in found.warnings[0]


def test_an_age_says_nothing_of_the_verdict() -> None:
    assert checked(10_000).verdict is checked(1).verdict


def test_many_documents_say_which_are_stale() -> None:
    old = {**BOOK, "as_of": "2025-01-01T00:00:00Z"}
    first, second = check_many([old, BOOK], freshness=Freshness(clock=lambda: NOW))
    assert first.check is not None
    assert second.check is not None
    assert [first.check.age.is_stale, second.check.age.is_stale] == [True, None]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (300, "5 minutes ago"),
        (7200, "2 hours ago"),
        (86400 * 3, "3 days ago"),
        (86400 * 800, "2 years ago"),
        (-200, "3 minutes from now"),
    ],
)
def test_ages_are_told_in_words(seconds: int, words: str) -> None:
    assert ago(timedelta(seconds=seconds)) == words


def invoke(*options: str, content: object = BOOK) -> Result:
    return CliRunner().invoke(main, ["check", "-", *options], input=json.dumps(content))


OLD = {**BOOK, "as_of": "2025-10-10T21:17:00Z"}


def test_the_limit_is_an_option_and_zero_turns_it_off() -> None:
    assert invoke(content=OLD).output.startswith("STALE")
    assert "STALE" not in invoke("--max-age", "0", content=OLD).output
    assert "STALE" not in invoke("--max-age", "90000h", content=OLD).output
    assert json.loads(invoke("--json", "--max-age", "2m").output)["snapshot"][
        "max_age_seconds"
    ] == ("120")
    done = invoke("--max-age", "soon")
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "5m" in done.output


def test_no_line_of_a_stale_check_is_wider_than_eighty_columns() -> None:
    lines = invoke(content={**OLD, "prices_as_of": "2025-10-10T20:17:00Z"}).output.splitlines()
    assert max(map(len, lines)) <= 80
