import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.market.impact import (
    NO_LIMIT_BUY,
    NO_LIMIT_SELL,
    FlatDensity,
    ImpactModel,
    ImpactState,
    LinearDensity,
    MarketOrder,
    Memory,
    Shape,
    Withdrawal,
    advance,
    displacement,
    execute,
    exponential_memory,
    initial_state,
    power_law_memory,
)
from keelmark.market.optimal import optimal_schedule

DAILY_LOTS = 1_000_000
SIGMA = 0.04
PREFACTOR = 0.9
RHO = 0.01
REFERENCE = 10**9

AFS = ImpactModel(
    shape=LinearDensity(scale=PREFACTOR * SIGMA / math.sqrt(DAILY_LOTS)),
    memory=exponential_memory(half_life_s=math.log(2) / RHO),
)
FLAT = ImpactModel(shape=FlatDensity(density=5e6), memory=AFS.memory)
PROPAGATOR = ImpactModel(
    shape=FlatDensity(density=5e6), memory=power_law_memory(exponent=0.5, onset_s=1.0)
)

models = st.sampled_from([AFS, FLAT, PROPAGATOR])
shapes = st.one_of(
    st.builds(LinearDensity, scale=st.floats(1e-8, 1e-2)),
    st.builds(FlatDensity, density=st.floats(1e2, 1e12)),
)
volumes = st.floats(-1e9, 1e9).filter(lambda volume: volume == 0 or abs(volume) > 1e-3)
depths = st.floats(0.01, 1.0)
lots = st.integers(1, 50_000)


def buy(size: int, limit: int = NO_LIMIT_BUY) -> MarketOrder:
    return MarketOrder(lots=size, reference_ticks=REFERENCE, limit_ticks=limit)


def sell(size: int, limit: int = NO_LIMIT_SELL) -> MarketOrder:
    return MarketOrder(lots=-size, reference_ticks=REFERENCE, limit_ticks=limit)


def fresh(model: ImpactModel) -> ImpactState:
    return initial_state(model, time_ms=0)


