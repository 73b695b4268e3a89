"""When a service believes no price: terms of a new folder, kept in it, told where they are off."""

from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.program import main
from keelmark.cli.serve import serve as command
from keelmark.cli.serving import settings_of
from keelmark.core.errors import InvalidInput, MissingNumber, OtherTerms
from keelmark.core.process import GuardRules
from keelmark.engine.engine import Engine
from keelmark.rulebooks.load import load_rulebook
from keelmark.service.guard_terms import GuardTerms, guards_in_words, guards_off, with_guards
from keelmark.service.health.parts import Parts, part_findings
from keelmark.service.supervisor.serving import ReplayRequest, ServeSettings
from keelmark.service.venue import chosen_venue, kept_rulebook

GUIDE = Path(__file__).parents[2] / "docs/operations.md"
LIVE_RULES = GuardRules(stale_s=60, band=Decimal("0.1"), confirm_marks=3, confirm_s=5)


def kept(data: Path) -> GuardRules:
    return kept_rulebook(data).liquidation.guards


def test_one_wrong_price_liquidates_nobody_in_a_new_folder(tmp_path: Path) -> None:
    chosen_venue(tmp_path, "binance-usdm", None)
    assert kept(tmp_path) == LIVE_RULES
    engine = Engine(kept_rulebook(tmp_path))
    engine.submit_prices(1_000, marks={"ETHUSDT": Decimal(4000)})
    engine.submit_prices(2_000, marks={"ETHUSDT": Decimal(1)})
    assert engine.state.market.marks["ETHUSDT"] == 4000
    assert len(engine.state.doubts) == 1


def test_other_guards_are_asked_for_once_and_kept(tmp_path: Path) -> None:
    asked = GuardTerms(stale_s=0, band=Decimal("0.2"), confirm_marks=0)
    chosen_venue(tmp_path, "generic", None, asked)
    assert kept(tmp_path) == GuardRules(stale_s=0, band=Decimal("0.2"), confirm_s=5)
    chosen_venue(tmp_path, None, None)
    chosen_venue(tmp_path, None, None, asked)
    with pytest.raises(OtherTerms, match="was begun with stale_s 0, not 60; leave it out"):
        chosen_venue(tmp_path, None, None, GuardTerms(stale_s=60))


def test_a_rulebook_that_states_guards_keeps_them() -> None:
    stated = with_guards(load_rulebook("generic"), GuardTerms(stale_s=7, band=Decimal(0)))
    again = with_guards(stated, GuardTerms()).liquidation.guards
    assert again.stale_s == 7
    assert again.band == 0


def test_options_and_the_file_name_guards(tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    path.write_text("stale-s = 30\nband = 0.25\n")
    params = command.make_context("serve", ["--config", str(path), "--confirm-marks", "4"]).params
    assert settings_of({**params, "alerts": None}).guards == GuardTerms(
        stale_s=30, band=Decimal("0.25"), confirm_marks=4
    )


@pytest.mark.parametrize("band", ["nan", "1", "-0.1", "ten"])
def test_a_band_that_is_none_is_refused(tmp_path: Path, band: str) -> None:
    done = CliRunner().invoke(main, ["serve", "--data", str(tmp_path / "new"), "--band", band])
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "give a fraction below 1" in done.output
    assert not (tmp_path / "new").exists()


def test_a_replay_brings_its_own(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="leave out --stale-s"):
        ServeSettings(
            data=tmp_path, replay=ReplayRequest(scenario="oct10"), guards=GuardTerms(stale_s=1)
        )


@pytest.mark.parametrize(
    ("venue", "why"),
    [
        ("bybit-uta", "no bracket table for BTCUSDT"),
        ("binance-pm", "liquidates at 1.05 times maintenance"),
        ("paradex", "lists no instruments"),
    ],
)
def test_a_venue_no_engine_can_run_leaves_the_folder_as_it_was(
    tmp_path: Path, venue: str, why: str
) -> None:
    with pytest.raises(InvalidInput, match=why) as found:
        chosen_venue(tmp_path, venue, None)
    assert not isinstance(found.value, MissingNumber), "that has an exit code of its own"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "venue",
    [
        "generic",
        "binance-usdm",
        "binance-usdm-multi",
        "binance-coinm",
        "hyperliquid",
        "hyperliquid-unified",
        "deribit-sm",
        "dydx-v4",
    ],
)
def test_these_built_in_venues_can_be_served(tmp_path: Path, venue: str) -> None:
    assert f"`{venue}`" in GUIDE.read_text()
    chosen_venue(tmp_path, venue, None)
    Engine(kept_rulebook(tmp_path))


def test_a_guard_that_is_off_is_said() -> None:
    assert guards_off(GuardRules()) == ("no staleness guard", "no step guard")
    assert guards_in_words(LIVE_RULES) == (
        "no price older than 60 s; steps over 10 % need 3 prices over 5 s"
    )
    words = guards_in_words(GuardRules(band=Decimal("0.05")))
    assert words == "steps over 5 % need an operator; no staleness guard"
    parts = Parts(is_connected=True, guards_off=guards_off(GuardRules()))
    (found,) = [each for each in part_findings(parts) if each.name == "prices"]
    assert found.detail == "every price is trusted; no staleness guard, no step guard"
