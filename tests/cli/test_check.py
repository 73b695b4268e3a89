"""`keelmark check`: the verdict as exit code, the table, the JSON of the contract."""

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from keelmark.accounts import check, read_account
from keelmark.cli import main
from keelmark.cli.check_head import nearest_text
from keelmark.cli.check_table import check_lines, next_command
from keelmark.cli.exit_codes import ExitCode

EXAMPLE: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "1535443.01"}],
    "positions": [
        {
            "instrument": "ETHUSDT",
            "size": "3683.979",
            "entry_price": "1456.84",
            "mark_price": "1335.18",
            "leverage": "20",
            "tier": {"maintenance_rate": "0.1", "maintenance_amount": "135365"},
        },
        {
            "instrument": "BTCUSDT",
            "size": "109.488",
            "entry_price": "32481.98",
            "mark_price": "31967.27",
            "leverage": "20",
            "tier": {"maintenance_rate": "0.025", "maintenance_amount": "16300"},
        },
    ],
    "venue_reported": {"liquidation_price": {"BTCUSDT": "26316.89", "ETHUSDT": "1153.26"}},
}


def invoke(content: object, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", "-", *options], input=json.dumps(content))


def one_btc(balance: str, **changes: object) -> dict[str, Any]:
    row = {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"}
    collateral = [{"asset": "USDT", "balance": balance}]
    return {"venue": "generic", "collateral": collateral, "positions": [row], **changes}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (one_btc("900000"), ExitCode.OK),
        (one_btc("5000"), ExitCode.WARNING),
        (one_btc("100"), ExitCode.LIQUIDATABLE),
        (
            one_btc("1", collateral=[{"asset": "SOL", "balance": "1"}]),
            ExitCode.UNKNOWN,
        ),
        ({"venue": "generic"}, ExitCode.BAD_INPUT),
        (one_btc("1", venue="nowhere"), ExitCode.BAD_INPUT),
    ],
    ids=["healthy", "warning", "liquidatable", "unknown", "bad_document", "bad_venue"],
)
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["table", "json"])
def test_the_exit_code_is_the_verdict(
    content: object, code: ExitCode, options: tuple[str, ...]
) -> None:
    assert invoke(content, *options).exit_code == code


@pytest.mark.parametrize(
    ("warn", "code"), [("0.01", 0), ("1%", 0), ("7%", 0), ("8%", 1), ("0.08", 1)]
)
def test_the_warning_distance_is_an_option(warn: str, code: int) -> None:
    # one joint fall of 7.7 % liquidates the example
    assert invoke(EXAMPLE, "--warn", warn).exit_code == code


@pytest.mark.parametrize("warn", ["x", "-1", "1 000", ""])
def test_a_warning_distance_that_is_no_fraction_is_refused(warn: str) -> None:
    done = invoke(EXAMPLE, "--warn", warn)
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "write 0.15 or 15%" in done.output


def test_the_table_is_the_one_of_the_guide() -> None:
    done = invoke(EXAMPLE)
    assert done.output == (
        "generic@2025-10  cross  no time given\n"
        "  RED  all together -7.7 % liquidates\n"
        "\n"
        "  |--------| 100 % liquidation, 91 % ends  equity          1,030,895.56 USDT\n"
        "  |--------| 90 % margin call              initial margin    420,940.38\n"
        "  |--------| 80 % warning                  liquidation end   470,484.65\n"
        "  |        |                               maintenance       427,713.32\n"
        "  |        |                               excess           +603,182.24\n"
        "  |~~~~~~~~| 41.5 % now, 50 % warning      available         560,410.90\n"
        "  |########|                               withdrawable      560,410.90\n"
        "  |########|                               margin ratio          41.5 %\n"
        "  |########|                               health                  2.41\n"
        "  |########|                               utilisation           40.8 %\n"
        "   \\______/                                leverage                8.2x\n"
        "\n"
        "  instrument  side  notional      uPnL   maint.  liq. price  distance\n"
        "  ETHUSDT     long   4.919 M  -448.2 k  356.5 k    1,153.26   -13.6 %  ##----\n"
        "  BTCUSDT     long   3.500 M   -56.4 k   71.2 k   26,316.89   -17.7 %  ###---\n"
        "\n"
        "  residual against the venue's own figures: none (2 of 2 match)\n"
        "  naive, without the others' maintenance: BTCUSDT -28.1 %, in truth -17.7 %;\n"
        "    ETHUSDT -15.2 %, in truth -13.6 %\n"
        "  next: `keelmark explain - maintenance`  -  `keelmark rescue -`\n"
    )


