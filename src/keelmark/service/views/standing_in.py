"""Which coin stands for one that the built-in table does not know: asked for, or the liveliest.

Nothing stands for a coin silently: what does is told with the answer, and asking nothing is refused
with what to ask.
"""

from collections.abc import Mapping, Sequence

from keelmark.accounts.account import Account
from keelmark.core.errors import InvalidInput, MissingNumber

EVERY_OTHER = "*"
"""In place of a coin: every one that the table does not know and nothing is said of."""

PAIRS_MAX = 200


def pairs_of(texts: Sequence[str]) -> dict[str, str]:
    """Return coins by the coin they move like, as written: XPL=SOL, or `*` for every other.

    Raises:
        InvalidInput: One is not written so.
    """
    if len(texts) > PAIRS_MAX:
        msg = f"{len(texts)} values of like; name coins that are held"
        raise InvalidInput(msg)
    found = {}
    for text in texts:
        coin, _, other = text.partition("=")
        if not coin or (not other and text != EVERY_OTHER):
            msg = f"like={text[:40]!r}: write COIN=OTHER, such as XPL=SOL, or * for every other"
            raise InvalidInput(msg)
        found[coin] = other
    return found


def standing_in(account: Account, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return what stands for coins of an account, by coin.

    Raises:
        InvalidInput: It has no such coin, or the table does not know the other.
        MissingNumber: A coin is unknown to the table and nothing stands for it.
    """
    from keelmark.risk.revaluation.moved import scenario_coins  # noqa: PLC0415 heavy
    from keelmark.risk.scenarios.coin_table import coin_table  # noqa: PLC0415 heavy

    table = coin_table()
    held = dict.fromkeys(c for u in account.units for c in scenario_coins(u, account.model))
    for coin, other in wanted.items():
        if coin not in {EVERY_OTHER, *held}:
            msg = f"like={coin}={other}: the account has no {coin}; it has {', '.join(held)}"
            raise InvalidInput(msg)
        if other and other not in table.coins:
            msg = (
                f"like={coin}={other}: the table {table.name} does not know {other}; "
                f"it has {', '.join(table.coins)}"
            )
            raise InvalidInput(msg)
    named = {c: other for c, other in wanted.items() if c not in {EVERY_OTHER, other}}
    unknown = [coin for coin in table.missing(list(held)) if coin not in named]
    if unknown and EVERY_OTHER not in wanted:
        asked = "&".join(f"like={coin}=BTC" for coin in unknown)
        msg = (
            f"the table {table.name} knows {', '.join(table.coins)}, not {', '.join(unknown)}; "
            f"say which coin each moves like: {asked}, or like=* for its liveliest"
        )
        raise MissingNumber(msg)
    liveliest = wanted.get(EVERY_OTHER) or table.coins[int(table.deviations.argmax())]
    return {**named, **dict.fromkeys(unknown, liveliest)}


def coins_known() -> list[str]:
    """Return the coins of the built-in table."""
    from keelmark.risk.scenarios.coin_table import coin_table  # noqa: PLC0415 heavy

    return list(coin_table().coins)


__all__ = ["PAIRS_MAX", "coins_known", "pairs_of", "standing_in"]
