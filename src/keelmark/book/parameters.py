"""What the book is told about instruments and assets: parameter tables, by index."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from keelmark.book.kernels.blocks import Int32s, Rows
from keelmark.book.records import ASSET, INSTRUMENT, SEGMENT, TIER
from keelmark.core.errors import InvalidInput, UnknownAsset, UnknownInstrument, nearest


def empty(dtype: "np.dtype[np.void]") -> Rows:
    """Return a table without rows."""
    return np.zeros(0, dtype=dtype)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parameters:
    """Instrument and asset tables with the names of their rows; the tables are read, not written.

    Attributes:
        instrument_names: Name of each instrument row.
        asset_names: Name of each asset row.
        instruments: `INSTRUMENT` records; `unit_value`, `settle` and `inverse` decide postings.
        assets: `ASSET` records; postings need their number only.
        tiers: `TIER` records the instruments point into.
        segments: `SEGMENT` records the assets point into.
        settle: `(n_instruments,)` settle asset, a contiguous copy for kernels.
    """

    instrument_names: tuple[str, ...]
    asset_names: tuple[str, ...]
    instruments: Rows
    assets: Rows
    tiers: Rows = field(default_factory=lambda: empty(TIER))
    segments: Rows = field(default_factory=lambda: empty(SEGMENT))
    settle: Int32s = field(init=False)

    def __post_init__(self) -> None:
        check_table("instruments", self.instruments, INSTRUMENT, self.instrument_names)
        check_table("assets", self.assets, ASSET, self.asset_names)
        settle = np.ascontiguousarray(self.instruments["settle"])
        strangers = np.flatnonzero((settle < 0) | (settle >= len(self.assets)))
        if len(strangers):
            row = int(strangers[0])
            msg = (
                f"instrument {self.instrument_names[row]} settles in asset {int(settle[row])}; "
                f"there are {len(self.assets)} assets, counted from 0"
            )
            raise UnknownAsset(msg)
        object.__setattr__(self, "settle", settle)

    def instrument(self, name: str) -> int:
        """Return the index of an instrument."""
        if name not in self.instrument_names:
            msg = f"instrument {name!r} is not in the book; {nearest(name, self.instrument_names)}"
            raise UnknownInstrument(msg)
        return self.instrument_names.index(name)

    def asset(self, name: str) -> int:
        """Return the index of an asset."""
        if name not in self.asset_names:
            msg = f"asset {name!r} is not in the book; {nearest(name, self.asset_names)}"
            raise UnknownAsset(msg)
        return self.asset_names.index(name)


def check_table(
    name: str,
    rows: Rows,
    dtype: "np.dtype[np.void]",
    names: Sequence[str],
) -> None:
    """Refuse a table of another record type, or with another number of rows than names."""
    if rows.dtype != dtype or rows.ndim != 1:
        msg = f"{name}: records of {rows.dtype}; build them as {dtype} (keelmark.book.records)"
        raise InvalidInput(msg)
    if len(rows) != len(names) or len(set(names)) != len(names):
        msg = (
            f"{name}: {len(rows)} rows and {len(set(names))} different names of {len(names)}; "
            "give every row its own name"
        )
        raise InvalidInput(msg)
