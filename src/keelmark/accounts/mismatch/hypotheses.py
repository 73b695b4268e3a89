"""Hypotheses without a free number: each is right or wrong, none can be fitted."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from keelmark.accounts.mismatch.values import Question, Scene, Trial
from keelmark.core.codes import Leg
from keelmark.core.collateral import CollateralSchedule
from keelmark.core.errors import KeelmarkError
from keelmark.core.excess import maintenance_rule
from keelmark.core.margin import PositionMargin, margin_report
from keelmark.core.model import (
    CloseFee,
    InstrumentTerms,
    LiquidationPriceForm,
    MarginModel,
    MarginPurpose,
    ProfitTerms,
)
from keelmark.core.naive import naive_price
from keelmark.core.numbers import ZERO, exact
from keelmark.core.rules import MaintenanceRule, SizeTierRule, Tier, TieredRule, WholeNotionalRule
from keelmark.core.unit import MarginUnit, Position, TierRow
from keelmark.rulebooks import Rulebook, load_rulebook, rulebook_names

LEVERAGED = frozenset({"initial_margin", "available", "withdrawable", "utilisation"})
"""Figures that read the leverage set."""


def other_tables(question: Question) -> Iterator[Trial]:
    """The venue's rules of another date, or of another of its modes."""
    scene = question.scene
    venue = question.rulebook.name.partition("@")[0]
    for name in rulebook_names():
        other = name.partition("@")[0]
        is_family = other == venue or other.startswith(f"{venue}-") or venue.startswith(f"{other}-")
        if name != question.rulebook.name and is_family:
            model = _terms_of(load_rulebook(name), scene.unit)
            if model is not None:
                text = f"the rules are those of {name}"
                yield Trial(code="other_table", text=text, scene=replace(scene, model=model))


def _terms_of(rules: Rulebook, unit: MarginUnit) -> MarginModel | None:
    """Return another rulebook's terms for a unit, where it has any."""
    try:
        terms = [rules.terms_for(position.instrument) for position in unit.positions]
    except KeelmarkError:
        return None
    return rules.with_terms(*terms, assets=tuple(unit.balances)).model


def tier_rows(question: Question) -> Iterator[Trial]:
    """Another row of the table, or the table where the document gives a row of its own.

    Where a leverage is missing, what reads it says nothing about rows.
    """
    reads_leverage = question.name in LEVERAGED
    for held in _touched(question):
        if reads_leverage and held.position.leverage is None:
            continue
        position, symbol = held.position, held.position.instrument
        if position.tier is not None:
            bare = _with_position(question.scene, position, replace(position, tier=None))
            text = f"the table of {question.rulebook.name} holds for {symbol}, not the row given"
            yield Trial(code="tier_row", text=text, scene=bare)
            rule: MaintenanceRule = maintenance_rule(position, held.terms)
        else:
            rule = held.terms.maintenance
            yield from _other_rows(question.scene, held, rule)
        row = held.maintenance
        if row.deduction:
            text = f"the maintenance amount of {symbol}, {row.deduction:f}, is left out"
            used = TierRow(maintenance_rate=row.rate)
            yield Trial(
                code="tier_row",
                text=text,
                scene=_with_position(question.scene, position, replace(position, tier=used)),
            )


def _other_rows(scene: Scene, held: PositionMargin, rule: MaintenanceRule) -> Iterator[Trial]:
    """Return every row of a table at every price, the present one too."""
    if not isinstance(rule, TieredRule | WholeNotionalRule | SizeTierRule):
        return
    tiers: tuple[Tier, ...] = rule.tiers
    for number, tier in enumerate(tiers):
        row = TierRow(maintenance_rate=tier.rate, maintenance_amount=tier.deduction)
        place = f"row {number + 1} of the table of {held.position.instrument}"
        rate = f"({tier.rate * 100:f} %)"
        is_now = number == held.maintenance.tier
        text = f"{place} {rate} is kept at every price" if is_now else f"{place} {rate} is taken"
        changed = replace(held.position, tier=row)
        yield Trial(code="tier_row", text=text, scene=_with_position(scene, held.position, changed))


