"""The response cache: off unless asked for, never wrong, never for models that are not deterministic."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.server import RunningServer
from tests.support.wire import busy, infer, metric, output, until

ROOT = Path(__file__).parents[2]


def test_equal_requests_are_computed_once(tmp_path: Path) -> None:
    sources = [f"{name}=tests.support.models:{kind}" for name, kind in (("calls", "Calls"), ("counting", "Counting"))]
    with RunningServer(*sources, "gated=tests.support.models:Gated", "--cache-size", "1000000", cwd=ROOT) as running:
        first = output(infer(running.url, "calls"))
        assert output(infer(running.url, "calls")) == first
        assert output(infer(running.url, "calls", [5, 5, 5, 5])) != first
        assert _asked(running.url, "calls", "hit") == 1
        answers = [output(infer(running.url, "counting")) for _ in range(3)]
        assert len({tuple(answer) for answer in answers}) == 3
        gate = tmp_path / "gate"
        with busy(running.url, "gated", gate), ThreadPoolExecutor(8) as pool:
            joined = [pool.submit(infer, running.url, "gated", [3, 0, 0, 0]) for _ in range(8)]
            until(lambda: _asked(running.url, "gated", "joined") == 7)
            gate.touch()
            assert {tuple(output(future.result())) for future in joined} == {(6.0, 0.0, 0.0, 0.0)}
        assert metric(running.url, "pumice_batch_size_sum", model="gated") == 2


def _asked(url: str, model: str, result: str) -> float:
    return metric(url, "pumice_cache_requests_total", model=model, result=result)


def test_without_it_every_request_is_computed(server: RunningServer) -> None:
    before = metric(server.url, "pumice_batch_size_sum", model="double")
    for _ in range(3):
        output(infer(server.url, "double"))
    assert metric(server.url, "pumice_batch_size_sum", model="double") == before + 3
