"""Recorded accounts through import and check, with what their venue answered for them.

The recordings are not part of the repository; without them there is nothing to run.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from keelmark.accounts import check
from keelmark.accounts.check import AccountCheck
from keelmark.accounts.importers import Payload, import_account, read_payload
from keelmark.market.datasets import find_data
from keelmark.rulebooks import load_rulebook
from tests.venues.published import Figure

D = Decimal
Json = dict[str, Any]
TWELVE = "Hyperliquid 2023-03, 12 positions"
VAULT = "Hyperliquid 2026-07, a vault"
VAULT_LATER = "Hyperliquid 2026-10, the vault again"
UNIFIED = "Hyperliquid 2026-09, unified account"
VAULT_POSITIONS = 200
"""About as many coins as the venue lists; the recordings keep a few of them."""
STAND_INS = ("ATOM", "MATIC")
"""Listed coins that stand for positions a recording leaves out, one long and one short: their
notional and requirement count, their prices are held."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded account.

    Attributes:
        found: Its check, with what the venue reported.
        positions: How many positions it has: the venue rounds each one's margin to 1e-6.
        given: Figures that the account was made with, and that are no evidence.
    """

    found: AccountCheck
    positions: int
    given: tuple[str, ...] = ()

    def tolerance(self, number: str) -> Fraction:
        """Return what the venue's rounding explains of a total, or of a price on a size."""
        rounding = Fraction(self.positions, 10**6)
        kind, _, symbol = number.partition(":")
        if kind != "liquidation_price":
            return rounding
        held = {p.held.position.instrument: p.held.position.size for p in self.found.positions}
        return rounding / abs(Fraction(held[symbol]))


def recorded_outcomes() -> dict[str, list[Figure]] | None:
    """Return the figures of every recorded account; `None` without the data."""
    data = find_data()
    if data is None:
        return None
    return {name: list(figures(found)) for name, found in recordings(data / "accounts")}


def figures(recording: Recording) -> Iterator[Figure]:
    """Yield totals and prices that the venue reported beside what the check says."""
    for residual in recording.found.residuals:
        kind, _, symbol = residual.number.partition(":")
        if (symbol and kind != "liquidation_price") or residual.number in recording.given:
            continue
        exponent = residual.reported.as_tuple().exponent
        yield Figure(
            path=residual.number,
            theirs=Fraction(residual.reported),
            ours=None if residual.computed is None else Fraction(residual.computed),
            digits=max(0, -exponent) if isinstance(exponent, int) else None,
            tolerance=recording.tolerance(residual.number),
        )


def recordings(folder: Path) -> Iterator[tuple[str, Recording]]:
    """Yield every recorded account by name."""
    text = (folder / "hyperliquid_2023-03_12_positions.yaml").read_text("utf-8")
    answer = re.search(r"string: '(\{.*\})'", text)
    assert answer
    of_2023 = json.loads(answer[1], parse_float=str)
    yield TWELVE, Recording(found=imported(of_2023, venue="hyperliquid@2023-03"), positions=12)
    saved = json.loads((folder / "hyperliquid_2026-07_vault.json").read_text("utf-8"))
    state = saved["selection"]
    yield VAULT, Recording(found=vault(state), positions=VAULT_POSITIONS)
    later = folder / "hyperliquid_2026-09_unified.json"
    sample = json.loads(later.read_text("utf-8"))["vault_sample_2026-10-06"]
    state = {
        **sample,
        "positions": [sample["position"]],
        "crossMarginSummary": sample["marginSummary"],
    }
    yield VAULT_LATER, Recording(found=vault(state), positions=VAULT_POSITIONS)
    found = unified(read_payload(later))
    yield UNIFIED, Recording(found=found, positions=1, given=("equity",))


def imported(*answers: Json, venue: str | None = None) -> AccountCheck:
    """Return the check of what answers come to; rates without a table are the account's own."""
    payloads = [Payload(content=answer, title="answer") for answer in answers]
    found = import_account(payloads, venue=venue)
    return check(found.account(None if venue else load_rulebook("hyperliquid@2026-07")))


def vault(state: Json) -> AccountCheck:
    """Return the vault of which some positions are recorded, with two that stand for the others."""
    cross, rows = state["crossMarginSummary"], state["positions"]
    values = [D(p["positionValue"]).copy_sign(D(p["szi"])) for p in rows]
    rest = D(cross["totalNtlPos"]) - sum(abs(value) for value in values)
    net = D(cross["accountValue"]) - D(cross["totalRawUsd"]) - sum(values)
    sides = zip(STAND_INS, (1, -1), strict=True)
    others = [
        {
            **rows[0],
            "coin": coin,
            "szi": str(side),
            "positionValue": str((rest + side * net) / 2),
            "entryPx": "1",
            "liquidationPx": None,
        }
        for coin, side in sides
    ]
    kept = ("crossMaintenanceMarginUsed", "withdrawable")
    return imported(
        {
            "assetPositions": [{"position": p, "type": "oneWay"} for p in [*rows, *others]],
            "crossMarginSummary": cross,
            "marginSummary": cross,
            **{name: state[name] for name in kept if name in state},
        },
    )


def unified(bundle: Payload) -> AccountCheck:
    """Return the unified account with the spot balance that its printed price implies.

    The recording has the perpetuals' answer only: on its own, import says that the printed price
    holds for another equity and calls the collateral unknown.
    """
    balance = {"coin": "USDC", "token": 0, "total": "46599.61385", "hold": "37766.7"}
    after = [[0, "41878.77635"]]
    spot: Mapping[str, object] = {
        "balances": [balance],
        "tokenToAvailableAfterMaintenance": after,
    }
    whole = import_account([bundle, Payload(content=spot, title="spot")])
    return check(whole.account())
