"""Every route and every method says what it asks of its caller, and only liveness and readiness ask nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pumice.domain.access import Verb
from pumice.gateway.grpc.context import GrpcContext
from pumice.gateway.grpc.health import Health
from pumice.gateway.grpc.server import all_methods
from pumice.gateway.grpc.verbs import VERBS, verb_of
from pumice.gateway.http.app import HttpContext, all_endpoints
from pumice.gateway.http.endpoint import Endpoint
from pumice.service.catalog import Catalog
from pumice.service.inference import Inference
from pumice.service.store import Store
from pumice.service.store.opened import OpenStore
from pumice.service.tasks import Tasks
from tests.support.known import models_of

OPEN_PATHS = {"/v2/health/live", "/v2/health/ready", "/livez", "/readyz", "/healthz", "/health", "/ping"}
OPEN_METHODS = {
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
}


def endpoints(home: Path) -> list[Endpoint]:
    inference = Inference(Catalog())
    models = models_of(inference.catalog)
    return all_endpoints(HttpContext(inference, Tasks(inference, home), models, OpenStore(Store), max_body_bytes=1))


async def methods() -> set[str]:
    inference = Inference(Catalog([]))
    context = GrpcContext(inference, models_of(inference.catalog))
    return set(all_methods(context, Health(inference.catalog)))


def test_liveness_and_readiness_alone_are_open(tmp_path: Path) -> None:
    assert {route.path for route in endpoints(tmp_path) if route.verb is Verb.OPEN} == OPEN_PATHS


def test_what_runs_a_model_asks_for_infer(tmp_path: Path) -> None:
    for route in endpoints(tmp_path):
        runs = route.path.endswith(("/infer", ":predict", ":explain", "/predict"))
        assert not runs or route.verb is Verb.INFER, route.path
        assert "load" not in route.path.rpartition("/")[2] or route.verb is Verb.MANAGE, route.path


def test_every_method_of_grpc_has_its_verb() -> None:
    assert set(VERBS) == asyncio.run(methods())


def test_the_open_methods() -> None:
    assert {method for method, verb in VERBS.items() if verb is Verb.OPEN} == OPEN_METHODS


def test_a_method_that_nobody_thought_of_is_the_managers() -> None:
    assert verb_of("/inference.GRPCInferenceService/Unheard") is Verb.MANAGE
