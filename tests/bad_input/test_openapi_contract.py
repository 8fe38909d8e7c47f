"""Schemathesis holds a running server against its own OpenAPI document."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
MODELS = {
    "double": "tests.support.models:Doubler",
    "explained": "tests.support.models:Explained",
    "mixed": "tests.support.models:Mixed",
    "echo": "tests.support.models:Echo",  # answers in parts
    "sentiment": str(ROOT / "src/pumice/assets/sentiment"),
    "spare": "tests.support.models:Doubler",  # loaded and unloaded again and again
}
RULES = """
# hypothesis parses its strategies, which two threads at once cannot always do on Python 3.11 (CPython gh-106905)
workers = 1
continue-on-failure = true
request-timeout = 20

[generation]
mode = "all"
max-examples = 8
no-shrink = true
deterministic = true
database = "none"

[phases.stateful]
enabled = false

# what fits a model's signature, and what not, the document of a server of any models cannot say
[checks.positive_data_acceptance]
enabled = false

# 501 answers for what a model does not do; anything else from 500 on is a fault
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501]

[dictionaries.models]
values = ["double", "explained", "mixed", "echo", "sentiment"]

[dictionaries.versions]
values = ["1"]

[parameters]
"path.model" = { dictionary = "models", probability = 0.8 }
"path.version" = { dictionary = "versions", probability = 0.8 }

[[operations]]
include-path-regex = "/v2/repository/models/"
parameters = { "path.model" = "spare" }

[[operations]]
include-path-regex = "/api/keys/"
parameters = { "path.key_id" = "SPARE_KEY" }
"""


@pytest.mark.slow(40)
@pytest.mark.timeout(400)
def test_no_fault_and_no_answer_that_the_document_does_not_know(tmp_path: Path) -> None:
    models = [{"name": name, "source": source} for name, source in MODELS.items()]
    settings = {"models": models, "auth": "keys", "shared_memory": True}
    (tmp_path / "pumice.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    store = KeyStore.open(tmp_path / "home")
    admin = store.create(KeyWish(name="admin", scopes=["manage:*", "infer:*", "read:*"]), "test")
    spare = store.create(KeyWish(name="spare", scopes=["infer:spare"]), "test")
    store.close()
    rules = tmp_path / "schemathesis.toml"
    rules.write_text(RULES.replace("SPARE_KEY", spare.info.id), encoding="utf-8")
    with RunningServer("-f", str(tmp_path / "pumice.yaml"), home=tmp_path / "home", cwd=ROOT) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(rules), "run"),
                *(f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {admin.key}"),
                *("--output-truncate", "false"),
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"NO_COLOR": "1", "COLUMNS": "160"},
            timeout=300,
            check=False,
        )
        asked = httpx.get(f"{server.url}/openapi.json", headers={"authorization": f"Bearer {admin.key}"}).json()
        log = server.logged()
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "Traceback" not in log
    operations = sum(map(len, asked["paths"].values()))
    assert f"Tested: {operations - 1}" in done.stdout  # the document itself is not asked for again
    assert int(re.findall(r"(\d+) generated", done.stdout)[-1]) > 1000
