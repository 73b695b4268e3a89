"""Results as tables: the figures of the result, in a notebook and in a frame."""

import json
from typing import Any

import pytest

import keelmark as km
from keelmark.accounts.table import Table


def found(*positions: dict[str, Any], **changes: object) -> km.AccountCheck:
    content = {
        "venue": "generic",
        "collateral": [{"asset": "USDT", "balance": "9000"}],
        "positions": list(positions),
        **changes,
    }
    return km.check(km.read_account(json.dumps(content)))


def held(instrument: str = "BTCUSDT", **changes: object) -> dict[str, Any]:
    row = {"instrument": instrument, "size": "1", "entry_price": "60000", "mark_price": "60500"}
    return {**row, "leverage": "10", **changes}


def test_a_check_is_a_frame_with_a_row_for_each_position() -> None:
    result = found(held(), held("BTCUSD", size="-10", margin_mode="isolated", isolated_margin="1"))
    frame = result.to_polars()
    assert frame["unit"].to_list() == ["cross", "isolated:BTCUSD"]
    assert frame["settle"].to_list() == ["USDT", "BTC"]
    positions = list(result.positions)
    assert frame["maintenance_margin"].to_list() == [
        float(p.held.maintenance_margin) for p in positions
    ]
    assert frame["liquidation_price"][0] == pytest.approx(
        float(positions[0].liquidation.value or 0)
    )
    assert frame.row(0, named=True)["leg"] == "net"


def test_a_price_that_does_not_exist_is_null_beside_its_status() -> None:
    frame = found(held(), collateral=[{"asset": "USDT", "balance": "900000"}]).to_polars()
    assert frame["liquidation_price"].to_list() == [None]
    assert frame["liquidation_status"].to_list() == ["none"]
    assert str(frame.schema["liquidation_price"]) == "Float64"


def test_an_empty_account_is_a_frame_without_rows() -> None:
    frame = found(collateral=[]).to_polars()
    assert frame.height == 0
    assert "liquidation_price" in frame.columns


def test_the_totals_of_every_unit_are_a_table_too() -> None:
    frame = found(held()).units_table.to_polars()
    assert frame.row(0, named=True) == {
        "unit": "cross",
        "currency": "USDT",
        "equity": 9500.0,
        "initial_margin": 6050.0,
        "maintenance_margin": 302.5,
        "maintenance_excess": 9197.5,
        "distance": pytest.approx(0.15278, abs=1e-5),
        "reason": "",
    }


def test_a_margin_report_is_a_table() -> None:
    account = found(held()).account
    report = km.margin_report(account.units[0], account.market, account.model)
    frame = km.margin_table(report).to_polars()
    assert frame["instrument"].to_list() == ["BTCUSDT"]
    assert frame["unrealized_pnl"].to_list() == [500.0]


def test_a_notebook_shows_texts_and_never_runs_them() -> None:
    table = Table.of("<b>", ("<i>",), [("<script>",), (None,)])
    assert table._repr_html_() == (
        "<table><caption>&lt;b&gt;</caption><thead><tr><th>&lt;i&gt;</th></tr></thead>"
        "<tbody><tr><td>&lt;script&gt;</td></tr><tr><td></td></tr></tbody></table>"
    )


def test_a_table_keeps_its_numbers_exact() -> None:
    result = found(held(size="0.1", entry_price="60000.000000000000000001"))
    (row,) = result.positions_table.rows
    assert list(result.positions)[0].held.unrealized_pnl in row  # noqa: RUF015 a generator
