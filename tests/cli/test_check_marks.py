"""What the marks of a check mean: the star of a price, the bar of a distance, the name of a leg."""

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from keelmark.accounts import check, read_account
from keelmark.accounts.check_document import check_document
from keelmark.accounts.figures import figure, terse
from keelmark.cli import main


def row(size: str, mark: str, instrument: str = "BTCUSDT") -> dict[str, Any]:
    prices = {"entry_price": "100000", "mark_price": mark}
    return {"instrument": instrument, "size": size, "leverage": "20", **prices}


def document(usdt: str, *rows: dict[str, Any], **changes: str) -> str:
    collateral = [{"asset": "USDT", "balance": usdt}]
    base = {"venue": "binance-usdm@2026-05", "collateral": collateral, "positions": rows}
    return json.dumps({**base, **changes})


def run(text: str, *command: str) -> str:
    done = CliRunner().invoke(main, [*(command or ("check",)), "-"], input=text)
    return done.output


def option(right: str, strike: str) -> dict[str, str]:
    prices = {"entry_price": "0.02", "mark_price": "0.02", "underlying_price": "96000"}
    return {"instrument": f"BTC-27DEC24-{strike}-{right}", "size": "-9", **prices}


def test_a_star_beside_a_price_has_its_footnote() -> None:
    held = json.dumps(
        {
            "venue": "deribit-sm@2023-08",
            "as_of": "2024-12-01T08:00:00Z",
            "collateral": [{"asset": "BTC", "balance": "4"}],
            "prices": {"BTC": "95000"},
            "positions": [option("C", "110000"), option("P", "85000")],
        }
    )
    found = check(read_account(held))
    assert not found.is_liquidatable
    (other,) = next(iter(found.positions)).liquidation.others
    output = " ".join(run(held).split())
    assert "* the nearest of several prices; beyond it BTC-27DEC24-110000-C " in output
    assert f"BTC-27DEC24-85000-P {figure(other)}" in output
    assert "* the nearest" not in run(document("50000", row("-1", "100000")))


@pytest.mark.parametrize(("usdt", "due"), [("100", True), ("50000", False)])
def test_what_a_liquidatable_position_has_is_a_way_to_health_and_no_room(
    usdt: str, *, due: bool
) -> None:
    text = document(usdt, row("-1", "100000"))
    found = check(read_account(text))
    (position,) = found.positions
    assert found.is_liquidatable is due
    assert position.liquidation.value is not None
    assert position.recovers is due
    assert (position.distance is None) is due
    assert (position.naive_distance is None) is due or position.naive is None
    lines = run(text).splitlines()
    (head,) = (line for line in lines if line.startswith("  instrument"))
    (line,) = (line for line in lines if line.startswith("  BTCUSDT"))
    assert head.endswith("healthy beyond") is due
    assert ("liq. price" in head) is not due
    assert line.endswith(figure(position.liquidation.value)) is due
    page = found._repr_html_()
    assert ("<th>healthy beyond</th>" in page) is due
    assert ("<th>liq. price</th>" in page) is not due
    table = page.partition("<tbody>")[2]
    assert ("<rect" in table.partition("</tbody>")[0]) is not due
    told = check_document(found)["positions"]
    assert isinstance(told, list)
    assert told[0]["recovers"] is due  # type: ignore[index,call-overload]  # a JSON table
    assert (told[0]["distance"] is None) is due  # type: ignore[index,call-overload]


def test_the_working_of_a_recovery_price_says_that_it_is_one() -> None:
    text = document("100", row("-1", "100000"))
    price, far = (
        CliRunner().invoke(main, ["explain", "-", number], input=text).output
        for number in ("liquidation_price:BTCUSDT", "distance:BTCUSDT")
    )
    assert "beyond this price it is healthy again" in price
    assert "way to it = " in price
    assert "distance = " not in price
    assert far.startswith("distance:BTCUSDT = none")


def test_now_and_after_tell_a_way_to_health_from_a_liquidation_price() -> None:
    text = document("100", row("-1", "100000"))
    done = CliRunner().invoke(main, ["whatif", "-", "--deposit", "USDT=50000"], input=text)
    (line,) = (line for line in done.output.splitlines() if "BTCUSDT" in line)
    now, after = (check(read_account(t)) for t in (text, document("50100", row("-1", "100000"))))
    (recovery,) = (p.liquidation.value for p in now.positions)
    (price,) = (p.liquidation.value for p in after.positions)
    assert recovery is not None
    assert price is not None
    assert f"healthy {figure(recovery)}" in line
    assert f"healthy {figure(price)}" not in line
    assert figure(price) in line


def test_a_price_is_explained_by_the_name_of_a_leg() -> None:
    text = document("50000", row("2", "100000"), row("-1", "100000"), account_mode="hedge")
    for leg in ("long", "short"):
        done = CliRunner().invoke(
            main, ["explain", "-", "liquidation_price", f"BTCUSDT/{leg}"], input=text
        )
        assert done.exit_code == 0, done.output
        assert done.output.startswith("liquidation_price:BTCUSDT = ")
    wrong = CliRunner().invoke(
        main, ["explain", "-", "liquidation_price", "BTCUSDT/up"], input=text
    )
    assert wrong.exit_code != 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-2000000", "-2.00 M"),
        ("2079.4", "+2.1 k"),
        ("646.3", "+646"),
        ("-46.31", "-46.31"),
        ("0.0056612", "+0.00566"),
        ("0", "+0.00"),
    ],
)
def test_amounts_of_a_narrow_table_have_about_three_digits(value: str, text: str) -> None:
    assert terse(Decimal(value), signed=True) == text
