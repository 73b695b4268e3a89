"""What a question about one account takes from files: its coins' history, and how they trade."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from keelmark.accounts import Account
from keelmark.core.errors import InvalidInput, nearest
from keelmark.risk.history.periods import Every
from keelmark.risk.history.volumes import daily_volumes
from keelmark.risk.returns import Returns, read_returns
from keelmark.risk.revaluation.moved import priced_in, scenario_coins
from keelmark.risk.symbols import coin_of
from keelmark.risk.tail.liquidity import Liquidity


def history_for(
    account: Account,
    sources: Sequence[str | Path],
    *,
    every: str | Every,
    like: Mapping[str, str] | None = None,
    until_ms: int | None = None,
    ahead_ms: int = 0,
) -> Returns:
    """Return the history of what an account stands on: other coins drop no rows.

    Args:
        account: From `load_account`.
        sources: Files of bars, or one table of returns.
        every: Period of a change, or `auto`; an `Every` may say what a row without times spans.
        like: Coins that stand for coins without returns.
        until_ms: Where it ends; the account's own time without.
        ahead_ms: How far the clock of bars runs ahead of UTC.

    Raises:
        UnreadableData: A file holds no returns.
        InvalidInput: The period is not a whole number of bars, what a row spans is not known, or
            a coin of `like` is none of the account's.
    """
    standing = like_of(account, like or {})
    wanted = dict.fromkeys((*names_read(account), *standing.values()))
    end = end_of(account, until_ms)
    found = read_returns(
        list(sources), every=every, coins=tuple(wanted), until_ms=end, ahead_ms=ahead_ms
    )
    if found.days is None:
        msg = (
            f"{found.source} has no column of times, so what a row spans is not known: add ts_ms "
            "(milliseconds since 1970 at which each row begins), or say it: --every 1h"
        )
        raise InvalidInput(msg)
    unused = [f"{coin}={other}" for coin, other in standing.items() if coin in found.coins]
    notes = [f"--like {text} is not used: it has returns of its own" for text in unused]
    return replace(found, notes=(*found.notes, *notes))


def like_of(account: Account, like: Mapping[str, str]) -> dict[str, str]:
    """Return coins by the coin they stand for, as an account calls them.

    Raises:
        InvalidInput: It has no such coin, or one stands for itself.
    """
    known = names_read(account)
    found: dict[str, str] = {}
    for name, other in like.items():
        coin = name if name in known else coin_of(name)[0]
        if coin not in known:
            msg = f"--like {name}={other}: the account has no {name}; {nearest(name, known)}"
            raise InvalidInput(msg)
        if coin == other:
            msg = f"--like {name}={other}: a coin cannot stand for itself; name another"
            raise InvalidInput(msg)
        found[coin] = other
    return found


def names_read(account: Account) -> tuple[str, ...]:
    """Return the coins an account stands on and the assets whose prices its margin reads."""
    found: dict[str, None] = {}
    for unit in account.units:
        found |= dict.fromkeys(scenario_coins(unit, account.model))
        found |= dict.fromkeys(priced_in(unit, account.model))
    return tuple(found)


def liquidity_for(
    account: Account,
    sources: Sequence[str | Path],
    *,
    volumes: Mapping[str, float],
    half_spread: float | None,
    until_ms: int | None,
) -> Liquidity | None:
    """Return how coins trade: as given, else by the bars' volumes; nothing where neither tells."""
    end = end_of(account, until_ms)
    of_bars = daily_volumes(sources, until_ms=end)
    found = {**of_bars, **volumes}
    if not found:
        return None
    told = "the bars' own" if of_bars else "as given"
    if of_bars and volumes:
        told = f"the bars' own, {', '.join(volumes)} as given"
    return Liquidity(volumes=found, half_spread=half_spread, source=told)


def end_of(account: Account, until_ms: int | None) -> int | None:
    """Return where a history ends: as asked for, else at the account's own time."""
    if until_ms is None and account.as_of is not None:
        return int(account.as_of.timestamp() * 1_000)
    return until_ms
