"""Generated protobuf code runs on the oldest protobuf that pyproject.toml allows."""

import re
from pathlib import Path

import pytest

from tests.house.source import PACKAGE, pyproject

GENERATED = sorted(PACKAGE.rglob("*_pb2.py"))


def oldest_protobuf() -> tuple[int, ...]:
    """Read the lower bound of the runtime from the dependencies."""
    for line in pyproject()["project"]["dependencies"]:
        found = re.fullmatch(r"protobuf>=([\d.]+)", line)
        if found:
            return tuple(map(int, found[1].split(".")))
    pytest.fail("protobuf has no lower bound")


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_code_is_no_newer_than_the_runtime(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    made_by = re.search(r"# Protobuf Python Version: ([\d.]+)", text)
    assert made_by, "the header of the generator is missing"
    version = tuple(map(int, made_by[1].split(".")))
    assert version[:2] <= oldest_protobuf()[:2], (
        "protobuf refuses code newer than itself; generate with an older grpcio-tools"
    )
