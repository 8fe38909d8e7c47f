"""The harnesses as hypothesis drives them; `make fuzz` lets coverage drive them, for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.harnesses import HARNESSES, SEEDS, run

NO_PARSER = {"__init__", "types", "triton", "http2/values", "http2/streams", "http2/outgoing", "grpc/status"}
"""Modules of codecs that read nothing."""


@pytest.mark.parametrize("name", HARNESSES)
@given(data=st.data())
def test_nothing_but_errors_for_the_caller(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS[name]))
    cut = data.draw(st.integers(0, len(seed)))
    noise = data.draw(st.binary(max_size=40))
    grown, spoiled = seed[:cut] + noise + seed[cut:], seed[:cut] + noise + seed[cut + len(noise) :]
    run(name, data.draw(st.sampled_from([noise, seed[:cut] + noise, grown, spoiled])))


def test_every_parser_has_a_harness() -> None:
    protocol = Path(__file__).parents[2] / "src" / "pumice" / "protocol"
    codecs = {file.stem for file in (*protocol.glob("*.py"), *(protocol / "oip").glob("*.py"))}
    for folder in ("http2", "grpc"):
        codecs |= {f"{folder}/{file.stem}" for file in (protocol / folder).glob("*.py") if file.stem != "__init__"}
    codecs -= NO_PARSER
    assert set(SEEDS) == set(HARNESSES)
    assert codecs <= set(HARNESSES), f"parsers without a harness: {sorted(codecs - set(HARNESSES))}"
