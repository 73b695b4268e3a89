"""Laws of the margin of a unit, for any unit."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.bound import Factor, FactorKind, reads
from keelmark.core.instrument import InstrumentKind
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
)
from keelmark.core.numbers import exact
from keelmark.core.rules import (
    MaintenanceRule,
    RuleParameters,
    TieredRule,
    WholeNotionalRule,
)
from keelmark.core.unit import MarginUnit
from tests.core import reference
from tests.strategies import HELD, Shape, Situation, amounts, situations

SMALL = Fraction(1, 10**45)


def parts(situation: Situation) -> tuple[MarginUnit, Market, MarginModel]:
    return situation.unit, situation.market, situation.model


def excess(situation: Situation) -> Decimal:
    return maintenance_excess(*parts(situation))


def room(situation: Situation) -> Fraction:
    """What rounding at sixty digits may amount to."""
    return reference.scale(*parts(situation)) * SMALL


@given(situations())
def test_the_excess_is_the_one_counted_slice_by_slice(situation: Situation) -> None:
    found = Fraction(margin_report(*parts(situation)).excess(MarginPurpose.MAINTENANCE))
    assert abs(found - reference.excess(*parts(situation))) <= room(situation)


@given(situations(), st.sampled_from([Decimal(1), Decimal("1.25"), Decimal(2)]))
def test_the_lean_excess_is_the_one_of_the_report(situation: Situation, level: Decimal) -> None:
    report = margin_report(*parts(situation))
    with exact():
        times = level * situation.model.trigger_level
        whole = report.equity - times * report.maintenance_margin
    assert maintenance_excess(*parts(situation), level) == whole


@given(situations(), amounts, st.data())
def test_depositing_never_makes_a_unit_liquidatable(
    situation: Situation, amount: Decimal, data: st.DataObject
) -> None:
    asset = data.draw(st.sampled_from(sorted(situation.unit.balances)))
    balances = dict(situation.unit.balances)
    with exact():
        balances[asset] += amount
    richer = replace(situation, unit=replace(situation.unit, balances=balances))
    assert excess(richer) >= excess(situation)
    before, after = margin_report(*parts(situation)), margin_report(*parts(richer))
    assert before.is_liquidatable or not after.is_liquidatable
    for purpose in MarginPurpose:
        assert after.excess(purpose) >= before.excess(purpose)


@given(situations(HELD), st.randoms(use_true_random=False))
def test_the_order_of_positions_does_not_matter(situation: Situation, random: object) -> None:
    order = list(situation.unit.positions)
    random.shuffle(order)  # type: ignore[attr-defined]  # Hypothesis' own seeded shuffle
    shuffled = replace(situation, unit=replace(situation.unit, positions=tuple(order)))
    one, other = margin_report(*parts(situation)), margin_report(*parts(shuffled))
    assert {id(p.position): p for p in one.positions} == {
        id(p.position): p for p in other.positions
    }
    difference = Fraction(one.excess(MarginPurpose.MAINTENANCE)) - Fraction(
        other.excess(MarginPurpose.MAINTENANCE)
    )
    assert abs(difference) <= room(situation)


@given(situations())
def test_the_excess_is_ordered_by_purpose(situation: Situation) -> None:
    report = margin_report(*parts(situation))
    initial, end, maintenance = (report.excess(purpose) for purpose in MarginPurpose)
    assert initial <= end <= maintenance
    assert report.available >= report.withdrawable >= 0


@given(situations(Shape(rows=False, index=False)))
def test_a_short_with_the_same_profit_is_margined_like_the_long(situation: Situation) -> None:
    report = margin_report(*parts(situation))
    with exact():
        mirrored = tuple(
            replace(
                p.position,
                size=-p.position.size,
                leg=type(p.position.leg)(-p.position.leg),
                cost=-p.value - p.unrealized_pnl,
            )
            for p in report.positions
        )
    other = replace(situation, unit=replace(situation.unit, positions=mirrored))
    assert abs(Fraction(excess(other)) - Fraction(excess(situation))) <= room(situation)


def scaled_rule(rule: MaintenanceRule, k: Decimal) -> MaintenanceRule:
    """The same table in a unit `k` times smaller."""
    if isinstance(rule, TieredRule | WholeNotionalRule):
        tiers = tuple(replace(t, floor=t.floor * k, deduction=t.deduction * k) for t in rule.tiers)
        return replace(rule, tiers=tiers)
    return rule


def scaled_terms(terms: InstrumentTerms, k: Decimal) -> InstrumentTerms:
    if terms.instrument.kind is InstrumentKind.INVERSE_PERPETUAL:
        # the quote is dollars and the settle coin stays: a contract is worth k times as many
        size = terms.instrument.contract_size * k
        return replace(terms, instrument=replace(terms.instrument, contract_size=size))
    return replace(terms, maintenance=scaled_rule(terms.maintenance, k))


def scaled_asset(terms: AssetTerms, k: Decimal) -> AssetTerms:
    tiers = tuple(replace(t, floor=t.floor * k) for t in terms.schedule.tiers)
    return replace(terms, schedule=replace(terms.schedule, tiers=tiers))


def redenominated(situation: Situation, k: Decimal) -> Situation:
    """Every quote currency (USDT, USDC, USD) in a unit `k` times smaller, floors included."""
    unit, market, model = parts(situation)
    quotes = {name for name in model.assets if name.startswith("USD")}
    held = tuple(
        p
        if model.instruments[p.instrument].instrument.is_inverse
        else replace(
            p,
            cost=p.cost * k,
            tier=p.tier and replace(p.tier, maintenance_amount=p.tier.maintenance_amount * k),
        )
        for p in unit.positions
    )
    return Situation(
        unit=replace(
            unit,
            positions=held,
            balances={a: b * k if a in quotes else b for a, b in unit.balances.items()},
            accrued_interest={
                a: b * k if a in quotes else b for a, b in unit.accrued_interest.items()
            },
            loans={a: b * k if a in quotes else b for a, b in unit.loans.items()},
        ),
        market=replace(
            market,
            marks={s: p * k for s, p in market.marks.items()},
            indices={s: p * k for s, p in market.indices.items()},
            # the valuation currency is one of the quotes: only coins get dearer
            asset_prices={a: p if a in quotes else p * k for a, p in market.asset_prices.items()},
        ),
        model=replace(
            model,
            instruments={s: scaled_terms(t, k) for s, t in model.instruments.items()},
            assets={a: scaled_asset(t, k) if a in quotes else t for a, t in model.assets.items()},
        ),
    )


@given(situations(), st.sampled_from([Decimal(100), Decimal("0.001"), Decimal(7)]))
def test_changing_the_quote_unit_scales_the_result(situation: Situation, k: Decimal) -> None:
    with exact():
        other = redenominated(situation, k)
    in_coin = situation.model.single_asset and not situation.model.valuation.startswith("USD")
    factor = Fraction(1) if in_coin else Fraction(k)
    found, expected = Fraction(excess(other)), Fraction(excess(situation)) * factor
    assert abs(found - expected) <= room(other) + room(situation) * factor
    one, two = margin_report(*parts(situation)), margin_report(*parts(other))
    assert [p.maintenance.tier for p in one.positions] == [
        p.maintenance.tier for p in two.positions
    ]


class Tracking(Mapping[str, Decimal]):
    """A mapping that remembers what was read from it."""

    def __init__(self, prices: Mapping[str, Decimal], kind: FactorKind, log: set[Factor]) -> None:
        self._prices, self._kind, self._log = prices, kind, log

    def __getitem__(self, name: str) -> Decimal:
        self._log.add(Factor(self._kind, name))
        return self._prices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._prices)

    def __len__(self) -> int:
        return len(self._prices)


@given(situations())
def test_every_number_the_excess_reads_is_declared(situation: Situation) -> None:
    log: set[Factor] = set()
    unit, market, model = parts(situation)
    tracked = Market(
        marks=Tracking(market.marks, FactorKind.MARK, log),
        indices=Tracking(market.indices, FactorKind.INDEX, log),
        asset_prices=Tracking(market.asset_prices, FactorKind.ASSET, log),
    )
    maintenance_excess(unit, tracked, model)
    assert log <= reads(unit, model)
    on_mark = {
        Factor(FactorKind.MARK, p.instrument)
        for p in unit.positions
        if model.instruments[p.instrument].margin_price is MarginPrice.MARK
    }
    assert on_mark <= log


def by_parameters(face: RuleParameters, size: Decimal, notional: Decimal) -> Decimal:
    """A requirement as a kernel computes it from the parameters alone."""
    key = size if face.kind.name == "SIZED" else notional
    row = 0
    for number, floor in enumerate(face.floors[1:], start=1):
        if key > floor or (face.edge_upper and key == floor):
            row = number
    rate = face.rates[row] + face.slope * size
    return notional * rate - face.deductions[row]


@given(situations(HELD))
def test_the_kernel_parameters_of_a_rule_give_its_requirement(situation: Situation) -> None:
    for held in margin_report(*parts(situation)).positions:
        rule = held.terms.maintenance
        size = abs(held.position.size)
        with exact():
            for notional in (Decimal(0), held.notional, *rule.breakpoints(size)):
                found = by_parameters(rule.parameters(), size, notional)
                assert found == rule.requirement(size, notional).amount
                assert rule.supremum(size, notional) >= found
                assert rule.amount(size, notional) == found
