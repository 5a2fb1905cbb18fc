"""A pace: an outburst is free, what goes on keeps to the rate, and rest is never saved up beyond a second."""

import pytest

from wheelyard.pipeline.attempt_log import Throttle

RATE = 1000


class Stopwatch:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def pace(time: Stopwatch) -> Throttle:
    return Throttle(RATE, elapsed=time)


def test_outburst_of_a_seconds_worth_is_free(pace: Throttle) -> None:
    assert [pace.spend(250) for _ in range(4)] == [0.0] * 4


def test_what_is_beyond_it_waits_for_its_time(pace: Throttle) -> None:
    pace.spend(RATE)
    assert pace.spend(100) == pytest.approx(0.1)
    assert pace.spend(100) == pytest.approx(0.2)


def test_writer_who_waits_as_told_keeps_to_the_rate(pace: Throttle, time: Stopwatch) -> None:
    begun, spent = time.seconds, 0
    while time.seconds < begun + 60:
        time.seconds += pace.spend(64)
        spent += 64
    assert spent == pytest.approx(61 * RATE, abs=64)


def test_who_stays_below_the_rate_never_waits(pace: Throttle, time: Stopwatch) -> None:
    for _ in range(600):
        time.seconds += 0.1
        assert pace.spend(99) == 0.0


def test_rest_is_worth_a_second_at_most(pace: Throttle, time: Stopwatch) -> None:
    time.seconds += 3600
    assert pace.spend(RATE) == 0.0
    assert pace.spend(500) == pytest.approx(0.5)


def test_nothing_costs_nothing(pace: Throttle) -> None:
    pace.spend(RATE)
    assert pace.spend(0) == 0.0
