"""The cheapest plan that brings an account to a target, solved, verified and proven.

Source: docs/model.md, "Rescue". What decides is always the core: demands are exact, the plan's unit
is margined by `core.margin`, its distance is the one `keelmark check` finds.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from keelmark.accounts import Account
from keelmark.accounts.levels import WARN_DISTANCE
from keelmark.core.adverse_move import adverse_move
from keelmark.core.bound import options_of
from keelmark.core.codes import UnitKind
from keelmark.core.errors import InvalidInput, MissingNumber, nearest
from keelmark.core.margin import margin_report
from keelmark.core.numbers import ONE, exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.donors import without
from keelmark.risk.rescues.moves import MoveKind
from keelmark.risk.rescues.offers import Question, is_fee_given, with_hedges
from keelmark.risk.rescues.opening import unstated_initial
from keelmark.risk.rescues.options import Action, RescueOptions
from keelmark.risk.rescues.prepare import prepare
from keelmark.risk.rescues.result import Plan, Rescue, RescueStatus
from keelmark.risk.rescues.singles import singles_of
from keelmark.risk.rescues.standing import Standing, standing_for
from keelmark.risk.rescues.target import Target, TargetKind
from keelmark.risk.rescues.verify import planned
from keelmark.risk.rescues.ways import no_ways, ways_of

DEFAULT_TARGET = Target.both(Decimal("0.5"), WARN_DISTANCE)
"""Out of the warning distance of `keelmark check`, and half of equity in use at most."""


def rescue(
    account: Account,
    target: Target | Decimal | str = DEFAULT_TARGET,
    *,
    unit: str | None = None,
    options: RescueOptions | None = None,
) -> Rescue:
    """Return the cheapest plan that brings a unit of an account to a target.

    Args:
        account: From `load_account`.
        target: `Target.ratio(...)`, `Target.distance(...)` or `Target.both(...)`; a number is a
            ratio. By default half of equity and the warning distance of `keelmark check`.
        unit: Which margin unit; the one that misses the target worst if `None`.
        options: Actions, limits and prices.

    Raises:
        MissingNumber: A number the margin of the unit reads is not known.
        InvalidInput: An option names what is not there.
        MissingExtra: The plan needs the solver, and it is not installed.
    """
    chosen = options or RescueOptions()
    if not isinstance(target, Target):
        target = Target.ratio(Decimal(target))
    with exact():
        account = with_hedges(account, chosen.hedges)
        held, standing = _unit_to_rescue(account, unit, target)
        question = Question(account=account, unit=held, target=target, options=chosen)
        found = _answer(question, standing)
        return replace(found, notes=(*found.notes, *_parting_notes(found)))


def _unit_to_rescue(
    account: Account, name: str | None, target: Target
) -> tuple[MarginUnit, Standing]:
    """Return the unit named, else the one that misses the target worst.

    Raises:
        MissingNumber: Its margin is unknown, or that of any unit where none is named.
    """
    units = {unit.unit_id: unit for unit in account.units}
    if name is not None and name not in units:
        msg = f"no margin unit {name!r}; {nearest(name, units)}"
        raise InvalidInput(msg)
    wanted = list(units.values()) if name is None else [units[name]]
    if account.unlearnt is not None and any(u.kind is UnitKind.CROSS for u in wanted):
        msg = f"the margin of the account is unknown: {account.unlearnt}"
        raise MissingNumber(msg)
    if not wanted:
        msg = "the account holds nothing: there is nothing to rescue"
        raise InvalidInput(msg)
    found = [(unit, standing_for(unit, account, target)) for unit in wanted]
    return min(found, key=lambda pair: _room(pair[1], target))


def _room(found: Standing, target: Target) -> Decimal:
    """Return how far a unit is on the good side of a target: the least is in most need."""
    if not found.holds:
        return Decimal("Infinity")
    if target.usage is not None and (
        target.far is None or found.meets(Target.distance(target.far))
    ):
        room = target.usage * found.equity - found.maintenance
        return room / found.maintenance if found.maintenance else room
    if found.is_liquidatable:
        return -ONE * 2
    distance = Decimal("Infinity") if found.distance is None else found.distance
    return distance if target.usage is None else distance - ONE


def _answer(question: Question, standing: Standing) -> Rescue:
    account, target = question.account, question.target
    none = no_ways(question, "the unit is at the target already")
    base = Rescue(
        account=account,
        target=target,
        status=RescueStatus.MET,
        unit=question.unit,
        standing=standing,
        plan=None,
        with_money=none.with_money,
        without_money=none.without_money,
        with_toxic=None,
        singles=(),
        rescued=account,
        notes=tuple(_notes(question)),
    )
    if target.kind is TargetKind.BOTH and not (standing.is_settled or standing.is_liquidatable):
        return _without_distance(question, standing)
    if standing.meets(target):
        return base
    base = replace(base, notes=(*base.notes, *_option_notes(question), *_hedge_notes(question)))
    if not standing.is_settled and not standing.is_liquidatable:
        none = no_ways(question, "the distance of this unit cannot be solved")
        return replace(
            base,
            status=RescueStatus.UNKNOWN,
            with_money=none.with_money,
            without_money=none.without_money,
        )
    prepared = prepare(question)
    base = replace(base, notes=(*base.notes, *prepared.unknown))
    found = planned(prepared.problem, question)
    status, plan = found.status, found.plan
    ways = ways_of(question, prepared, found)
    return replace(
        base,
        status=status,
        plan=plan,
        with_money=ways.with_money,
        without_money=ways.without_money,
        with_toxic=_with_toxic(question) if status is RescueStatus.OUT_OF_REACH else None,
        singles=singles_of(prepared, found, question),
        rescued=_rescued(account, question.unit, plan),
    )


def _without_distance(question: Question, standing: Standing) -> Rescue:
    """Return the answer for the ratio alone, saying so."""
    ratio = Target.ratio(question.target.value)
    found = _answer(
        replace(question, target=ratio), replace(standing, distance=None, is_settled=True)
    )
    note = "the distance of this unit cannot be solved: the target is the ratio alone"
    return replace(found, notes=(note, *found.notes))


def _with_toxic(question: Question) -> Plan | None:
    """Return the plan that reaches where closes may cost more than they free, if there is one."""
    options = question.options
    if options.toxic or not options.allows(Action.CLOSE):
        return None
    asked = replace(question, options=replace(options, toxic=True))
    found = planned(prepare(asked).problem, asked)
    return found.plan if found.status is RescueStatus.PLAN else None


def _rescued(account: Account, unit: MarginUnit, plan: Plan) -> Account:
    """Return the account after a plan: what was transferred is gone where it came from."""
    after = {other.unit_id: other for other in account.units} | {unit.unit_id: plan.unit}
    for step in plan.steps:
        if step.kind is MoveKind.TRANSFER:
            after[step.source] = without(after[step.source], step.name, step.amount)
    return replace(account, units=tuple(after.values()))


def _notes(question: Question) -> list[str]:
    """Say what was assumed, and which other units miss the target as well."""
    account, target = question.account, question.target
    notes = list(account.notes)
    rows = [p.instrument for p in question.unit.positions if p.tier is not None]
    if rows:
        names = ", ".join(dict.fromkeys(rows))
        notes.append(f"the venue's own row of {names} is kept as a position shrinks")
    for other in account.units:
        name = other.unit_id
        if name != question.unit.unit_id and not _meets(other, account, target):
            notes.append(f"{name} does not meet the target either: ask with --unit {name}")
    return notes


def _parting_notes(found: Rescue) -> Iterator[str]:
    """Say where coins that part liquidate within the distance: it moves prices alone or alike."""
    far, account = found.target.far, found.rescued
    unit = next((u for u in account.units if u.unit_id == found.unit.unit_id), None)
    if far is None or unit is None:
        return
    report = margin_report(unit, account.market, account.model)
    if report.is_liquidatable:
        return
    move = adverse_move(report, account.market, account.model)
    if move is not None and move.size is not None and move.size < far:
        yield (
            f"coins that part are not in the distance: every coin {move.size * 100:.1f} % against "
            "the account, each its own way, liquidates it"
        )


def _hedge_notes(question: Question) -> Iterator[str]:
    """Say what hedges are held to, where any may be opened."""
    options, model = question.options, question.account.model
    if not (options.hedges and options.allows(Action.HEDGE)):
        return
    yield "a hedge is opened only where equity then covers the initial margin of the whole unit"
    unstated = [h.instrument for h in options.hedges if unstated_initial(h.instrument, model)]
    if unstated:
        names = ", ".join(unstated)
        yield f"no initial margin of {names} is stated: taken as twice its maintenance"


def _option_notes(question: Question) -> Iterator[str]:
    """Say what the closes of options leave out, where there are any."""
    model, options = question.account.model, question.options
    held = [t.instrument.symbol for t in options_of(question.unit, model)]
    closed = [symbol for symbol in dict.fromkeys(held) if symbol not in options.kept]
    if not closed or not options.allows(Action.CLOSE):
        return
    if not all(is_fee_given(options, symbol) for symbol in closed):
        yield (
            "the rulebook has no fees of options: options are closed only where nothing else "
            "reaches, and no plan that closes them is proven the cheapest; give a fee on their "
            "premium with --fee SYMBOL=SHARE"
        )
    if model.group is not None:
        yield (
            "options share one margin here: closes of each leg, and mixes, were tried and are "
            "verified by the core; none of them is proven the cheapest"
        )


def _meets(unit: MarginUnit, account: Account, target: Target) -> bool:
    """Whether a unit meets a target; one whose margin is unknown is not said to miss it."""
    try:
        return standing_for(unit, account, target).meets(target)
    except MissingNumber:
        return True
