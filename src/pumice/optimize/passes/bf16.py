"""BF16: 16 bits with the range of FP32, on processors that multiply them.

ONNX becomes OpenVINO's IR, served with its inference precision set to BF16; weights stay FP32 on disk, so it is speed,
not size. A ``.pt2`` program is served by torch in BF16. Elsewhere the numbers would be widened first, and nothing
gained: such a processor is refused.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

import msgspec

from pumice.domain.errors import BadSetting, MissingDependency
from pumice.domain.model import Manifest
from pumice.engines.processor import this_processor
from pumice.optimize.passes.base import ModelFolder, Pass, Supplies
from pumice.optimize.passes.onnx_pass import quiet
from pumice.optimize.passes.options import NoOptions


class Bf16(Pass[NoOptions]):
    """Lets a model compute in BF16."""

    name: ClassVar[str] = "bf16"
    summary: ClassVar[str] = "computes in 16-bit brain floats, on processors that have them (AVX512-BF16, AMX)"
    formats: ClassVar[tuple[str, ...]] = ("onnx", "openvino", "torch")

    @classmethod
    def result_format(cls, given: str) -> str:
        """OpenVINO's for ONNX; else that of the model."""
        return "openvino" if given == "onnx" else given

    def transform(self, source: ModelFolder, folder: Path, supplies: Supplies) -> Manifest:
        """Write the model so that its engine computes in BF16.

        Raises:
            BadSetting: The processor has no BF16.
            MissingDependency: The extra ``openvino`` is not installed.
        """
        del supplies
        refuse_without_bf16()
        given = source.manifest.format
        options = {"dtype": "bf16"} if given == "onnx" else {**source.manifest.options, "dtype": "bf16"}
        model = source.manifest.model
        if given == "onnx":
            model = str(Path(model).with_suffix(".xml"))
            to_openvino(source.model, folder / model)
        else:
            for file in source.weight_files:
                (folder / model).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, (folder / model).parent / file.name)
        return msgspec.structs.replace(source.manifest, format=self.result_format(given), model=model, options=options)


def refuse_without_bf16() -> None:
    """Refuse to go on where it would save nothing.

    Raises:
        BadSetting: The processor has no BF16.
    """
    processor = this_processor()
    if not processor.has_bf16:
        given = f"a processor that has {', '.join(processor.features) or 'none of the known features'}"
        allowed = "one with AVX512-BF16 or AMX; elsewhere take int8-dynamic or int8-static for speed, fp16 for size"
        raise BadSetting("the pass 'bf16'", given, allowed)


def to_openvino(source: Path, target: Path) -> None:
    """Write an ONNX model as OpenVINO's IR, with the names and weights that it has.

    Raises:
        MissingDependency: The extra ``openvino`` is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise MissingDependency("the pass 'bf16'", "openvino", "pip install 'pumice[openvino]'") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    with quiet():
        openvino.save_model(openvino.convert_model(source), target, compress_to_fp16=False)
