"""``/metrics``: what is declared is exported, and says what happened."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from pumice.observe import catalogue
from pumice.observe.prometheus import Exposition
from pumice.runtime.front.news import ReplicaState
from tests.gateway.http.local import LocalReplica, LocalServer, LocalVersion, double, healthy_versions


def exposition(*versions: LocalVersion) -> Exposition:
    return Exposition(lambda: versions, "1.2.3")


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in prometheus_text(text)
        for sample in family.samples
    }


def sample(text: str, name: str, **labels: str) -> float:
    return samples(text)[name, frozenset(labels.items())]


def test_prometheus_text(client: httpx.Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert {family.name for family in prometheus_text(answer.text)} > {"process_cpu_seconds", "pumice_requests"}


def test_open_metrics(client: httpx.Client) -> None:
    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    families = list(open_metrics(answer.text))  # type: ignore[no-untyped-call]
    assert {family.name for family in families} > {"pumice_requests", "pumice_queue_depth"}


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=x", "text/plain; version=1..", "*/*", ",;="])
def test_no_accept_header_breaks_it(client: httpx.Client, accept: str) -> None:
    assert client.get("/metrics", headers={"accept": accept}).status_code == 200


def test_what_is_declared_is_exported() -> None:
    version = healthy_versions()[0]
    version.replicas[0].__dict__["pid"] = os.getpid()
    version.stats.finished("http", "200", 0.001)
    families = {family.name: family for family in prometheus_text(exposition(version).render("")[0].decode())}
    ours = {name: family for name, family in families.items() if name.startswith(("pumice_", "nv_"))}
    assert set(ours) == {metric.name.removesuffix("_total") for metric in catalogue.METRICS}
    for metric in catalogue.METRICS:
        family = ours[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for one in family.samples:
            assert set(one.labels) - {"le"} == set(metric.labels), one


def test_names_follow_prometheuss_rules() -> None:
    for metric in catalogue.METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith(".")
    assert len({metric.name for metric in catalogue.METRICS}) == len(catalogue.METRICS)


def test_counters_and_histograms() -> None:
    version = LocalVersion("m", healthy_versions()[0].profile, double)
    stats = version.stats
    stats.finished("http", "200", 0.0004)
    stats.finished("http", "200", 0.3)
    stats.finished("grpc", "INTERNAL", 100.0)
    stats.batch_size.observe(3)
    stats.restarts, stats.retries = 2, 5
    stats.shed["queue"] += 1
    stats.cache["hit"] += 4
    text = exposition(version).render("")[0].decode()
    m = {"model": "m", "version": "1"}
    assert sample(text, "pumice_requests_total", **m, protocol="http", code="200") == 2
    assert sample(text, "pumice_requests_total", **m, protocol="grpc", code="INTERNAL") == 1
    assert sample(text, "pumice_request_seconds_bucket", **m, le="0.0005") == 1
    assert sample(text, "pumice_request_seconds_bucket", **m, le="0.5") == 2
    assert sample(text, "pumice_request_seconds_bucket", **m, le="60.0") == 2
    assert sample(text, "pumice_request_seconds_bucket", **m, le="+Inf") == 3
    assert sample(text, "pumice_request_seconds_count", **m) == 3
    assert sample(text, "pumice_request_seconds_sum", **m) == pytest.approx(100.3004)
    assert sample(text, "pumice_batch_size_bucket", **m, le="4.0") == 1
    assert sample(text, "pumice_replica_restarts_total", **m) == 2
    assert sample(text, "pumice_retries_total", **m) == 5
    assert sample(text, "pumice_shed_total", **m, reason="queue") == 1
    assert sample(text, "pumice_shed_total", **m, reason="deadline") == 0
    assert sample(text, "pumice_cache_requests_total", **m, result="hit") == 4
    assert sample(text, "pumice_info", server_version="1.2.3") == 1


def test_replicas_by_state_and_what_they_use() -> None:
    version = healthy_versions()[0]
    version.replicas[:] = [
        LocalReplica("double/1#0", ReplicaState.READY, os.getpid()),  # type: ignore[list-item]
        LocalReplica("double/1#1", ReplicaState.BACKOFF, 0),  # type: ignore[list-item]
        LocalReplica("double/1#2", ReplicaState.READY, 2**22 + 1),  # type: ignore[list-item] # above any pid
    ]
    text = exposition(version).render("")[0].decode()
    m = {"model": "double", "version": "1"}
    assert sample(text, "pumice_replicas", **m, state="ready") == 2
    assert sample(text, "pumice_replicas", **m, state="backoff") == 1
    assert sample(text, "pumice_replicas", **m, state="starting") == 0
    assert sample(text, "pumice_replica_resident_memory_bytes", **m, replica="0") > 1e6
    assert sample(text, "pumice_replica_cpu_seconds_total", **m, replica="0") > 0
    memory = [labels for name, labels in samples(text) if name == "pumice_replica_resident_memory_bytes"]
    assert len(memory) == 1


def test_states_are_those_of_the_supervisor() -> None:
    assert set(catalogue.REPLICA_STATES) == {str(state) for state in ReplicaState}


def test_a_request_shows(client: httpx.Client, healthy: LocalServer) -> None:
    labels = {"model": "whole", "version": "1", "protocol": "kserve-v1", "code": "200"}
    before = healthy.version("whole").stats.requests["kserve-v1", "200"]
    client.post("/v1/models/whole:predict", json={"instances": [[[1, 2], [3, 4]]]})
    assert sample(client.get("/metrics").text, "pumice_requests_total", **labels) == before + 1


def test_the_library_is_loaded_at_the_first_scrape_only() -> None:
    program = "import sys, pumice.gateway.http.app; print([m for m in sys.modules if 'prometheus_client' in m])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[]\n"
