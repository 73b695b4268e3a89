"""What each answer holds, as the description of the API tells it: the outermost fields."""

from typing import Any

TEXT, COUNT, FLAG, LIST, OBJECT = "string", "integer", "boolean", "array", "object"

Field = tuple[str | list[str], str]

_POSITION: Field = ([COUNT, "null"], "Journal position the answer is of; null without a journal.")
_TIME: Field = (
    [TEXT, "null"],
    "The venue's clock there, ISO 8601, UTC; null before the first price has set it.",
)
_AGE: Field = (COUNT, "How old the pass over every account is, milliseconds.")
_ACCOUNT: Field = (TEXT, "What the account was asked for by.")
_UNIT: Field = (TEXT, "Margin unit.")
_NOTES: Field = (LIST, "What was assumed.")
_RULEBOOK: Field = (TEXT, "Rulebook it was had under.")
_CURRENCY: Field = (TEXT, "What totals are in.")

_WHEN = {"position": _POSITION, "time": _TIME}
_DESK = {**_WHEN, "account": _ACCOUNT}
_ASKED = {
    **_DESK,
    "snapshot": (OBJECT, "How old it is; `warnings` say which prices are not believed, and why."),
}

_WATCHED: dict[str, Field] = {
    "account": (TEXT, "What it is called."),
    "level": (TEXT, "`green`, `amber`, `red`, `liquidatable` or `unknown`."),
    "alert": ([TEXT, "null"], "Level of the alert that is open; null without one."),
    "is_stale": (FLAG, "Whether the last good read is too old to say anything."),
    "read": ([TEXT, "null"], "When it was read last; null before the first time."),
    "problem": ([TEXT, "null"], "Why the last read brought nothing."),
}

