"""Fill the report page from a replay and the runs it is compared with."""

from collections.abc import Sequence
from decimal import Decimal
from importlib.metadata import version

from keelmark.lab.replay.breakdown import instrument_rows, peak_rows
from keelmark.lab.replay.cases import attribution, cases_of
from keelmark.lab.replay.compare import (
    Changed,
    Compared,
    backstop_result,
    largest_moves,
    outcome_of,
    policy_note,
    run_of,
)
from keelmark.lab.replay.measures import Measures
from keelmark.lab.replay.pictures import distances_of, maps_of
from keelmark.lab.replay.prose import limits, method
from keelmark.lab.replay.timeline import Floats, timeline_of
from keelmark.lab.report.model import (
    Attribution,
    Fact,
    Feedback,
    FeedbackMove,
    Headline,
    Payer,
    Provenance,
    ReplayReport,
    Residual,
    Run,
)

MOVES = 15

FEEDBACK_NOTE = (
    "Recorded prices already contain what the real liquidations did to them; what this run's "
    "selling adds is an upper bound. The added part of a move is the difference between the two "
    "runs' largest moves; marks are displaced at once and not averaged again."
)


def report_of(measures: Measures, compared: Sequence[Compared] = ()) -> ReplayReport:
    """Return the report of a replay."""
    return ReplayReport(
        headline=_headline(measures),
        timeline=timeline_of(measures),
        maps=maps_of(measures),
        distances=distances_of(measures),
        attributions=_attributions(measures),
        cases=cases_of(measures),
        policies=_policies(measures, compared),
        mark_models=_mark_models(measures, compared),
        feedback=_feedback(measures, compared),
        instruments=instrument_rows(measures),
        peaks=peak_rows(measures),
        method=method(measures),
        limits=limits(measures),
    )


def _headline(measures: Measures) -> Headline:
    replay = measures.replay
    times = replay.feed.times_ms
    return Headline(
        title=replay.scenario.title,
        scenario=replay.scenario.name,
        currency=replay.scenario.settle.asset,
        start_ms=int(times[0]),
        end_ms=int(times[-1]),
        outcome=outcome_of(measures),
        residuals=tuple(Residual(asset=k, quanta=v) for k, v in replay.residuals.items()),
        provenance=_provenance(measures),
        figures=(backstop_result(measures),),
    )


def _provenance(measures: Measures) -> Provenance:
    replay = measures.replay
    rules = replay.state.rules
    accounts = f"{measures.accounts:,} accounts drawn from '{replay.population.spec.name}'"
    return Provenance(
        data=f"{replay.scenario.statement} {accounts}.",
        recorded=replay.spec.data is not None,
        mark_model=replay.mark_model,
        rulebook=replay.spec.rulebook,
        policies=(
            Fact(label="deleverage", value=rules.deleverage),
            Fact(label="socialise", value=rules.socialise),
            Fact(label="sizing", value=rules.reduce.sizing),
            Fact(label="price limit", value=rules.reduce.price_limit),
            Fact(label="feedback", value=replay.spec.feedback),
        ),
        seed=replay.spec.seed,
        digest=replay.digest,
        versions=(Fact(label="keelmark", value=version("keelmark")),),
        facts=_facts(measures),
    )


def _facts(measures: Measures) -> tuple[Fact, ...]:
    replay = measures.replay
    recorder = replay.recorder
    instruments = len(replay.scenario.instruments)
    outcomes = ", ".join(f"{n:,} {k.replace('_', ' ')}" for k, n in measures.outcomes.items())
    return (
        Fact(label="marks", value=f"{len(replay.feed.times_ms):,} instants, {instruments} coins"),
        Fact(label="margin units", value=f"{len(replay.population.units):,}"),
        Fact(label="units warned", value=f"{len(recorder.warned):,}"),
        Fact(label="liquidations", value=f"{len(recorder.cases):,}: {outcomes or 'none'}"),
        Fact(label="deleverage fills", value=f"{recorder.counts['fill:deleverage']:,}"),
        Fact(label="events", value=f"{len(recorder.rows):,}"),
    )


def _attributions(measures: Measures) -> tuple[Attribution, ...]:
    """Return who paid; nothing if nothing was liquidated."""
    if not measures.ledgers:
        return ()
    counts = {
        Payer.UNIT: len(measures.units_liquidated),
        Payer.DELEVERAGED: measures.accounts_deleveraged,
        Payer.SOCIALISED: measures.accounts_socialised,
    }
    return (attribution(measures, measures.paid, counts),)


def _policies(measures: Measures, compared: Sequence[Compared]) -> tuple[Run, ...]:
    name = measures.replay.state.rules.deleverage
    own = run_of(measures, name, policy_note(name), is_this_report=True)
    return (own, *_runs(compared, Changed.POLICY))


def _mark_models(measures: Measures, compared: Sequence[Compared]) -> tuple[Run, ...]:
    """Return the mark models; none if there is nothing to compare."""
    others = _runs(compared, Changed.MARK_MODEL)
    if not others:
        return ()
    note = "an average of the trades" if measures.replay.mark_model.startswith("ema") else ""
    return (run_of(measures, measures.replay.mark_model, note, is_this_report=True), *others)


def _feedback(measures: Measures, compared: Sequence[Compared]) -> Feedback | None:
    """Return how far liquidations moved marks; `None` where they did not."""
    others = [one for one in compared if one.variant.changed is Changed.FEEDBACK]
    if not others:
        return None
    without = others[0]
    own = run_of(measures, "with", "liquidations move the marks", is_this_report=True)
    return Feedback(
        note=FEEDBACK_NOTE,
        runs=(without.run, own),
        moves=_moves(measures, without.largest),
    )


def _moves(measures: Measures, without: Floats) -> tuple[FeedbackMove, ...]:
    """Return the instruments whose marks were moved most."""
    added = largest_moves(measures) - without
    order = abs(added).argsort(kind="stable")[::-1][:MOVES]
    return tuple(
        FeedbackMove(
            instrument=measures.names.symbol(int(row)),
            exogenous=Decimal(f"{without[row]:.6f}"),
            endogenous=Decimal(f"{added[row]:.6f}"),
        )
        for row in order
    )


def _runs(compared: Sequence[Compared], changed: Changed) -> tuple[Run, ...]:
    return tuple(one.run for one in compared if one.variant.changed is changed)
