"""When a request is sent again, without a socket and without waiting."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.client.errors import ConnectionFailed
from pumice.client.flow import Broken, Call, Link, Outcome, Pause, Reply, Send
from pumice.client.retry import Clock, Retries, retry_after
from pumice.domain.errors import DeadlineExceeded

REFUSED = Broken("refused", sent=False)
LOST = Broken("connection lost", sent=True)
LATE = Broken("timed out", sent=True, timed_out=True)
USUAL = Retries()
OK = Reply(200, {}, b"")


def later(status: int = 503, after: str | None = None) -> Reply:
    return Reply(status, {} if after is None else {"retry-after": after}, b"")


@dataclass
class World:
    """Drives one exchange; pauses pass at once."""

    outcomes: list[Outcome]
    seconds_a_send: float = 0.0
    now: float = 0.0
    sent: list[Send] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def run(self, call: Call, *, timeout: float = 10.0, retries: Retries = USUAL) -> Reply:
        clock = Clock(monotonic=lambda: self.now, wall=lambda: 1000.0, chance=lambda: 1.0)
        flow = Link("http://server", {"a": "b"}, timeout, retries, clock).exchange(call)
        outcome: Outcome = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                reply: Reply = end.value
                return reply
            if isinstance(step, Pause):
                self.pauses.append(step.seconds)
                self.now += step.seconds
                outcome = None
            else:
                assert isinstance(step, Send)
                self.sent.append(step)
                self.now += self.seconds_a_send
                outcome = self.outcomes[min(len(self.sent), len(self.outcomes)) - 1]


INFER = Call("POST", "/infer", tell_deadline=True)
SUBMIT = Call("POST", "/predict", repeatable=False)


@pytest.mark.parametrize("trouble", [REFUSED, LOST, later(503), later(429), later(502)])
def test_trouble_that_passes_is_not_seen(trouble: Outcome) -> None:
    world = World([trouble, OK])
    assert world.run(INFER) is OK
    assert len(world.sent) == 2


def test_waits_double_up_to_the_longest() -> None:
    world = World([REFUSED])
    with pytest.raises(ConnectionFailed, match="refused \\(6 tries\\)"):
        world.run(INFER, timeout=1000, retries=Retries(5, first_s=1.0, longest_s=6.0))
    assert world.pauses == [1, 2, 4, 6, 6]


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_waits_lie_between_half_and_all_of_their_value(tried: int, chance: float) -> None:
    wait = Retries(60, first_s=0.1, longest_s=5.0).backoff(tried, chance)
    assert min(5.0, 0.1 * 2 ** (tried - 1)) / 2 <= wait <= 5.0


def test_what_the_server_asks_for_is_kept() -> None:
    world = World([later(503, "7"), later(429, "0"), OK])
    assert world.run(INFER) is OK
    assert world.pauses == [7, 0]


def test_a_wait_that_would_outlast_the_time_is_not_begun() -> None:
    world = World([later(503, "60")])
    assert world.run(INFER, timeout=10).status == 503
    assert world.pauses == []


def test_the_last_refusal_is_given_back() -> None:
    world = World([later(503)])
    assert world.run(INFER, retries=Retries(2)).status == 503
    assert len(world.sent) == 3


@pytest.mark.parametrize("status", [200, 400, 404, 413, 422, 500, 501, 504])
def test_answers_that_stand_are_taken_at_once(status: int) -> None:
    world = World([Reply(status, {}, b"")])
    assert world.run(INFER).status == status
    assert len(world.sent) == 1


def test_what_may_not_happen_twice_is_not_sent_into_a_broken_connection_again() -> None:
    world = World([LOST, OK])
    with pytest.raises(ConnectionFailed, match="connection lost"):
        world.run(SUBMIT)
    assert World([REFUSED, OK]).run(SUBMIT) is OK
    assert World([later(), OK]).run(SUBMIT) is OK


def test_a_timeout_is_the_end() -> None:
    with pytest.raises(DeadlineExceeded, match="timeout of 10 s"):
        World([LATE, OK]).run(INFER)


def test_all_tries_share_the_time_and_the_server_is_told_what_is_left() -> None:
    world = World([LOST], seconds_a_send=4.0)
    with pytest.raises(ConnectionFailed):
        world.run(INFER, retries=Retries(9, first_s=0.5))
    assert [send.timeout_s for send in world.sent] == [10, 5.5, 0.5]
    assert [send.headers["x-timeout-ms"] for send in world.sent] == ["10000", "5500", "500"]
    assert all(send.headers["a"] == "b" for send in world.sent)


def test_time_that_ran_out_in_a_pause_is_a_deadline() -> None:
    world = World([])
    flow = Link("http://server", {}, 10.0, USUAL, Clock(monotonic=lambda: world.now)).exchange(INFER)
    flow.send(None)
    assert flow.send(later(503, "9")) == Pause(9)
    world.now = 10.0  # the pause took longer than it should
    with pytest.raises(DeadlineExceeded):
        flow.send(None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("12", 12),
        ("1.5", 1.5),
        ("-3", 0),
        ("Thu, 01 Jan 1970 00:17:00 GMT", 20),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0),
        ("", None),
        ("soon", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value, 1000.0) == seconds
