"""Binance portfolio margin: account, balances, and positions of both futures books.

Source: developers.binance.com, portfolio margin, account endpoints (`/papi/v1`). The wallet of an
asset is cross margin (free and locked) and both futures wallets together; what is borrowed and the
interest on it are owed. Every position is cross.
"""

from keelmark.accounts.document import Unlearnt
from keelmark.accounts.importers import binance_coinm
from keelmark.accounts.importers.binance_rows import note_worth, read_orders, read_position
from keelmark.accounts.importers.draft import Draft
from keelmark.accounts.importers.kind import PayloadKind, both, has, lacks, rows_of, table_of
from keelmark.accounts.importers.payload import Payload

VENUE = "binance-pm"
_FIGURES = {
    "equity": "accountEquity",
    "initial_margin": "accountInitialMargin",
    "maintenance_margin": "accountMaintMargin",
    "available": "totalAvailableBalance",
    "withdrawable": "virtualMaxWithdrawAmount",
    "health": "uniMMR",
}
_SPAN = "PM_3"


def read_account(payload: Payload, draft: Draft) -> None:
    """Note the venue's totals: `GET /papi/v1/account`."""
    root = table_of(payload, draft)
    if root.text("accountType") == _SPAN:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            "portfolio margin pro (SPAN) margins by scenarios; no rulebook margins that",
        )
    has_requirement = bool(root.amount("accountMaintMargin"))
    for number, key in _FIGURES.items():
        if number != "health" or has_requirement:
            draft.report(number, root.some(key))


def read_balances(payload: Payload, draft: Draft) -> None:
    """Note what is held and owed: `GET /papi/v1/balance`."""
    for row in rows_of(payload, draft):
        asset = row.text("asset", required=True)
        total = row.maybe_number("totalWalletBalance", required=True)
        if asset is None or total is None:
            continue
        keys = ("crossMarginFree", "crossMarginLocked", "umWalletBalance", "cmWalletBalance")
        parts = [row.maybe_number(key) for key in keys]
        if None not in parts and sum(p for p in parts if p is not None) != total:
            draft.say(
                f"the parts of the {asset} wallet do not add up to its total {total:f}: the total "
                "is taken"
            )
        owed, interest = row.amount("crossMarginBorrowed"), row.amount("crossMarginInterest")
        if not (total or owed or interest):
            continue
        draft.balance(row.at("totalWalletBalance"), asset, total)
        if owed > 0:
            draft.liabilities[asset] = owed
        if interest > 0:
            draft.accrued_interest[asset] = interest


def read_um(payload: Payload, draft: Draft) -> None:
    """Note linear positions: `GET /papi/v1/um/positionRisk`."""
    for row in rows_of(payload, draft):
        found = read_position(row, draft)
        if found is None:
            continue
        found.note(mark_price=row.positive("markPrice"))
        note_worth(row, found)
        found.report("liquidation_price", row.some("liquidationPrice"))


def finish(draft: Draft) -> None:
    """Say what inverse contracts are; say which of the two books no answer holds."""
    binance_coinm.finish(draft)
    working = draft.working(_Books)
    for book in ("um", "cm"):
        if book not in working.seen:
            draft.unlearn(
                Unlearnt.POSITIONS,
                f"only one of the two futures books is here; add the answer to "
                f"GET /papi/v1/{book}/positionRisk",
            )


class _Books:
    """Which of the two position lists were given."""

    def __init__(self) -> None:
        self.seen: set[str] = set()


def _read_um(payload: Payload, draft: Draft) -> None:
    draft.working(_Books).seen.add("um")
    read_um(payload, draft)


def _read_cm(payload: Payload, draft: Draft) -> None:
    draft.working(_Books).seen.add("cm")
    binance_coinm.read_position_risk(payload, draft)


KINDS = (
    PayloadKind(
        alias="binance-pm:account",
        call="GET /papi/v1/account",
        venue=VENUE,
        matches=has("uniMMR", "accountEquity", "accountMaintMargin"),
        parts=frozenset(),
        read=read_account,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-pm:balance",
        call="GET /papi/v1/balance",
        venue=VENUE,
        matches=has("asset", "totalWalletBalance", "crossMarginFree", "umWalletBalance"),
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_balances,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-pm:um",
        call="GET /papi/v1/um/positionRisk",
        venue=VENUE,
        matches=both(
            has("symbol", "positionAmt", "markPrice", "notional", "maxNotionalValue"),
            lacks("marginType", "isolatedMargin", "isolatedWallet"),
        ),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=_read_um,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-pm:cm",
        call="GET /papi/v1/cm/positionRisk",
        venue=VENUE,
        matches=both(
            has("symbol", "positionAmt", "markPrice", "notionalValue"), lacks("marginType")
        ),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=_read_cm,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-pm:um-orders",
        call="GET /papi/v1/um/openOrders",
        venue=VENUE,
        matches=lambda _: False,
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-pm:cm-orders",
        call="GET /papi/v1/cm/openOrders",
        venue=VENUE,
        matches=both(
            has("orderId", "symbol", "pair", "origQty", "executedQty"), lacks("closePosition")
        ),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
        finish=finish,
    ),
)
