"""Load a scenario: from recorded data where the folder is given and holds it, else built in."""

from pathlib import Path

import numpy as np

from keelmark.lab.documents import document_text, read_toml, validated
from keelmark.lab.scenarios.builtin import BuiltInPrices
from keelmark.lab.scenarios.document import ScenarioDocument
from keelmark.lab.scenarios.figures import FiguresDocument
from keelmark.lab.scenarios.recorded import RecordedPrices
from keelmark.lab.scenarios.values import PriceSource, Scenario, ScenarioAsset, ScenarioInstrument
from keelmark.market.bars import Bars, read_bars
from keelmark.market.datasets import dataset_path

PACKAGE = "keelmark.lab.scenarios"


def load_scenario(name: str = "oct10", *, data: Path | None = None, seed: int = 0) -> Scenario:
    """Return a scenario.

    Args:
        name: A built-in name, or a path to a scenario TOML.
        data: Folder with recorded market data; `None` uses the built-in figures.
        seed: Of what is not known: the path between figures, or inside recorded bars.

    Raises:
        InvalidDocument: Listing every problem of the document.
        UnreadableData: A recorded file is missing or cannot be used.
    """
    text, title = document_text(name, package=PACKAGE)
    document = validated(ScenarioDocument, read_toml(text, title=title), title=title)
    figures = load_figures(document.figures)
    assets = tuple(table.value for table in document.asset)
    instruments = tuple(row.value(assets[0].asset) for row in figures.instrument)
    for instrument in instruments:
        instrument.unit_value(assets[0].quantum)  # refuses a quantum too coarse, by name
    times = np.concatenate([table.value.seconds for table in document.window])
    return Scenario(
        name=document.name,
        title=document.title,
        instruments=instruments,
        assets=assets,
        times=times,
        mark_model=document.mark_model,
        source=(
            BuiltInPrices(figures=figures, bridge=document.bridge, seed=seed)
            if data is None
            else _recorded(document, instruments, assets, data=data, seed=seed)
        ),
        depth={} if data is None else _depth_files(document, data),
    )


def load_figures(name: str) -> FiguresDocument:
    """Return cited figures: a file that ships with the package, or a path.

    Raises:
        InvalidDocument: Listing every problem of the file.
    """
    text, title = document_text(name, package=PACKAGE)
    return validated(FiguresDocument, read_toml(text, title=title), title=title)


def _recorded(
    document: ScenarioDocument,
    instruments: tuple[ScenarioInstrument, ...],
    assets: tuple[ScenarioAsset, ...],
    *,
    data: Path,
    seed: int,
) -> PriceSource:
    """Return the recorded prices a document names."""
    table = document.recorded
    symbols = [instrument.symbol for instrument in instruments]
    return RecordedPrices(
        instruments=instruments,
        bars=_bars(data, table.bars).select(symbols),
        assets={
            asset: _bars(data, table.asset_bars[asset.asset])
            for asset in assets
            if asset.asset in table.asset_bars
        },
        references={symbol: _bars(data, name) for symbol, name in table.reference.items()},
        start=document.window[0].value.start,
        history_days=table.history_days,
        seed=seed,
    )


def _depth_files(document: ScenarioDocument, data: Path) -> dict[str, Path]:
    named = document.recorded.depth.items()
    return {symbol: _file(data, name) for symbol, name in named}


def _bars(data: Path, name: str) -> Bars:
    return read_bars(_file(data, name))


def _file(data: Path, name: str) -> Path:
    """Return a named data set's file, or the Parquet file at a path below the data folder."""
    return data / name if name.endswith(".parquet") else dataset_path(name, data)
