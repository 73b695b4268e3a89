"""Account documents drawn for the desk: several positions, either margin mode, round fees."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

MARKS = {"BTCUSDT": "60000", "ETHUSDT": "3000", "SOLUSDT": "150", "BTCUSD": "60100"}


@st.composite
def documents(draw: st.DrawFn, *, isolated: bool = True, inverse: bool = True) -> dict[str, Any]:
    """A document of one to four positions under the generic rulebook."""
    known = [symbol for symbol in MARKS if inverse or symbol != "BTCUSD"]
    symbols = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4, unique=True))
    rows = [draw(_rows(symbol, isolated=isolated)) for symbol in symbols]
    collateral = [
        {"asset": "USDT", "balance": str(draw(st.integers(1_000_000, 3_000_000)))},
        {"asset": "BTC", "balance": str(draw(st.integers(20, 50)))},
    ]
    prices = draw(st.sampled_from([{}, {"BTC": "60050"}]))
    document = {"venue": "generic@2025-10", "collateral": collateral, "positions": rows}
    needs_price = all(not row["instrument"].startswith("BTC") for row in rows)
    return {**document, "prices": {"BTC": "60050"} if needs_price else prices}


@st.composite
def _rows(draw: st.DrawFn, symbol: str, *, isolated: bool) -> dict[str, Any]:
    mark = Decimal(MARKS[symbol])
    notional = draw(st.integers(1, 400_000))
    size = Decimal(notional) if symbol == "BTCUSD" else (notional / mark).quantize(Decimal("1e-3"))
    sign = draw(st.sampled_from([1, -1]))
    row: dict[str, Any] = {
        "instrument": symbol,
        "size": str(sign * max(size, Decimal("0.001"))),
        "entry_price": str(mark * draw(st.integers(80, 120)) / 100),
        "mark_price": str(mark),
        "leverage": str(draw(st.integers(1, 20))),
    }
    if isolated and draw(st.booleans()):
        margin = "30" if symbol == "BTCUSD" else "300000"
        row |= {"margin_mode": "isolated", "isolated_margin": margin}
    return row
