"""A real registry: public tools bring our layouts there, and what they bring back is what it was."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pumice import Store, export_model, import_model
from tests.exchanges.conftest import Digests

MISSING = "skopeo and docker-registry are not installed (Debian: apt-get install skopeo docker-registry)"
CONFIG = "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {0}/kept}}}}\nhttp: {{addr: '{1}'}}\n"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    if not (shutil.which("skopeo") and shutil.which("docker-registry")):
        pytest.skip(MISSING)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (tmp_path / "registry.yml").write_text(CONFIG.format(tmp_path, address))
    with (
        (tmp_path / "registry.log").open("wb") as log,
        subprocess.Popen(["docker-registry", "serve", tmp_path / "registry.yml"], stdout=log, stderr=log) as process,
    ):
        while not _is_up(address):
            assert process.poll() is None, (tmp_path / "registry.log").read_text()
            time.sleep(0.05)
        yield address
        process.kill()


def _is_up(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/v2/").is_success
    except httpx.HTTPError:
        return False


def copy(source: str, target: str) -> None:
    words = ["skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"]
    subprocess.run([*words, source, target], check=True, capture_output=True)


def test_a_layout_goes_through_a_registry_and_keeps_its_digests(
    registry: str, store: Store, digests: Digests, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.txt").write_text("1 2 3")
    store.push(tmp_path / "model", "m")
    sent = export_model(store, "m", f"oci:{tmp_path / 'out'}:v1")
    copy(f"oci:{tmp_path / 'out'}:v1", f"docker://{registry}/m:v1")
    copy(f"docker://{registry}/m:v1", f"oci:{tmp_path / 'back'}:v1")
    found = import_model(store, f"oci:{tmp_path / 'back'}:v1", "back")
    assert found.origin["digest"] == sent.about["digest"]
    assert digests("back") == digests("m")