def lines(content: object, width: int) -> list[str]:
    found = check(read_account(json.dumps(content)))
    return [click.unstyle(line) for line in check_lines(found, "account.json", width)]


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("scale", ["1", "1000", "0.00001"])
def test_no_line_is_wider_than_the_terminal(width: int, scale: str) -> None:
    rows = [
        {
            "instrument": symbol,
            "size": scale,
            "entry_price": "60000",
            "mark_price": "60000",
            "margin_mode": "isolated",
            "isolated_margin": "99",
        }
        for symbol in ("BTCUSDT", "1000000MOGUSDT")
    ]
    content = {**EXAMPLE, "positions": [*EXAMPLE["positions"], *rows[1:]]}
    for line in lines(content, width):
        assert len(line) <= width


def test_the_distance_is_a_bar_too_as_long_as_the_terminal_has_room() -> None:
    assert any("-13.6 %  ####------" in line for line in lines(EXAMPLE, 100))
    assert any("-13.6 %  ##----" in line for line in lines(EXAMPLE, 80))
    assert not any("##" in line for line in lines(EXAMPLE, 60))


def test_a_bar_changes_its_shape_where_red_ends_and_is_full_where_green_begins() -> None:
    def bar(balance: str) -> str:
        rows = lines(one_btc(balance), 100)
        return next(line for line in rows if line.startswith("  BTCUSDT")).split()[-1]

    assert bar("6000") == "###-------"
    assert bar("15000") == "#####===--"
    assert bar("29000") == "#####====="


def test_the_large_gauge_has_the_water_at_maintenance_usage_and_names_its_lines() -> None:
    shown = lines(EXAMPLE, 80)
    hull = [line[2:12] for line in shown if line.startswith("  |")]
    assert [row[1] for row in hull] == ["-", "-", "-", " ", " ", "~", "#", "#", "#", "#"]
    beside = [line[12:41].strip() for line in shown if line.startswith("  |")]
    assert beside[5] == "41.5 % now, 50 % warning"


def test_a_liquidatable_account_has_its_hull_under_water() -> None:
    shown = lines(one_btc("100"), 80)
    hull = [line[2:12] for line in shown if line.startswith("  |")]
    assert set(hull) == {"|########|"}
    assert any("under water" in line for line in shown)


def test_a_terminal_too_narrow_for_the_gauge_shows_the_measures_alone() -> None:
    shown = lines(EXAMPLE, 60)
    assert any(line.startswith("  equity ") for line in shown)
    assert not any(line.startswith("  |") for line in shown)


def test_amber_begins_where_it_is_told_and_never_nearer_than_red() -> None:
    account = one_btc("12000")  # a fall of 19.6 % liquidates
    assert "  AMBER  " in invoke(account).output
    assert "  GREEN  " in invoke(account, "--amber", "18%").output
    done = invoke(account, "--amber", "10%")
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "amber begins at 0.1, red at 0.15" in done.output


def test_the_thresholds_can_stand_in_the_environment() -> None:
    def exit_code(**names: str) -> int:
        text = json.dumps(one_btc("12000"))
        return CliRunner(env=names).invoke(main, ["check", "-"], input=text).exit_code

    assert exit_code() == ExitCode.OK
    assert exit_code(KEELMARK_WARN="25%") == ExitCode.WARNING


def test_no_color_leaves_the_words_and_the_shapes() -> None:
    runner = CliRunner(env={"NO_COLOR": "1"})
    done = runner.invoke(main, ["check", "-"], input=json.dumps(EXAMPLE), color=True)
    assert done.output == invoke(EXAMPLE).output


def test_a_number_keeps_its_percent_sign_at_the_end_of_a_line() -> None:
    for width in range(40, 81):
        assert not any(line.strip() == "%" for line in lines(EXAMPLE, width))


def test_the_same_words_stand_with_and_without_colour() -> None:
    done = CliRunner().invoke(main, ["check", "-"], input=json.dumps(EXAMPLE), color=True)
    assert "\x1b[" in done.output
    assert click.unstyle(done.output) == invoke(EXAMPLE).output


