"""What a question about one account takes from files: its coins' history, and how they trade."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from keelmark.accounts import Account
from keelmark.risk.history.volumes import daily_volumes
from keelmark.risk.returns import Returns, read_returns
from keelmark.risk.revaluation.moved import priced_in, scenario_coins
from keelmark.risk.tail.liquidity import Liquidity


def history_for(
    account: Account,
    sources: Sequence[str | Path],
    *,
    every: str,
    like: Mapping[str, str] | None = None,
    until_ms: int | None = None,
    ahead_ms: int = 0,
) -> Returns:
    """Return the history of what an account stands on: other coins drop no rows.

    Args:
        account: From `load_account`.
        sources: Files of bars, or one table of returns.
        every: Period of a change, or `auto`.
        like: Coins that stand for coins without returns.
        until_ms: Where it ends; the account's own time without.
        ahead_ms: How far the clock of bars runs ahead of UTC.

    Raises:
        UnreadableData: A file holds no returns.
        InvalidInput: The period is not a whole number of bars.
    """
    wanted = (*(like or {}).values(), *names_read(account))
    end = end_of(account, until_ms)
    return read_returns(list(sources), every=every, coins=wanted, until_ms=end, ahead_ms=ahead_ms)


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
