"""``pumice optimize``: from a model and examples to a signed, certified, lighter version that is served."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pumice import Client, Store
from pumice.domain.evidence.certificate import WHOLE
from pumice.evidence import Verdict
from tests.optimize.commands.here import Pumice
from tests.optimize.commands.points import network, points
from tests.support.server import RunningServer
from tests.support.wire import until


def test_a_model_is_made_light_proven_stored_and_served(
    pumice: Pumice, model: Path, data: Path, recipe: Path, home: Path, tmp_path: Path
) -> None:
    words = ("optimize", model, "--data", data, "--max-drop", 0.02, "--recipe", recipe, "--threads", 1)
    done = pumice(*words, "--report", tmp_path / "report")
    assert done.code == 0, done.err
    assert "points@fast -> points@2: `pumice serve points@fast`" in done.out
    assert "Both models give the highest score" in done.out
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    (variant,) = report["variants"]
    assert (variant["verdict"], variant["offered"], variant["version"]) == ("pass", True, "points@2")
    assert variant["latency_ms"]["ratio_interval"][1] < 1.0
    assert "int8" in (tmp_path / "report" / "report.html").read_text()

    with Store() as store:
        shown = store.show("points@fast")
        assert [str(parent.version) for parent in shown.manifest.parents] == ["1"]
        assert shown.manifest.recipe["passes"][0].keys() == {"int8-dynamic"}
        assert shown.manifest.spec.batch_dependent  # dynamic INT8 takes its scale over the whole batch
        assert shown.manifest.spec.metrics["accuracy"] > 0.9
        assert shown.manifest.size < store.show("points@1").manifest.size / 3
        (certificate,) = store.certificates.of("points@2")
        assert {claim.part for claim in certificate.claims} == {WHOLE, "left", "right"}
        assert certificate.data.certification >= certificate.claims[0].evidence[0].n
        assert certificate.latency
        assert certificate.machine
        assert store.verify().certificates == 1
    assert "pass: loses less than 2.00% of accuracy against points@1" in pumice("models", "show", "points@2").out
    assert pumice("models", "verify").code == 0

    # again: from the cache, nothing is stored twice, and the report is on standard output alone
    again = pumice(*words, "--json")
    assert (again.code, again.told) == (0, report)
    with Store() as store:
        assert [record.version for record in store.versions("points")] == [1, 2]
        assert len(store.certificates.of("points@2")) == 1
        assert len(store.show("points").history) == 3  # two pushes, one alias

    # the version itself, from the store: it has its parent already, and gets no other base
    other = pumice("optimize", "points@1", *words[2:], "--json")
    assert other.told["variants"][0]["version"] == "points@2"

    x = np.load(data)["x"][:20]
    with RunningServer("points@fast", home=home) as server, Client(server.url) as client:
        scores = client.infer("points", {"x": x})["scores"]
        assert client.metadata("points").versions == ["2"]
    assert (scores.argmax(axis=1) == np.load(data)["label"][:20]).mean() > 0.9


def test_what_is_not_proven_is_not_offered_and_no_alias_moves(
    pumice: Pumice, model: Path, recipe: Path, tmp_path: Path
) -> None:
    few = points(tmp_path / "few.npz", 100)
    # a file by itself, with another model and a manifest of its own beside it
    for name in ("first", "second"):
        shutil.copy(model / "model.onnx", tmp_path / f"{name}.onnx")
    manifest = json.loads((model / "manifest.json").read_text()) | {"model": "first.onnx"}
    (tmp_path / "first.manifest.json").write_text(json.dumps(manifest))
    done = pumice(
        "optimize", tmp_path / "first.onnx", "--data", few, "--max-drop", 0.01, "--recipe", recipe, "--name", "other"
    )
    assert done.code == 3
    assert "about" in done.out
    assert "more examples" in done.out
    assert "no variant is offered, so other@fast is left as it is; the original is other@1" in done.err
    with Store() as store:
        assert store.show("other").aliases == []
        assert len(store.versions("other")) == 1


def test_a_run_that_was_killed_goes_on_where_it_was(
    pumice: Pumice, model: Path, data: Path, recipe: Path, home: Path
) -> None:
    words = [
        "optimize",
        str(model),
        "--data",
        str(data),
        "--max-drop",
        "0.02",
        "--recipe",
        str(recipe),
        "--json",
        "--threads",
        "1",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "pumice", *words], env=dict(os.environ), stdout=subprocess.DEVNULL
    )

    def journal() -> str:
        return "".join(file.read_text() for file in (home / "optimize" / "runs").glob("*/journal.jsonl"))

    until(lambda: "build/int8" in journal())
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = journal().splitlines()
    (built,) = (home / "optimize" / "runs").glob("*/variants/int8/model.onnx")
    stamp = built.stat().st_mtime_ns
    done = pumice(*words)
    assert done.code == 0, done.err
    assert journal().splitlines()[: len(before) - 1] == before[:-1]
    assert built.stat().st_mtime_ns == stamp
    with Store() as store:
        assert len(store.versions("points")) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--max-drop", "2"), "max_drop: given 2.0"),
        (("--recipe", "int9"), "recipe: given 'int9'"),
        (("--metric", "bleu"), "metric: given 'bleu'"),
        (("--metric", "no_such_module:right"), "no_such_module"),
        (("--threads", "0"), "--threads: given '0'"),
        (("--batch", "many"), "whole numbers from 1"),
        (("--name", "a/b"), "name of a model"),
        (("--data", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_what_cannot_be_meant_names_the_mend(
    pumice: Pumice, model: Path, data: Path, words: tuple[str, ...], told: str
) -> None:
    done = pumice("optimize", model, "--data", data, "--max-drop", "0.02", *words)
    assert done.code == 2
    assert told in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_there_is_no_such_model(pumice: Pumice, data: Path) -> None:
    done = pumice("optimize", "nothing-of-this-name", "--data", data, "--max-drop", "0.02")
    assert (done.code, "no model of this name in the store" in done.err) == (2, True)


def test_a_model_made_elsewhere_is_certified(
    pumice: Pumice, model: Path, data: Path, recipe: Path, tmp_path: Path
) -> None:
    pumice("models", "push", model, "--name", "points")
    same = network(tmp_path / "same")
    (same / "README.md").write_text("made elsewhere")
    mixed = network(tmp_path / "mixed", (1, 0, 2, 3, 4, 5, 6, 7))
    pumice("models", "push", same, "--name", "elsewhere")
    pumice("models", "push", mixed, "--name", "elsewhere")
    asked = ("--data", data, "--max-drop", "0.02", "--batch", "1", "--threads", "1")

    done = pumice("certify", "elsewhere@1", "--against", "points@1", *asked)
    assert (done.code, done.out.splitlines()[-1]) == (0, "pass; signed with elsewhere@1")
    failed = pumice("certify", "elsewhere@2", "--against", "points", *asked)
    assert (failed.code, failed.out.splitlines()[-1]) == (3, "fail; signed with elsewhere@2")
    with Store() as store:
        assert [one.verdict for one in store.certificates.of("elsewhere@1")] == [Verdict.PASS]
        assert [one.verdict for one in store.certificates.of("elsewhere@2")] == [Verdict.FAIL]
        assert store.verify().problems == []

    # a file is no version: the evidence is the same, and there is nothing to sign
    loose = pumice("certify", mixed, "--against", "points@1", *asked, "--json")
    assert (loose.code, loose.told["variants"][0]["verdict"]) == (3, "fail")
    few = points(tmp_path / "few.npz", 120, labelled=False)
    open_ = pumice("certify", "elsewhere@1", "--against", model, "--data", few, "--max-drop", "0.01", "--batch", "1")
    assert open_.code == 3
    assert "not yet: about" in open_.out
    assert "not attached: the base is not in the store" in open_.out
    refused = pumice("certify", "points@1", "--against", "points", *asked)
    assert (refused.code, "another version than the candidate" in refused.err) == (2, True)
