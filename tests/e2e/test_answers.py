"""Which version gave this answer: for requests that were written down, by any face and any front."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import httpx
import pytest

from pumice import Client, Store
from pumice.db import Place, database_file
from pumice.db.engine import open_database
from pumice.domain.errors import NotFound, RequestNotFound
from pumice.domain.store.told import Answered
from pumice.service.answers.log import AnswerLog, answered
from pumice.service.answers.noting import Note
from tests.cli.command import pumice
from tests.engines.graphs import constant
from tests.support.server import RunningServer
from tests.support.wire import body, until

ROWS = [[1.0] * 4]


def found(client: Client, request_id: str) -> list[Answered]:
    try:
        return client.store.answered(request_id)
    except NotFound:
        return []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_answer_is_traced_to_the_digest_of_its_version(tmp_path: Path, workers: int) -> None:
    home = tmp_path / "home"
    with Store(home) as store:
        records = [store.push(constant(tmp_path / str(number), number), "m") for number in (1, 2)]
        store.alias("m", "prod", 1)
    file = tmp_path / "pumice.yaml"
    file.write_text(
        f"request_log: ids\nworkers: {workers}\n"
        f"models: [{{name: shop, source: m@prod}}, {{name: loose, source: {tmp_path / '1'}}}]\n"
    )
    with RunningServer("-f", str(file), home=home) as server, Client(server.url) as client:
        path = f"{server.url}/v2/models/shop/infer"
        for number in (1, 2):
            answer = httpx.post(path, json=body(ROWS), headers={"x-request-id": f"http-{number}"}, timeout=60)
            assert answer.headers["x-model-version"] == str(number)
            with Store(home) as store:
                store.alias("m", "prod", 2)
            until(lambda: httpx.post(path, json=body(ROWS), timeout=60).headers["x-model-version"] == "2")
        kserve = f"{server.url}/v1/models/loose:predict"
        told = httpx.post(kserve, json={"instances": ROWS}, headers={"x-request-id": "kserve"}, timeout=60)
        assert told.status_code == 200
        until(lambda: all(found(client, name) for name in ("http-1", "http-2", "kserve")))
        for number in (1, 2):
            (one,) = found(client, f"http-{number}")
            assert (one.name, one.version, one.ref) == ("shop", str(number), f"m@{number}")
            assert one.digest == records[number - 1].digest
        (loose,) = found(client, "kserve")
        assert (loose.name, loose.version, loose.ref, loose.digest) == ("loose", "1", "", "")
        with pytest.raises(NotFound, match="request_log: ids"):
            client.store.answered("never")
    done = pumice("models", "show", "--request-id", "http-2", environ={"PUMICE_HOME": str(home)})
    assert f"shop version 2, which is m@2, digest {records[1].digest}" in done.stdout
    assert pumice("models", "show", "--request-id", "never", environ={"PUMICE_HOME": str(home)}).returncode == 2
    assert pumice("models", "show", environ={"PUMICE_HOME": str(home)}).returncode == 2


def test_the_oldest_answers_go(tmp_path: Path) -> None:
    engine = open_database(Place(tmp_path))
    log = AnswerLog(engine, 100)
    for turn in range(30):
        log.append([Note(f"{turn}-{number}", 1.0 * turn, "m", "1", "m.onnx") for number in range(10)])
    with pytest.raises(RequestNotFound):
        answered(engine, "0-0")
    assert answered(engine, "29-9")[0].at == 29.0
    with sqlite3.connect(database_file(tmp_path)) as seen:
        assert seen.execute("SELECT count(*) FROM answers").fetchone()[0] == 100
    seen.close()
    log.close()


def test_a_server_that_was_not_asked_to_writes_nothing_down(tmp_path: Path) -> None:
    with RunningServer(f"m={constant(tmp_path / '1', 1)}", home=tmp_path / "home") as server:
        httpx.post(f"{server.url}/v2/models/m/infer", json=body(ROWS), headers={"x-request-id": "a"}, timeout=60)
        assert httpx.get(f"{server.url}/api/requests/a", timeout=60).status_code == 404