def test_a_price_that_is_none_or_unknown_says_why() -> None:
    covered = "\n".join(lines(one_btc("900000"), 80))
    assert "none (1)" in covered
    assert "(1) no positive price of BTCUSDT brings the unit to its maintenance margin" in covered
    missing = one_btc("1", collateral=[{"asset": "SOL", "balance": "1"}])
    unknown = "\n".join(lines(missing, 80))
    assert "UNKNOWN" in unknown
    assert "UNKNOWN  no price for SOL;" in unknown
    assert 'add "prices": {"SOL": "1.25"}' in unknown
    assert "next: add what is missing, then `keelmark check account.json`" in unknown
    for garbled in ("unknown liquidates", "none liquidates", "feed", "known: none"):
        assert garbled not in unknown


def priced(instrument: str, size: str, price: str, **changes: object) -> dict[str, Any]:
    row = {"instrument": instrument, "size": size, "entry_price": price, "mark_price": price}
    return {**row, "leverage": "20", **changes}


def table_of(width: int, *rows: dict[str, Any], balance: str = "5000") -> list[str]:
    collateral = [{"asset": "USDT", "balance": balance}]
    return lines({"venue": "generic", "collateral": collateral, "positions": list(rows)}, width)


@pytest.mark.parametrize("width", [80, 120])
def test_amounts_in_another_currency_than_the_total_name_it(width: int) -> None:
    shown = table_of(width, priced("BTCUSD", "500", "60000"), priced("ETHUSDT", "1", "2000"))
    heading = next(line for line in shown if "instrument" in line)
    assert heading.split()[:4] == ["instrument", "side", "in", "notional"]
    rows = {cells[0]: cells for line in shown if len(cells := line.split()) > 4}
    assert rows["BTCUSD"][2] == "BTC"
    assert rows["ETHUSDT"][2] == "USDT"
    assert all(len(line) <= 80 for line in table_of(80, priced("BTCUSD", "500", "60000")))


def test_amounts_in_the_currency_of_the_total_need_no_column_for_it() -> None:
    heading = next(line for line in lines(EXAMPLE, 80) if "instrument" in line)
    assert heading.split()[:3] == ["instrument", "side", "notional"]


HEDGED = (priced("BTCUSDT", "1", "60000"), priced("ETHUSDT", "-30", "2000"))


@pytest.mark.parametrize(
    ("balance", "together"),
    [
        ("5000", "all together +733.3 %"),
        ("20000", "no move of all together does down to zero or up to +1,000 %"),
    ],
)
def test_a_hedged_book_names_the_price_that_liquidates_alone(balance: str, together: str) -> None:
    text = " ".join(" ".join(table_of(80, *HEDGED, balance=balance)).split())
    assert re.search(rf"[BE]T[CH]USDT alone \S+ % liquidates; {re.escape(together)} ", text)
    assert "none liquidates" not in text


@pytest.mark.parametrize("balance", ["900", "5000", "60000", "900000"])
@pytest.mark.parametrize("gap", ["0", "500"])
def test_no_headline_denies_a_liquidation_price_that_the_table_shows(
    balance: str, gap: str
) -> None:
    legs = [priced("BTCUSDT", "1", "60000"), priced("BTCUSDT", "-1", "60000")]
    legs[1]["entry_price"] = str(60_000 + int(gap))
    document = {
        "venue": "generic",
        "collateral": [{"asset": "USDT", "balance": balance}],
        "positions": legs,
    }
    found = check(read_account(json.dumps(document)))
    assert found.main is not None
    text = nearest_text(found.main, [])
    has_price = any(p.liquidation.value is not None for p in found.positions)
    assert has_price
    assert text.startswith("BTCUSDT ")
    assert "nothing liquidates" not in text


def test_two_legs_with_one_price_say_why() -> None:
    legs = [priced("BTCUSDT", "1", "60000"), priced("BTCUSDT", "-1", "60000")]
    text = " ".join(" ".join(table_of(80, *legs)).split())
    assert "both legs of BTCUSDT move with one mark and share one liquidation price" in text


def test_what_no_move_liquidates_says_how_far_was_looked() -> None:
    text = " ".join(" ".join(lines(one_btc("900000"), 80)).split())
    far = "no price alone, and not all together down to zero or up to +1,000 %"
    assert f"GREEN nothing liquidates: {far}" in text


