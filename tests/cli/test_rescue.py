"""`keelmark rescue` as it is typed: what it prints, what it exits with, what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keelmark.cli.program import ending
from keelmark.cli.rescue import rescue

ACCOUNT = {
    "venue": "generic",
    "collateral": [{"asset": "USDT", "balance": "900"}],
    "positions": [
        {
            "instrument": "BTCUSDT",
            "size": "1",
            "entry_price": "100000",
            "mark_price": "100000",
            "leverage": "50",
        },
        {
            "instrument": "ETHUSDT",
            "size": "-10",
            "entry_price": "4000",
            "mark_price": "4000",
            "leverage": "50",
        },
    ],
}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    return written(tmp_path, ACCOUNT)


def written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "account.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def run(path: Path, *words: str) -> Result:
    return CliRunner().invoke(rescue, [str(path), *words])


def code(path: Path, *words: str) -> int:
    """Return the exit code that the whole program ends with."""
    runner = CliRunner()
    with runner.isolation():
        return ending(lambda: rescue.main([str(path), *words], standalone_mode=False))


def test_the_answer_reads_at_a_glance_and_fits_the_terminal(account: Path) -> None:
    shown = run(account, "--target", "50%", "--allow", "close,deposit", "--max-deposit", "100")
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert lines[0] == "generic@2025-10  cross  rescue: maintenance at most 50 % of equity"
    assert lines[1].startswith("  now       [")
    assert lines[2].startswith("  money     [")
    assert lines[3].startswith("  positions [")
    assert lines[4] == "  PLAN  two ways: bring money in, or trade positions"
    words = " ".join(shown.output.split())
    assert "with money: 3 steps, adds " in words
    assert " USDT of your own, costs " in words
    assert "positions only: 2 steps, costs " in words
    assert words.count("; health 2.0") == 2
    assert "-> money -> positions" in words
    assert "proof: no plan of these actions costs less than" in shown.output
    commands = [line for line in lines if "`keelmark whatif " in line]
    assert commands[0].startswith("  next: ")
    assert [command.count(" --") for command in commands] == [3, 2]  # every step of both ways
    assert [line for line in lines[:-1] if len(line) > 80 and "`keelmark" not in line] == []
    assert not [line for line in lines if line != line.rstrip()]


def test_json_holds_now_and_after_the_steps_and_the_proof(account: Path) -> None:
    shown = run(account, "--target", "40%", "--allow", "close", "--json")
    assert shown.exit_code == 0
    answer = json.loads(shown.output)
    assert answer["status"] == "plan"
    assert answer["target"] == {"kind": "ratio", "value": "0.4"}
    assert float(answer["before"]["margin_ratio"]) > 0.4
    assert 0.39 < float(answer["after"]["margin_ratio"]) <= 0.4
    steps = answer["plan"]["steps"]
    assert {step["action"] for step in steps} == {"close"}
    assert float(answer["plan"]["cost"]) == pytest.approx(sum(float(s["cost"]) for s in steps))
    assert 0 <= float(answer["plan"]["gap"]) <= 1e-4 * float(answer["plan"]["cost"])
    assert {single["name"] for single in answer["singles"]} == {"BTCUSDT", "ETHUSDT"}
    held = {p["instrument"]: p for p in answer["positions"]}
    assert held["BTCUSDT"]["before"]["liquidation_price"]["status"] == "price"
    assert answer["with_money"]["plan"] is None
    assert answer["with_money"]["reason"] == "bringing money in is not allowed"
    assert answer["without_money"]["plan"] == answer["plan"]
    assert answer["without_money"]["positions"] == answer["positions"]
    texts = [value for step in steps for key, value in step.items() if key != "after"]
    assert all(value is None or isinstance(value, str) for value in texts)


def test_a_distance_is_a_target_too(account: Path) -> None:
    answer = json.loads(run(account, "--distance", "10%", "--json").output)
    assert float(answer["after"]["distance"]) >= 0.1
    assert answer["before"]["distance"] is not None


def test_without_a_target_a_rescue_ends_what_the_check_calls_red(account: Path) -> None:
    answer = json.loads(run(account, "--json").output)
    assert answer["target"] == {"kind": "both", "value": "0.5", "distance": "0.15"}
    assert float(answer["after"]["distance"]) >= 0.15
    wider = json.loads(run(account, "--warn", "20%", "--json").output)
    assert float(wider["after"]["distance"]) >= 0.2
    head = " ".join(run(account).output.split("  now")[0].split())
    assert head.endswith(
        "maintenance at most 50 % of equity, "
        "and no price alone, nor all alike, liquidates below 15 %"
    )


def test_what_toxic_closes_would_reach_is_said_with_the_option(account: Path) -> None:
    impacts = ("--impact", "BTCUSDT=1e-8", "--impact", "ETHUSDT=1e-7")
    words = ("--allow", "close", "--target", "1%", "--fee", "0", *impacts)
    shown = run(account, *words)
    answer = json.loads(run(account, *words, "--json").output)
    assert answer["status"] == "out_of_reach"
    reached = json.loads(run(account, *words, "--toxic", "--json").output)
    assert reached["status"] == "plan"
    assert reached["plan"] == answer["with_toxic"]
    assert "would reach it (--toxic)" in " ".join(shown.output.split())
    assert float(reached["after"]["excess"]) < float(answer["after"]["excess"])


def test_money_that_must_be_brought_is_not_called_free(account: Path) -> None:
    words = " ".join(run(account, "--target", "50%", "--allow", "deposit").output.split())
    assert "PLAN 1 step, adds 500.00 USDT of your own, costs 0.00 USDT" in words
    assert "positions only: no plan, no action on positions is allowed" in words


def test_both_sides_of_a_hedge_are_told_apart(account: Path) -> None:
    words = ("--target", "50%", "--allow", "hedge", "--hedge", "SOLUSDT", "--price", "SOLUSDT=150")
    shown = run(account, *words).output
    assert "hedge: buy SOLUSDT" in shown
    assert "hedge: sell SOLUSDT" in shown


def test_closes_of_options_say_that_no_fee_of_theirs_is_known(tmp_path: Path) -> None:
    option = {
        "instrument": "BTC-26DEC26-100000-C",
        "size": "-5",
        "entry_price": "0.05",
        "mark_price": "0.06",
    }
    document = {
        "venue": "deribit-sm",
        "as_of": "2026-11-01T00:00:00Z",
        "collateral": [{"asset": "BTC", "balance": "1.5"}],
        "prices": {"BTC": "100000"},
        "positions": [option],
    }
    path = written(tmp_path, document)
    words = " ".join(run(path, "--target", "20%", "--allow", "close").output.split())
    assert "PLAN 1 step, costs 0.00 BTC and the fees of options" in words
    assert "proof" not in words
    answer = json.loads(run(path, "--target", "20%", "--allow", "close", "--json").output)
    assert (answer["plan"]["fee"], answer["plan"]["lower_bound"]) == (None, None)
    given = run(path, "--target", "20%", "--allow", "close", "--fee", f"{option['instrument']}=1%")
    assert "costs 0.00186 BTC" in given.output


def test_every_option_reaches_the_plan(account: Path) -> None:
    words = [
        *("--deposit", "USDT=50", "--deposit-cost", "1%", "--wallet", "USDT=20"),
        *("--no-close", "ETHUSDT", "--fee", "0.1%", "--fee", "BTCUSDT=0.02%"),
        *("--impact", "BTCUSDT=1e-9,1e-7", "--hedge", "SOLUSDT=1000", "--price", "SOLUSDT=150"),
    ]
    answer = json.loads(run(account, "--json", *words).output)
    steps = {(s["action"], s["name"]): s for s in answer["plan"]["steps"]}
    close = steps[("close", "BTCUSDT")]
    assert float(close["fee"]) == pytest.approx(float(close["notional"]) * 0.0002)
    assert float(close["slippage"]) > 0
    assert float(close["price"]) < 100_000
    assert steps[("wallet", "USDT")]["amount"] == "20"
    assert ("close", "ETHUSDT") not in steps
    assert {s["name"] for s in answer["singles"]} == {"USDT", "BTCUSDT", "SOLUSDT"}


def test_a_healthy_account_is_told_so(tmp_path: Path) -> None:
    rich = {**ACCOUNT, "collateral": [{"asset": "USDT", "balance": "50000"}]}
    shown = run(written(tmp_path, rich))
    assert shown.exit_code == 0
    assert "NOTHING TO DO  the account is at the target already" in shown.output


def test_out_of_reach_is_bad_usage_unless_the_account_is_liquidatable(tmp_path: Path) -> None:
    path = written(tmp_path, ACCOUNT)
    assert code(path, "--allow", "deposit", "--max-deposit", "1") == 64
    poor = {**ACCOUNT, "collateral": [{"asset": "USDT", "balance": "100"}]}
    path = written(tmp_path, poor)
    assert code(path, "--allow", "deposit", "--max-deposit", "1") == 2
    shown = run(path, "--allow", "deposit", "--max-deposit", "1")
    assert "OUT OF REACH" in shown.output
    assert "all there is leaves" in shown.output


def test_a_missing_price_is_unknown(tmp_path: Path) -> None:
    collateral = [{"asset": "USDT", "balance": "900"}, {"asset": "DOGE", "balance": "5"}]
    assert code(written(tmp_path, {**ACCOUNT, "collateral": collateral})) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "0"), "target ratio is 0"),
        (("--target", "half"), "'half' is no fraction"),
        (("--target", "0.5", "--distance", "0.2"), "two questions"),
        (("--allow", "close,pray"), "--allow pray: known are"),
        (("--no-close", "BTCUSD"), "did you mean 'BTCUSDT'"),
        (("--impact", "BTCUSDT"), "a decimal number is needed"),
        (("--fee", "free"), "write a fraction"),
        (("--hedge", "SOLUSDT"), "no mark price for SOLUSDT"),
        (("--price", "SOLUSDT=150"), "no --hedge of it"),
        (("--max-deposit", "lots"), "a decimal number is needed"),
        (("--wallet", "=5"), "write NAME=VALUE"),
        (("--unit", "cros"), "did you mean 'cross'"),
        (("--deposit", "UST"), "deposit UST"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_fix(
    account: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = ending(lambda: rescue.main([str(account), *words], standalone_mode=False))
    assert ended == (3 if "SOLUSDT" in words else 64)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--distance", "20%"], ["--target", "40%"]])
@pytest.mark.parametrize("balance", ["12300", "13000"])
def test_an_account_under_water_is_told_so_and_no_room(
    tmp_path: Path, words: list[str], balance: str
) -> None:
    rows = (("BTCUSDT", "1", "117000", "108200"), ("ETHUSDT", "10", "4350", "3990"))
    document = {
        "venue": "generic@2025-10",
        "collateral": [{"asset": "USDT", "balance": balance}],
        "positions": [
            {"instrument": symbol, "size": size, "entry_price": entry, "mark_price": mark}
            for symbol, size, entry, mark in rows
        ],
    }
    path = written(tmp_path, document)
    for allowed in ([], ["--allow", "close"]):
        shown = " ".join(run(path, *words, *allowed).output.split())
        assert " 0.0 %" not in shown
        assert "liquidatable" in shown
        assert ("equity of -174.05 USDT" in shown) is (balance == "12300")


OPTIONS: dict[str, Any] = {
    "venue": "derive-sm",
    "historical": True,
    "as_of": "2026-01-10T00:00:00Z",
    "collateral": [{"asset": "USDC", "balance": "60000"}],
    "prices": {"ETH": "2500", "USDC": "1"},
    "positions": [
        {
            "instrument": symbol,
            "size": "-50",
            "entry_price": mark,
            "mark_price": mark,
            "underlying_price": "2520",
            "implied_volatility": "0.65",
        }
        for symbol, mark in (("ETH-20260327-3000-C", "100"), ("ETH-20260327-2000-P", "60"))
    ],
}


@pytest.mark.parametrize("times", [1, 1_000, 1_000_000])
@pytest.mark.parametrize(
    "words", [["--target", "20%"], ["--distance", "40%"], ["--allow", "close"]]
)
def test_long_names_and_large_numbers_fit_the_terminal(
    tmp_path: Path, words: list[str], times: int
) -> None:
    positions = [{**row, "size": str(-50 * times)} for row in OPTIONS["positions"]]
    collateral = [{"asset": "USDC", "balance": str(60_000 * times)}]
    document = {**OPTIONS, "collateral": collateral, "positions": positions}
    lines = run(written(tmp_path, document), *words).output.splitlines()
    assert [line for line in lines if len(line) > 80 and "`keelmark" not in line] == []
    shown = "\n".join(lines)
    for name in ("ETH-20260327-3000-C", "ETH-20260327-2000-P"):
        assert name in shown
    assert len({line.index("]") for line in lines if " [" in line and "]" in line}) == 1