ANSWERS: dict[str, dict[str, Field]] = {
    "venue": {
        **_WHEN,
        "rulebook": (OBJECT, "Name, source, day it was read, digest of its terms."),
        "valuation": (TEXT, "Currency totals are in."),
        "stages": (LIST, "Stages of the liquidation process, in order."),
        "levels": (LIST, "Usages at which something happens before liquidation."),
        "accounts": (COUNT, "Accounts ever opened."),
        "liquidations": (OBJECT, "Open, held, and ever started."),
        "paused": (OBJECT, "What is paused."),
        "instruments": (LIST, "Contracts with their scales, mark and trust."),
        "assets": (LIST, "Assets with their quantum, price and trust."),
    },
    "prices": {
        **_WHEN,
        "guards": (
            OBJECT,
            "Limits of staleness and step; null where one is off, which `off` says in words.",
        ),
        "counts": (OBJECT, "Prices by trust."),
        "prices": (LIST, "Each price with trust, age, index beside it and doubt."),
    },
    "fund": {
        **_WHEN,
        "segments": (LIST, "Insurance funds by market group and asset, with their windows."),
        "fees": (LIST, "Fees collected, by asset."),
        "residue": (LIST, "What divisions left over, by asset."),
        "backstop": (OBJECT, "Equity, inventory and what it may still lose; null where unknown."),
        "open_interest": (LIST, "By instrument."),
        "conservation": (LIST, "Vault less every claim on it, by asset: zero."),
        "totals_position": (["integer", "null"], "Journal position of the last two."),
        "totals_age_ms": (COUNT, "How old the last two are."),
    },
    "accounts": {
        **_WHEN,
        "total": (COUNT, "Accounts there are, or that match."),
        "next": ([COUNT, "null"], "`after` of the next page; null on the last."),
        "accounts": (LIST, "One row each."),
    },
    "desk_accounts": {
        **_WHEN,
        "total": (COUNT, "Accounts that are watched, or that match."),
        "next": ("null", "There is one page."),
        "accounts": (LIST, "One row each, the worst first."),
    },
    "desk_account": {
        **_WHEN,
        **_WATCHED,
        "residuals_by_figure": (LIST, "The venue's own figures beside ours, of the last read."),
    },
    "account": {
        **_WHEN,
        "account": (COUNT, "Number."),
        "name": ([TEXT, "null"], "The caller's own id."),
        "status": (TEXT, "`active` or `closed`."),
        "stage": (TEXT, "Where its worst unit stands."),
        "units": (LIST, "Units with balances, positions, orders, protections and margin."),
    },
    "orders": {
        **_WHEN,
        "market": (TEXT, "`built-in` or `external`."),
        "orders": (LIST, "Orders that work, the oldest first."),
    },
    "map": {
        **_WHEN,
        "age_ms": _AGE,
        "instrument": (TEXT, "What moves."),
        "settle": (TEXT, "What notionals are in."),
        "price": (["number", "null"], "Its mark; null where none ever came."),
        "reason": ([TEXT, "null"], "Why there is no map."),
        "trust": (TEXT, "Whether the mark is believed."),
        "moves": (LIST, "Sizes of the moves, fractions."),
        "longs": (LIST, "Notional of longs by the first fall that liquidates them."),
        "shorts": (LIST, "Notional of shorts by the first rise that liquidates them."),
        "long_accounts": (LIST, "Accounts likewise."),
        "short_accounts": (LIST, "Accounts likewise."),
        "beyond": (OBJECT, "Who no move of the grid liquidates."),
        "now": (OBJECT, "Who is not above its trigger now."),
        "unknown": (OBJECT, "Who cannot be told of, and why."),
        "question": ([OBJECT, "null"], "Who the move that was asked about liquidates."),
    },
    "distance": {
        **_WHEN,
        "age_ms": _AGE,
        "valuation": (TEXT, "What amounts are in."),
        "moves": (LIST, "Sizes of the joint moves, fractions."),
        "accounts": (LIST, "Accounts by the nearest move; the last are out of reach."),
        "notional": (LIST, "Likewise."),
        "equity": (LIST, "Likewise."),
        "within": (LIST, "The same added up."),
        "now": (OBJECT, "Who is not above its trigger now."),
        "unknown": (OBJECT, "Who cannot be told of, and why."),
        "open_accounts": (COUNT, "Accounts with a position."),
    },
    "riskiest": {
        **_WHEN,
        "age_ms": _AGE,
        "valuation": (TEXT, "What amounts are in."),
        "screened": (COUNT, "Units that were looked at."),
        "is_complete": (FLAG, "Whether nobody left out can be nearer."),
        "notes": (LIST, "Why not."),
        "accounts": (LIST, "Units, the nearest first; three-state distances."),
    },
    "adl": {
        **_WHEN,
        "age_ms": _AGE,
        "account": (COUNT, "Number."),
        "policy": (TEXT, "The rulebook's."),
        "is_queue": (FLAG, "Whether it takes one after the other."),
        "positions": (LIST, "Rank, share ahead and score of each; null with the reason."),
    },
    "liquidations": {
        **_WHEN,
        "index": (OBJECT, "How far the journal has been read."),
        "open": (LIST, "In progress."),
        "recent": (LIST, "Ended, the newest first."),
    },
    "liquidation": {
        **_WHEN,
        "case": (COUNT, "Number."),
        "outcome": ([TEXT, "null"], "How it ended; null while it goes on."),
        "sections": (LIST, "The working: inputs, equity, requirement, steps, who paid."),
        "bills": (LIST, "Deficit by settle asset with its payers."),
        "paid": (LIST, "Every payment, payer by payer."),
        "positions": (LIST, "Held at the decision."),
        "steps": (LIST, "What was done, in order."),
    },
    "check": {
        **_ASKED,
        "rulebook": _RULEBOOK,
        "verdict": (TEXT, "`healthy`, `warning`, `liquidatable` or `unknown`."),
        "is_liquidatable": ([FLAG, "null"], "Null where unknown."),
        "positions": (LIST, "Each with its prices of liquidation and bankruptcy."),
        "notes": _NOTES,
    },
    "explain": {**_ASKED},
    "ladder": {
        **_ASKED,
        "rulebook": _RULEBOOK,
        "unit": _UNIT,
        "currency": _CURRENCY,
        "along": (TEXT, "What moves."),
        "liquidations": (LIST, "Moves at which it begins or ceases to be liquidatable."),
        "rungs": (LIST, "Margin at each move."),
    },
    "surface": {
        **_ASKED,
        "rulebook": _RULEBOOK,
        "unit": _UNIT,
        "currency": _CURRENCY,
        "x": (OBJECT, "What moves across."),
        "y": (OBJECT, "What moves up."),
        "margins": (LIST, "Rows of margins."),
        "contour": (LIST, "The line on which it is liquidated."),
    },
    "risk": {
        **_ASKED,
        "rulebook": _RULEBOOK,
        "liquidation": (
            OBJECT,
            "Chances by horizon, by law; `standing_in`: what unknown coins move like.",
        ),
    },
    "whatif": {
        **_ASKED,
        "edits": (LIST, "In words."),
        "verdict": (OBJECT, "Now and after."),
        "difference": (OBJECT, "Of units and positions."),
        "now": (OBJECT, "Document and check."),
        "after": (OBJECT, "Document and check."),
        "notes": _NOTES,
    },
    "rescue": {
        **_ASKED,
        "rulebook": _RULEBOOK,
        "unit": _UNIT,
        "target": (OBJECT, "What is to be reached."),
        "status": (TEXT, "Whether it is met, planned or out of reach."),
        "before": (OBJECT, "How the unit stands."),
        "plan": ([OBJECT, "null"], "The cheapest plan."),
    },
    "face": {
        **_DESK,
        "rulebook": _RULEBOOK,
        "valuation": (TEXT, "What totals are in."),
        "units": (LIST, "Formulas' own numbers of each unit; `exact` tells whether they do."),
    },
}


def schema(name: str) -> dict[str, Any]:
    """Return the schema of an answer: its outermost fields; further ones may stand beside them."""
    fields = ANSWERS[name]
    return {
        "type": OBJECT,
        "required": list(fields),
        "properties": {
            field: {"type": kind, "description": words} for field, (kind, words) in fields.items()
        },
    }


def described(name: str) -> dict[str, Any]:
    """Return what a route says of its answer."""
    content = {"application/json": {"schema": schema(name)}}
    return {
        "response_model": None,
        "responses": {200: {"description": "The answer.", "content": content}},
    }


__all__ = ["ANSWERS", "described", "schema"]
