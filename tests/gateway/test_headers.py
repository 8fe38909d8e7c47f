"""Headers that mean the same on every route."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.domain.errors import MalformedInput
from pumice.gateway.headers import MAX_REQUEST_ID, MAX_WAIT_S, choose_request_id, deadline_of, preferred_wait


@pytest.mark.parametrize("given_id", ["a", "f47ac10b-58cc", "x y", "~" * MAX_REQUEST_ID])
def test_a_sane_request_id_is_kept(given_id: str) -> None:
    assert choose_request_id(given_id) == given_id


@pytest.mark.parametrize("given_id", ["", "\n", "a\tb", "é", "x" * (MAX_REQUEST_ID + 1), "\x7f"])
def test_any_other_is_replaced(given_id: str) -> None:
    made = choose_request_id(given_id)
    assert made != given_id
    assert len(made) == 32
    assert int(made, 16)


def test_made_ids_differ() -> None:
    assert len({choose_request_id("") for _ in range(1000)}) == 1000


@given(st.text())
def test_every_request_id_can_go_into_a_header(given_id: str) -> None:
    chosen = choose_request_id(given_id)
    assert chosen.isascii()
    assert chosen.isprintable()
    assert 0 < len(chosen) <= MAX_REQUEST_ID


def test_a_deadline() -> None:
    assert deadline_of("", 10.0) is None
    assert deadline_of("250", 10.0) == 10.25
    assert deadline_of("0.5", 10.0) == 10.0005


@pytest.mark.parametrize("value", ["0", "-5", "soon", "nan", "inf", "1e999"])
def test_a_deadline_that_is_none(value: str) -> None:
    with pytest.raises(MalformedInput, match="x-timeout-ms"):
        deadline_of(value, 10.0)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ([], None),
        (["respond-async"], None),
        (["wait=3"], 3),
        (["respond-async, wait=3"], 3),
        (["respond-async", "Wait = 3; x=y"], 3),
        (['wait="3"'], 3),
        (["wait=0"], 0),
        (["wait=soon"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait"], None),
        (["wait=²"], None),
        (["wait=100000"], MAX_WAIT_S),
        (["wait=" + "9" * 5000], MAX_WAIT_S),
        (["waiter=3"], None),
    ],
)
def test_a_preferred_wait(prefer: list[str], seconds: int | None) -> None:
    assert preferred_wait(prefer) == seconds


@given(st.lists(st.text()))
def test_no_preference_is_an_error(prefer: list[str]) -> None:
    seconds = preferred_wait(prefer)
    assert seconds is None or 0 <= seconds <= MAX_WAIT_S
