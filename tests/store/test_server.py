"""The model store over HTTP: the same as that of the home, for those who may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pumice import AsyncClient, Client, Store
from pumice.cli.main import main
from pumice.domain.errors import MalformedInput, NotAllowed, NotFound, VersionInUse
from pumice.domain.store.records import Move
from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from pumice.service.store.types import PushWish
from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
DOUBLER = "double=tests.support.models:Doubler"


@dataclass
class Served:
    """A server whose store has ``m`` in three versions and ``secret`` in one.

    Attributes:
        server: It.
        home: Its home.
        admin: A key that may do everything.
        narrow: One that may manage ``m``.
        reader: One that may look at ``m``.
    """

    server: RunningServer
    home: Path
    admin: str
    narrow: str
    reader: str

    def client(self, key: str | None = None) -> Client:
        return Client(self.server.url, key or self.admin, retries=0)

    def audited(self) -> list[tuple[str, str, str]]:
        lines = map(json.loads, (self.home / "audit.jsonl").read_text(encoding="utf-8").splitlines())
        return [(line["who"], line["what"], line["result"].partition(":")[0]) for line in lines]


def fill(home: Path, folder: Path) -> None:
    folder.mkdir()
    with Store(home, by="tester") as store:
        for number in range(1, 4):
            (folder / "weights.safetensors").write_bytes(bytes([number]) * 1000)
            parents = ("m@1", "secret@1") if number == 3 else ()
            if number == 2:
                store.push(folder, "secret")
            store.push(folder, "m", PushWish(parents=parents))
        store.alias("m", "prod", 1, "begin")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("store") / "home"
    fill(home, home.parent / "model")
    keys = KeyStore.open(home)
    made = [
        keys.create(KeyWish(name=name, scopes=scopes), "test").key
        for name, scopes in (("boss", ["manage:*"]), ("ann", ["manage:m"]), ("ben", ["read:m"]))
    ]
    keys.close()
    with RunningServer(DOUBLER, "--auth", "keys", home=home, cwd=ROOT) as server:
        yield Served(server, home, *made)


def test_it_tells_what_the_store_of_the_home_tells(served: Served) -> None:
    with Store(served.home) as store, served.client() as client:
        assert client.store.models() == store.models()
        assert client.store.versions("m") == store.versions("m")
        for ref in ("m", "m@1", "m@prod"):
            assert client.store.show(ref) == store.show(ref)
        assert client.store.diff("m@1", "m@2") == store.diff("m@1", "m@2")
        assert client.store.lineage("m@3") == store.lineage("m@3")
        assert client.store.verify("m@2") == store.verify("m@2")
        assert client.store.verify() == store.verify()
        assert client.store.gc(dry_run=True) == store.gc(dry_run=True)
        moment = store.show("m").history[0].at
        assert client.store.at("m@prod", moment) == store.at("m@prod", moment)


def test_aliases_move_in_the_name_of_the_key(served: Served) -> None:
    with served.client(served.narrow) as client:
        there = client.store.alias("m", "next", 2, "better")
        assert (there.version, there.reason) == (2, "better")
        client.store.alias("m", "next", 3)
        back = client.store.rollback("m", "next", "worse")
    assert (back.version, back.kind, back.reason) == (2, "rollback", "worse")
    assert back.moved_by.startswith("ann (key:")
    key = back.moved_by.partition("(")[2].rstrip(")")
    assert (key, "PUT /api/models/{model}/aliases/{alias}", "done") in served.audited()
    assert (key, "POST /api/models/{model}/aliases/{alias}/rollback", "done") in served.audited()


def test_both_clients_can(served: Served) -> None:
    async def move() -> Move:
        async with AsyncClient(served.server.url, served.admin) as client:
            assert {model.model for model in await client.store.models()} == {"m", "secret"}
            return await client.store.alias("m", "both", 1)

    with served.client() as client:
        assert client.store.alias("m", "both", 1) == asyncio.run(move())


@pytest.mark.parametrize(
    ("act", "refusal"),
    [
        (lambda store: store.alias("m", "prod", 2), NotAllowed),
        (lambda store: store.rollback("m"), NotAllowed),
        (lambda store: store.delete("m@2"), NotAllowed),
        (lambda store: store.verify("m@2"), NotAllowed),
        (lambda store: store.gc(dry_run=True), NotAllowed),
        (lambda store: store.show("secret"), NotAllowed),
        (lambda store: store.diff("m@1", "secret@1"), NotAllowed),
    ],
)
def test_who_may_look_at_one_model_changes_nothing_and_sees_no_other(
    served: Served, act: Callable[[object], object], refusal: type[Exception]
) -> None:
    with served.client(served.reader) as client, pytest.raises(refusal):
        act(client.store)


def test_hidden_models_are_not_told_by_the_way(served: Served) -> None:
    with served.client(served.reader) as client:
        assert [model.model for model in client.store.models()] == ["m"]
        parents = {parent.ref: parent for parent in client.store.lineage("m@3").parents}
        assert parents["secret@1"].recipe == {}
        with pytest.raises(NotFound) as caught:
            client.store.show("m@none")
        assert "secret" not in str(caught.value)
    with served.client() as client, pytest.raises(NotFound) as caught:
        client.store.show("nothing")
    assert "secret" in str(caught.value)


def test_what_is_needed_stays(served: Served) -> None:
    with served.client() as client:
        for ref in ("m@1", "secret@1"):
            with pytest.raises(VersionInUse) as caught:
                client.store.delete(ref)
            assert "first" in str(caught.value) or "that first" in str(caught.value)


def test_what_is_malformed_is_the_callers_fault(served: Served) -> None:
    base = f"{served.server.url}/api/models"
    head = {"authorization": f"Bearer {served.admin}"}
    for method, path, body in (
        ("GET", "/m/versions/0", None),
        ("GET", "/m@3/versions/-", None),
        ("DELETE", "/m/versions/prod", None),
        ("DELETE", "/m/versions/2?why=x", None),
        ("GET", "/m/versions/1/diff", None),
        ("GET", "/m/versions/1/diff?against=m@1&against=m@2", None),
        ("GET", "/m/aliases/prod?at=Tuesday", None),
        ("GET", "/m/aliases/prod?at=nan", None),
        ("GET", "/m/aliases/prod?at=2026-03-03T10:00", None),
        ("PUT", "/m/aliases/7", {"version": 1}),
        ("PUT", "/m/aliases/prod", {"version": 0}),
        ("PUT", "/m/aliases/prod", {"version": 1, "why": "x"}),
        ("PUT", "/m/aliases/prod", {"version": 1, "reason": "\0"}),
    ):
        answer = httpx.request(method, base + path, json=body, headers=head)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), path
        assert answer.json()["type"] == f"urn:pumice:error:{MalformedInput.code}"
    assert httpx.put(f"{base}/m/aliases/prod", json={"version": 9}, headers=head).status_code == 404
    assert httpx.put(f"{base}/m", json={}, headers=head).status_code == 405


def test_commands_print_the_same_with_a_url(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PUMICE_HOME", str(served.home))
    monkeypatch.setenv("PUMICE_API_KEY", served.admin)
    moment = "2100-01-01T00:00"

    def run(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["models", *words])
        return ended.value.code, capsys.readouterr().out

    for words in (
        ("list",),
        ("list", "m"),
        ("show", "m@prod"),
        ("show", "m@prod", "--at", moment),
        ("diff", "m@1", "m@3"),
        ("lineage", "m@3"),
        ("verify", "m@1"),
        ("gc", "--dry-run"),
        ("alias", "m", "prod", "1"),
        ("show", "m@none"),
        ("delete", "m@1"),
        ("delete", "m"),
    ):
        for form in ([], ["--json"]):
            there, here = run(*words, *form, "--url", served.server.url), run(*words, *form)
            assert there[1].splitlines() == here[1].splitlines(), there[1] + here[1]
            assert there[0] == here[0], words


def test_changed_bytes_are_told_and_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    fill(home, tmp_path / "model")
    for pack in (home / "store" / "packs").rglob("*.pack"):
        data = bytearray(pack.read_bytes())
        data[40] ^= 1
        pack.write_bytes(data)
    with RunningServer(DOUBLER, home=home, cwd=ROOT) as server, Client(server.url, retries=0) as client:
        assert client.store.verify().problems
        assert client.store.alias("m", "prod", 2).moved_by == "127.0.0.1"
