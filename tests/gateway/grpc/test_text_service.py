"""`ModelService.Predict` with a client that is generated from its proto."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from pumice.protocol.seed.model_service_pb2 import PredictRequest, PredictResponse
from tests.gateway.grpc.local import LocalVersion, serving
from tests.gateway.grpc.models import Latin, Mood
from tests.support.models import Doubler, Shout

PROTO = """
syntax = "proto3";
service ModelService { rpc Predict(PredictRequest) returns (PredictResponse); }
message PredictRequest  { string input_text = 1; string model = 2; }
message PredictResponse { string output_text = 1; float confidence = 2; }
"""

GOOD = PredictRequest(input_text="very good")


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules that grpcio-tools makes of the proto."""
    (tmp_path / "seed_client.proto").write_text(PROTO, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{tmp_path}", f"--python_out={tmp_path}",
         f"--grpc_python_out={tmp_path}", "seed_client.proto"],
        check=True,
    )  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("seed_client_pb2"), importlib.import_module("seed_client_pb2_grpc")


def test_a_generated_client_gets_a_label_and_its_confidence(address: str, generated: Any) -> None:
    messages, services = generated
    with grpc.insecure_channel(address) as channel:
        request = messages.PredictRequest(input_text="房间很干净，服务也很好", model="sentiment")
        answer, call = services.ModelServiceStub(channel).Predict.with_call(request)
    assert answer.output_text == "positive"
    assert 0.5 < answer.confidence <= 1
    trailers = dict(call.trailing_metadata())
    assert trailers["x-model-version"] == "1"
    assert trailers["x-request-id"]


def predict(request: PredictRequest, *versions: LocalVersion) -> PredictResponse:
    async def run() -> PredictResponse:
        async with serving(*versions) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = channel.unary_unary(
                "/ModelService/Predict", PredictRequest.SerializeToString, PredictResponse.FromString
            )
            answer: PredictResponse = await call(request)
            return answer

    return asyncio.run(run())


def refusal(request: PredictRequest, *versions: LocalVersion) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        predict(request, *versions)
    return caught.value.code(), str(caught.value.details())


def mood() -> LocalVersion:
    return LocalVersion("mood", Mood(), "text-classification")


def test_the_only_model_need_not_be_named() -> None:
    served = mood()
    answer = predict(GOOD, served)
    assert (answer.output_text, answer.confidence) == ("positive", 0.75)
    assert served.stats.requests == {("seed", "OK"): 1}


def test_one_of_several_models_must_be_named() -> None:
    code, details = refusal(GOOD, mood(), LocalVersion("shout", Shout()))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "mood, shout" in details


def test_a_model_that_turns_text_into_text_answers_without_confidence() -> None:
    answer = predict(PredictRequest(input_text="é", model="shout"), LocalVersion("shout", Shout()))
    assert (answer.output_text, answer.confidence) == ("é", 0)
    answer = predict(PredictRequest(input_text="loud"), LocalVersion("shout", Shout()))
    assert answer.output_text == "LOUD"


def test_a_model_of_numbers_is_refused_with_advice() -> None:
    code, details = refusal(GOOD, LocalVersion("doubler", Doubler()))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert "ModelInfer" in details


def test_an_answer_that_is_no_text_is_refused_with_advice() -> None:
    code, details = refusal(GOOD, LocalVersion("latin", Latin()))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert "no UTF-8 text" in details


def test_an_unknown_model_and_one_that_is_not_ready() -> None:
    assert refusal(PredictRequest(input_text="x", model="nobody"), mood())[0] is grpc.StatusCode.NOT_FOUND
    loading = mood()
    loading.up, loading.profile = False, None
    assert refusal(GOOD, loading)[0] is grpc.StatusCode.UNAVAILABLE
