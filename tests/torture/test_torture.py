"""The suite itself: Pumice passes all of it, a careless server does not, and nothing holds it up."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.torture.__main__ import main
from tests.torture.report import load, markdown
from tests.torture.run import judge
from tests.torture.target import Target, flat
from tests.torture.verdicts import PROBES, Probe, Verdict

PUMICE = f"{sys.executable} -m tests.torture.servers.pumice --port {{port}} --folder {{folder}}"
OFFERS = ["--deadline", "header", "--bounded-queue", "--hang-limit", "10", "--patience", "20"]


def test_pumice_passes_every_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.json"
    code = main(["--start", PUMICE, *OFFERS, "--json", str(file)])
    said = capsys.readouterr().out
    run = load(file.read_text(encoding="utf-8"))
    other = [row for row in run.rows if row["verdict"] != Verdict.PASS or row["restarted"]]
    assert (code, other) == (0, []), said
    assert len(run.rows) == len(PROBES) >= 40
    assert f"{len(PROBES)} probes: {len(PROBES)} pass" in said
    assert markdown([run]).count("| pass |") == len(PROBES)


class Careless(BaseHTTPRequestHandler):
    """Says yes to everything; doubles what it can."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({"name": "careless"})

    def do_POST(self) -> None:
        length = self.headers["Content-Length"]
        body = json.loads(self.rfile.read(int(length))) if length else {"inputs": [{"data": []}]}
        row = [float("nan") if value == 444 else 2 * value for value in flat(body["inputs"][0]["data"])]
        output = {"name": "y", "datatype": "FP32", "shape": [1, 4], "data": row}
        self._answer({"model_name": "probe", "id": body.get("id"), "outputs": [output]})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        pass

    def _answer(self, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def careless() -> Iterator[str]:
    """Where a careless server listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_careless_server_fails(careless: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    wrong = {"oip-server-metadata", "oip-health", "oip-unknown-model", "oip-wrong-size", "nan-out", "no-foreign-answer"}
    right = {"oip-infer"}
    absent = {"binary-both-ways", "deadline", "overload", "graceful-stop"}
    assert main(["--url", careless, "--json", str(file), "--only", *wrong, *right, *absent]) == 1
    verdicts = {row["probe"]: row["verdict"] for row in load(file.read_text(encoding="utf-8")).rows}
    assert verdicts == {
        **dict.fromkeys(wrong, Verdict.FAIL),
        **dict.fromkeys(right, Verdict.PASS),
        **dict.fromkeys(absent, Verdict.NOT_APPLICABLE),
    }


def test_no_server_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    start = f"{sys.executable} -c raise(SystemExit(3))"
    assert main(["--start", start, "--only", "oip-infer"]) == 2
    assert "does not answer" in capsys.readouterr().err


def test_a_probe_without_an_end_has_failed() -> None:
    held = threading.Event()
    probe = Probe("endless", "Waits", "practice", lambda _: str(held.wait()), limit_s=0.2)
    begun = time.monotonic()
    verdict, told = judge(probe, Target("http://127.0.0.1:9", hang_s=0, patience_s=0))
    held.set()
    assert (verdict, told) == (Verdict.FAIL, "no end within 0.2 s")
    assert time.monotonic() - begun < 10


def test_probes_have_names_of_their_own_and_say_what_they_ask() -> None:
    assert len({probe.name for probe in PROBES}) == len(PROBES)
    assert all(probe.asks and probe.ground for probe in PROBES)


def test_an_early_yes_to_an_endless_body_fails(careless: str) -> None:
    """It answers at once whatever comes, since it does not look at chunks."""
    (probe,) = (probe for probe in PROBES if probe.name == "http-endless-body")
    verdict, told = judge(probe, Target(careless, hang_s=0, patience_s=0))
    assert verdict is Verdict.FAIL, told
    assert "answered 200" in told
