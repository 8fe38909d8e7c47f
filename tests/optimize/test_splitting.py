"""Parts of the data that share nothing, in an order that only the seed sways."""

from __future__ import annotations

import numpy as np
import pytest

from pumice.domain.errors import BadSetting
from pumice.optimize.data.digests import row_digests
from pumice.optimize.data.splitting import CERTIFY_ONLY, split
from pumice.optimize.examples import Examples


def examples(numbers: np.ndarray) -> Examples:
    """Examples that are numbers; each is its own label, and the slice of its parity."""
    slices = np.array([f"{number % 2}" for number in numbers], dtype=object)
    return Examples({"x": numbers[:, None].astype(np.float32)}, numbers, slices, "")


@pytest.mark.parametrize(
    ("count", "sizes"), [(8, (1, 1, 6)), (300, (37, 37, 226)), (4000, (256, 500, 3244)), (9000, (256, 512, 8232))]
)
def test_parts_are_disjoint_and_of_sensible_sizes(count: int, sizes: tuple[int, ...]) -> None:
    parts = split(examples(np.arange(count)), seed=3)
    labels = [part.labels for part in (parts.calibration, parts.search, parts.certification)]
    assert tuple(len(part) for part in labels if part is not None) == sizes
    assert sorted(np.concatenate([part for part in labels if part is not None])) == list(range(count))
    for part in (parts.calibration, parts.search, parts.certification):
        assert part.labels is not None
        assert part.slices is not None
        np.testing.assert_array_equal(part.inputs["x"][:, 0], part.labels)
        assert part.slices.tolist() == [f"{number % 2}" for number in part.labels]


def test_the_order_is_that_of_the_seed_alone() -> None:
    numbers = np.arange(500)
    one, again, shuffled = (split(examples(order), seed=5) for order in (numbers, numbers, numbers[::-1]))
    other = split(examples(numbers), seed=6)
    for part in (again, shuffled):
        np.testing.assert_array_equal(part.certification.inputs["x"], one.certification.inputs["x"])
    assert not np.array_equal(other.certification.inputs["x"], one.certification.inputs["x"])
    # a new version must not silently reorder what was certified
    assert one.certification.labels is not None
    assert one.certification.labels[:5].tolist() == [41, 192, 330, 182, 121]


def test_an_input_counts_once() -> None:
    numbers = np.repeat(np.arange(100), 3)
    given = examples(numbers)
    assert given.labels is not None
    given.labels[4] = 7  # the second of the three ones
    parts = split(given, seed=1, sizes=CERTIFY_ONLY)
    assert (len(parts.calibration), len(parts.search), len(parts.certification)) == (0, 0, 100)
    assert (parts.duplicates, parts.contradictions) == (200, 1)
    assert sorted(parts.certification.inputs["x"][:, 0]) == list(range(100))
    with pytest.raises(BadSetting, match="7 different examples"):
        split(examples(np.repeat(np.arange(7), 9)), seed=1)


def test_no_two_examples_have_one_digest_unless_they_are_equal() -> None:
    texts = np.empty((4, 2), dtype=object)
    texts[:] = [[b"ab", b"c"], [b"a", b"bc"], [b"ab", b"c"], [b"", b"abc"]]
    digests = row_digests({"text": texts})
    assert [digests.index(digest) for digest in digests] == [0, 1, 0, 3]
    assert row_digests({"x": np.zeros((1, 2), np.int32)}) != row_digests({"x": np.zeros((1, 2), np.float32)})
    assert row_digests({"x": np.zeros((1, 2))}) != row_digests({"y": np.zeros((1, 2))})
