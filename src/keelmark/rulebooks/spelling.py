"""How venues write a contract, tried against the naming patterns of a rulebook."""

from decimal import Decimal

from keelmark.core.errors import KeelmarkError
from keelmark.core.instrument import InstrumentKind
from keelmark.rulebooks.load import Rulebook

SPELLINGS = (
    "{base}{settle}",
    "{base}-{settle}",
    "{base}_{settle}",
    "{base}-{settle}-SWAP",
    "{base}-{settle}-PERP",
    "{base}-USD",
    "{base}-USD-SWAP",
    "{base}USD",
    "{base}USD_PERP",
    "{base}-USD-PERP",
    "{base}-PERP",
    "{base}-PERPETUAL",
    "{base}_{settle}-PERPETUAL",
    "{base}PERP",
    "{base}",
    "{base}/{settle}:{settle}",
)
"""How venues write a perpetual."""


def perpetual_of(
    rulebook: Rulebook,
    *,
    base: str,
    settle: str,
    kind: InstrumentKind,
    contract_size: Decimal | None = None,
) -> str | None:
    """Return the venue's own symbol of a perpetual; `None` where it has none that is the same."""
    for symbol in (text.format(base=base, settle=settle) for text in SPELLINGS):
        try:
            found = rulebook.terms_for(symbol).instrument
        except KeelmarkError:
            continue
        is_same = (found.base, found.settle, found.kind) == (base, settle, kind)
        if is_same and contract_size in {None, found.contract_size}:
            return symbol
    return None
