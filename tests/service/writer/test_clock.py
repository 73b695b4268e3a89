"""The service's clock: what it does when the machine's clock jumps."""

from hypothesis import given
from hypothesis import strategies as st

from keelmark.service.writer.clock import FORWARD_MAX_MS, SteadyClock
from tests.service.writer.house import NOON_MS, Watch

HOUR = 3_600_000


def clock_of(watch: Watch, start: int = 0) -> SteadyClock:
    return SteadyClock(watch.sources(), not_before_ms=start)


def test_it_shows_the_machines_time() -> None:
    watch = Watch()
    clock = clock_of(watch)
    watch.passes(1234)
    assert clock.now_ms() == NOON_MS + 1234
    assert (clock.steps, clock.drift_ms) == (0, 0)


def test_a_step_forward_is_followed() -> None:
    watch = Watch()
    clock = clock_of(watch)
    watch.wall += 600_000  # the machine slept
    assert clock.now_ms() == watch.wall
    assert clock.steps == 1


def test_a_leap_forward_is_not_followed_and_can_be_seen() -> None:
    watch = Watch()
    clock = clock_of(watch)
    watch.wall += 24 * HOUR
    watch.passes(1000)
    assert clock.now_ms() == NOON_MS + 1000
    assert clock.drift_ms == 24 * HOUR
    assert clock_of(watch).now_ms() == watch.wall, "a new start follows it"


def test_after_a_step_back_it_goes_at_half_the_speed_until_it_is_caught_up_with() -> None:
    watch = Watch()
    clock = clock_of(watch)
    watch.wall -= 10_000
    for _ in range(10):
        watch.passes(1)
        clock.now_ms()
    assert clock.now_ms() == NOON_MS + 5
    for _ in range(300):
        watch.passes(100)
        clock.now_ms()
    assert abs(clock.now_ms() - watch.wall) <= 50
    assert clock.steps == 0


def test_it_begins_no_earlier_than_the_engine_has_come() -> None:
    watch = Watch()
    clock = clock_of(watch, NOON_MS + 5_000)
    assert clock.now_ms() == NOON_MS + 5_000
    watch.passes(1_000)
    assert clock.now_ms() == NOON_MS + 5_500


jumps = st.one_of(st.just(0), st.integers(-HOUR, HOUR), st.integers(-100 * HOUR, 100 * HOUR))


@given(st.lists(st.tuples(st.integers(0, 60_000), jumps), max_size=30))
def test_it_never_goes_backwards_and_never_leaps(steps: list[tuple[int, int]]) -> None:
    watch = Watch()
    clock = clock_of(watch)
    last = clock.now_ms()
    for passed, jump in steps:
        watch.passes(passed)
        watch.wall += jump
        now = clock.now_ms()
        assert last <= now <= last + passed + FORWARD_MAX_MS
        last = now
