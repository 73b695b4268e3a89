"""Recorded accounts as account documents, with what their venue answered for them.

The recordings are not part of the repository; without them there is nothing to run.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from keelmark.accounts import check
from keelmark.accounts.account import build_account
from keelmark.accounts.document import read_document
from keelmark.market.datasets import find_data
from tests.venues.published import Figure

D = Decimal
Json = Mapping[str, Any]
TWELVE = "Hyperliquid 2023-03, 12 positions"
VAULT = "Hyperliquid 2026-07, a vault"
VAULT_LATER = "Hyperliquid 2026-10, the vault again"
VAULT_POSITIONS = 200
"""About as many coins as the venue lists; the recordings keep a few of them."""
REST = "MATIC"
"""A listed coin that stands for positions a recording leaves out: its notional and requirement
count, its price stays at 1."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded account.

    Attributes:
        document: The account, with what the venue reported.
        positions: How many positions it has: the venue rounds each one's margin to 1e-6.
    """

    document: Json
    positions: int

    def tolerance(self, number: str) -> Fraction:
        """Return what the venue's rounding explains of a total, or of a price on a size."""
        rounding = Fraction(self.positions, 10**6)
        symbol = number.partition(":")[2]
        sizes = {row["instrument"]: Fraction(row["size"]) for row in self.document["positions"]}
        return rounding / abs(sizes[symbol]) if symbol else rounding


def recorded_outcomes() -> dict[str, list[Figure]] | None:
    """Return the figures of every recorded account; `None` without the data."""
    data = find_data()
    if data is None:
        return None
    return {name: list(figures(found)) for name, found in recordings(data / "accounts")}


def figures(recording: Recording) -> Iterator[Figure]:
    """Yield what the venue reported of an account beside what the check says."""
    found = check(build_account(read_document(recording.document, title="recorded account")))
    for residual in found.residuals:
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
    twelve = twelve_positions(folder / "hyperliquid_2023-03_12_positions.yaml")
    yield TWELVE, Recording(document=twelve, positions=12)
    saved = json.loads((folder / "hyperliquid_2026-07_vault.json").read_text("utf-8"))
    found = vault(saved["selection"], "hyperliquid@2026-07")
    yield VAULT, Recording(document=found, positions=VAULT_POSITIONS)
    later = json.loads((folder / "hyperliquid_2026-09_unified.json").read_text("utf-8"))
    sample = later["vault_sample_2026-10-06"]
    state = {
        **sample,
        "positions": [sample["position"]],
        "crossMarginSummary": sample["marginSummary"],
    }
    found = vault(state, "hyperliquid@2026-07")
    yield VAULT_LATER, Recording(document=found, positions=VAULT_POSITIONS)


def twelve_positions(file: Path) -> Json:
    """Return the account of 2023: every position, every printed liquidation price."""
    found = re.search(r"string: '(\{.*\})'", file.read_text("utf-8"))
    assert found
    state = json.loads(found[1])
    positions = [entry["position"] for entry in state["assetPositions"]]
    rows = [of_payload(position) for position in positions]
    costs = sum((D(row["size"]) * D(row["entry_price"]) for row in rows), D(0))
    summary = state["crossMarginSummary"]
    reported = {
        "equity": summary["accountValue"],
        "initial_margin": summary["totalMarginUsed"],
        "withdrawable": state["withdrawable"],
        "liquidation_price": printed_prices(positions),
    }
    return document("hyperliquid@2023-03", rows, D(summary["totalRawUsd"]) + costs, reported)


def vault(state: Json, venue: str) -> Json:
    """Return a vault of which some positions are recorded: the others stand as one held price.

    It has 50x on every coin, 1 % maintenance, which the payload says per position.
    """
    tier = {"maintenance_rate": "0.01"}
    rows = [of_payload(position, tier=tier) for position in state["positions"]]
    summary = state["crossMarginSummary"]
    rest = D(summary["totalNtlPos"]) - sum(D(p["positionValue"]) for p in state["positions"])
    leverage = {"leverage": "20", "tier": tier}
    rows.append(
        {"instrument": REST, "size": str(rest), "entry_price": "1", "mark_price": "1", **leverage}
    )
    reported = {
        "equity": summary["accountValue"],
        "initial_margin": summary["totalMarginUsed"],
        "maintenance_margin": state["crossMaintenanceMarginUsed"],
        "liquidation_price": printed_prices(state["positions"]),
    }
    if "withdrawable" in state:
        reported["withdrawable"] = state["withdrawable"]
    return document(venue, rows, D(summary["accountValue"]) - profit(rows), reported)


def printed_prices(positions: Iterable[Json]) -> dict[str, str]:
    """Return the liquidation prices a payload prints; where it has null, there is none."""
    return {p["coin"]: p["liquidationPx"] for p in positions if p["liquidationPx"]}


def profit(rows: Iterable[Json]) -> Decimal:
    """Return the unrealised profit of rows."""
    return sum(
        (D(r["size"]) * (D(r["mark_price"]) - D(r["entry_price"])) for r in rows),
        D(0),
    )


def of_payload(position: Json, **more: object) -> dict[str, Any]:
    """Return a row of a document for a position of `clearinghouseState`."""
    mark = abs(D(position["positionValue"]) / D(position["szi"]))
    return {
        "instrument": position["coin"],
        "size": position["szi"],
        "entry_price": position["entryPx"],
        "mark_price": str(mark),
        "leverage": str(position["leverage"]["value"]),
        **more,
    }


def document(venue: str, rows: list[Any], balance: Decimal, reported: Json) -> Json:
    """Return an account document in USDC."""
    return {
        "venue": venue,
        "collateral": [{"asset": "USDC", "balance": str(balance)}],
        "positions": rows,
        "venue_reported": reported,
    }