def test_one_percent_of_volume_moves_the_price_36_basis_points_and_costs_two_thirds() -> None:
    """METHODS.md row 28."""
    done = execute(AFS, fresh(AFS), buy(DAILY_LOTS // 100))
    assert done.displacement_end == pytest.approx(36.0e-4, rel=1e-6)
    average = done.average_ticks / REFERENCE - 1.0
    assert average / done.displacement_end == pytest.approx(2 / 3, abs=1e-6)
    later = advance(AFS, done.state, time_ms=round(1_000 / RHO))
    assert displacement(AFS, later) == pytest.approx(21.835e-4, rel=1e-5)


def test_two_half_orders_back_to_back_are_one_order() -> None:
    """METHODS.md 3.3: 36.0 bp again, where adding square roots gives 50.9 bp."""
    first = execute(AFS, fresh(AFS), buy(5_000))
    second = execute(AFS, first.state, buy(5_000))
    whole = execute(AFS, fresh(AFS), buy(10_000))
    assert second.displacement_end == pytest.approx(36.0e-4, rel=1e-6)
    assert second.state == whole.state
    assert 2 * first.displacement_end == pytest.approx(50.9e-4, rel=1e-3)
    paid = (first.average_ticks + second.average_ticks) / 2
    assert paid == pytest.approx(whole.average_ticks, abs=1)


@given(models, lots, st.integers(2, 6), depths)
def test_splitting_an_order_without_waiting_is_neither_cheaper_nor_dearer(
    model: ImpactModel, size: int, parts: int, depth: float
) -> None:
    state = replace(fresh(model), depth=depth)
    whole = execute(model, state, buy(size * parts))
    paid, end = 0, 0.0
    for _ in range(parts):
        done = execute(model, state, buy(size))
        paid, state, end = paid + done.average_ticks, done.state, done.displacement_end
    assert end == pytest.approx(whole.displacement_end, rel=1e-9)
    assert -1 <= paid / parts - whole.average_ticks <= 2  # each fill is rounded up by < 1 tick


@given(models, lots, lots)
def test_buying_and_selling_mirror(model: ImpactModel, first: int, second: int) -> None:
    up, down = fresh(model), fresh(model)
    for size in (first, second):
        bought, sold = execute(model, up, buy(size)), execute(model, down, sell(size))
        assert bought.displacement_end == -sold.displacement_end
        above, below = bought.average_ticks - REFERENCE, REFERENCE - sold.average_ticks
        assert above == below
        up = advance(model, bought.state, time_ms=bought.state.time_ms + 5_000)
        down = advance(model, sold.state, time_ms=sold.state.time_ms + 5_000)
    assert up.volumes == tuple(-volume for volume in down.volumes)


@given(models, lots)
def test_selling_what_was_bought_at_once_restores_the_book_and_earns_nothing(
    model: ImpactModel, size: int
) -> None:
    bought = execute(model, fresh(model), buy(size))
    sold = execute(model, bought.state, sell(size))
    assert displacement(model, sold.state) == pytest.approx(0.0, abs=1e-9)
    assert sold.average_ticks <= bought.average_ticks


@given(
    st.sampled_from([AFS, FLAT]),
    st.lists(st.tuples(st.integers(-9_000, 9_000), st.integers(1, 900))),
)
def test_no_round_trip_earns_money(model: ImpactModel, trades: list[tuple[int, int]]) -> None:
    """Exponential memory: the price moved by our own flow can never be sold at a profit."""
    state, cash, held = fresh(model), 0, 0
    for size, seconds in [*trades, (0, 1)]:
        wanted = size or -held
        if wanted:
            order = buy(wanted) if wanted > 0 else sell(-wanted)
            done = execute(model, state, order)
            cash -= done.filled_lots * done.average_ticks
            held += done.filled_lots
            state = done.state
        state = advance(model, state, time_ms=state.time_ms + 1_000 * seconds)
    assume(held == 0)
    assert cash <= 0


@given(models, lots, st.lists(st.integers(1, 10_000_000), min_size=1, max_size=5))
def test_the_price_only_comes_back_while_nobody_trades(
    model: ImpactModel, size: int, waits: list[int]
) -> None:
    state = execute(model, fresh(model), buy(size)).state
    previous = displacement(model, state)
    for wait in waits:
        state = advance(model, state, time_ms=state.time_ms + wait)
        now = displacement(model, state)
        assert 0.0 <= now < previous or now == previous == 0.0
        previous = now


@given(models, lots, st.integers(0, 20_000_000), st.booleans())
def test_a_limit_is_never_crossed_and_only_the_next_lot_would_cross_it(
    model: ImpactModel,
    size: int,
    distance: int,
    is_buy: bool,  # noqa: FBT001 drawn by Hypothesis
) -> None:
    sign = 1 if is_buy else -1
    limit = REFERENCE + sign * distance
    order = MarketOrder(lots=sign * size, reference_ticks=REFERENCE, limit_ticks=limit)
    done = execute(model, fresh(model), order)
    assert 0 <= sign * done.filled_lots <= size
    if done.filled_lots:
        assert sign * (limit - done.average_ticks) >= 0
        assert sign * done.displacement_end <= distance / REFERENCE * (1 + 1e-9)
    if sign * done.filled_lots < size:
        beyond = model.shape.displacement(done.filled_lots + 1.001 * sign, 1.0)
        assert sign * beyond > distance / REFERENCE


def test_an_order_whose_limit_is_already_passed_fills_nothing_and_names_the_price() -> None:
    state = execute(AFS, fresh(AFS), buy(10_000)).state
    done = execute(AFS, state, buy(1, limit=REFERENCE + 3_599_999))
    assert done.filled_lots == 0
    assert done.average_ticks == REFERENCE + 3_600_000
    assert done.state == state
    assert done.displacement_end == done.displacement_start
    assert execute(AFS, state, buy(1, limit=REFERENCE + 3_700_000)).filled_lots == 1


def test_a_sale_without_a_limit_stops_above_zero() -> None:
    done = execute(AFS, fresh(AFS), sell(10**12))
    assert done.average_ticks >= 1
    assert -done.filled_lots < 10**12
    assert done.displacement_end > -1.0
    cheap = MarketOrder(lots=-10, reference_ticks=1, limit_ticks=NO_LIMIT_SELL)
    assert execute(AFS, fresh(AFS), cheap).filled_lots == 0


@given(shapes, volumes, depths)
def test_volume_and_displacement_are_inverse(shape: Shape, volume: float, depth: float) -> None:
    there = shape.displacement(volume, depth)
    assert shape.volume(there, depth) == pytest.approx(volume, rel=1e-9, abs=1e-12)


@given(shapes, volumes, volumes, depths)
def test_the_mean_is_the_integral_of_the_displacement(
    shape: Shape, start: float, end: float, depth: float
) -> None:
    count = 20_000
    step = (end - start) / count
    assume(step != 0)
    samples = [shape.displacement(start + (i + 0.5) * step, depth) for i in range(count)]
    scale = max(abs(shape.displacement(start, depth)), abs(shape.displacement(end, depth)))
    assert shape.mean(start, end, depth) == pytest.approx(
        math.fsum(samples) / count, rel=1e-6, abs=2e-6 * scale
    )


def test_the_mean_of_no_volume_is_the_displacement_of_none() -> None:
    assert AFS.shape.mean(0.0, 0.0, 1.0) == 0.0
    assert FLAT.shape.mean(0.0, 0.0, 1.0) == 0.0


@pytest.mark.parametrize("exponent", [0.2, 0.4, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-5])
def test_the_power_law_is_carried_by_exponentials_within_its_tolerance(
    exponent: float, tolerance: float
) -> None:
    memory = power_law_memory(exponent=exponent, onset_s=2.0, tolerance=tolerance)
    for seconds in [0.0, *(10.0 ** (k / 4) for k in range(-12, 40))]:
        exact = (1.0 + seconds / 2.0) ** -exponent
        assert memory.kernel(seconds) == pytest.approx(exact, abs=tolerance)


def test_a_propagator_adds_the_faded_impact_of_each_trade() -> None:
    """x(t) = sum of q_i G(t - t_i) / density, the propagator's definition."""
    state = fresh(PROPAGATOR)
    trades = [(0, 4_000), (30_000, -1_000), (95_000, 2_500)]
    for time_ms, size in trades:
        order = buy(size) if size > 0 else sell(-size)
        state = execute(PROPAGATOR, advance(PROPAGATOR, state, time_ms=time_ms), order).state
    state = advance(PROPAGATOR, state, time_ms=400_000)
    kernel = PROPAGATOR.memory.kernel
    expected = sum(size * kernel((400_000 - at) / 1_000) for at, size in trades) / 5e6
    assert displacement(PROPAGATOR, state) == pytest.approx(expected, rel=1e-12)


def test_withdrawn_quotes_deepen_impact_and_come_back() -> None:
    withdrawal = Withdrawal(
        recovery_rate=0.01, flow_sensitivity=1e-4, return_sensitivity=20.0, floor=0.1
    )
    model = replace(AFS, withdrawal=withdrawal)
    hit = execute(model, fresh(model), sell(5_000)).state
    pulled = advance(model, hit, time_ms=1_000, log_return=-0.05)
    assert pulled.depth == pytest.approx(math.exp(-0.5 - 1.0))
    assert pulled.flow == 0.0
    volume = math.fsum(pulled.volumes)
    assert displacement(model, pulled) == AFS.shape.displacement(volume, pulled.depth)
    crashed = advance(model, pulled, time_ms=2_000, log_return=-0.9)
    assert crashed.depth == 0.1
    calm = advance(model, crashed, time_ms=102_000)
    assert calm.depth == pytest.approx(1 - 0.9 * math.exp(-1))


def test_time_that_stands_still_changes_nothing_and_time_that_runs_back_is_refused() -> None:
    state = execute(AFS, initial_state(AFS, time_ms=5_000), buy(100)).state
    assert advance(AFS, state, time_ms=5_000) == state
    with pytest.raises(InvalidInput, match="cannot be moved back to 4999"):
        advance(AFS, state, time_ms=4_999)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (LinearDensity, {"scale": 0.0}),
        (FlatDensity, {"density": math.inf}),
        (exponential_memory, {"half_life_s": -1.0}),
        (power_law_memory, {"exponent": 1.5, "onset_s": 1.0}),
        (power_law_memory, {"exponent": 0.5, "onset_s": 0.0}),
        (Memory, {"name": "m", "weights": (0.5, 0.4), "rates": (1.0, 2.0)}),
        (Memory, {"name": "m", "weights": (1.0,), "rates": ()}),
        (Memory, {"name": "m", "weights": (1.5, -0.5), "rates": (1.0, 2.0)}),
        (Withdrawal, {"recovery_rate": -1.0}),
        (Withdrawal, {"floor": 0.0}),
        (MarketOrder, {"lots": 0, "reference_ticks": 1, "limit_ticks": 1}),
        (MarketOrder, {"lots": 1, "reference_ticks": 0, "limit_ticks": 1}),
    ],
)
def test_parameters_that_make_no_book_are_refused(
    kind: Callable[..., object], values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        kind(**values)


def test_the_flat_optimum_matches_its_published_form() -> None:
    """METHODS.md row 26: rho 10, T 1, kappa 1, X 1."""
    best = optimal_schedule(FlatDensity(density=1.0), size=1.0, resilience=10.0, seconds=1.0)
    for figure in (best.first_block, best.last_block, best.cost):
        assert figure == pytest.approx(1 / 12, abs=1e-9)
    assert best.rate == pytest.approx(10 / 12, abs=1e-9)


def simulated_cost(shape: Shape, trades: list[float], *, rho: float, seconds: float) -> float:
    """Cost of trades at equal times, in lots times fraction, from the shape's own integral."""
    volume, cost = 0.0, 0.0
    fade = math.exp(-rho * seconds / (len(trades) - 1))
    for trade in trades:
        cost += trade * shape.mean(volume, volume + trade, 1.0)
        volume = (volume + trade) * fade
    return cost


@pytest.mark.parametrize("shape", [FlatDensity(density=1.0), LinearDensity(scale=0.7)])
def test_the_optimum_costs_what_it_says_and_no_neighbour_is_cheaper(
    shape: FlatDensity | LinearDensity,
) -> None:
    rho, seconds, count = 3.0, 2.0, 2_001
    best = optimal_schedule(shape, size=1.0, resilience=rho, seconds=seconds)

    def cost(first: float, last: float) -> float:
        middle = (1.0 - first - last) / (count - 2)
        trades = [first, *[middle] * (count - 2), last]
        return simulated_cost(shape, trades, rho=rho, seconds=seconds)

    here = cost(best.first_block, best.last_block)
    assert here == pytest.approx(best.cost, rel=1e-3)
    assert best.first_block + best.rate * seconds + best.last_block == pytest.approx(1.0)
    for away in (0.8, 1.25):
        assert cost(best.first_block * away, best.last_block) > here
        assert cost(best.first_block, best.last_block * away) > here


def test_a_schedule_without_a_size_is_refused() -> None:
    with pytest.raises(InvalidInput, match="must be positive"):
        optimal_schedule(FlatDensity(density=1.0), size=0.0, resilience=1.0, seconds=1.0)
