"""The machine-readable result of `keelmark whatif`: both accounts, both checks, the difference."""

from keelmark.accounts.check_document import JsonTable, check_document, decimal_text, price_document
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.written import written
from keelmark.risk.edit_text import edit_words
from keelmark.risk.what_if import PositionPair, UnitPair, WhatIf


def whatif_document(found: WhatIf) -> JsonTable:
    """Return the whole result."""
    return {
        "edits": [edit_words(edit) for edit in found.edits],
        "fee_rate": decimal_text(found.fee_rate),
        "fees": {asset: decimal_text(fee) for asset, fee in found.fees.items()},
        "verdict": {"now": found.now.verdict.value, "after": found.after.verdict.value},
        "difference": {
            "units": [_unit(pair) for pair in found.units],
            "positions": [_position(pair) for pair in found.positions],
        },
        "now": {
            "document": written(found.now.account.document),
            "check": check_document(found.now),
        },
        "after": {"document": written(found.document), "check": check_document(found.after)},
        "notes": list(found.notes),
    }


def _unit(pair: UnitPair) -> JsonTable:
    table: JsonTable = {
        "unit": pair.unit_id,
        "currency": {
            "now": None if pair.now is None else pair.now.currency,
            "after": None if pair.after is None else pair.after.currency,
        },
    }
    for figure in pair.figures:
        table[figure.name] = {
            "now": decimal_text(figure.now),
            "after": decimal_text(figure.after),
            "difference": decimal_text(figure.difference),
        }
    return table


def _position(pair: PositionPair) -> JsonTable:
    return {"position": pair.name, "now": _held(pair.now), "after": _held(pair.after)}


def _held(position: PositionCheck | None) -> JsonTable | None:
    if position is None:
        return None
    return {
        "instrument": position.held.position.instrument,
        "size": decimal_text(position.held.position.size),
        "liquidation_price": price_document(position.liquidation),
        "recovers": position.recovers,
        "distance": decimal_text(position.distance),
    }
