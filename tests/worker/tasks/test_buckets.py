"""Cutting a batch into runs of like length."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pumice.runtime.worker.tasks.buckets import RUN_TOKENS, plan_runs

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=9)


def cost(lengths: np.ndarray, runs: list[np.ndarray]) -> int:
    return sum(RUN_TOKENS + len(rows) * int(lengths[rows].max()) for rows in runs)


def cheapest(lengths: list[int]) -> int:
    """Try every cut of the sorted rows."""
    rows = np.array(sorted(lengths))
    places = range(1, len(rows))
    cuts = itertools.chain.from_iterable(itertools.combinations(places, count) for count in range(len(rows)))
    return min(cost(rows, np.split(np.arange(len(rows)), cut)) for cut in cuts)


@given(LENGTHS)
def test_no_other_cut_is_cheaper(lengths: list[int]) -> None:
    array = np.array(lengths)
    runs = plan_runs(array)
    assert sorted(np.concatenate(runs).tolist()) == list(range(len(lengths)))
    assert cost(array, runs) == cheapest(lengths)


@given(LENGTHS)
def test_without_padding_a_run_has_one_length(lengths: list[int]) -> None:
    array = np.array(lengths)
    runs = plan_runs(array, pad=False)
    assert sorted(np.concatenate(runs).tolist()) == list(range(len(lengths)))
    assert [len(set(array[rows].tolist())) for rows in runs] == [1] * len(set(lengths))


def test_like_lengths_run_together_and_in_order() -> None:
    assert [rows.tolist() for rows in plan_runs(np.array([9, 7, 8, 9]))] == [[0, 1, 2, 3]]


def test_a_short_text_does_not_pay_for_a_long_one() -> None:
    assert [rows.tolist() for rows in plan_runs(np.array([250, 5, 6, 240]))] == [[1, 2], [3, 0]]


def test_thousands_of_rows_are_planned() -> None:
    lengths = np.random.default_rng(5).integers(1, 512, size=5000)
    runs = plan_runs(lengths)
    assert cost(lengths, runs) < cost(lengths, [np.arange(5000)]) / 1.8
