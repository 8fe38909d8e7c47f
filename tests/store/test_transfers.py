"""Pushes to a real server and pulls from it: broken off by kill -9 on either side, gone on with, and refused."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pumice import AsyncClient, Client, Store
from pumice.cli.main import main
from pumice.domain.errors import (
    BadArtefact,
    NotAllowed,
    StillSealed,
    Unfit,
    Untrusted,
)
from pumice.domain.store.records import VersionRecord
from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from pumice.service.store.types import PushWish
from pumice.store.seal_keys import file as seal_files
from tests.store.folders import MIB, contents, model_at
from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
DOUBLER = "double=tests.support.models:Doubler"


@dataclass
class Served:
    """A server, the keys of its callers, and a home that trusts it.

    Attributes:
        server: It.
        home: Its home.
        keys: Keys by what they may do.
        here: The home of a caller, which trusts the server's key.
    """

    server: RunningServer
    home: Path
    keys: dict[str, str]
    here: Store

    def client(self, key: str = "manage:*", retries: int = 0) -> Client:
        return Client(self.server.url, self.keys[key], retries=retries)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("transfers")
    home = folder / "home"
    key = seal_files.create(folder / "seal.key")
    with Store(home, seal_key=f"file:{folder / 'seal.key'}") as store:
        store.push(model_at(folder / "first", size=1000), "m")
        store.push(folder / "first", "closed", PushWish(seal=True))
        public = store.keys.signing.public
    access = KeyStore.open(home)
    scopes = ("manage:*", "manage:m", "read:m", "infer:m")
    keys = {scope: access.create(KeyWish(name=scope, scopes=[scope]), "test").key for scope in scopes}
    access.close()
    assert key
    (folder / "pumice.yaml").write_text(f"auth: keys\nseal_key: file:{folder / 'seal.key'}\n")
    with (
        RunningServer(DOUBLER, "-f", str(folder / "pumice.yaml"), home=home, cwd=ROOT) as server,
        Store(folder / "here") as here,
    ):
        here.keys.trust_pem(public, ("*",), "server", "its key")
        yield Served(server, home, keys, here)


def test_what_is_pushed_is_pulled_and_both_sides_have_looked(served: Served, tmp_path: Path) -> None:
    model = model_at(tmp_path / "model")
    told: list[tuple[int, int]] = []
    with served.client() as client:
        wish = PushWish(parents=("m@1",), recipe={"by": "hand"}, reason="for the test")
        record = client.store.push(model, "far", wish, lambda done, total: told.append((done, total)))
        assert told[-1][0] == told[-1][1] == record.size
        shown = client.store.show("far")
        assert (shown.record, shown.manifest.recipe, shown.history[0].reason) == (
            record,
            {"by": "hand"},
            "for the test",
        )
        assert [parent.model for parent in shown.manifest.parents] == ["m"]
        told.clear()
        back = client.store.pull("far@1", tmp_path / "back", lambda *step: told.append(step), trust=served.here.trust)
        assert told[-1] == (record.size, record.size)
        assert client.store.verify("far").problems == []
    assert back == record
    assert contents(tmp_path / "back") == contents(model)
    assert served.here.statements.folder(tmp_path / "back", "far")[0] == 3  # and its model.sig is right
    with Store(served.home) as store:
        assert store.find("far") == record
    assert not list((served.home / "cache" / "uploads").glob("*/files"))


def test_only_what_is_lacking_is_sent(served: Served, tmp_path: Path) -> None:
    model = model_at(tmp_path / "model", seed=1)
    with served.client() as client:
        client.store.push(model, "twice")
        (model / "sub" / "read me ü.md").write_text("# Other notes\n")
        sent: list[int] = []
        client.store.push(model, "twice", progress=lambda done, _total: sent.append(done))
        begun = sent.index(max(sent)) + 1  # what follows on the reading
        assert min(sent[begun:]) > 12 * MIB
        assert client.store.diff("twice@1", "twice@2").changed.keys() == {"sub/read me ü.md"}


def test_the_other_client_can_do_it_too(served: Served, tmp_path: Path) -> None:
    model = model_at(tmp_path / "model", size=3 * MIB, seed=2)

    async def both() -> VersionRecord:
        async with AsyncClient(served.server.url, served.keys["manage:*"]) as client:
            pushed = await client.store.push(model, "async")
            assert await client.store.pull("async", tmp_path / "back", trust=served.here.trust) == pushed
            assert any(line.own for line in await client.store.keys.lines())
            return pushed

    assert asyncio.run(both()).model == "async"
    assert contents(tmp_path / "back") == contents(model)


def test_who_may(served: Served, tmp_path: Path) -> None:
    model = model_at(tmp_path / "model", size=100)
    with served.client("read:m") as reader, served.client("infer:m") as runner, served.client("manage:m") as owner:
        reader.store.pull("m@1", tmp_path / "a", trust=served.here.trust)
        assert runner.store.show("m@1").record.version == 1  # it may look, and take nothing away
        for act in (
            lambda: runner.store.pull("m@1", tmp_path / "b", trust=None),
            lambda: reader.store.push(model, "m"),
            lambda: owner.store.push(model, "other"),
            lambda: owner.store.push(model, "m", PushWish(parents=("closed@1",))),
            lambda: reader.store.attest("m@1", "https://example.com/e", {}),
            lambda: owner.store.keys.trust("pem", name="x"),
            lambda: reader.store.sign("m"),
            lambda: owner.store.reseal("m"),
        ):
            with pytest.raises(NotAllowed):
                act()
        with pytest.raises(NotAllowed, match="read:m"):
            runner.store.pull("m@1", tmp_path / "b", trust=None)
        assert [line.own for line in reader.store.keys.lines()] == [True]
        assert owner.store.push(model, "m", PushWish(parents=("m@1",))).version == 2
    assert not (tmp_path / "b").exists()


def test_what_is_signed_is_asked_on_both_sides(served: Served, tmp_path: Path) -> None:
    model = model_at(tmp_path / "model", size=100, seed=3)
    with served.client() as client, Store(tmp_path / "strange") as stranger:
        with pytest.raises(Untrusted, match="not known here"):
            client.store.pull("m@1", tmp_path / "a", trust=stranger.trust)
        stranger.push(model, "signed")
        stranger.pull("signed", tmp_path / "signed")
        with pytest.raises(Untrusted):  # a signature that came along must be by a key that the server trusts
            client.store.push(tmp_path / "signed", "signed")
        line = client.store.keys.trust(stranger.keys.signing.public.decode(), ["sig*"], "stranger")
        client.store.push(tmp_path / "signed", "signed")
        assert {one.key for one in client.store.show("signed").signed} >= {line.id}
        client.store.keys.revoke(line.id, "lost")
        assert [one.reason for one in client.store.keys.lines() if one.id == line.id] == ["lost"]
        said = client.store.attest("m@1", "https://example.com/evidence", {"accuracy": 0.9})
        assert client.store.statements("m@1")[-1] == said
        assert client.store.sign("m") == []


def test_sealed_versions_come_in_and_stay(served: Served, tmp_path: Path) -> None:
    model = model_at(tmp_path / "model", size=100, seed=4)
    with served.client() as client:
        record = client.store.push(model, "secret", PushWish(seal=True))
        assert client.store.show("secret").sealed
        with pytest.raises(StillSealed):
            client.store.pull("secret", tmp_path / "out", trust=None)
        address = f"{served.server.url}/api/models/secret/versions/1/files?path=model.safetensors"
        answer = httpx.get(address, headers={"authorization": f"Bearer {served.keys['manage:*']}"})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:pumice:error:still-sealed")
        assert client.store.reseal("secret") == []
    assert record.version == 1


def test_any_client_of_http_can_take_a_file_from_the_middle(served: Served, tmp_path: Path) -> None:
    del tmp_path
    address = f"{served.server.url}/api/models/m/versions/1/files"
    headers = {"authorization": f"Bearer {served.keys['read:m']}"}
    whole = httpx.get(address, params={"path": "model.safetensors"}, headers=headers)
    tag = whole.headers["etag"]
    assert hashlib.sha256(whole.content).hexdigest() == tag.strip('"')
    rest = httpx.get(address, params={"path": "model.safetensors"}, headers=headers | {"range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    size = len(whole.content)
    assert rest.headers["content-range"] == f"bytes 100-{size - 1}/{size}"
    other = headers | {"range": "bytes=100-", "if-range": '"other"'}
    assert httpx.get(address, params={"path": "model.safetensors"}, headers=other).content == whole.content
    head = httpx.head(address, params={"path": "model.safetensors"}, headers=headers)
    assert (head.headers["content-length"], head.content) == (str(size), b"")
    assert httpx.get(address, params={"path": "../home"}, headers=headers).status_code == 400


def test_bytes_that_are_not_what_was_said_are_refused(served: Served) -> None:
    with httpx.Client(headers={"authorization": f"Bearer {served.keys['manage:m']}"}) as http:
        uploads = f"{served.server.url}/api/models/m/uploads"
        good, bad = hashlib.sha256(b"good").hexdigest(), b"evil"
        wish = {"files": [{"path": "notes.md", "size": 4, "sha256": good}]}
        place = f"{uploads}/{http.post(uploads, json=wish).json()['id']}"
        assert http.put(f"{place}/files/0?offset=2", content=bad[2:]).status_code == 400  # a gap
        assert http.put(f"{place}/files/0?offset=0", content=b"too long").status_code == 400
        assert http.put(f"{place}/files/1?offset=0", content=b"x").status_code == 400
        assert http.post(f"{place}/finish").status_code == 400  # not whole
        assert http.put(f"{place}/files/0?offset=0", content=bad).json() == {"have": 4}
        refused = http.post(f"{place}/finish")
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:pumice:error:push-refused")
        assert http.post(uploads, json=wish).json()["have"] == [0]  # that file alone is to be sent again
        assert http.put(f"{place}/files/0?offset=0", content=b"good").json() == {"have": 4}
        first = http.post(f"{place}/finish").json()
        assert http.post(f"{place}/finish").json() == first  # whoever did not hear it asks again
        assert http.delete(place).status_code == 204
        assert http.delete(place).status_code == 404
        for path in ("../x", "/etc/passwd", ".git/config", "a/../b", ""):
            files = [{"path": path, "size": 4, "sha256": good}]
            assert http.post(uploads, json={"files": files}).status_code == 400, path


def test_what_may_run_code_is_refused(served: Served, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "model.pkl").write_bytes(b"\x80\x04N.")
    code = tmp_path / "code"
    code.mkdir()
    (code / "manifest.json").write_text('{"format": "python", "model": "mine:Model"}')
    (code / "mine.py").write_text("import pumice\nclass Model(pumice.Model):\n    pass\n")
    with served.client() as client:
        for folder in (pickled, code):
            with pytest.raises(Unfit) as caught:
                client.store.push(folder, "bad")
            assert str(served.home) not in str(caught.value)
        assert "bad" not in {model.model for model in client.store.models()}


def test_two_pushers_at_once(served: Served, tmp_path: Path) -> None:
    models = [model_at(tmp_path / str(number), size=2 * MIB, seed=10 + number // 2) for number in range(4)]

    def push(number: int) -> VersionRecord:
        with served.client("manage:*" if number % 2 else "manage:m", retries=5) as client:
            return client.store.push(models[number], "m")

    with ThreadPoolExecutor(4) as pool:
        records = list(pool.map(push, range(4)))
    assert len({record.version for record in records}) == 4  # two callers with the same files are two pushes
    assert len({record.digest for record in records}) == 2
    with served.client() as client:
        assert client.store.verify("m").problems == []


def test_bytes_that_came_wrong_are_taken_anew(served: Served, tmp_path: Path) -> None:
    with served.client() as client:
        record = client.store.show("m@1").record
        part = tmp_path / f".out.{record.digest[:16]}.part"
        (part / "sub").mkdir(parents=True)
        (part / "model.safetensors").write_bytes(b"what a power cut left")
        (part / "other").write_bytes(b"x")
        client.store.pull("m@1", tmp_path / "out", trust=served.here.trust)
        assert sorted(contents(tmp_path / "out")) == ["empty.txt", "model.safetensors", "sub/read me ü.md"]
        with pytest.raises(BadArtefact):
            client.store.pull("m@1", tmp_path / "out", trust=served.here.trust)


def test_the_commands_do_it_with_url(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_at(tmp_path / "model", size=100, seed=5)
    monkeypatch.setenv("PUMICE_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("PUMICE_API_KEY", served.keys["manage:*"])

    def run(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["models", *words, "--url", served.server.url])
        told = capsys.readouterr()
        assert ended.value.code == code, told.err
        return told.out + told.err

    pushed = run("push", str(model), "--name", "cli", "--seal")
    assert "cli@1" in pushed
    assert "--unseal" in run("pull", "cli", str(tmp_path / "no"), "--unseal", code=2)
    with Store(tmp_path / "own") as own:
        (tmp_path / "own.pub").write_bytes(own.keys.signing.public)
    run("push", str(model), "--name", "cli", "--sign", code=3)  # the server does not know that key
    run("trust", str(tmp_path / "own.pub"), "--models", "cli")
    run("push", str(model), "--name", "cli", "--sign")
    assert "not known here" in run("pull", "cli", str(tmp_path / "out"), code=3)
    (tmp_path / "server.pub").write_text(run("trust", "--public"))
    with Store(tmp_path / "own") as own:
        own.keys.trust(tmp_path / "server.pub")
    run("pull", "cli", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(model)
    run("export", "cli", f"oci:{tmp_path / 'layout'}:v1")
    assert "again@1" in run("import", f"oci:{tmp_path / 'layout'}:v1", "--name", "again")
    assert "0 versions signed" in run("sign", "cli")
    assert "0 versions" in run("reseal")
    assert "own" in run("trust", "--json")
    for words in (("trust", "--rotate"), ("verify", "--folder", str(tmp_path / "out"))):
        assert "--url" in run(*words, code=2)


def test_a_client_keeps_no_parts_that_it_has_sent(served: Served, tmp_path: Path) -> None:
    (tmp_path / "zeros.data").write_bytes(b"")
    os.truncate(tmp_path / "zeros.data", 96 * MIB)
    with served.client() as client:
        gc.disable()  # it counts objects, and these are few and large
        tracemalloc.start()
        try:
            client.store.push(tmp_path / "zeros.data", "zeros")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            gc.enable()
    assert peak < 50 * MIB
