"""Candidates, by what a model is made of and what a processor can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumice.domain.errors import BadSetting
from pumice.domain.processor import Processor
from pumice.optimize.recipes import ModelFacts, candidates, facts_of
from tests.optimize.passes.models import digit_network

TRANSFORMER = ModelFacts("onnx", {"Gather": 3, "MatMul": 36, "LayerNormalization": 13, "Softmax": 6})
CONVOLUTIONS = ModelFacts("onnx", {"Conv": 2, "Relu": 2, "Gemm": 1})
PLAIN = Processor("x86_64", ("avx2",))
VNNI = Processor("x86_64", ("avx2", "avx512", "vnni"))
AMX = Processor("x86_64", ("avx2", "avx512", "vnni", "bf16", "amx"))
ARM = Processor("aarch64", ("neon", "i8mm"))


def names(recipes: list[str], facts: ModelFacts, processor: Processor, *, openvino: bool = True) -> list[str]:
    return [recipe.name for recipe in candidates(recipes, facts, processor, lambda _module: openvino)]


def test_networks_get_what_suits_them() -> None:
    assert names(["int8"], TRANSFORMER, VNNI) == ["int8-dynamic", "int8-dynamic-sensitive", "int8-static-products"]
    assert names(["int8"], CONVOLUTIONS, VNNI) == [
        "int8-dynamic",
        "int8-static-minmax",
        "int8-static-entropy",
        "int8-static-percentile",
        "int8-static-sensitive",
    ]
    assert names(["fp16"], CONVOLUTIONS, VNNI) == ["fp16"]
    assert names(["small"], TRANSFORMER, VNNI) == ["fp16", "int4", "int4-embeddings", "int8-weights", "int8-dynamic"]


def test_options_follow_the_processor_and_stand_in_the_recipe() -> None:
    def options(processor: Processor) -> dict[str, object]:
        return candidates(["int8"], CONVOLUTIONS, processor)[1].steps[0].options

    assert options(PLAIN) == {"reduce_range": True, "calibration": "minmax"}
    assert options(VNNI) == {"calibration": "minmax"}
    assert options(ARM) == {"activations": "int8", "calibration": "minmax"}
    plain, vnni = (candidates(["int8"], TRANSFORMER, processor)[0].digest for processor in (PLAIN, VNNI))
    assert plain != vnni


def test_auto_knows_the_processor() -> None:
    assert "bf16" in names(["auto"], TRANSFORMER, AMX)
    assert "bf16" not in names(["auto"], TRANSFORMER, AMX, openvino=False)
    assert "bf16" not in names(["auto"], TRANSFORMER, VNNI)
    assert "int8-dynamic" in names(["auto"], TRANSFORMER, ARM)
    assert names(["auto"], TRANSFORMER, Processor("riscv64")) == ["slim", "fused"]


def test_recipes_that_do_the_same_come_once_and_a_file_may_include_others(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    (tmp_path / "other.yaml").write_text(
        "{name: other, about: x, passes: [{weight-only: {bits: 8}}]}", encoding="utf-8"
    )
    mine.write_text("{name: mine, about: x, include: [fp16, other.yaml], passes: [fuse]}", encoding="utf-8")
    assert names([str(mine), "fp16"], CONVOLUTIONS, VNNI) == ["fp16", "other", "mine"]
    (tmp_path / "other.yaml").write_text("{name: other, about: x, include: [mine.yaml]}", encoding="utf-8")
    with pytest.raises(BadSetting, match="includes itself"):
        names([str(mine)], CONVOLUTIONS, VNNI)
    (tmp_path / "other.yaml").write_text("{name: fp16, about: x, passes: [fuse, fp16]}", encoding="utf-8")
    with pytest.raises(BadSetting, match="both called 'fp16'"):
        names([str(mine)], CONVOLUTIONS, VNNI)


def test_a_model_that_no_recipe_suits_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"int8 for a model of format 'sklearn'.*built in are auto"):
        names(["int8"], ModelFacts("sklearn"), VNNI)
    with pytest.raises(BadSetting, match="with Scaler"):
        names(["int8"], ModelFacts("onnx", {"Scaler": 1}), VNNI)


def test_other_formats_are_exported_first() -> None:
    for form in ("torch", "transformers"):
        made = candidates(["int8"], ModelFacts(form), VNNI)
        assert made
        assert [recipe.steps[0].name for recipe in made] == ["export"] * len(made)


def test_facts_are_read_from_the_graph(tmp_path: Path) -> None:
    facts = facts_of(digit_network(tmp_path / "digits"))
    assert facts == ModelFacts("onnx", {"Conv": 2, "Flatten": 1, "Gemm": 1, "Relu": 2})
