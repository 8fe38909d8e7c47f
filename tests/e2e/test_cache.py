"""The response cache: off unless asked for, never wrong, never for models that are not deterministic."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.engines.graphs import mlp
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


def test_a_version_whose_rows_depend_on_their_mates_is_never_answered_from_it(tmp_path: Path) -> None:
    for name, told in (("alone", ""), ("mates", ', "batch_dependent": true')):
        (tmp_path / name).mkdir()
        mlp(tmp_path / name / "model.onnx", (4, 8, 4))
        (tmp_path / name / "manifest.json").write_text(f'{{"format": "onnx", "model": "model.onnx"{told}}}')
    sources = [f"{name}={tmp_path / name}" for name in ("alone", "mates")]
    with RunningServer(*sources, "--cache-size", "1000000", cwd=ROOT) as running:
        for name, hits in (("alone", 2), ("mates", 0)):
            answers = [output(infer(running.url, name)) for _ in range(3)]
            assert answers[0] == answers[1] == answers[2]
            assert _asked(running.url, name, "hit") == hits
        known = {name: httpx.get(f"{running.url}/v2/models/{name}").json()["parameters"] for name in ("alone", "mates")}
        assert known["mates"]["batch_dependent"] is True
        assert "batch_dependent" not in known["alone"]


def _asked(url: str, model: str, result: str) -> float:
    return metric(url, "pumice_cache_requests_total", model=model, result=result)


def test_without_it_every_request_is_computed(server: RunningServer) -> None:
    before = metric(server.url, "pumice_batch_size_sum", model="double")
    for _ in range(3):
        output(infer(server.url, "double"))
    assert metric(server.url, "pumice_batch_size_sum", model="double") == before + 3
