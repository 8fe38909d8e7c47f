"""Whose turn it is."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pumice.service.tasks.lanes import WINDOW, Entry, Lanes


def entry(number: int, model: str = "m", priority: int = 8) -> Entry:
    return Entry(f"{number:06d}", (model, ""), priority, "", 0.0, b"")


def drained(lanes: Lanes) -> list[Entry]:
    found = []
    while (taken := lanes.pop()) is not None:
        found.append(taken)
    return found


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 16)), max_size=60))
def test_urgent_first_and_within_a_model_the_oldest_first(tasks: list[tuple[str, int]]) -> None:
    lanes = Lanes()
    for number, (model, priority) in enumerate(tasks):
        lanes.push(entry(number, model, priority))
    order = drained(lanes)
    assert len(order) == len(tasks)
    assert [e.priority for e in order] == sorted(priority for _, priority in tasks)
    for model in "abc":
        own = [(e.priority, e.task_id) for e in order if e.key[0] == model]
        assert own == sorted(own)


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_models_of_equal_priority_take_turns(models: list[str]) -> None:
    lanes = Lanes()
    for number, model in enumerate(models):
        lanes.push(entry(number, model))
    left = Counter(models)
    waited: Counter[str] = Counter()
    for taken in drained(lanes):
        left[taken.key[0]] -= 1
        for model in left:
            waited[model] = 0 if model == taken.key[0] else waited[model] + 1
            assert not left[model] or waited[model] < 3, "the others had a turn each, and it had none"


def test_a_task_that_comes_back_finds_its_place() -> None:
    lanes = Lanes()
    for number in range(3):
        lanes.push(entry(number))
    first = lanes.pop()
    assert first is not None
    lanes.push(first)
    assert [e.task_id for e in drained(lanes)] == ["000000", "000001", "000002"]


def test_a_model_that_cannot_answer_holds_nobody_up() -> None:
    lanes = Lanes()
    lanes.push(entry(0, "down", priority=1))
    lanes.push(entry(1, "up"))
    lanes.lane(("down", "")).blocked = True
    assert [e.key[0] for e in drained(lanes)] == ["up"]
    lanes.lane(("down", "")).blocked = False
    assert [e.key[0] for e in drained(lanes)] == ["down"]


def test_a_full_lane_takes_the_more_urgent_only_and_not_for_ever() -> None:
    lanes = Lanes()
    lane = lanes.lane(("m", ""))
    for number in range(WINDOW):
        assert lane.has_room(8)
        lanes.push(entry(number))
    assert not lane.has_room(8)
    for number in range(WINDOW):
        assert lane.has_room(7)
        lanes.push(entry(WINDOW + number, priority=7))
    assert not lane.has_room(1)


def test_what_came_later_goes_behind_what_is_on_disk() -> None:
    lane = Lanes().lane(("m", ""))
    lane.more = True
    assert not lane.has_room(8)


def test_a_lane_is_refilled_when_it_is_half_empty() -> None:
    lanes = Lanes()
    lane = lanes.lane(("m", ""))
    assert lane.wanted == 0, "there is nothing on disk"
    lane.more = True
    assert lane.wanted == WINDOW
    for number in range(WINDOW // 2):
        lanes.push(entry(number))
    assert lane.wanted == WINDOW // 2
    lanes.push(entry(WINDOW))
    assert lane.wanted == 0
    lanes.pop()
    lane.refilling = True
    assert lane.wanted == 0
