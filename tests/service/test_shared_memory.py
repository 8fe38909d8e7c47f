"""Regions of shared memory: who may use which, and what the memory's owner may do to it meanwhile."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.domain.access import ANYBODY, Principal, scopes_of
from pumice.domain.errors import MalformedInput, Overloaded, RegionNotFound, TooLarge
from pumice.protocol.oip.shared import Place
from pumice.service.shared_memory import MAX_REGIONS, Regions, RegionWish

MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is
ANN = Principal("key:ann", scopes_of(["infer:*", "manage:*"]))
BEN = Principal("key:ben", scopes_of(["infer:*", "read:*"]))
EVE = Principal("key:eve", scopes_of(["infer:*", "manage:m"]))


@pytest.fixture
def regions() -> Iterator[Regions]:
    made = Regions(per_request=1000, together=1500)
    yield made
    made.close()


@pytest.fixture
def memory() -> Iterator[Path]:
    """1000 bytes of memory that nobody else has; each byte tells where it lies."""
    file = MEMORY / f"pumice-test-{uuid.uuid4().hex}"
    file.write_bytes(bytes(at % 251 for at in range(1000)))
    yield file
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_region_is_its_owners_alone(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", memory.name, 0, 100, ANN.caller))
    place = Place("input 'x'", "r", 10)
    assert len(regions.of(ANN.caller).read(place)) == 10
    for other in (BEN, EVE, ANYBODY):
        calls: list[Callable[[], object]] = [
            lambda other=other: regions.of(other.caller).read(place),  # type: ignore[misc]
            lambda other=other: regions.of(other.caller).target(place),  # type: ignore[misc]
        ]
        for call in calls:
            with pytest.raises(RegionNotFound):
                call()
    for other in (BEN, EVE):  # to manage one model is not to manage the server
        assert regions.listed(other) == []
        with pytest.raises(RegionNotFound):
            regions.listed(other, "r")
        regions.unregister("r", other)
        regions.unregister("", other)
    assert [wish.name for wish in regions.listed(ANN)] == ["r"]
    assert len(regions.of(ANN.caller).read(place)) == 10


def test_who_manages_sees_all_and_drops_others_regions_by_name_alone(regions: Regions, memory: Path) -> None:
    boss = Principal("key:boss", scopes_of(["manage:*"]))
    regions.register(RegionWish("r", memory.name, 0, 100, ANN.caller))
    assert [wish.name for wish in regions.listed(boss)] == ["r"]
    with pytest.raises(RegionNotFound):
        regions.of(boss.caller).read(Place("input 'x'", "r", 10))
    regions.unregister("", boss)
    assert [wish.name for wish in regions.listed(boss, "r")] == ["r"]
    regions.unregister("r", boss)
    assert regions.listed(boss) == []


def test_a_region_of_nobody_is_everybodys(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", f"/{memory.name}", 7, 100))
    for anyone in (ANYBODY, ANN, BEN):
        assert regions.of(anyone.caller).read(Place("input 'x'", "r", 3, 1)) == bytes([8, 9, 10])
    regions.unregister("", BEN)
    assert regions.listed(ANYBODY) == []


@given(offset=st.integers(0, 1 << 63), size=st.integers(0, 1 << 63), start=st.integers(0, 999))
def test_no_byte_outside_of_a_region_is_read(offset: int, size: int, start: int) -> None:
    file = MEMORY / f"pumice-test-{uuid.uuid4().hex}"
    content = bytes(at % 251 for at in range(1000))
    file.write_bytes(content)
    regions = Regions(1000, 1000)
    try:
        regions.register(RegionWish("r", file.name, start, 1000 - start))
        place = Place("input 'x'", "r", size, offset)
        if offset + size <= 1000 - start:
            assert regions.of("").read(place) == content[start + offset : start + offset + size]
        else:
            with pytest.raises(MalformedInput):
                regions.of("").read(place)
    finally:
        regions.close()
        file.unlink()


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 1001), (1, 1000), (1000, 1), (-1, 10), (0, 0), (0, -1), (1 << 63, 1), (0, 1 << 64)]
)
def test_a_region_lies_inside_of_its_memory(regions: Regions, memory: Path, offset: int, size: int) -> None:
    before = descriptors()
    with pytest.raises(MalformedInput):
        regions.register(RegionWish("r", memory.name, offset, size))
    assert descriptors() == before
    assert regions.listed(ANYBODY) == []


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "socket", "missing"])
def test_only_plain_memory_is_taken(regions: Regions, memory: Path, tmp_path: Path, kind: str) -> None:
    memory.unlink()
    other = tmp_path / "secret"
    other.write_bytes(bytes(1000))
    listener = socket.socket(socket.AF_UNIX)
    make: dict[str, Callable[[], object]] = {
        "link": lambda: memory.symlink_to(other),
        "folder": memory.mkdir,
        "pipe": lambda: os.mkfifo(memory),
        "socket": lambda: listener.bind(str(memory)),
        "missing": lambda: None,
    }
    make[kind]()
    before = descriptors()
    with listener, pytest.raises(MalformedInput):
        regions.register(RegionWish("r", memory.name, 0, 10))
    assert descriptors() <= before


def test_memory_that_was_cut_is_not_read_and_its_answer_not_written(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", memory.name, 0, 1000))
    mine = regions.of("")
    slot = mine.target(Place("output 'y'", "r", 10, 500))
    os.truncate(memory, 100)
    for call in (lambda: mine.read(Place("input 'x'", "r", 10, 91)), lambda: slot.write(bytes(10))):
        with pytest.raises(MalformedInput, match="has 100 bytes now"):
            call()
    assert memory.stat().st_size == 100
    assert len(mine.read(Place("input 'x'", "r", 10, 90))) == 10


def test_a_file_of_the_same_name_is_other_memory(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", memory.name, 0, 10))
    memory.unlink()
    memory.write_bytes(b"other then")
    mine = regions.of("")
    assert mine.read(Place("input 'x'", "r", 10)) == bytes(range(10))
    mine.target(Place("output 'y'", "r", 10)).write(b"an answer.")
    assert memory.read_bytes() == b"other then"


def test_a_region_that_has_gone_takes_no_answer_even_if_its_name_is_used_again(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", memory.name, 0, 10))
    slot = regions.of("").target(Place("output 'y'", "r", 10))
    regions.unregister("r", ANYBODY)
    regions.register(RegionWish("r", memory.name, 0, 10))
    with pytest.raises(MalformedInput, match="unregistered while the request ran"):
        slot.write(bytes(10))
    assert memory.read_bytes()[:10] == bytes(range(10))


def test_an_answer_has_to_fit(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", memory.name, 0, 1000))
    slot = regions.of("").target(Place("output 'y'", "r", 10, 20))
    with pytest.raises(MalformedInput, match="room for 10"):
        slot.write(bytes(11))
    slot.write(b"short")
    assert memory.read_bytes()[18:32] == bytes([18, 19]) + b"short" + bytes(range(25, 32))


def test_one_request_reads_so_much_and_no_more(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", memory.name, 0, 1000))
    with regions.of("") as mine:
        mine.read(Place("input 'a'", "r", 600))
        with pytest.raises(TooLarge):  # the same bytes once more: a short message could name them a million times
            mine.read(Place("input 'b'", "r", 401))
        assert regions.used == 600
    assert regions.used == 0


def test_all_requests_hold_so_much_and_no_more(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", memory.name, 0, 1000))
    with regions.of("") as one, regions.of("") as other:
        one.read(Place("input 'x'", "r", 1000))
        with pytest.raises(Overloaded):
            other.read(Place("input 'x'", "r", 501))
        assert regions.used == 1000
        with regions.of("") as third:
            third.read(Place("input 'x'", "r", 500))
            assert regions.used == 1500
    assert regions.used == 0


def test_what_a_request_reads_is_told_before_it_is_read(regions: Regions, memory: Path) -> None:
    regions.register(RegionWish("r", memory.name, 0, 1000))
    told: list[int] = []
    mine = regions.of("", told.append)
    mine.read(Place("input 'a'", "r", 100))
    mine.read(Place("input 'b'", "r", 50))
    assert told == [100, 150]
    assert regions.used == 0


def test_regions_are_bounded_and_leave_no_descriptor(memory: Path) -> None:
    before = descriptors()
    regions = Regions(1, 1)
    for number in range(MAX_REGIONS):
        regions.register(RegionWish(f"r{number}", memory.name, 0, 1))
    assert descriptors() == before + MAX_REGIONS
    with pytest.raises(MalformedInput, match=f"{MAX_REGIONS} are registered"):
        regions.register(RegionWish("more", memory.name, 0, 1))
    regions.unregister("r0", ANYBODY)
    regions.unregister("r0", ANYBODY)
    regions.register(RegionWish("more", memory.name, 0, 1))
    regions.unregister("", ANYBODY)
    assert descriptors() == before


@pytest.mark.parametrize("name", ["", "n" * 256])
def test_a_name_is_not_empty_and_not_endless(regions: Regions, memory: Path, name: str) -> None:
    with pytest.raises(MalformedInput, match="1 to 255"):
        regions.register(RegionWish(name, memory.name, 0, 1))


@pytest.mark.parametrize("key", ["a\0b", "\udc80", "n" * 256, "../shm/x", "/", "//x", "/sem.x", "sem.mp-x"])
def test_a_key_is_one_name(regions: Regions, key: str) -> None:
    with pytest.raises(MalformedInput, match=r"directly below|cannot be opened"):
        regions.register(RegionWish("r", key, 0, 1))
