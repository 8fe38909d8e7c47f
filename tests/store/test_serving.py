"""Stored versions are served: what is checked is what the engines read."""

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

import pumice
from pumice import Store
from pumice.config import ModelSettings, Settings
from pumice.domain.errors import BadArtefact, BadSetting, Tampered, VersionNotFound
from pumice.service.sources import Sources
from tests.cli.command import pumice as run_pumice
from tests.support.server import RunningServer

SENTIMENT = Path(pumice.__file__).parent / "assets" / "sentiment"
TEXTS = ["味道很好,下次还来", "太差了,再也不来了"]


def test_a_text_model_is_served_by_its_reference(store: Store, home: Path) -> None:
    store.push(SENTIMENT, "sentiment")
    store.push(SENTIMENT, "sentiment")
    store.alias("sentiment", "prod", 1)
    with (
        RunningServer("old=sentiment@prod", "sentiment", "--workers", "2", home=home) as server,
        pumice.Client(server.addresses.url) as client,
    ):
        answers = client.predict("sentiment", TEXTS)
        assert [answer["label"] for answer in answers] == ["positive", "negative"]
        assert client.metadata("sentiment").versions == ["2"]
        assert client.metadata("old").versions == ["1"]
        # a replica that is started again reads the same memory: what lies on the disk is not looked at any more
        for pack in (home / "store" / "packs").glob("*/*.pack"):
            pack.write_bytes(b"other bytes")
        before = server.replicas()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert client.predict("sentiment", TEXTS) == answers
        assert client.predict("old", TEXTS) == answers
        assert set(server.replicas()).isdisjoint(before)


def test_a_flipped_bit_keeps_a_version_from_being_served(store: Store, home: Path) -> None:
    store.push(SENTIMENT, "sentiment")
    (pack,) = (home / "store" / "packs").glob("*/*.pack")
    data = bytearray(pack.read_bytes())
    data[len(data) // 3] ^= 1
    pack.write_bytes(data)
    done = run_pumice("serve", "sentiment@1", "--port", "0", environ={"PUMICE_HOME": str(home)})
    assert done.returncode == 3
    assert "has other bytes than were stored" in done.stderr


def test_what_the_file_of_settings_says_of_the_store_holds_for_the_server(
    store: Store, home: Path, tmp_path: Path
) -> None:
    store.push(SENTIMENT, "m")
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM store_signatures"))
    file = tmp_path / "pumice.yaml"
    file.write_text("models: [{name: m, source: m@1}]\n")
    refused = run_pumice("serve", "-f", str(file), "--port", "0", environ={"PUMICE_HOME": str(home)})
    assert refused.returncode == 3
    assert "nobody signed it" in refused.stderr
    file.write_text("signatures: 'off'\nmodels: [{name: m, source: m@1}]\n")
    with (
        RunningServer("-f", str(file), home=home) as server,
        pumice.Client(server.addresses.url) as client,
    ):
        assert client.predict("m", TEXTS[:1])[0]["label"] == "positive"
        assert client.store.verify("m@1").problems == []


def test_what_sources_name(store: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store.push(SENTIMENT, "m")
    sources = Sources(Settings(home=str(home)))

    def versions(source: str, version: str = "1") -> list[tuple[str, str]]:
        settings = ModelSettings(name="m", source=source, version=version)
        return [(found.source, found.version) for found in sources.expand(settings)]

    store.push(SENTIMENT, "m")
    assert versions("m") == versions("m", "2") == [("m@2", "2")]
    assert versions("m@1") == [("m@1", "1")]
    assert versions("m:Class") == [("m:Class", "1")]
    with pytest.raises(BadSetting, match="the number that it has in the store"):
        versions("m@2", "7")
    with pytest.raises(VersionNotFound, match="it has: m@2, m@1"):
        versions("m@prod")
    with pytest.raises(BadArtefact, match=r"no such file or folder, and no model of this name in the store"):
        versions("n.onnx")
    (tmp_path / "m").mkdir()
    assert versions("m") == [("m", "1")]


def test_nothing_of_a_damaged_version_stays_in_memory(store: Store, home: Path) -> None:
    store.push(SENTIMENT, "m")
    (pack,) = (home / "store" / "packs").glob("*/*.pack")
    with pack.open("r+b") as file:
        file.truncate(pack.stat().st_size // 2)
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(Tampered):
        store.hold("m")
    assert set(Path("/proc/self/fd").iterdir()) == before
