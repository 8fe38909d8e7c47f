"""`pumice bench`: its inputs, its job, its report, and the whole against real servers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pumice.cli.bench.batches import Batches, read_batches
from pumice.cli.bench.job import Load, load_job
from pumice.cli.bench.report import joined
from pumice.cli.bench.samples import SENTENCES, png, sample_inputs
from pumice.cli.inputs import Given
from pumice.client import ModelMetadata
from pumice.client.load import Bucket
from pumice.domain.errors import BadSetting
from pumice.domain.signature import Tensor
from pumice.protocol.oip.json_codec import decode_infer
from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from tests.cli.command import ROOT, pumice
from tests.client.scripted import ScriptedServer, answer
from tests.support.server import RunningServer

LOAD = Load(connections=2, seconds=1, warmup_seconds=0, rows=3, free=5, protocol="binary", timeout_s=10)
SHORT = ("--duration", "0.3", "--warmup", "0.1", "-c", "2", "--json")


def known(*inputs: Tensor) -> ModelMetadata:
    return ModelMetadata("m", list(inputs), [], ["1"])


def test_random_inputs_fit_the_signature() -> None:
    tensors = (
        Tensor("ids", "INT64", [-1, -1]),
        Tensor("x", "FP16", [-1, 3, 2]),
        Tensor("flag", "BOOL", [4]),
        Tensor("scalar", "FP64", []),
        Tensor("text", "BYTES", [-1]),
        Tensor("left_out", "FP32", [-1], optional=True),
    )
    made = sample_inputs(known(*tensors), 3, 5, np.random.default_rng(0))
    assert {name: (array.dtype, array.shape) for name, array in made.items()} == {
        "ids": (np.dtype(np.int64), (3, 5)),
        "x": (np.dtype(np.float16), (3, 3, 2)),
        "flag": (np.dtype(bool), (4,)),
        "scalar": (np.dtype(np.float64), ()),
        "text": (np.dtype(object), (3,)),
    }
    assert set(made["ids"].ravel().tolist()) <= {0, 1}
    assert (made["ids"][:, 0] == 1).all()
    assert all(text.decode() in SENTENCES for text in made["text"])


def test_images_are_real_ones() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.asarray(Image.open(io.BytesIO(png(pixels)))).tolist() == pixels.tolist()
    made = sample_inputs(known(Tensor("image", "BYTES", [-1])), 2, 1, np.random.default_rng(0))
    assert Image.open(io.BytesIO(made["image"][1])).size == (224, 224)


@pytest.mark.parametrize("protocol", ["binary", "json"])
def test_all_bodies_are_right_under_one_header(protocol: Any) -> None:
    text = Tensor("text", "BYTES", [-1])
    load = Load(2, 1, 0, rows=3, free=5, protocol=protocol, timeout_s=10)
    job = load_job("http://h:1/", known(text), "7", None, load, pid=5)
    assert (job.url, job.pids) == ("http://h:1/v2/models/m/versions/7/infer", (5,))
    length = job.headers.get("inference-header-content-length")
    assert (length is None) == (protocol == "json")
    decoded = [decode_infer(body, None if length is None else int(length)) for body in job.bodies]
    assert all(wire.request.inputs["text"].shape == (3,) for wire in decoded)
    assert len(set(job.bodies)) > 1


def test_what_is_given_is_sent() -> None:
    x = Tensor("x", "FP32", [-1, 2])
    job = load_job("http://h:1", known(x), "", Given([[1, 2], [3, 4], [5, 6], [7, 8]]), LOAD, None)
    length = int(job.headers["inference-header-content-length"])
    sizes = [len(decode_infer(body, length).request.inputs["x"]) for body in job.bodies]
    assert sizes == [3, 1]
    assert job.pids == ()
    named = load_job("http://h:1", known(x), "", Given(tensors={"x": [[1, 2]]}), LOAD, None)
    wire = decode_infer(named.bodies[0], int(named.headers["inference-header-content-length"]))
    assert wire.request.inputs["x"].dtype == np.float32
    fixed = load_job("http://h:1", known(Tensor("x", "FP32", [2])), "", Given([[1, 2], [3, 4]]), LOAD, None)
    assert len(fixed.bodies) == 2
    with pytest.raises(BadSetting, match="--input"):
        load_job("http://h:1", known(x), "", Given(), LOAD, None)


def test_the_histogram_is_joined_until_it_can_be_drawn() -> None:
    many = [Bucket(float(edge), 1) for edge in range(1, 46)]
    few = joined(many)
    assert len(few) == 12
    assert sum(bucket.count for bucket in few) == 45
    assert few[-1].upto_ms == 45
    assert joined(many[:3]) == many[:3]


def test_batches_are_read_from_the_metrics() -> None:
    text = (
        b"# TYPE pumice_batch_size histogram\n"
        b'pumice_batch_size_bucket{model="m",version="1",le="+Inf"} 4\n'
        b'pumice_batch_size_count{model="m",version="1"} 4\n'
        b'pumice_batch_size_sum{model="m",version="1"} 10\n'
        b'pumice_batch_size_count{model="other",version="1"} 7\n'
    )
    with ScriptedServer([answer(body=text), answer(404), answer(body=b"<html> {{")]) as server:
        batches = read_batches(server.url, "m", 5)
        assert batches == Batches(4, 10)
        assert read_batches(server.url, "m", 5) is None
        assert read_batches(server.url, "m", 5) is None
    assert read_batches(server.url, "m", 5) is None
    assert batches is not None
    assert batches.mean_since(Batches(0, 0)) == 2.5
    assert batches.mean_since(batches) is None


def test_a_source_is_served_measured_and_stopped() -> None:
    done = pumice("bench", "double=tests.support.models:Doubler", *SHORT)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["model"], report["version"], report["failed"]) == ("double", "1", 0)
    assert report["requests"] > 0
    assert report["cpu_ms_per_request"] > 0
    assert report["mean_batch_size"] >= 1
    assert report["latency"]["p50_ms"] <= report["latency"]["p90_ms"] <= report["latency"]["p99_ms"]
    assert "measuring double" in done.stderr
    refused = pumice("predict", "double", "x", "--url", report["url"], "--timeout", "0.1")
    assert refused.returncode == 1


def test_a_running_server_is_measured_for_people() -> None:
    with RunningServer("shout=tests.support.models:Shout", cwd=ROOT) as server:
        words = ["bench", "shout@1", "--url", server.url, *SHORT[:-1], "--protocol", "json", "--input", "-"]
        done = pumice(*words, "--pid", str(server.process.pid), stdin=b"one\ntwo\n")
        assert done.returncode == 0, done.stderr
    for word in ("throughput", "latency p99", "CPU a request", "mean batch", "failed", "≤"):
        assert word in done.stdout


def test_a_server_that_asks_for_keys_is_measured(tmp_path: Path) -> None:
    store = KeyStore.open(tmp_path)
    reader = store.create(KeyWish(name="reader", scopes=["infer:double", "read:*"]), "test").key
    narrow = store.create(KeyWish(name="narrow", scopes=["infer:double"]), "test").key
    store.close()
    double = "double=tests.support.models:Doubler"
    with RunningServer(double, "--auth", "keys", home=tmp_path, cwd=ROOT) as server:
        words = ("bench", "double", "--url", server.url, *SHORT)
        assert pumice(*words).returncode == 1
        told = pumice(*words, "--api-key", reader)
        environ = {"PUMICE_API_KEY": narrow}
        read = pumice(*words, environ=environ)
    assert (told.returncode, read.returncode) == (0, 0), told.stderr + read.stderr
    report, unread = json.loads(told.stdout), json.loads(read.stdout)
    assert report["failed"] == unread["failed"] == 0
    assert report["mean_batch_size"] >= 1
    assert unread["mean_batch_size"] is None  # this key may not see the metrics


def test_failed_requests_fail_the_command() -> None:
    with RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as server:
        words = ["bench", "double", "--url", server.url, *SHORT, "--input", "-"]
        done = pumice(*words, stdin=b'{"inputs": {"x": [[1, 2]]}}')
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["requests"] == 0
    assert list(report["failures"]) == ["status 422"]


def test_a_source_that_cannot_be_served_is_2() -> None:
    done = pumice("bench", "tests.support.models:Nothing")
    assert done.returncode == 2
    assert "has no class 'Nothing'" in done.stderr
