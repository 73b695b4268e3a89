"""The words of the page, each in one line; `docs/glossary.md` is the arbiter of all of them."""

from keelmark.lab.report.model import Paragraph, Payer

STAGES = {
    "warn": "warn",
    "margin_call": "margin call",
    "cancel_orders": "cancel orders",
    "convert_collateral": "convert collateral",
    "reduce": "reduce",
    "takeover": "takeover",
    "insurance": "insurance fund",
    "auto_deleverage": "auto-deleverage",
    "socialise": "socialise",
}

PAYERS = {
    Payer.UNIT: "the unit's own margin",
    Payer.FEE: "fees",
    Payer.FUND: "insurance fund",
    Payer.BACKSTOP: "backstop",
    Payer.DELEVERAGED: "deleveraged accounts",
    Payer.SOCIALISED: "socialised loss",
}

_LINES = {
    "account": "What a user opens: one cross margin unit and one for each isolated position.",
    "attribution": "Who paid each quantum of a loss; the shares sum to it exactly.",
    "auto-deleverage (ADL)": (
        "Closing a unit's lots against solvent accounts on the opposite side at the transfer "
        "price: the mark where the fund paid for them, else worse by their part of the deficit."
    ),
    "backstop": (
        "The in-house unit, capped in loss, that takes positions over and disposes of them "
        "gradually."
    ),
    "bad debt": (
        "The sum of deficits the insurance fund could not pay. Deleveraged accounts carry it "
        "first, then accounts that share losses, then the backstop."
    ),
    "conservation residual": (
        "What the venue holds less every claim on it, per asset, in quanta. Anything but zero "
        "means that money was made or lost by the program."
    ),
    "deficit": "Negative equity at a takeover: the loss someone else must pay.",
    "digest": "A hash of the book; equal commands give an equal digest, on any machine.",
    "distance": "How far a price must move from the mark to liquidate, as a fraction of the mark.",
    "equity": ("Collateral after haircuts, plus unrealized profit and loss, less what is owed."),
    "insurance fund": "Money set aside to pay deficits; never negative.",
    "liquidation": (
        "The venue acts on a unit whose equity fell to its maintenance margin, stage by stage, "
        "until it is released or empty."
    ),
    "maintenance margin": "What is required to keep positions.",
    "margin unit": "What is margined and liquidated alone; losses inside never reach outside.",
    "mark price": "The price of record: what profit, requirements and liquidation are taken on.",
    "mark model": "How marks are made from recorded trades; it changes who is liquidated.",
    "notional": "The unsigned value of a position at the mark.",
    "quantum": "The smallest amount of an asset that moves.",
    "reduce": "Closing part of the positions in the market, within price and rate limits.",
    "rulebook": "A venue's rules as dated data with sources.",
    "seed": "The number from which everything drawn at random follows.",
    "market index": (
        "The marks of all instruments over their first ones, weighted by open interest; it starts "
        "at 100."
    ),
    "socialised loss": (
        "The part of a deficit no earlier payer could carry, shared by the form the rulebook names."
    ),
    "stage": "One step of the waterfall: the order in which a venue acts, and in which others pay.",
    "takeover": (
        "The backstop receives every position of the unit at transfer prices; the unit ends at "
        "zero."
    ),
    "transfer price": (
        "The price at which a position changes hands in a takeover or a deleveraging; with what "
        "the fund pays it leaves the unit at exactly zero."
    ),
}

GLOSSARY = tuple(Paragraph(title=title, text=text) for title, text in _LINES.items())


def stage_label(stage: str) -> str:
    """Return a stage in words; one we do not know keeps its own name."""
    return STAGES.get(stage, stage.replace("_", " "))
