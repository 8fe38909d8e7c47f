"""`ModelService`: one text in, one text and its confidence out."""

from __future__ import annotations

import time

import numpy as np

from pumice.domain.access import Verb
from pumice.domain.datatypes import BYTES
from pumice.domain.errors import MalformedInput, ModelNotReady, Unsupported
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.signature import Tensor
from pumice.gateway.grpc.calls import Call, Counted
from pumice.gateway.grpc.methods import Methods, named, unary
from pumice.gateway.headers import MODEL_VERSION
from pumice.protocol.oip.grpc_codec import parse_message
from pumice.protocol.seed.model_service_pb2 import PredictRequest, PredictResponse
from pumice.service.inference import Inference

SERVICE = "ModelService"
PROTOCOL = "seed"


class TextService:
    """The method of the service.

    Args:
        inference: The operation, and the catalogue of what is served.
    """

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._catalog = inference.catalog

    def methods(self) -> Methods:
        """Give the service to a server."""
        return named(SERVICE, {"Predict": unary(self.predict)})

    async def predict(self, body: bytes, call: Call) -> bytes:
        """Run one text."""
        asked = parse_message(PredictRequest, body)
        model = asked.model or self._only()
        call.permit(Verb.INFER, model)
        with Counted(self._catalog.find(model).stats, PROTOCOL):
            served = await self._inference.awake(model, "")
            if served.profile is None:
                raise ModelNotReady(served.name, served.reason)
            tensor = _text_input(served.name, served.profile)
            text = np.array([asked.input_text.encode()], dtype=object).reshape([1] * len(tensor.shape))
            request = InferRequest({tensor.name: text})
            call.carry(request, time.monotonic())
            result = await self._inference.run(served, request)
            call.trailers += ((MODEL_VERSION, result.version),)
            return _answer(served.profile, result).SerializeToString()

    def _only(self) -> str:
        name = self._catalog.only()
        if name is None:
            served = ", ".join(self._catalog.names()) or "nothing"
            raise MalformedInput("field 'model'", f"empty; name one of what is served: {served}")
        return name


def _text_input(model: str, profile: Profile) -> Tensor:
    """The input that the text goes into.

    Raises:
        Unsupported: The model does not take one text, or does not give one.
    """
    inputs = [tensor for tensor in profile.signature.inputs if not tensor.optional]
    outputs = profile.signature.outputs
    gives_text = profile.task == "text-classification" or (
        profile.task == "tensor" and len(outputs) == 1 and outputs[0].datatype == BYTES
    )
    if not (gives_text and len(inputs) == 1 and inputs[0].datatype == BYTES and set(inputs[0].shape) <= {-1, 1}):
        raise Unsupported(
            f"{SERVICE}/Predict for model '{model}', which does not take one text and give one",
            "call inference.GRPCInferenceService/ModelInfer with its tensors",
        )
    return inputs[0]


def _answer(profile: Profile, result: InferResult) -> PredictResponse:
    """Put an answer into the service's message; confidence stays 0 where the model tells none.

    Raises:
        Unsupported: The model gave bytes that are no text.
    """
    classified = profile.task == "text-classification"
    output = result.outputs["label" if classified else profile.signature.outputs[0].name]
    try:
        text = b"".join(output.ravel().tolist()).decode()
    except UnicodeDecodeError:
        raise Unsupported("an answer that is no UTF-8 text", "call inference.GRPCInferenceService/ModelInfer") from None
    return PredictResponse(
        output_text=text, confidence=float(result.outputs["score"].ravel()[0]) if classified else 0.0
    )