def test_a_distance_that_cannot_be_solved_is_unknown_with_the_reason(tmp_path: Path) -> None:
    book = tmp_path / "own.toml"
    book.write_text(
        'name = "own"\ndate = "2026-01"\nread = "2026-01-02"\nsource = "me"\n'
        'valuation = "USDT"\norders_in_maintenance = true\n'
        '[assets.USDT]\n[tables.all]\nrows = [{ floor = "0", rate = "0.01" }]\n'
        '[instruments.BTCUSDT]\nkind = "linear_perpetual"\nbase = "BTC"\nsettle = "USDT"\n'
        'table = "all"\n',
    )
    order = {"instrument": "BTCUSDT", "side": "buy", "size": "1", "price": "59000"}
    done = invoke(one_btc("20000", orders=[order]), "--rulebook", str(book))
    assert done.exit_code == ExitCode.UNKNOWN
    assert "UNKNOWN  all together: unknown (1)" in done.output
    assert "(1) no bound exists" in done.output


def test_the_next_command_can_be_pasted_whatever_the_file_is_called() -> None:
    found = check(read_account(json.dumps(EXAMPLE)))
    assert "keelmark explain 'my account.json' maintenance`" in next_command(
        found, "my account.json"
    )


def test_each_unit_has_its_own_headline() -> None:
    isolated = {**EXAMPLE["positions"][0], "margin_mode": "isolated", "isolated_margin": "500000"}
    text = "\n".join(lines({**EXAMPLE, "positions": [isolated, EXAMPLE["positions"][1]]}, 80))
    assert "generic@2025-10  cross  no time given\n" in text
    assert "generic@2025-10  isolated:ETHUSDT  equity" in text
    assert re.search(r"\\[#-]{10}/", text)  # its gauge in a line


def test_a_residual_that_differs_is_shown_and_not_hidden() -> None:
    reported = {"liquidation_price": {"BTCUSDT": "26000", "ETHUSDT": "1153.26"}}
    text = "\n".join(lines({**EXAMPLE, "venue_reported": reported}, 80))
    assert "1 differ (1 of 2 match)" in text
    assert "liquidation_price:BTCUSDT: venue 26,000.00, computed 26,316.89" in text


def test_why_figures_are_not_computed_is_said_once() -> None:
    why = "the balance was asked for alone"
    reported = {"equity": "1", "maintenance_margin": "2", "liquidation_price": {"BTCUSDT": "3"}}
    unknown = [{"what": "collateral", "why": why}]
    view = lines({**EXAMPLE, "unknown": unknown, "venue_reported": reported}, 80)
    text = " ".join(" ".join(view).split())
    above, _, below = text.partition("residual against")
    residuals, _, notes = below.partition("note: ")
    assert above.count(why) == 1
    assert "equity: venue 1.00, computed none maintenance_margin: venue 2.00" in residuals
    assert why not in residuals
    assert notes.count(why) == 1


def test_a_reason_of_one_figure_alone_names_it() -> None:
    reported = {"liquidation_price": {"SOLUSDT": "3"}}
    view = lines({**EXAMPLE, "venue_reported": reported}, 80)
    assert "    liquidation_price:SOLUSDT: venue 3.00, computed none" in view
    assert "    liquidation_price:SOLUSDT: no position in SOLUSDT" in view


@pytest.mark.parametrize("symbols", [("AUSDT", "BUSDT", "CUSDT"), ("AUSDT",)])
def test_contracts_without_a_table_share_one_advice(symbols: tuple[str, ...]) -> None:
    row = {"entry_price": "1", "mark_price": "1", "size": "5", "leverage": "5"}
    reported = {"maintenance_margin": dict.fromkeys(symbols, "1")}
    held = [{"instrument": name, **row} for name in symbols]
    base: dict[str, Any] = {"venue": "bybit-uta@2025-09"}
    base["collateral"] = [{"asset": "USDT", "balance": "50"}]
    base |= {"prices": {"USDT": "1"}, "positions": held, "venue_reported": reported}
    text = " ".join(" ".join(lines(base, 80)).split())
    assert text.count("no bracket table for") == 1
    assert text.count("maintenance_rate") == 1
    assert ("for AUSDT, BUSDT and CUSDT in" if len(symbols) > 1 else "for AUSDT in") in text


def test_an_empty_account_says_so() -> None:
    text = lines({"venue": "generic", "collateral": [], "positions": []}, 80)
    assert text[0] == "generic@2025-10  no collateral and no positions"


