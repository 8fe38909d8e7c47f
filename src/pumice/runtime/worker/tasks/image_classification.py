"""Task ``image-classification``: an encoded image in, its class and the scores of all classes out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pumice.domain.errors import BadArtefact, BadSetting
from pumice.domain.model import ImageInput, Parameter
from pumice.domain.signature import Signature, Tensor
from pumice.engines.base import Engine, EngineConfig
from pumice.runtime.worker.tasks.images import ImageDecoder, example, tensor_shape
from pumice.runtime.worker.tasks.rows import RowRunner, choose_output
from pumice.runtime.worker.tasks.scores import Scores

_IMAGE = Tensor("image", "BYTES", [-1])


class ImageClassification:
    """``image`` BYTES [-1] -> ``label`` BYTES [-1], ``score`` FP32 [-1], ``scores`` FP32 [-1, L].

    Args:
        engine: A graph from one image tensor to logits [batch, L].
        config: What it was loaded with.

    Raises:
        SetupError: The graph or the manifest does not suit.
    """

    def __init__(self, engine: Engine, config: EngineConfig) -> None:
        how = config.manifest.image
        if how is None:
            raise BadSetting("manifest 'image'", "nothing", "height and width, which 'image-classification' needs")
        pixels = _image_input(engine, config, how)
        output = choose_output(engine, config.path, ("logits", "scores", "probabilities"), (2,))
        self._input = pixels.name
        self._decoder = ImageDecoder(how, pixels.dtype)
        self._example = example(how)
        self._runner = RowRunner(engine, config, output)
        self._scores = Scores(config, output)
        self.batchable = config.manifest.batchable is not False
        self.signature = Signature(inputs=[_IMAGE], outputs=self._scores.outputs)

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Classify all images.

        Raises:
            MalformedInput: One cannot be decoded.
            TooLarge: One has too many pixels.
            BadOutput: The model's answer is not what its signature says.
        """
        images = inputs[_IMAGE.name]
        tensors = {self._input: self._decoder.decode(images)}
        return self._scores.answer(self._runner.run(tensors, len(images), parameters))

    def warm_inputs(self) -> dict[str, np.ndarray]:
        """A grey image of the model's size."""
        return {_IMAGE.name: np.array([self._example], dtype=object)}


def _image_input(engine: Engine, config: EngineConfig, how: ImageInput) -> Tensor:
    """The graph's one input, if it fits what the manifest says of images."""
    required = [tensor for tensor in engine.signature.inputs if not tensor.optional]
    sizes = tensor_shape(how)
    if len(required) == 1 and required[0].datatype in ("FP32", "FP16", "UINT8"):
        shape = required[0].shape
        if len(shape) == 4 and all(size in (-1, want) for size, want in zip(shape[1:], sizes, strict=True)):
            return required[0]
    given = ", ".join(f"'{tensor.name}' {tensor}" for tensor in required)
    raise BadArtefact(
        config.path,
        f"the task needs one input FP32, FP16 or UINT8 [batch, {', '.join(map(str, sizes))}], given {given}",
        "mend 'image' in the manifest (height, width, channels, layout), or set 'task' to 'tensor'",
    )
