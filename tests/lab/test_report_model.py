"""A report that cannot be drawn is refused by name; attributions keep their sums."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.lab.report.minutes import worst_minute
from keelmark.lab.report.model import Attribution, Payer, Share
from keelmark.lab.report.payments import attribution_bars, attribution_table
from keelmark.lab.report.story import debt_story, paid_story, timeline_story
from tests.lab.report_example import MINUTE, START, example, outcome, quiet, whole_attribution

quanta = st.integers(0, 10**24)


def test_columns_of_different_length_are_refused_with_their_names() -> None:
    timeline = example().timeline
    with pytest.raises(InvalidInput, match=r"timeline: columns .*'fund': \(3,\)"):
        replace(timeline, fund=np.zeros(3))


def test_a_timeline_without_a_price_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one price"):
        replace(example().timeline, prices=())


def test_times_that_do_not_rise_are_refused() -> None:
    timeline = example().timeline
    with pytest.raises(InvalidInput, match="must be one rising row"):
        replace(timeline, times_ms=timeline.times_ms[::-1].copy())


def test_a_last_step_without_length_is_refused() -> None:
    timeline = example().timeline
    with pytest.raises(InvalidInput, match="ends the step"):
        replace(timeline, end_ms=int(timeline.times_ms[-1]))


def test_a_map_needs_one_edge_more_than_bins() -> None:
    first = example().maps[0]
    with pytest.raises(InvalidInput, match="map of BTCUSDT before the crash"):
        replace(first, edges=first.edges[:-1])


def test_distances_need_a_row_per_instant() -> None:
    distances = example().distances
    assert distances is not None
    with pytest.raises(InvalidInput, match="liquidated_accounts"):
        replace(distances, liquidated_accounts=distances.liquidated_accounts[1:])
    with pytest.raises(InvalidInput, match="accounts"):
        replace(distances, accounts=distances.accounts[:, 1:])


def test_a_payer_appears_once() -> None:
    fund = Share(payer=Payer.FUND, amount=Decimal(1))
    with pytest.raises(InvalidInput, match="a payer twice"):
        Attribution(asset="USDT", total=Decimal(2), shares=(fund, fund))


@given(st.dictionaries(st.sampled_from(Payer), quanta), st.integers(-5, 5))
def test_shares_and_residual_always_sum_to_the_loss(parts: dict[Payer, int], missing: int) -> None:
    step = Decimal("0.00000001")
    total = (sum(parts.values()) + missing) * step
    shares = tuple(Share(payer=p, amount=n * step) for p, n in parts.items())
    attribution = Attribution(asset="USDT", total=total, shares=shares)
    assert attribution.residual == missing * step
    own = sum(n for p, n in parts.items() if p in {Payer.UNIT, Payer.FEE})
    assert attribution.deficit == (sum(parts.values()) - own) * step
    text = attribution_table(attribution)
    assert ('class="sum bad"' in text) is (missing != 0)
    assert attribution_bars(attribution).count("whole loss") == 1


def test_the_worst_minute_adds_up_its_steps() -> None:
    timeline = example().timeline
    worst = worst_minute(timeline)
    inside = timeline.times_ms // MINUTE == worst.minute
    assert inside.sum() == 6
    assert worst.long == pytest.approx(float(timeline.liquidated_long[inside].sum()))


def test_the_story_of_a_fall_and_of_a_rise() -> None:
    base = quiet().timeline
    values = np.linspace(100.0, 80.0, 30)
    long = np.zeros(30)
    long[4] = 3_000_000
    fell = replace(base, prices=(replace(base.prices[0], values=values),), liquidated_long=long)
    rose = replace(base, prices=(replace(base.prices[0], name="index", values=values[::-1]),))
    shown = timeline_story(fell, "USDT").replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert shown == (
        "BTCUSDT fell 20.0 % by 21:15 UTC. In the worst minute, 20:49, 3.00 M USDT was "
        "liquidated, 100.0 % of it long."
    )
    assert timeline_story(rose, "USDT").startswith("The index rose 25.0")
    assert START % MINUTE == 0


def test_the_story_of_a_market_without_any_price() -> None:
    base = quiet().timeline
    unknown = replace(base.prices[0], values=np.full(30, np.nan))
    story = timeline_story(replace(base, prices=(unknown,)), "USDT")
    assert story == "BTCUSDT hardly moved. Nothing was liquidated."


def test_the_story_of_who_paid_leaves_out_who_paid_nothing() -> None:
    whole = whole_attribution()
    assert "accounts that share losses 1.21" in paid_story(whole)
    zero = Share(payer=Payer.SOCIALISED, amount=Decimal(0))
    fund = Share(payer=Payer.FUND, amount=Decimal(4))
    unit = Share(payer=Payer.UNIT, amount=Decimal(6))
    part = Attribution(asset="USDT", total=Decimal(10), shares=(unit, fund, zero))
    assert paid_story(part).endswith("of the deficit that was left, the insurance fund paid 4.")
    own = Attribution(asset="USDT", total=Decimal(6), shares=(unit,))
    assert paid_story(own).endswith("there was no deficit for anyone else to pay.")
    none = Attribution(asset="USDT", total=Decimal(0), shares=())
    assert "nothing to pay" in paid_story(none)


def test_the_remark_on_bad_debt_fits_the_outcome() -> None:
    base = outcome()
    solvent = replace(base, bad_debt=Decimal(0))
    nothing = replace(solvent, liquidated_long=Decimal(0), liquidated_short=Decimal(0))
    assert debt_story(nothing, None) == "nothing was liquidated"
    unit = Share(payer=Payer.UNIT, amount=Decimal(6))
    own = Attribution(asset="USDT", total=Decimal(6), shares=(unit,))
    assert debt_story(solvent, own) == "there was no deficit"
    fund = Share(payer=Payer.FUND, amount=Decimal(4))
    paid = Attribution(asset="USDT", total=Decimal(10), shares=(unit, fund))
    assert debt_story(solvent, paid) == "the fund paid every deficit, 4"
    winners = Share(payer=Payer.DELEVERAGED, amount=Decimal(3))
    shared = Share(payer=Payer.SOCIALISED, amount=Decimal(2))
    whole = Attribution(asset="USDT", total=Decimal(15), shares=(unit, fund, winners, shared))
    assert debt_story(replace(base, bad_debt=Decimal(5)), whole) == (
        "what the fund could not pay of 9 of deficits; carried by deleveraged accounts and shared "
        "losses"
    )