def test_the_next_command_is_one_that_exists() -> None:
    found = check(read_account(json.dumps(EXAMPLE)))
    assert next_command(found, "a.json").startswith("next: `keelmark explain a.json maintenance`")


def test_json_follows_the_contract() -> None:
    done = invoke(EXAMPLE, "--json")
    document = json.loads(done.output)
    figures = {
        "equity": "1030895.55638",
        "maintenance_margin": "427713.319566",
        "initial_margin": "420940.376949",
        "available": "560410.9048574",  # liquidation end asks 1.1 times maintenance (INV-05)
        "is_liquidatable": False,
    }
    assert {name: document[name] for name in figures} == figures
    for name in ("margin_ratio", "health", "utilisation", "effective_leverage"):
        assert isinstance(document[name], str)
    eth = document["positions"][0]
    assert eth["instrument"] == "ETHUSDT"
    assert eth["notional"] == "4918775.08122"
    assert eth["unrealized_pnl"] == "-448192.88514"
    assert eth["maintenance_margin"] == "356512.508122"
    assert eth["liquidation_price"]["status"] == "price"
    assert eth["liquidation_price"]["value"].startswith("1153.256464")
    assert eth["liquidation_price"]["others"] == []
    assert eth["liquidation_price"]["reason"] is None
    assert eth["distance"].startswith("-0.13625")
    assert eth["bankruptcy_price"]["status"] == "price"
    joint = {"status", "direction", "size", "prices", "reason", "distance_sigmas"}
    assert set(document["joint_move"]) == joint
    assert [r["matches"] for r in document["residuals"]] == [True, True]
    assert "units" not in document


def test_json_holds_no_bare_number() -> None:
    def numbers(value: object) -> list[object]:
        if isinstance(value, dict):
            return [n for part in value.values() for n in numbers(part)]
        if isinstance(value, list):
            return [n for part in value for n in numbers(part)]
        return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []

    assert numbers(json.loads(invoke(EXAMPLE, "--json").output)) == []


def test_several_units_are_listed() -> None:
    row = {**one_btc("1")["positions"][0], "margin_mode": "isolated", "isolated_margin": "9000"}
    document = json.loads(invoke(one_btc("1", positions=[row]), "--json").output)
    assert [unit["unit"] for unit in document["units"]] == ["cross", "isolated:BTCUSDT"]
    assert document["units"][1]["joint_move"]["status"] == "price"


def test_a_ratio_over_nothing_is_null_with_its_reason() -> None:
    document = json.loads(invoke(one_btc("-5"), "--json").output)
    assert document["margin_ratio"] is None
    assert "not above zero" in document["margin_ratio_reason"]


def test_another_rulebook_can_be_named(tmp_path: Path) -> None:
    done = invoke(one_btc("5000", venue="binance-usdm"), "--rulebook", "generic")
    assert done.exit_code == ExitCode.WARNING
    refused = invoke(EXAMPLE, "--rulebook", str(tmp_path / "none.toml"))
    assert refused.exit_code == ExitCode.BAD_INPUT


def test_next_commands_that_do_not_fit_stand_below_each_other() -> None:
    name = "accounts/of/a/desk/with/long/names/account.json"
    found = check(read_account(json.dumps(EXAMPLE)))
    *_, first, second = [click.unstyle(line) for line in check_lines(found, name, 80)]
    assert first == f"  next: `keelmark explain {name} maintenance`"
    assert second == f"        `keelmark rescue {name}`"


def test_no_line_ends_in_spaces_where_a_position_has_no_distance() -> None:
    found = check(read_account(json.dumps(one_btc("900000"))))
    for width in (60, 80, 120):
        assert all(line == line.rstrip() for line in check_lines(found, "a.json", width))
        assert not any(" \x1b[0m" in line for line in check_lines(found, "a.json", width))


def test_a_liquidatable_unit_needs_no_move_of_a_coin() -> None:
    coin = {"asset": "BTC", "balance": "1"}
    usdt = {"asset": "USDT", "balance": "-70000"}
    content = one_btc("1", venue="bybit-uta@2025-10", collateral=[coin, usdt])
    content["prices"] = {"BTC": "60000", "USDT": "1"}
    text = "\n".join(lines(content, 80))
    assert "LIQUIDATABLE  at these prices" in text
    assert "with its collateral" not in text
    assert text.count("liquidates") == 0
