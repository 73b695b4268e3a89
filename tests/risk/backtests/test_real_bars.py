"""Backtests on the recorded bars: the clock they need, and the figures of the page."""

import numpy as np
import pytest

from keelmark.market.datasets import dataset_path, find_data
from keelmark.risk.backtests.pages import markdown
from keelmark.risk.backtests.wording import row_of
from keelmark.risk.returns import read_returns
from scripts.backtests_page import PAGE, SPOT_AHEAD, cases, run_case

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(find_data() is None, reason="no recorded data: set KEELMARK_DATA"),
]


def test_the_long_hourly_file_runs_eight_hours_ahead() -> None:
    minutes = read_returns(dataset_path("crash-2021-05"), every="1h", coins=["BTC"])
    hours = read_returns(
        dataset_path("spot-hourly"), every="1h", coins=["BTC"], ahead_ms=SPOT_AHEAD
    )
    assert minutes.times is not None
    assert hours.times is not None
    _, ours, theirs = np.intersect1d(minutes.times, hours.times, return_indices=True)
    assert len(ours) > 300
    alike = np.corrcoef(minutes.values[ours, 0], hours.values[theirs, 0])[0, 1]
    assert alike > 0.999


def test_the_page_holds_what_a_run_gives_today() -> None:
    text = PAGE.read_text(encoding="utf-8")
    case = next(case for case in cases() if case.title == "ETH 2022, daily")
    done = run_case(case)
    section = text.partition(f"### {case.title}\n")[2].partition("\n### ")[0]
    for level in done.levels:
        for one in level.judged.values():
            cells = " | ".join(cell.replace("*", r"\*") for cell in row_of(one))
            assert f"| {cells} |" in section
    assert markdown(done).count("| --- |") == 2
