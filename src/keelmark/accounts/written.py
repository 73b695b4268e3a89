"""An account document as it is written: the inverse of `document.decode_document`."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from keelmark.accounts.check_document import JsonTable, JsonValue, decimal_text
from keelmark.accounts.document import (
    TOTAL,
    AccountDocument,
    OrderRow,
    PositionRow,
)


def written(document: AccountDocument) -> JsonTable:
    """Return a document as JSON: read again, it means the same.

    Numbers keep 28 significant digits: an average entry price need not end.
    """
    table: JsonTable = {
        "venue": document.venue,
        "as_of": _text(document.as_of),
        "prices_as_of": _text(document.prices_as_of),
        "historical": document.historical,
        "account_mode": _text(document.account_mode),
        "collateral": _collateral(document),
        "liabilities": _amounts(document.liabilities, "amount"),
        "prices": _figures(document.prices),
        "ask_buffers": _figures(document.ask_buffers),
        "open_interest": _figures(document.open_interest),
        "volatilities": _figures(document.volatilities),
        "positions": [_position(row) for row in document.positions],
        "orders": [_order(row) for row in document.orders],
        "accrued_interest": _accrued(document.accrued_interest),
        "accrued_funding": _accrued(document.accrued_funding),
        "venue_reported": {
            name: decimal_text(figures[TOTAL]) if TOTAL in figures else _figures(figures)
            for name, figures in document.venue_reported.items()
        },
        "unknown": [{"what": row.what.value, "why": row.why} for row in document.unknown],
        "notes": list(document.notes),
    }
    required = ("venue", "collateral", "positions")
    return {key: value for key, value in table.items() if value or key in required}


def _text(value: object) -> JsonValue:
    """Return a plain field as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, StrEnum) else str(value)


def _figures(figures: Mapping[str, Decimal]) -> JsonTable:
    return {name: decimal_text(value) for name, value in figures.items()}


def _collateral(document: AccountDocument) -> list[JsonValue]:
    """Return balances, with the weights that the account gives."""
    return [
        {
            "asset": asset,
            "balance": decimal_text(balance),
            **(
                {"weight": decimal_text(document.weights[asset])}
                if asset in document.weights
                else {}
            ),
        }
        for asset, balance in document.collateral.items()
    ]


def _amounts(amounts: Mapping[str, Decimal], key: str) -> list[JsonValue]:
    return [{"asset": asset, key: decimal_text(value)} for asset, value in amounts.items()]


def _accrued(amounts: Mapping[str, Decimal]) -> JsonValue:
    """Return accruals by asset; one bare number where no asset is named."""
    if set(amounts) == {TOTAL}:
        return decimal_text(amounts[TOTAL])
    return _figures(amounts) or None


def _position(row: PositionRow) -> JsonTable:
    table = _plain(row, without=("path", "tier", "spec"))
    if row.tier is not None:
        table["tier"] = _plain(row.tier)
    if row.spec is not None:
        table["spec"] = _plain(row.spec)
    return table


def _order(row: OrderRow) -> JsonTable:
    table = _plain(row, without=("path", "is_buy"))
    return {"instrument": row.instrument, "side": "buy" if row.is_buy else "sell", **table}


def _plain(row: object, *, without: tuple[str, ...] = ()) -> JsonTable:
    """Return the fields of a row that say something."""
    names = [f.name for f in fields(row) if f.name not in without]  # type: ignore[arg-type]  # every row is a dataclass
    values = {name: _text(getattr(row, name)) for name in names}
    return {name: value for name, value in values.items() if value not in (None, False)}
