"""BF16: converted where the processor has it, refused elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from pumice.domain.errors import BadSetting
from pumice.domain.processor import Processor
from pumice.engines.processor import this_processor
from pumice.optimize.passes import bf16
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.bf16 import Bf16, to_openvino
from pumice.optimize.passes.conformance import Case, PassConformance, load_raw
from pumice.optimize.passes.sameness import output_error
from tests.optimize.passes.models import digit_network, digits


@pytest.mark.skipif(not this_processor().has_bf16, reason="the processor has no BF16")
class TestBf16(PassConformance):
    kind = Bf16
    changes = frozenset({"format", "model", "options"})

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        images = {"x": digits()[0][:32]}
        yield Case("digits", digit_network(folder / "digits"), images, tolerance=0.02, row_tolerance=0.02)


def test_a_processor_without_bf16_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16, "this_processor", lambda: Processor("x86_64", ("avx2", "avx512")))
    with pytest.raises(BadSetting, match="a processor that has avx2, avx512; allowed one with AVX512-BF16 or AMX"):
        Bf16().apply(digit_network(tmp_path / "digits"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_conversion_keeps_names_and_answers(tmp_path: Path) -> None:
    """What is written is the same wherever it is computed; FP32 can be everywhere."""
    source = digit_network(tmp_path / "digits")
    (tmp_path / "out").mkdir()
    to_openvino(source.model, tmp_path / "out" / "model.xml")
    manifest = msgspec.structs.replace(source.manifest, format="openvino", model="model.xml")
    made = ModelFolder(tmp_path / "out", manifest)
    assert made.size_bytes > source.size_bytes * 0.9
    old, new = load_raw(source), load_raw(made)
    images = {"x": digits()[0][:32]}
    assert output_error([old.run(images, {})], [new.run(images, {})]) < 1e-5
