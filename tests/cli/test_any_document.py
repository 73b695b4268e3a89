"""Whatever a document holds, the answer is a verdict or a refusal: never an error of our own."""

import json
from typing import Any

from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode

ANSWERS = {*range(4), ExitCode.BAD_INPUT}

junk = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.lists(st.integers(), max_size=2))


def mostly(
    usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any] = junk
) -> st.SearchStrategy[Any]:
    """The usual thing, and one time in forty something else."""
    return st.integers(0, 39).flatmap(lambda n: odd if n == 17 else usual)


odd_numbers = st.one_of(
    st.sampled_from(["0", "-1", "1e24", "1e-24", "1e999", "NaN", "1,000", "x", ""]), junk
)
numbers = mostly(
    st.one_of(
        st.sampled_from(["0.001", "1", "10", "60000", "1000000", "1e20", "1e-9"]),
        st.integers(1, 10**6),
        st.integers(1, 10**9).map(lambda n: f"{n / 1000:.3f}"),
    ),
    odd_numbers,
)
signed = st.one_of(numbers, st.integers(-(10**5), -1).map(str))
names = mostly(
    st.sampled_from(["BTCUSDT", "ETHUSDT", "BTCUSD", "ETHUSD", "SOLUSDC"]),
    st.sampled_from(["NONSENSE", "BTCUSDT_251226"]),
)
assets = st.sampled_from(["USDT", "BTC", "ETH", "SOL", "USD"])


def loosely(
    required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    """Tables that mostly keep the contract, with now and then a key that does not."""
    return st.fixed_dictionaries(required, optional=optional)


crossed = loosely(
    {"instrument": names, "size": signed, "entry_price": numbers, "mark_price": numbers},
    {
        "leverage": numbers,
        "margin_mode": mostly(st.just("cross")),
        "tier": loosely({"maintenance_rate": numbers}, {"maintenance_amount": numbers}),
        "spec": loosely(
            {},
            {
                "kind": mostly(st.sampled_from(["linear_perpetual", "inverse_future"])),
                "contract_size": numbers,
                "settle": assets,
                "base": assets,
                "expiry": st.just("2025-12-26T08:00:00Z"),
            },
        ),
    },
)
isolated = st.builds(
    lambda row, margin: {**row, "margin_mode": "isolated", "isolated_margin": margin},
    crossed,
    numbers,
)
positions = st.one_of(crossed, crossed, isolated)


def by_name(row: dict[str, Any], key: str) -> str:
    return f"{row[key]}{str(row.get('size')).startswith('-')}"


def unique(
    rows: st.SearchStrategy[dict[str, Any]], key: str, most: int
) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(rows, max_size=most, unique_by=lambda row: by_name(row, key))


orders = loosely(
    {"instrument": names, "side": st.sampled_from(["buy", "sell"]), "size": numbers},
    {"price": numbers, "reduce_only": st.booleans(), "leverage": numbers},
).map(lambda row: {"price": "60000", **row})
documents = loosely(
    {
        "venue": mostly(st.just("generic"), st.sampled_from(["generic@1999-01", "elsewhere"])),
        "collateral": unique(loosely({"asset": assets, "balance": signed}, {}), "asset", 3),
        "positions": mostly(unique(positions, "instrument", 4)),
    },
    {
        "as_of": mostly(st.just("2025-10-10T21:00:00Z"), st.just("soon")),
        "prices": mostly(st.dictionaries(assets, numbers)),
        "orders": mostly(st.lists(orders, max_size=1)),
        "liabilities": unique(loosely({"asset": assets, "amount": numbers}, {}), "asset", 2),
        "accrued_interest": numbers | st.dictionaries(assets, numbers),
        "accrued_funding": signed | st.dictionaries(assets, signed),
        "account_mode": mostly(st.just("hedge")),
        "venue_reported": loosely(
            {},
            {"equity": signed, "liquidation_price": mostly(st.dictionaries(names, numbers))},
        ),
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(document=documents, as_json=st.booleans(), command=st.sampled_from(["check", "explain"]))
def test_every_document_is_answered(document: Any, command: str, *, as_json: bool) -> None:  # noqa: ANN401 anything
    options = ["--json"] if as_json else []
    text = json.dumps(document)
    done = CliRunner().invoke(main, [command, "-", *options], input=text)
    assert done.exit_code in ANSWERS, done.output
    if as_json and done.exit_code != ExitCode.BAD_INPUT and done.stdout:
        json.loads(done.stdout)
