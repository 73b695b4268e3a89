"""Print the table of coins that `keelmark risk` has for accounts without a history of their own.

Usage: `python scripts/coin_table.py BARS "what they are" > coins@YYYY-MM.toml`, which belongs into
src/keelmark/risk/scenarios/data.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from keelmark.risk.returns import read_returns
from keelmark.risk.scenarios.coin_estimates import CoinEstimates, coin_estimates


def lines(found: CoinEstimates, first: str, last: str, name: str) -> Iterator[str]:
    """Yield the table."""
    yield "# Written by scripts/coin_table.py; a figure without a source is none."
    yield f'source = "closes at 0:00 UTC of {name}, {first} to {last}, {found.rows} daily changes"'
    yield f'first = "{first}"'
    yield f'last = "{last}"'
    yield f"rows = {found.rows}"
    yield "limits = ["
    yield '  "half a year with one crash: a deviation is known to about a tenth of itself",'
    yield '  "degrees of freedom are held between 3 and 30; so few days tell little of them",'
    yield '  "deviations are of those days, not of today",'
    yield "]"
    yield f"copula_freedom = {found.freedom:.1f}"
    for i, coin in enumerate(found.coins):
        yield ""
        yield f"[coins.{coin}]"
        yield f"deviation = {found.deviations[i]:.4f} # of a day, +- {found.errors[i]:.4f}"
        yield f"freedom = {found.freedoms[i]:.1f}"
        others = ", ".join(f"{found.correlation[i, j]:.2f}" for j in range(i))
        yield f"correlation = [{others}] # with those above, in their order"


def main() -> None:
    """Print the table of the bars named on the command line."""
    returns = read_returns(sys.argv[1], every="1d")
    times = returns.times
    if times is None:
        sys.exit("bars have times")
    days = [datetime.fromtimestamp(int(t) / 1_000, tz=UTC).strftime("%Y-%m-%d") for t in times]
    text = lines(coin_estimates(returns), days[0], days[-1], sys.argv[2])
    sys.stdout.write("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
