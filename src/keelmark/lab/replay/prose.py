"""What was done and what it cannot tell, in plain words with this run's own numbers."""

from keelmark.lab.fleet.looks import MAP_MOVES
from keelmark.lab.replay.measures import Measures, share
from keelmark.lab.replay.pictures import distances_note
from keelmark.lab.replay.stage import venue_part
from keelmark.lab.report.figures import compact, percent
from keelmark.lab.report.model import Paragraph
from keelmark.lab.report.words import stage_label


def method(measures: Measures) -> tuple[Paragraph, ...]:
    """Return how it was done."""
    return (
        Paragraph(title="Marks", text=_marks(measures)),
        Paragraph(title="Accounts", text=_accounts(measures)),
        Paragraph(title="Liquidation", text=_liquidation(measures)),
        Paragraph(title="Selling", text=_selling(measures)),
        Paragraph(title="Fund and backstop", text=_pockets(measures)),
        Paragraph(title="Deleveraging", text=_deleveraging(measures)),
        Paragraph(title="Who paid", text=_paying(measures)),
        Paragraph(title="Distances and maps", text=_looking(measures)),
    )


def limits(measures: Measures) -> tuple[Paragraph, ...]:
    """Return what it cannot tell."""
    return (
        *_FIXED_LIMITS,
        _nobody_trades(measures),
        *([_built_in(measures)] if measures.replay.spec.data is None else []),
        *_short_backstop(measures),
    )


def _marks(measures: Measures) -> str:
    replay = measures.replay
    return (
        f"{replay.scenario.statement} Bars are trades, not marks: a low in them may have "
        f"lasted a second. Marks are made from the path by the model {replay.mark_model}, one "
        "a second through the crash and one every ten seconds after it; everything is decided on "
        "marks. Another mark model liquidates other accounts: where mark models are compared, the "
        "run was repeated on plain trades with the same accounts."
    )


def _accounts(measures: Measures) -> str:
    population = measures.replay.population
    part = venue_part(population)
    scale = (
        ""
        if part == 1.0
        else (
            f" They are a model to scale: open interest, order books, fund and backstop are "
            f"{percent(part)} of the whole venue's."
        )
    )
    return (
        f"{len(population.accounts):,} accounts with {len(population.positions):,} positions, "
        f"{compact(measures.open_interest)} {_currency(measures)} of open interest a side, drawn "
        f"from the population '{population.spec.name}' with seed {population.seed}: sizes with a "
        "heavy tail, entries at prices that were there in the days before, collateral in several "
        f"assets. Long and short lots are equal in every instrument.{scale}"
    )


def _liquidation(measures: Measures) -> str:
    rules = measures.replay.state.rules
    stages = ", ".join(stage_label(stage.value) for stage in rules.stages)
    return (
        f"Rulebook {measures.replay.spec.rulebook}: {stages}. Units that fall at the same mark are "
        f"handled by {rules.unit_order.value.replace('_', ' ')}. Every liquidation was decided in "
        "exact decimals on the venue's own bracket tables; the search for who is near is exact as "
        "well and skips nobody."
    )


def _selling(measures: Measures) -> str:
    rules = measures.replay.state.rules
    execution = measures.replay.spec.execution
    stages, beyond = measures.by_stage, measures.deleveraged_from_backstop
    ours = stages["deleverage"] - beyond
    later = (
        f" A further {compact(beyond)} that the backstop had taken over was closed against solvent "
        "accounts at the mark, once its money was used up."
    )
    return (
        "Orders meet the traded price of their second, which in a fall lies below a smoothed mark, "
        "and displace it by a square-root law: "
        f"{execution.prefactor:g} daily volatilities for a day's volume, half of it recovered "
        f"after {execution.half_life_s:g} s. The limit is the {rules.reduce.price_limit} price, "
        "and no order may cost more than the maintenance margin it releases. Of what was "
        f"liquidated, {compact(stages['reduce'])} was sold that way, {compact(stages['takeover'])} "
        f"went to the backstop and {compact(ours)} was auto-deleveraged."
        f"{later if beyond else ''}"
    )


