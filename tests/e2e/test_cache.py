"""The response cache: off unless asked for, never wrong, never for models that are not deterministic."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.support.server import RunningServer
from tests.support.wire import at_once, infer, metric, output

ROOT = Path(__file__).parents[2]


def test_equal_requests_are_computed_once() -> None:
    sources = [f"{name}=tests.support.models:{kind}" for name, kind in (("calls", "Calls"), ("counting", "Counting"))]
    with RunningServer(*sources, "slow=tests.support.models:Slow", "--cache-size", "1000000", cwd=ROOT) as running:
        first = output(infer(running.url, "calls"))
        assert output(infer(running.url, "calls")) == first
        assert output(infer(running.url, "calls", [5, 5, 5, 5])) != first
        assert metric(running.url, "pumice_cache_requests_total", model="calls", result="hit") == 1
        answers = [output(infer(running.url, "counting")) for _ in range(3)]
        assert len({tuple(answer) for answer in answers}) == 3
        together = at_once([partial(infer, running.url, "slow", [300, 0, 0, 0])] * 8)
        assert {tuple(output(answer)) for answer in together} == {(600.0, 0.0, 0.0, 0.0)}
        assert metric(running.url, "pumice_batch_size_sum", model="slow") == 1


def test_without_it_every_request_is_computed(server: RunningServer) -> None:
    before = metric(server.url, "pumice_batch_size_sum", model="double")
    for _ in range(3):
        output(infer(server.url, "double"))
    assert metric(server.url, "pumice_batch_size_sum", model="double") == before + 3
