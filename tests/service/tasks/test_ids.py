"""Ids follow the time."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from pumice.service.tasks.ids import least_id, new_id

moments = st.floats(0, 2**47 / 1000)


def test_ids_are_uuids_of_version_7_and_differ() -> None:
    ids = [new_id(1_700_000_000.123) for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {uuid.UUID(task_id).version for task_id in ids} == {7}
    assert {uuid.UUID(task_id).variant for task_id in ids} == {uuid.RFC_4122}


@given(moments, st.floats(0.001, 1000))
def test_later_ids_sort_later(at: float, later: float) -> None:
    assert least_id(at) <= new_id(at) < least_id(at + later + 0.001) <= new_id(at + later + 0.001)
