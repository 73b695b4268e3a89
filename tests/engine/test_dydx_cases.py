"""Every published dYdX figure, row by row."""

import tomllib
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from keelmark.core.errors import InvalidInput
from keelmark.core.quantum_prices import (
    PPM,
    FillableConfig,
    MarginBesides,
    OpenInterestCaps,
    QuantumAccount,
    QuantumPosition,
    bankruptcy_quote,
    fillable_subprice,
    funding_rate_max,
    initial_margin,
    insurance_delta,
    liquidatable_notional,
    oracle_liquidation_price,
    scaled_initial_rate,
)

CASES = tomllib.loads(Path(__file__).with_name("cases_dydx.toml").read_text())["case"]
RESOLUTION = {"BTC": 8, "ETH": 9}
QUOTE_RESOLUTION = 6
SUBTICK_EXPONENT = -8

Inputs = dict[str, Any]
Figures = dict[str, Any]


def subaccount(inputs: Inputs) -> QuantumAccount:
    positions = {
        market: QuantumPosition(
            size=size,
            subprice=Fraction(
                inputs["oracle_price"][market] * 10**QUOTE_RESOLUTION,
                10 ** RESOLUTION[market],
            ),
            initial_ppm=inputs["imf_ppm"],
            maintenance_ppm=inputs["maintenance_fraction_ppm"],
        )
        for market, size in inputs["positions"].items()
    }
    return QuantumAccount(quote=inputs["quote_quantums"], positions=positions)


def bankruptcy(inputs: Inputs) -> Figures:
    quote = bankruptcy_quote(subaccount(inputs), inputs["market"], inputs["delta_quantums"])
    return {"quote_quantums": quote}


def fillable(inputs: Inputs) -> Figures:
    config = FillableConfig(
        bankruptcy_adjustment_ppm=inputs["bankruptcy_adjustment_ppm"],
        spread_to_maintenance_ppm=inputs["spread_to_mmr_ppm"],
    )
    price = fillable_subprice(subaccount(inputs), inputs["market"], config)
    return {"fillable_subprice": [price.numerator, price.denominator]}


def insurance(inputs: Inputs) -> Figures:
    side = 1 if inputs["is_buy"] else -1
    size = side * inputs["fill_quantums"]
    fill = -size * inputs["subticks"] // 10**-SUBTICK_EXPONENT
    bankrupt = bankruptcy_quote(subaccount(inputs), inputs["market"], size)
    delta = insurance_delta(fill, bankrupt, inputs["max_liq_fee_ppm"])
    return {"insurance_delta_quantums": delta}


def open_interest_margin(inputs: Inputs) -> Figures:
    caps = OpenInterestCaps(lower=inputs["oi_lower_cap"], upper=inputs["oi_upper_cap"])
    rate = scaled_initial_rate(inputs["imf_ppm"], inputs["oi_notional"], caps)
    margin = initial_margin(inputs.get("quote_quantums", 0), rate)
    return {"effective_imf_ppm": rate, "initial_margin_quantums": margin}


def notional_limits(inputs: Inputs) -> Figures:
    smallest, largest = liquidatable_notional(
        inputs["notional_quantums"],
        inputs["min_notional"],
        inputs["max_portion_ppm"],
    )
    return {"min": smallest, "max": largest}


def single_position(inputs: Inputs, price_name: str, maintenance_ppm: int) -> QuantumAccount:
    """A position in units of one base quantum, dollars in quote quantums."""
    entry = Decimal(str(inputs["entry"])) * PPM
    position = QuantumPosition(
        size=inputs["size"],
        subprice=Fraction(Decimal(str(inputs[price_name])) * PPM),
        initial_ppm=PPM,
        maintenance_ppm=maintenance_ppm,
    )
    quote = int(inputs["deposit"] * PPM - inputs["size"] * entry)
    return QuantumAccount(quote=quote, positions={"X": position})


def deleveraging_example(inputs: Inputs) -> Figures:
    account = single_position(inputs, "mark", PPM // 20)
    quote = bankruptcy_quote(account, "X", -inputs["size"])
    price = Fraction(quote, inputs["size"] * PPM)
    return {"equity": Fraction(account.equity, PPM), "bankruptcy_price": price}


def insurance_example(inputs: Inputs) -> Figures:
    rate = int(Decimal(inputs["mmf"]) * PPM)
    account = single_position(inputs, "mark", rate)
    at_entry = single_position(inputs, "entry", rate)
    fill = int(inputs["size"] * Decimal(inputs["fill"]) * PPM)
    delta = insurance_delta(fill, bankruptcy_quote(account, "X", -inputs["size"]), PPM)
    return {
        "mmr_entry": Fraction(at_entry.maintenance, PPM),
        "equity": Fraction(account.equity, PPM),
        "insurance_payment": Fraction(-delta, PPM),
    }


def funding_cap(inputs: Inputs) -> Figures:
    return {"cap_8h": funding_rate_max(Decimal(inputs["imf"]), Decimal(inputs["mmf"]))}


def liquidation_price(inputs: Inputs) -> Figures:
    price = oracle_liquidation_price(
        Decimal(inputs["size"]),
        Decimal(inputs["price"]),
        Decimal(inputs["mmf"]),
        MarginBesides(equity=Decimal(inputs["equity"]), other_maintenance=Decimal(0)),
    )
    return {"liquidation_price": price}


FORMULAS: dict[str, Callable[[Inputs], Figures]] = {
    "bankruptcy_price_single": deleveraging_example,
    "dydx_bankruptcy_price": bankruptcy,
    "dydx_fillable_price": fillable,
    "dydx_funding_cap": funding_cap,
    "dydx_insurance_delta": insurance,
    "dydx_liq_price": liquidation_price,
    "dydx_max_notional_liq": notional_limits,
    "dydx_oi_imf": open_interest_margin,
    "insurance_contribution": insurance_example,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_the_published_figure_is_reproduced(case: dict[str, Any]) -> None:
    figures = FORMULAS[case["kind"]](case["inputs"])
    for name, expected in case["expected"].items():
        if isinstance(expected, list):
            assert figures[name] == expected
        else:
            found = Fraction(figures[name])
            assert abs(found - Fraction(expected)) <= Fraction(case["tolerance"])


def test_every_formula_has_a_case() -> None:
    assert {case["kind"] for case in CASES} == set(FORMULAS)


def test_growing_a_position_has_no_bankruptcy_price() -> None:
    account = single_position({"deposit": 100, "size": 5, "entry": 1, "mark": 2}, "mark", 1)
    for delta in (0, 1, -6):
        with pytest.raises(InvalidInput, match="does not reduce"):
            bankruptcy_quote(account, "X", delta)


def test_liquidation_needs_maintenance_strictly_above_equity() -> None:
    at_the_line = single_position(
        {"deposit": 100, "size": 500, "entry": 1, "mark": 1}, "mark", 200_000
    )
    assert at_the_line.equity == at_the_line.maintenance
    assert not at_the_line.is_liquidatable
    below = QuantumAccount(quote=at_the_line.quote - 1, positions=at_the_line.positions)
    assert below.is_liquidatable
