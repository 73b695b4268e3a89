"""Where recorded market data lies, and what each file is good for.

The data is not part of the package. It is looked for in this order: the folder passed in, the
environment variable KEELMARK_DATA, then `../shared/data` next to the working directory and next
to the repository.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keelmark.core.errors import InvalidInput, UnreadableData, nearest
from keelmark.market.bars import Bars, read_bars

VARIABLE = "KEELMARK_DATA"
_NEXT_TO = Path("..") / "shared" / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One named file.

    Attributes:
        name: What `dataset_path` takes.
        file: Path inside the data folder.
        description: What it holds and what to mind.
    """

    name: str
    file: str
    description: str


_TABLE = (
    (
        "crash-2025-10",
        "bars/binance_usdm_5m_2025-10_crash.parquet",
        "60 USDS-M perpetuals, 5 min, 2025-09-25 to 10-20; LIGHTUSDT starts on 09-27",
    ),
    (
        "crash-2025-10-3m",
        "bars/binance_usdm_3m_2025-10_crash.parquet",
        "19 of them at 3 min, 2025-10-08 to 10-13",
    ),
    (
        "majors-2025h2",
        "bars/binance_usdm_5m_2025H2_majors.parquet",
        "15 USDS-M perpetuals, 5 min, 2025-07-04 to 12-31: VaR history",
    ),
    (
        "btc-reference-2025-10",
        "bars/binance_btc_reference_1m_2025-10-09_10.parquet",
        "BTC index or mark (the source does not say which), 1 min; no volume",
    ),
    (
        "usde-2025-10",
        "bars/binance_usde_1m_2025-10.parquet",
        "USDe/USDT on one venue, 1 min; low 0.65 on 10-10 while it stayed near 1 elsewhere",
    ),
    (
        "luna-ftx-2022",
        "bars/okx_swap_5m_2022-05_12_luna_ftx.parquet",
        "9 swaps, 5 min, May to December 2022; OP starts on 06-01",
    ),
    (
        "crash-2024-08",
        "bars/binance_spot_1m_2024-08-05_crash.parquet",
        "BTC and ETH spot, 1 min, 2024-07-26 to 08-25",
    ),
    (
        "crash-2021-05",
        "bars/binance_spot_1m_2021-05-19_crash.parquet",
        "20 spot pairs, 1 min, 2021-05-05 to 05-20",
    ),
    (
        "usdc-depeg-2023-03",
        "bars/binanceus_1m_2023-03_usdc_depeg.parquet",
        "BTC against USD, USDT and USDC, 1 min; many USDC minutes have no trade",
    ),
    (
        "spot-hourly",
        "bars/binance_spot_1h_2017_2022.parquet",
        "BTC and ETH spot, hourly, 2017 to 2022, with outages; times run 8 hours ahead of UTC",
    ),
    (
        "depth-2025-10-10",
        "depth/binance_btcusdt_book_depth_2025-10-10.parquet",
        "BTCUSDT cumulative depth, 30 s; frozen bids distort both sides: see market.depth",
    ),
    (
        "funding-btc-8h",
        "funding/binance_8h_btc_2022_2025-10.parquet",
        "BTC funding, 8 hours, 2022 to October 2025",
    ),
    (
        "funding-hourly",
        "funding/hyperliquid_1h_2023_2025-07.parquet",
        "Funding of 20 coins, hourly, 2023 to July 2025",
    ),
    *(
        (
            f"brackets-{month}",
            f"tiers/binance_usdm_brackets_{month}.parquet",
            f"USDS-M leverage brackets of {month}, every instrument",
        )
        for month in ("2023-08", "2025-06", "2025-12", "2026-05")
    ),
)
DATASETS: Mapping[str, Dataset] = {
    name: Dataset(name=name, file=file, description=description)
    for name, file, description in _TABLE
}


def find_data(folder: Path | str | None = None) -> Path | None:
    """Return the data folder, or `None` when this machine has none.

    Raises:
        UnreadableData: A folder was named, here or in KEELMARK_DATA, and does not exist.
    """
    named = folder if folder is not None else os.environ.get(VARIABLE) or None
    if named is not None:
        place = Path(named).expanduser()
        if not place.is_dir():
            origin = "the folder passed in" if folder is not None else VARIABLE
            msg = f"{place}: {origin} is not a folder; point it at the recorded data"
            raise UnreadableData(msg)
        return place
    roots = (Path.cwd(), Path(__file__).resolve().parents[3])
    return next((root / _NEXT_TO for root in roots if (root / _NEXT_TO).is_dir()), None)


def data_folder(folder: Path | str | None = None) -> Path:
    """Return the data folder.

    Raises:
        UnreadableData: There is none; the message says how to name it.
    """
    found = find_data(folder)
    if found is None:
        msg = f"no recorded market data here; set {VARIABLE} to its folder, or pass the folder"
        raise UnreadableData(msg)
    return found


def dataset_path(name: str, folder: Path | str | None = None) -> Path:
    """Return the file of a named dataset.

    Raises:
        InvalidInput: No dataset has that name.
        UnreadableData: No data folder, or the file is not in it.
    """
    if name not in DATASETS:
        msg = f"no dataset is called {name!r}; {nearest(name, DATASETS)}"
        raise InvalidInput(msg)
    path = data_folder(folder) / DATASETS[name].file
    if not path.is_file():
        msg = f"{path}: dataset {name} is not in the data folder; fetch it or set {VARIABLE}"
        raise UnreadableData(msg)
    return path


def load_bars(name: str, folder: Path | str | None = None) -> Bars:
    """Read the bars of a named dataset.

    Raises:
        InvalidInput: No dataset has that name, or it does not hold bars.
        UnreadableData: See `dataset_path` and `read_bars`.
    """
    path = dataset_path(name, folder)
    if not DATASETS[name].file.startswith("bars/"):
        msg = f"dataset {name} does not hold bars: {DATASETS[name].description}"
        raise InvalidInput(msg)
    return read_bars(path)


def describe(folder: Path | str | None = None) -> str:
    """Return one line per dataset: present or absent here, its name and what it holds."""
    root = find_data(folder)
    width = max(len(name) for name in DATASETS)
    head = f"data folder: {root or f'none (set {VARIABLE})'}"
    lines = (
        f"{'here  ' if root and (root / one.file).is_file() else 'absent'}  "
        f"{one.name:<{width}}  {one.description}"
        for one in DATASETS.values()
    )
    return "\n".join((head, *lines))
