"""Ids follow the time."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from pumice.service.tasks.ids import Ids, least_id

moments = st.floats(0, 2**47 / 1000)


def test_ids_are_uuids_of_version_7_and_differ() -> None:
    ids = Ids()
    made = [ids.new(1_700_000_000.123) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {uuid.UUID(task_id).version for task_id in made} == {7}
    assert {uuid.UUID(task_id).variant for task_id in made} == {uuid.RFC_4122}


@given(moments, st.floats(0.001, 1000))
def test_later_ids_sort_later(at: float, later: float) -> None:
    ids = Ids()
    assert least_id(at) <= ids.new(at) < least_id(at + later + 0.001) <= ids.new(at + later + 0.001)


@given(st.lists(moments, min_size=2, max_size=20))
def test_ids_of_one_gateway_keep_their_order_when_the_clock_goes_back(times: list[float]) -> None:
    ids = Ids()
    made = [ids.new(at) for at in times]
    assert made == sorted(made)


def test_more_ids_than_a_millisecond_has_numbers_for_keep_their_order() -> None:
    ids = Ids()
    made = [ids.new(1_700_000_000.0) for _ in range(10_000)]
    assert made == sorted(made)