def close_fees(question: Question) -> Iterator[Trial]:
    """A fee to close inside the requirements, or outside them."""
    scene = question.scene
    instruments = dict(scene.model.instruments)
    symbols = {p.instrument for p in scene.unit.positions}
    has_fee = any(instruments[s].close_fee is not None for s in symbols)
    rate = question.rulebook.liquidation.taker_fee
    fee = None if has_fee else CloseFee(rate=rate)
    changed = {s: replace(instruments[s], close_fee=fee) for s in symbols}
    text = "no fee to close counts in the margin"
    if not has_fee:
        text = f"a fee to close of {rate * 100:f} % counts in the margin"
    yield Trial(code="close_fee", text=text, scene=_with_terms(scene, changed))


def price_forms(question: Question) -> Iterator[Trial]:
    """The other meaning of a liquidation price: maintenance held at the mark, or solved for."""
    if question.name != "liquidation_price":
        return
    exact_form, held = LiquidationPriceForm.EXACT, LiquidationPriceForm.HELD_MAINTENANCE
    is_exact = question.scene.model.liquidation_price_form is not held
    text = "maintenance is held at the present mark" if is_exact else "maintenance moves too"
    model = replace(question.scene.model, liquidation_price_form=held if is_exact else exact_form)
    yield Trial(code="price_form", text=text, scene=replace(question.scene, model=model))
    scene, symbol = question.scene, question.symbol
    report = margin_report(scene.unit, scene.market, scene.model)
    if len({p.position.instrument for p in report.positions}) > 1:
        text = "the maintenance of the other positions is left out"
        yield Trial(code="naive", text=text, value=naive_price(report, symbol))
        own = tuple(p for p in scene.unit.positions if p.instrument == symbol)
        alone = replace(scene, unit=replace(scene.unit, positions=own))
        text = "the other positions are left out, their profit too"
        yield Trial(code="naive", text=text, scene=alone)


def haircuts(question: Question) -> Iterator[Trial]:
    """Collateral that counts in full, or not at all; profit that does not count."""
    scene = question.scene
    assets = scene.model.assets
    kind = scene.unit.kind
    cut = [a for a in scene.unit.balances if not scene.model.asset_in(kind, a).schedule.is_identity]
    full = {
        a: replace(assets[a], schedule=CollateralSchedule(), initial_schedule=None) for a in cut
    }
    if full:
        names = ", ".join(sorted(full))
        model = replace(scene.model, assets={**assets, **full})
        text = f"the haircut of {names} is left out"
        yield Trial(code="haircut", text=text, scene=replace(scene, model=model))
    for asset, balance in scene.unit.balances.items():
        if balance and len(scene.unit.balances) > 1:
            balances = {**scene.unit.balances, asset: ZERO}
            unit = replace(scene.unit, balances=balances)
            text = f"the {balance:f} {asset} of the account do not count"
            yield Trial(code="asset_left_out", text=text, scene=replace(scene, unit=unit))
    nothing = ProfitTerms(weight=ZERO)
    profit = dict.fromkeys(MarginPurpose, nothing)
    model = replace(scene.model, profit=profit)
    text = "positive unrealised profit does not count"
    yield Trial(code="profit", text=text, scene=replace(scene, model=model))


def hedge_legs(question: Question) -> Iterator[Trial]:
    """Legs of one instrument netted against each other."""
    scene = question.scene
    symbols = [p.instrument for p in scene.unit.positions]
    for symbol in dict.fromkeys(s for s in symbols if symbols.count(s) > 1):
        legs = [p for p in scene.unit.positions if p.instrument == symbol]
        rest = tuple(p for p in scene.unit.positions if p.instrument != symbol)
        with exact():
            size = sum((p.size for p in legs), ZERO)
            cost = sum((p.cost for p in legs), ZERO)
        text = f"the legs of {symbol} are netted"
        if not size:
            yield Trial(code="netted", text=text, scene=_with_positions(scene, rest))
            continue
        net = replace(legs[0], size=size, cost=cost, leg=Leg.NET)
        yield Trial(code="netted", text=text, scene=_with_positions(scene, (*rest, net)))