def _pockets(measures: Measures) -> str:
    spec, rules = measures.replay.spec, measures.replay.state.rules
    takeover, insurance = rules.takeover, rules.insurance
    first, least, last = measures.backstop_equities
    return (
        f"Assumed, as parts of open interest: a fund of {percent(spec.fund_share)}, a backstop "
        f"with {percent(spec.backstop_share)} of capital that takes up to "
        f"{spec.backstop_leverage:f} times as much and offers {percent(takeover.dispose_share, 0)} "
        f"of it to the market every {takeover.dispose_interval_s} s. The fund pays deficits at the "
        f"mark, in {insurance.window_s // 60} minutes at most "
        f"{percent(insurance.window_share, 0)} of what it held when they began, and receives "
        f"{percent(insurance.fee_share, 0)} of the clearance fees and "
        f"{percent(insurance.surplus_share, 0)} of what is left of a unit that is taken over. The "
        f"backstop began with {compact(first)}, had {compact(least)} at its worst and "
        f"{compact(last)} at the end; it held {compact(measures.backstop_inventory_max)} at most."
    )


def _deleveraging(measures: Measures) -> str:
    rules = measures.replay.state.rules
    return (
        "The fund pays a deficit first. Lots whose part it pays change hands at the mark: with the "
        "backstop as far as that has room, else with solvent accounts on the other side, who then "
        "give up nothing. Lots whose part it cannot pay are closed against them at the "
        "transfer price, worse than the mark by that part. They are chosen by "
        f"'{rules.deleverage}', pay no fee, and nobody is taken below their maintenance margin. "
        "Lots that find nobody go to the backstop at the mark, and their part of the deficit is "
        f"shared by '{rules.socialise}'; the backstop bears what no claim can pay. In this run "
        f"deleveraged accounts gave up {compact(measures.money(measures.paid.deleveraged))} "
        f"{_currency(measures)} against the mark, and "
        f"{compact(measures.money(measures.paid.socialised))} was shared."
    )


def _paying(measures: Measures) -> str:
    return (
        "A loss is what the closed positions had cost less what they changed hands for, with fees "
        "and what was passed to the fund. Payers are read off balances and transfers. The two are "
        f"counted apart and differ by {measures.paid.residual} quanta."
    )


def _looking(measures: Measures) -> str:
    return (
        f"{distances_note(measures)} A distance is a move of every price but that of stable assets "
        "by the same fraction, up or down, whichever liquidates first. Maps move one mark in steps "
        f"of {percent(float(MAP_MOVES[0]))} up to {percent(float(MAP_MOVES[-1]), 0)} and ask every "
        "unit that holds the instrument."
    )


_FIXED_LIMITS = (
    Paragraph(
        title="The accounts are drawn, not observed",
        text=(
            "Nobody outside a venue knows who held what. Leverage, direction and sizes are stated "
            "assumptions with sources in the population file; figures that depend on them, such as "
            "how many accounts fall, are those of a plausible venue and not of a particular one."
        ),
    ),
    Paragraph(
        title="Recorded prices contain the real liquidations",
        text=(
            "The prices of the day already hold the impact of everything that was liquidated on "
            "it. Selling against them a second time overstates the fall; that is why marks are not "
            "moved by this run's own selling unless feedback is asked for, and then the added part "
            "is an upper bound."
        ),
    ),
    Paragraph(
        title="The path inside a bar is drawn",
        text=(
            "A bar gives open, high, low and close. The path between them is drawn and touches "
            "both ends; when inside the bar it does so is not known."
        ),
    ),
    Paragraph(
        title="Not modelled",
        text=(
            "Funding payments, borrowing interest, withdrawals, outages and throttled interfaces, "
            "a book that empties faster than its daily volume says, other venues, options, and "
            "the venue's own discretion."
        ),
    ),
)


def _nobody_trades(measures: Measures) -> Paragraph:
    side = share(measures.liquidated_long, measures.liquidated)
    found = f": here {percent(side)} of what was liquidated is long" if measures.liquidated else ""
    return Paragraph(
        title="Nobody trades",
        text=(
            "No account opens, closes, tops up or withdraws during the replay. In reality many "
            "close in time, and new positions are opened in the fall and caught by the "
            f"rebound{found}."
        ),
    )


def _built_in(measures: Measures) -> Paragraph:
    return Paragraph(
        title="Built-in prices",
        text=(
            f"{measures.replay.scenario.statement} Point --data or KEELMARK_DATA at recorded bars "
            "to replay what was traded."
        ),
    )


def _short_backstop(measures: Measures) -> tuple[Paragraph, ...]:
    """Say so where the backstop lost more than it had: a loss that bad debt does not show."""
    _, least, _ = measures.backstop_equities
    if least >= 0:
        return ()
    return (
        Paragraph(
            title="The backstop was insolvent for a time",
            text=(
                f"At its worst the backstop was worth {compact(least)} {_currency(measures)} at "
                "the marks. Bad debt counts deficits of liquidated units; it does not count this."
            ),
        ),
    )


def _currency(measures: Measures) -> str:
    return measures.replay.scenario.settle.asset
