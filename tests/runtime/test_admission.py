"""Who gets in, by what is predicted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.domain.errors import Overloaded, OverShare, PumiceError
from pumice.domain.request import InferRequest, InferResult
from pumice.observe.stats import VersionStats
from pumice.runtime.front.admission import Admission, Doubt, Limits, start_after
from pumice.runtime.front.queue import PendingQueue
from pumice.runtime.front.sharing import Sharing
from pumice.runtime.front.ticket import Ticket

seconds = st.floats(0, 10)
replicas = st.lists(st.floats(-5, 10), max_size=4)


@given(st.integers(1, 500), st.integers(1, 32), seconds, replicas)
def test_a_wait_is_never_negative_and_grows_with_the_rows(
    rows: int, full: int, batch: float, free_in: list[float]
) -> None:
    now, later = start_after(rows, full, batch, free_in), start_after(rows + 1, full, batch, free_in)
    assert 0 <= now <= later * (1 + 1e-12)  # sums of floats, in another order


@given(st.integers(1, 500), st.integers(1, 32), seconds, st.lists(st.floats(-5, 10), min_size=1, max_size=4))
def test_one_more_free_replica_never_lengthens_a_wait(rows: int, full: int, batch: float, free_in: list[float]) -> None:
    assert start_after(rows, full, batch, [*free_in, 0.0]) <= start_after(rows, full, batch, free_in) + 1e-9


def test_batches_are_spread_over_replicas() -> None:
    assert start_after(1, 4, 1.0, [0.5]) == 0.5
    assert start_after(4, 4, 1.0, [0.5]) == 0.5
    assert start_after(5, 4, 1.0, [0.5]) == 1.5
    assert start_after(9, 4, 1.0, [0.5, 0.25]) == 1.25
    assert start_after(9, 4, 1.0, []) == 2.0  # none is ready: as if one were


def test_doubt_finds_the_pace() -> None:
    doubt = Doubt()
    for _ in range(200):
        doubt.learn(1.0, 1.5)
    assert doubt.pace == pytest.approx(1.5, rel=1e-3)
    assert doubt.deviation == pytest.approx(0.0, abs=1e-3)


def test_a_prediction_is_exceeded_once_in_five_hundred_times() -> None:
    doubt, chance, exceeded = Doubt(), np.random.default_rng(1), 0
    for number in range(20_000):
        came = 0.2 + float(chance.exponential(0.02))
        exceeded += number >= 2000 and came > doubt.pace * 0.2 + doubt.margin
        doubt.learn(0.2, came)
    assert exceeded < 0.004 * 18_000
    assert doubt.margin < 0.2  # 0.1 would do, were the pace known
    for _ in range(8000):
        doubt.learn(0.2, 0.2)
    assert doubt.margin < 0.05  # what is over is forgotten


def test_one_hang_is_soon_forgotten() -> None:
    doubt = Doubt()
    for _ in range(50):
        doubt.learn(0.01, 0.01)
    doubt.learn(0.01, 3600.0)
    assert doubt.pace < 2
    for _ in range(60):
        doubt.learn(0.01, 0.01)
    assert doubt.pace < 1.05
    assert doubt.deviation < 0.001


@given(st.lists(st.tuples(seconds, st.floats(0, 1e6))))
def test_doubt_stays_within_bounds(pairs: list[tuple[float, float]]) -> None:
    doubt = Doubt()
    for predicted, came in pairs:
        doubt.learn(predicted, came)
    assert 0.25 <= doubt.pace <= 4
    assert doubt.deviation >= 0


class Scene:
    """A version whose batches take 10 ms each, whatever their rows, or 10 ms a row."""

    def __init__(self, *, places: int = 100, max_rows: int = 1, wait: float = 1.0) -> None:
        self.stats = VersionStats()
        self.queue = PendingQueue(lambda _: None)
        self.errors: dict[Ticket, PumiceError] = {}
        sharing = Sharing(max_rows, 0.0)
        for rows in (1, max_rows) * 20:
            sharing.curve.observe(rows, 0.01)
        limits = Limits(requests=places, wait=wait, call=30.0)
        self.admission = Admission("m", self.queue, sharing, limits, self.stats)

    def wait(self, count: int, *, caller: str = "", priority: int = 8) -> list[Ticket]:
        tickets = [self.ticket(caller, priority) for _ in range(count)]
        for one in tickets:
            self.queue.push(one)
        return tickets

    def ticket(self, caller: str = "", priority: int = 8) -> Ticket:
        def done(_: InferResult | None, error: PumiceError | None) -> None:
            assert error is not None
            self.errors[one] = error

        one = Ticket(request(caller=caller, priority=priority), None, float(len(self.queue)), done)
        return one

    def judge(self, asked: InferRequest, deadline: float | None = None, free_in: tuple[float, ...] = (0.01,)) -> float:
        return self.admission.judge(asked, deadline, free_in, 0.0)


def request(*, caller: str = "", priority: int = 8) -> InferRequest:
    return InferRequest({"x": np.zeros((1, 1), np.float32)}, caller=caller, priority=priority)


def test_a_request_gets_in_if_it_will_be_in_time() -> None:
    scene = Scene()
    scene.wait(9)
    assert scene.judge(request(), deadline=0.12) == pytest.approx(0.11)
    with pytest.raises(Overloaded) as caught:
        scene.judge(request(), deadline=0.1)
    # too late by 10 ms, and 3 more for the way back
    assert caught.value.retry_after_s == pytest.approx(0.013, abs=0.0011)
    assert scene.stats.shed == {"predicted": 1}
    assert scene.admission.tight


@given(
    waiting=st.integers(0, 60),
    max_rows=st.integers(1, 16),
    busy=st.floats(-1, 1),
    pace=st.floats(0.25, 4),
    left=st.none() | st.floats(0.001, 4),
)
def test_who_gets_in_without_being_judged_would_get_in(
    waiting: int, max_rows: int, busy: float, pace: float, left: float | None
) -> None:
    scene = Scene(max_rows=max_rows, places=50)
    scene.wait(waiting)
    scene.admission.doubt.pace = pace
    scene.admission.doubt.deviation = 10.0
    scene.admission.settle()
    if scene.admission.calm(request(), left, 0.0):
        running = busy * 0.01  # no batch takes longer
        assert scene.judge(request(), left, (running,)) > 0


def test_nobody_is_judged_while_little_waits() -> None:
    scene = Scene(wait=1.0)
    assert not scene.admission.calm(request(), None, 0.0), "nothing is known yet"
    scene.admission.settle()
    scene.wait(90)
    assert scene.admission.calm(request(), None, 0.0)
    assert not scene.admission.calm(request(), 1.5, 0.0)
    assert scene.admission.calm(request(), 2.5, 0.0)
    scene.wait(9)
    assert not scene.admission.calm(request(), None, 0.0), "the last place is given away with care"


def test_who_comes_back_as_told_gets_in() -> None:
    scene = Scene()
    tickets = scene.wait(50)
    with pytest.raises(Overloaded) as caught:
        scene.judge(request(), deadline=0.2)
    served = math.ceil(caught.value.retry_after_s / 0.01)
    for one in tickets[:served]:
        scene.queue.take(one, 1, 0.0)
    assert scene.judge(request(), deadline=0.2)
    assert not scene.admission.tight


def test_without_a_deadline_the_wait_is_bounded() -> None:
    scene = Scene(wait=0.05, places=1000)
    scene.wait(4)
    assert scene.judge(request())
    scene.wait(1)
    with pytest.raises(Overloaded, match="max_wait"):
        scene.judge(request())


def test_batches_shorten_the_wait() -> None:
    scene = Scene(max_rows=32)
    scene.wait(64)
    assert scene.judge(request(), deadline=1.0) == pytest.approx(0.04, rel=0.1)


def test_doubt_never_takes_all_of_a_deadline() -> None:
    scene = Scene()
    scene.admission.doubt.deviation = 100.0
    scene.wait(1)
    assert scene.judge(request(), deadline=0.07)


def test_nobody_is_told_to_come_back_later_than_the_queue_is_empty() -> None:
    scene = Scene()
    scene.wait(1)
    with pytest.raises(Overloaded) as caught:
        scene.judge(request(), deadline=0.000001)
    assert caught.value.retry_after_s <= 0.021


def test_a_crowd_is_told_to_come_back_one_after_the_other() -> None:
    scene, told = Scene(places=1000), []
    scene.wait(500)
    for _ in range(600):
        with pytest.raises(Overloaded) as caught:
            scene.judge(request(), deadline=2.0)
        told.append(caught.value.retry_after_s)
    # there is room from 3.023 s on, for one each 10 ms and a quarter to spare, until the queue is empty
    assert told[:3] == pytest.approx([3.023, 3.0355, 3.048], abs=0.0011)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(5.0, abs=0.02)
    scene.admission.refused_again("predicted")
    assert scene.stats.shed == {"predicted": 601}


def test_while_no_replica_is_ready_nobody_knows() -> None:
    scene = Scene()
    scene.wait(30)
    with pytest.raises(Overloaded) as caught:
        scene.judge(request(), deadline=0.1, free_in=())
    assert caught.value.retry_after_s >= 1.0


def test_a_full_queue_refuses_the_only_caller_as_overloaded() -> None:
    scene = Scene(places=10)
    scene.wait(10)
    with pytest.raises(Overloaded) as caught:
        scene.judge(request())
    assert type(caught.value) is Overloaded
    assert caught.value.retry_after_s == pytest.approx(0.01)
    assert scene.stats.shed == {"queue": 1}


def test_a_polite_caller_takes_a_place_of_the_greedy_one() -> None:
    scene = Scene(places=10)
    greedy = scene.wait(10, caller="greedy")
    polite = request(caller="polite")
    assert scene.judge(polite)
    scene.admission.make_room(polite)
    assert len(scene.queue) == 9
    assert isinstance(scene.errors[greedy[-1]], OverShare)
    scene.wait(1, caller="polite")
    with pytest.raises(OverShare):
        scene.judge(request(caller="greedy"))
    assert scene.stats.shed == {"share": 2}


def test_the_polite_wait_is_short_however_long_the_greedy_queue() -> None:
    scene = Scene(places=1000)
    scene.wait(500, caller="greedy")
    assert scene.judge(request(caller="polite"), deadline=0.1)
    with pytest.raises(Overloaded):
        scene.judge(request(caller="greedy"), deadline=0.1)


def test_an_urgent_request_takes_the_place_of_another() -> None:
    scene = Scene(places=3)
    (low,) = scene.wait(1, priority=9)
    scene.wait(2, priority=8)
    urgent = request(priority=1)
    assert scene.judge(urgent) == pytest.approx(0.02)
    scene.admission.make_room(urgent)
    assert type(scene.errors[low]) is Overloaded
    assert scene.stats.shed == {"queue": 1}


def test_there_is_no_victim_while_there_is_room() -> None:
    scene = Scene(places=10)
    scene.wait(9, caller="greedy")
    scene.admission.make_room(request(caller="polite"))
    assert not scene.errors
