"""The standard deviations that `keelmark size` sizes by, and what they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from keelmark.accounts import Account
from keelmark.accounts.figures import percent
from keelmark.accounts.volatilities import Volatilities, coins_held, volatilities_of

if TYPE_CHECKING:
    from keelmark.risk.returns import Returns

YEAR_DAYS = 365.0
SHOWN = 4
"""Coins whose sigma is told: the one sized and those held first."""
ALIKE = (
    "the standard deviation and covariance of all these changes alike, not how wild the market is "
    "now: `keelmark risk` and its report filter them to now, so their chances and sigmas of "
    "the same account are others"
)
LAW = (
    "chance of liquidation: log prices walk by normal steps of these sigmas, mean prices stand; "
    "crashes come more often than normal steps make them"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmas:
    """How coins move, and what to know of it.

    Attributes:
        known: Daily deviations and covariance; `None` where nothing tells them.
        notes: By which estimator, of what, up to when.
    """

    known: Volatilities | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where sigmas are asked from.

    Attributes:
        path: Of bars or returns; `None` for none.
        until: End of that history as written; `None` for the account's own time.
        yearly: Deviation of the coin sized, by year; `None` where it is not given.
        is_bounded: Whether the chance of liquidation is.
    """

    path: str | None
    until: str | None
    yearly: float | None
    is_bounded: bool = False


def sigmas_of(account: Account, coin: str, source: Source) -> Sigmas:
    """Return the sigmas for sizing a coin in an account.

    Raises:
        UnreadableData: The file holds no returns.
        InvalidInput: The history cannot end where it is to.
    """
    if source.path is not None:
        return _of_history(account, coin, source)
    known = volatilities_of(account)
    if source.yearly is not None:
        daily = source.yearly / YEAR_DAYS**0.5
        own = {} if known is None else dict(known.by_coin)
        told = "" if known is None else ", others as the document has them"
        known = Volatilities(by_coin={**own, coin: daily}, source=f"--sigma{told}")
    if known is None:
        return Sigmas(known=None)
    return Sigmas(known=known, notes=(f"{_told(known, coin)}, as given: {known.source}",))


def _of_history(account: Account, coin: str, source: Source) -> Sigmas:
    """Return the sigmas of a file, up to the account's own time or where it is asked to end."""
    from keelmark.cli.risk_account import END, moment_ms  # noqa: PLC0415 heavy, and rarely needed
    from keelmark.risk.returns import AUTO, read_returns  # noqa: PLC0415 as above
    from keelmark.risk.symbols import coin_of  # noqa: PLC0415 as above
    from keelmark.risk.tail.inputs import end_of  # noqa: PLC0415 as above

    coins = (coin, *coins_held(account))
    single = tuple(dict.fromkeys(coin_of(name)[0] for name in coins))
    end = moment_ms(source.until)
    until = end_of(account, end)
    returns = read_returns(source.path or "", every=AUTO, coins=single, until_ms=until)
    if end is not None and source.until != END and returns.times is None:
        returns = returns.until(end)  # says that it cannot
    known = returns.volatilities(coins)
    words = f"{_told(known, coin)}; {_rows(returns)}; {ALIKE}"
    law = (LAW,) if source.is_bounded and returns.days is not None else ()
    notes = (words, *law, *_in_time(account, returns, source.until), *returns.notes)
    return Sigmas(known=known, notes=notes)


def _rows(returns: "Returns") -> str:
    """Say what the changes are, and from when."""
    from keelmark.risk.history.closes import when  # noqa: PLC0415 heavy, and rarely needed

    rows = f"{returns.source}: {len(returns.values):,} changes of {returns.period}"
    if returns.times is None:
        return rows
    return f"{rows}, {when(returns.times[0])} to {when(returns.times[-1])} UTC"


def _told(known: Volatilities, coin: str) -> str:
    """Return the sigmas of the coin sized and of those held."""
    names = [coin, *(name for name in known.by_coin if name != coin)]
    told = [
        f"{name} {percent(Decimal(repr(known.by_coin[name])), digits=2)}"
        for name in names
        if known.by_coin.get(name)
    ]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return f"sigmas of {known.horizon.partition(':')[0]}: {', '.join(told[:SHOWN])}{more}"


def _in_time(account: Account, returns: "Returns", until: str | None) -> Iterator[str]:
    """Say how the history lies to the account's own time."""
    from keelmark.risk.history.closes import when  # noqa: PLC0415 heavy, and rarely needed

    if account.as_of is None:
        if until is None and returns.times is not None:
            yield "the account tells no time (as_of): the history is taken to its own end"
    elif returns.times is None:
        yield (
            "the file does not tell when its changes were: what came after the account's own time "
            "cannot be left out"
        )
    else:
        now, last = int(account.as_of.timestamp() * 1_000), int(returns.times[-1])
        if last > now:
            yield f"changes after the account's own time {when(now)} UTC count: --until asked it"