def wrong_signs(question: Question) -> Iterator[Trial]:
    """A short reckoned as a long: its profit, the side of its price, or the sign of its rate."""
    scene, computed = question.scene, question.computed
    for position in scene.unit.positions:
        if position.size < ZERO and question.asks(position):
            flipped = replace(
                position, size=-position.size, cost=-position.cost, leg=Leg(-position.leg)
            )
            changed = _with_position(scene, position, flipped)
            text = f"the short in {position.instrument} is reckoned as a long"
            yield Trial(code="wrong_sign", text=text, scene=changed)
    if question.name != "liquidation_price" or computed is None:
        return
    mark = scene.market.mark(question.symbol)
    with exact():
        text = "the price stands on the wrong side of the mark"
        yield Trial(code="wrong_sign", text=text, value=2 * mark - computed)
        yield from _wrong_rate_sign(question, mark)


def _wrong_rate_sign(question: Question, mark: Decimal) -> Iterator[Trial]:
    """A short's divisor with the sign of a long's rate: `1 - rate` where it is `1 + rate`."""
    scene = question.scene
    report = margin_report(scene.unit, scene.market, scene.model)
    held = [p for p in report.positions if question.asks(p.position)]
    if len(held) == 1 and held[0].position.size < ZERO and not held[0].terms.instrument.is_inverse:
        row = held[0].maintenance
        room = report.maintenance_excess / (held[0].notional * (1 - row.rate))
        text = "the divisor of a short has the sign of a long: 1 - rate, not 1 + rate"
        yield Trial(code="wrong_sign", text=text, value=mark * (1 + room))


def margin_modes(question: Question) -> Iterator[Trial]:
    """A cross position reckoned as isolated, or an isolated one as cross."""
    scene, symbol = question.scene, question.symbol
    report = margin_report(scene.unit, scene.market, scene.model)
    for held in report.positions:
        is_asked = bool(symbol) and question.asks(held.position)
        if is_asked and (len(report.positions) > 1 or not question.others):
            with exact():
                margin = abs(held.position.cost) * held.initial.rate
            unit = replace(scene.unit, balances={held.settle: margin}, positions=(held.position,))
            text = f"{symbol} is reckoned as isolated, with the initial margin of its entry"
            yield Trial(code="margin_mode", text=text, scene=replace(scene, unit=unit))
    for other in question.others:
        balances = dict(scene.unit.balances)
        with exact():
            for asset, balance in other.balances.items():
                balances[asset] = balances.get(asset, ZERO) + balance
        merged = replace(
            scene.unit, balances=balances, positions=(*scene.unit.positions, *other.positions)
        )
        text = f"{scene.unit.unit_id} and {other.unit_id} are reckoned as one unit"
        yield Trial(code="margin_mode", text=text, scene=replace(scene, unit=merged))


def left_out(question: Question) -> Iterator[Trial]:
    """Open orders, interest or leverage that the venue does not look at."""
    scene = question.scene
    unit = scene.unit
    if unit.orders:
        bare = replace(unit, orders=())
        text = "open orders ask no margin"
        yield Trial(code="orders", text=text, scene=replace(scene, unit=bare))
    if any(unit.accrued_interest.values()):
        bare = replace(unit, accrued_interest={})
        text = "accrued interest is not counted yet"
        yield Trial(code="interest", text=text, scene=replace(scene, unit=bare))
    if any(p.leverage is not None for p in unit.positions):
        rows = tuple(replace(p, leverage=None) for p in unit.positions)
        text = "the leverage set is not looked at: the table's largest counts"
        yield Trial(code="leverage", text=text, scene=_with_positions(scene, rows))


def _touched(question: Question) -> list[PositionMargin]:
    """Return the positions whose table the number may read."""
    scene = question.scene
    report = margin_report(scene.unit, scene.market, scene.model)
    is_whole = question.name == "liquidation_price"
    return [p for p in report.positions if is_whole or question.asks(p.position)]


def _with_positions(scene: Scene, positions: tuple[Position, ...]) -> Scene:
    return replace(scene, unit=replace(scene.unit, positions=positions))


def _with_position(scene: Scene, old: Position, new: Position) -> Scene:
    rows = tuple(new if p is old else p for p in scene.unit.positions)
    return _with_positions(scene, rows)


def _with_terms(scene: Scene, terms: dict[str, InstrumentTerms]) -> Scene:
    model = replace(scene.model, instruments={**scene.model.instruments, **terms})
    return replace(scene, model=model)
