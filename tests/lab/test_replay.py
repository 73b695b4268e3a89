"""A whole replay through the command line: what is written, and that it adds up."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from keelmark.cli import main
from keelmark.core.errors import InvalidInput
from keelmark.lab.replay import cases as replay_cases
from keelmark.lab.replay import outputs
from keelmark.lab.replay.cases import cases_of
from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.outputs import FILES, write_outputs
from keelmark.lab.replay.run import Looks, run_replay
from keelmark.lab.replay.spec import ReplaySpec
from keelmark.lab.report.model import Payer

pytestmark = pytest.mark.slow

ACCOUNTS = 400
QUANTUM = Decimal("0.00000001")


def replay(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["replay", *arguments])


@dataclass(frozen=True)
class Written:
    folder: Path
    summary: dict[str, Any]
    printed: str

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("replay") / "out" / "demo"
    accounts = ("--accounts", str(ACCOUNTS))
    result = replay("oct10", "--built-in", *accounts, "--out", str(folder), "--json")
    assert result.exit_code == 0, result.output
    text = (folder / "summary.json").read_text(encoding="utf-8")
    return Written(folder, json.loads(text), result.stdout)


@pytest.fixture(scope="module")
def measures() -> Measures:
    return Measures(run_replay(ReplaySpec(accounts=ACCOUNTS), looks=Looks(moments=0)))


def amounts(value: dict[str, object]) -> Iterator[Decimal]:
    for part in value.values():
        if isinstance(part, str):
            yield Decimal(part)


def test_four_files_are_written_and_nothing_else(written: Written) -> None:
    assert sorted(path.name for path in written.folder.iterdir()) == sorted(FILES)
    assert json.loads(written.printed) == written.summary


def test_a_disk_that_fills_up_leaves_no_folder(
    measures: Measures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs, "summary", full)  # the last of the four
    folder = tmp_path / "new" / "out"
    with pytest.raises(InvalidInput, match=r"out: cannot be written to \(No space left on device"):
        write_outputs(measures, folder)
    assert list(tmp_path.iterdir()) == []
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "mine").touch()
    with pytest.raises(InvalidInput):
        write_outputs(measures, kept)
    assert [path.name for path in kept.iterdir()] == ["mine"]


def test_the_summary_keeps_its_contract(written: Written) -> None:
    summary = written.summary
    residuals = summary["conservation_residual"]
    assert residuals == {"USDT": "0", "BTC": "0", "ETH": "0", "USDE": "0"}
    assert summary["attribution_residual"] == "0"
    assert summary["mark_model"] == "ema:150s"
    assert len(summary["digest"]) == 64
    assert summary["timings"]["marks_s"] > 0
    assert summary["data"].startswith("Prices are built in")
    assert (summary["seed"], summary["data_recorded"]) == (7, False)
    assert summary["counts"]["accounts"] == ACCOUNTS + 24  # market makers come on top
    assert 0 < summary["counts"]["accounts_liquidated"] < ACCOUNTS
    assert all(value >= 0 for value in amounts(summary["notionals"]))
    assert summary["start"] < summary["first_liquidation"] <= summary["end"]
    assert "mark_model:last" in summary["comparisons"]


def test_what_was_looked_at_on_the_way_changes_nothing(
    written: Written, measures: Measures
) -> None:
    assert measures.replay.distances == []
    assert measures.replay.digest == written.summary["digest"]


def test_event_rows_sum_to_the_summary(written: Written) -> None:
    events, notionals = written.table("events"), written.summary["notionals"]
    value = pl.col("value_quanta").abs()
    closed = pl.col("kind").is_in(["reduce", "takeover"])
    closed |= (pl.col("kind") == "deleverage") & (pl.col("case") > 0)
    liquidated = events.filter(closed)
    assert liquidated.select(value.sum()).item() * QUANTUM == Decimal(notionals["liquidated"])
    long = liquidated.filter(pl.col("size_lots") < 0).select(value.sum()).item()
    assert long * QUANTUM == Decimal(notionals["liquidated_long"])
    deleveraged = events.filter(pl.col("kind") == "deleverage").select(value.sum()).item()
    assert deleveraged * QUANTUM == Decimal(notionals["deleveraged"])
    counts = written.summary["counts"]
    started = events.filter(pl.col("kind") == "liquidation_started")
    assert len(started) == counts["cases"]
    assert started["account"].n_unique() == counts["accounts_liquidated"]
    assert len(events) == counts["events"]


def test_floats_beside_whole_numbers_are_the_same_amounts(written: Written) -> None:
    events = written.table("events").drop_nulls("value_quanta")
    difference = (events["value"] - events["value_quanta"] * float(QUANTUM)).abs()
    assert difference.max() == pytest.approx(0, abs=1e-6)
    fills = events.filter(pl.col("price").is_not_null())
    at_price = (fills["size"] * fills["price"] - fills["value"]).abs() / fills["value"].abs()
    assert at_price.max() == pytest.approx(0, abs=1e-9)


def test_event_rows_tell_what_was_known_at_the_decision(written: Written) -> None:
    events = written.table("events")
    assert "text" not in events.columns
    started = events.filter(pl.col("kind") == "liquidation_started")
    names = ("equity", "maintenance", "excess")
    exact = {name: [Decimal(text) for text in started[f"{name}_exact"]] for name in names}
    for name in names:
        assert started[name].to_list() == [float(value) for value in exact[name]]
    for equity, maintenance, excess in zip(*exact.values(), strict=True):
        assert equity - maintenance == excess <= 0
    assert events.filter(pl.col("kind") != "liquidation_started")["equity"].is_null().all()
    ended = events.filter(pl.col("kind") == "liquidation_ended")
    assert ended.height == len(started)
    counted = dict(ended["outcome"].value_counts().iter_rows())
    assert counted == written.summary["counts"]["cases_by_outcome"]
    warned = events.filter(pl.col("kind").is_in(["warn", "margin_call"]))
    assert warned["level"].min() == 1
    assert (
        warned.group_by("unit_id").agg(pl.col("level").max()).height
        == (written.summary["counts"]["units_warned"])
    )


def test_every_change_of_a_position_has_a_price(written: Written) -> None:
    events = written.table("events")
    moved = events.filter(pl.col("size").is_not_null())
    assert moved["price"].null_count() == 0
    assert set(moved["kind"]) >= {"reduce", "takeover", "deleverage", "disposal"}
    assert moved.filter(pl.col("kind") == "deleverage")["price_ticks"].null_count() > 0


def test_account_rows_sum_to_the_summary(written: Written) -> None:
    accounts, summary = written.table("accounts"), written.summary
    assert len(accounts) == summary["counts"]["accounts"]
    assert accounts["liquidated"].sum() == summary["counts"]["accounts_liquidated"]
    liquidated = int(accounts["notional_liquidated_quanta"].sum())
    assert liquidated * QUANTUM == Decimal(summary["notionals"]["liquidated"])
    deleveraged = int(accounts["notional_deleveraged_quanta"].sum())
    assert deleveraged * QUANTUM == Decimal(summary["notionals"]["deleveraged"])
    hit = int((accounts["notional_deleveraged_quanta"] > 0).sum())
    assert hit == summary["counts"]["accounts_deleveraged"]
    assert accounts["positions_start"].sum() == summary["counts"]["positions"]
    fallen = accounts.filter(pl.col("liquidated"))
    assert (fallen["warning_level"] > 0).all()


def test_the_page_says_what_it_was_made_from(written: Written) -> None:
    page = (written.folder / "report.html").read_text(encoding="utf-8")
    assert written.summary["digest"] in page
    assert "Prices are built in" in page
    assert "ema:150s" in page
    assert "The accounts are drawn, not observed" in page


def test_the_page_shows_what_the_tables_add_up_to(written: Written) -> None:
    page = (written.folder / "report.html").read_text(encoding="utf-8")
    events, accounts = written.table("events"), written.table("accounts")
    value = pl.col("value_quanta").abs()
    closed = pl.col("kind").is_in(["reduce", "takeover", "deleverage"]) & (pl.col("case") > 0)
    liquidated = events.filter(closed)

    def shown(quanta: int) -> str:
        return f'value="{quanta * QUANTUM:f}"'

    assert shown(int(liquidated.select(value.sum()).item())) in page
    assert f'value="{int(accounts["liquidated"].sum())}"' in page
    paid = events.filter(pl.col("kind") == "deficit").select(value.sum()).item()
    assert shown(paid) in page
    by_instrument = liquidated.filter(pl.col("size_lots") < 0).group_by("instrument")
    for _, quanta in by_instrument.agg(value.sum()).iter_rows():
        assert shown(quanta) in page
    by_case = liquidated.group_by("case", "unit_id").agg(value.sum())
    most = by_case.sort("value_quanta")["value_quanta"].tail(1).item()
    assert shown(most) in page
    data = json.loads(page.partition('id="report-data">')[2].partition("</script>")[0])
    drawn = sum(data["timeline"]["long"]) + sum(data["timeline"]["short"])
    assert drawn == pytest.approx(float(written.summary["notionals"]["liquidated"]), rel=1e-6)
    adl = float(written.summary["notionals"]["deleveraged"])
    assert sum(data["timeline"]["deleveraged"]) == pytest.approx(adl, rel=1e-6, abs=0.01)
    assert data["timeline"]["fund"][-1] == pytest.approx(
        float(written.summary["fund"]["end"]), abs=0.01
    )
    last = written.summary["comparisons"]["mark_model:last"]["notionals"]["liquidated"]
    assert f'value="{Decimal(last):f}"' in page.partition("</header>")[0]


def test_every_liquidation_is_paid_to_the_quantum(measures: Measures) -> None:
    assert measures.ledgers
    assert [case for case, one in measures.ledgers.items() if one.residual] == []
    paid = measures.paid
    parts = paid.unit + paid.fee + paid.fund + paid.backstop + paid.deleveraged + paid.socialised
    assert paid.lost == parts


def test_what_ended_paid_its_deficit_as_the_engine_says(measures: Measures) -> None:
    for case, record in measures.replay.recorder.cases.items():
        ended, ledger = record.ended, measures.ledgers[case]
        assert ended is not None
        assert (ended.fund, ended.socialised) == (ledger.fund, ledger.socialised)
        others = ended.fund + ended.deleveraged + ended.socialised + ended.backstop
        assert ended.deficit == others


def test_the_working_of_a_case_sums_to_its_equity_and_its_maintenance(measures: Measures) -> None:
    cases = cases_of(measures)
    assert len(cases) > 5
    for case in cases:
        lines = {line.label: line.value for line in case.working}
        equity, maintenance = lines.pop("equity"), lines.pop("maintenance margin")
        assert equity == case.equity == sum(lines.values())
        assert maintenance == case.maintenance_margin < equity + maintenance
        assert maintenance == sum(row.maintenance_margin for row in case.positions)
        assert case.equity < case.maintenance_margin
        assert case.attribution.residual == 0


def test_cases_are_the_largest_and_end_in_their_steps(measures: Measures) -> None:
    cases = cases_of(measures)
    assert len({(case.account, case.unit) for case in cases}) == len(cases)
    for case in cases:
        assert case.steps[-1].stage == "ended"
        times = [step.time_ms for step in case.steps]
        assert times == sorted(times)
        assert times[0] >= case.time_ms
        payers = [share.payer for share in case.attribution.shares]
        assert payers[0] is Payer.UNIT


def test_feedback_moves_marks_and_reports_the_part_it_added(tmp_path: Path) -> None:
    options = ("--feedback", "mark", "--no-compare-marks", "--accounts", str(ACCOUNTS), "--quiet")
    result = replay("oct10", "--built-in", *options, "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert result.output == ""
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    without = summary["comparisons"]["feedback:without"]
    added = {symbol: float(part) for symbol, part in summary["displaced_by_liquidations"].items()}
    assert min(added.values()) < -0.001  # a cascade of longs
    assert max(added.values()) < -min(added.values())
    assert summary["digest"] != without["digest"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Liquidations that move prices" in page
    assert "Recorded prices already contain" in page


def test_a_policy_is_compared_on_the_same_prices_and_accounts(tmp_path: Path) -> None:
    options = ("--compare-policies", "pro_rata_profit", "--no-compare-marks")
    result = replay(
        "oct10", "--built-in", *options, "--accounts", str(ACCOUNTS), "--out", str(tmp_path)
    )
    assert result.exit_code == 0, result.output
    assert "prices: built in" in result.output
    assert "accounts, who gave up 0" in result.output
    assert " in deficits" in result.output
    assert f"next: open {tmp_path / 'report.html'}" in result.output
    assert max(len(line) for line in result.output.splitlines()[2:-3]) <= 80
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert list(summary["comparisons"]) == ["deleverage:pro_rata_profit"]
    assert "One haircut on profits" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_counterparties_give_up_what_the_attribution_says(
    measures: Measures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_cases, "COUNTERPARTIES", 10**6)
    records = measures.replay.recorder.cases
    closed = [case for case, record in records.items() if record.marks]
    assert closed
    for case in closed:
        shown = replay_cases.case_of(measures, case)
        given = sum(one.paid for one in shown.counterparties)
        ledger = measures.ledgers[case]
        if ledger.deleveraged:
            assert measures.money(ledger.deleveraged) == given
        else:
            assert given <= 0  # the unit had something left: they were paid to take it
