"""Cut points follow the bytes: they cover a file, keep to their lengths, and come back after an insertion."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pumice.store.chunking import LONGEST_CHUNK, Sizes, cut_points, sizes_for

SMALL = Sizes(64, 256, 1024)
MIB = 1 << 20


def noise(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, length, dtype=np.uint8)


def chunks(data: np.ndarray, sizes: Sizes) -> list[bytes]:
    ends = cut_points(data, sizes, last=True)
    return [data[start:end].tobytes() for start, end in zip([0, *ends], ends, strict=False)]


@given(st.binary(max_size=8000), st.sampled_from([SMALL, Sizes(16, 64, 256)]))
def test_chunks_are_all_of_the_bytes_and_no_longer_than_allowed(data: bytes, sizes: Sizes) -> None:
    found = chunks(np.frombuffer(data, np.uint8), sizes)
    assert b"".join(found) == data
    assert all(len(chunk) <= sizes.most for chunk in found)
    assert all(len(chunk) >= sizes.least for chunk in found[:-1])


@given(st.integers(0, 2**32), st.integers(1, 50_000))
def test_a_block_that_is_cut_in_two_has_the_same_chunks(seed: int, split: int) -> None:
    data = noise(60_000, seed)
    first = cut_points(data[:split], SMALL, last=False)
    start = first[-1] if first else 0
    rest = [start + end for end in cut_points(data[start:], SMALL, last=True)]
    assert [*first, *rest] == cut_points(data, SMALL, last=True)


def test_an_insertion_moves_the_cuts_near_it_only() -> None:
    data = noise(4 * MIB)
    moved = np.concatenate([data[: 2 * MIB], noise(11, seed=1), data[2 * MIB :]])
    before, after = (set(chunks(version, sizes_for(4 * MIB))) for version in (data, moved))
    assert len(after - before) <= 3


def test_the_mean_length_is_near_to_the_usual_one() -> None:
    sizes = sizes_for(8 * MIB)
    count = len(cut_points(noise(8 * MIB), sizes, last=True))
    assert 0.8 < 8 * MIB / count / sizes.usual < 1.25


def test_zeros_are_chunks_of_the_greatest_length() -> None:
    assert cut_points(np.zeros(4096, np.uint8), SMALL, last=True) == [1024, 2048, 3072, 4096]


def test_no_file_has_longer_chunks_than_buffers_hold() -> None:
    assert all(sizes_for(length).most <= LONGEST_CHUNK for length in (0, 4 * MIB, 64 * MIB, 1 << 50))
