"""The probe models as custom runtimes of MLServer; `tests.torture.servers.mlserver` lays them out."""

from __future__ import annotations

import behaviour
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Probe(MLModel):  # type: ignore[misc]
    """Doubles, or makes trouble."""

    deed = staticmethod(behaviour.double)

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0])
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", self.deed(x))])


class Other(Probe):
    """Triples."""

    deed = staticmethod(behaviour.triple)


class Text(MLModel):  # type: ignore[misc]
    """Upper-cases."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        loud = [text.upper() for text in StringCodec.decode_input(payload.inputs[0])]
        return InferenceResponse(
            model_name=self.name, outputs=[StringCodec.encode_output("loud", loud, use_bytes=False)]
        )
