"""Funding rates and named datasets."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from keelmark.core.errors import InvalidInput, UnknownInstrument, UnreadableData
from keelmark.market import datasets
from keelmark.market.funding import read_funding


def funding_file(folder: Path, rates: list[float], times: list[int]) -> Path:
    path = folder / "funding.csv"
    rows = {"ts_ms": times, "symbol": ["BTC"] * len(times), "funding_rate": rates}
    pl.DataFrame(rows).write_csv(path)
    return path


def test_funding_is_sorted_by_time_and_asked_by_symbol(tmp_path: Path) -> None:
    funding = read_funding(funding_file(tmp_path, [0.0001, -0.0002], [2_000, 1_000]))
    times, rates = funding.rates("BTC")
    assert times.tolist() == [1_000, 2_000]
    assert rates.tolist() == [-0.0002, 0.0001]
    with pytest.raises(UnknownInstrument, match="did you mean 'BTC'"):
        funding.rates("BTCC")


def test_a_time_given_twice_a_missing_rate_or_a_missing_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="two rates; the first: BTC at 1000"):
        read_funding(funding_file(tmp_path, [0.1, 0.2], [1_000, 1_000]))
    with pytest.raises(UnreadableData, match="no finite rate; the first: BTC at 2000"):
        read_funding(funding_file(tmp_path, [0.1, float("nan")], [1_000, 2_000]))
    path = tmp_path / "other.csv"
    path.write_text("ts_ms,rate\n1,2\n")
    with pytest.raises(UnreadableData, match="no column symbol, funding_rate"):
        read_funding(path)


def test_without_data_the_message_says_how_to_name_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(datasets.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    assert datasets.find_data() is None
    with pytest.raises(UnreadableData, match="set KEELMARK_DATA"):
        datasets.data_folder()
    text = datasets.describe()
    assert "none (set KEELMARK_DATA)" in text
    assert text.count("absent") == len(datasets.DATASETS)


def test_the_folder_passed_in_wins_then_the_variable_then_the_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed, named, work = (tmp_path / name for name in ("passed", "named", "work"))
    neighbour = tmp_path / "shared" / "data"
    for folder in (passed, named, work, neighbour):
        folder.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv(datasets.VARIABLE, str(named))
    assert datasets.find_data(passed) == passed
    assert datasets.find_data() == named
    monkeypatch.delenv(datasets.VARIABLE)
    found = datasets.find_data()
    assert found is not None
    assert found.resolve() == neighbour.resolve()


def test_a_folder_that_does_not_exist_is_an_error_not_a_fallback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(UnreadableData, match="KEELMARK_DATA is not a folder"):
        datasets.find_data()


def test_a_dataset_is_found_by_name_or_its_absence_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="did you mean 'crash-2025-10'"):
        datasets.dataset_path("crash-2025-1", tmp_path)
    with pytest.raises(UnreadableData, match="crash-2025-10 is not in the data folder"):
        datasets.dataset_path("crash-2025-10", tmp_path)
    file = tmp_path / datasets.DATASETS["funding-btc-8h"].file
    file.parent.mkdir()
    file.write_text("")
    with pytest.raises(InvalidInput, match="does not hold bars"):
        datasets.load_bars("funding-btc-8h", tmp_path)
    assert "here    funding-btc-8h" in datasets.describe(tmp_path)


@pytest.mark.real_data
def test_recorded_funding_is_read(data: Path) -> None:
    times, rates = read_funding(datasets.dataset_path("funding-btc-8h", data)).rates("BTCUSDT")
    assert len(rates) == 4_188
    assert (np.diff(times) > 0).all()
    assert np.abs(rates).max() < 0.002
    assert len(read_funding(datasets.dataset_path("funding-hourly", data)).symbols) == 20
