"""``pumice models``, as a user types it."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.command import pumice


@pytest.fixture
def environ(home: Path) -> Mapping[str, str]:
    return {"PUMICE_HOME": str(home)}


def told(environ: Mapping[str, str], *words: str) -> dict[str, object]:
    done = pumice("models", *words, "--json", environ=environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_version_from_its_push_to_its_deletion(
    environ: Mapping[str, str], source: Path, home: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text('{"passes": ["int8"]}')
    assert told(environ, "push", str(source), "--name", "m", "--reason", "first")["version"] == 1
    (source / "empty").unlink()
    pushed = pumice(
        *("models", "push", str(source), "--name", "m", "--parent", "m@1", "--recipe", str(recipe)), environ=environ
    )
    assert pushed.stdout == "m@2\n"
    assert told(environ, "alias", "m", "prod", "2")["version"] == 2
    assert told(environ, "list")["models"] == [
        {**told(environ, "list")["models"][0], "model": "m", "versions": 2, "aliases": {"prod": 2}}  # type: ignore[index]
    ]
    assert told(environ, "diff", "m@1", "m@prod")["removed"] == ["empty"]
    assert told(environ, "lineage", "m")["recipe"] == {"passes": ["int8"]}
    assert "first" in pumice("models", "show", "m", environ=environ).stdout
    assert told(environ, "pull", "m@prod", str(tmp_path / "out"))["version"] == 2
    assert (tmp_path / "out" / "sub" / "README.md").read_text() == "# A model\n"
    refused = pumice("models", "delete", "m@1", environ=environ)
    assert (refused.returncode, "made from it" in refused.stderr) == (1, True)
    told(environ, "alias", "m", "prod", "1")
    told(environ, "delete", "m@2")
    assert told(environ, "gc", "--dry-run")["packs"] == told(environ, "gc")["packs"] == 1
    acts = [json.loads(line)["what"] for line in (home / "audit.jsonl").read_text().splitlines()]
    assert acts.count("models push") == 2
    assert "models delete" in acts


def test_what_an_alias_meant_is_told(environ: Mapping[str, str], source: Path) -> None:
    told(environ, "push", str(source), "--name", "m")
    told(environ, "alias", "m", "prod", "1", "--reason", "begin")
    move = told(environ, "show", "m@prod", "--at", "2100-01-01T00:00")["move"]
    assert isinstance(move, dict)
    assert (move["version"], move["reason"]) == (1, "begin")
    assert pumice("models", "show", "m@prod", "--at", "2001-01-01", environ=environ).returncode == 2
    for words in (("m@prod", "--at", "last Tuesday"), ("m@1", "--at", "2100-01-01")):
        done = pumice("models", "show", *words, environ=environ)
        assert (done.returncode, "allowed" in done.stderr) == (2, True)


def test_changed_bytes_are_exit_code_3(environ: Mapping[str, str], source: Path, home: Path, tmp_path: Path) -> None:
    told(environ, "push", str(source), "--name", "m")
    assert pumice("models", "verify", environ=environ).returncode == 0
    (pack,) = (home / "store" / "packs").rglob("*.pack")
    data = bytearray(pack.read_bytes())
    data[40] ^= 1
    pack.write_bytes(data)
    for words in (("verify",), ("verify", "m@1"), ("pull", "m", str(tmp_path / "out"))):
        done = pumice("models", *words, environ=environ)
        assert (done.returncode, "other bytes than were stored" in done.stderr) == (3, True)


def test_a_wrong_command_line_is_exit_code_2(environ: Mapping[str, str], source: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("[]")
    for words in (
        ("push", str(source), "--name", "a/b"),
        ("push", str(tmp_path / "nothing"), "--name", "m"),
        ("push", str(source), "--name", "m", "--recipe", str(tmp_path / "recipe.json")),
        ("show", "m"),
        ("rollback", "m"),
        ("delete", "m"),
    ):
        assert pumice("models", *words, environ=environ).returncode == 2, words


def test_a_sealed_version_from_its_push_to_another_key(
    environ: Mapping[str, str], source: Path, tmp_path: Path
) -> None:
    keys = [str(told(environ, "seal-key", str(tmp_path / name))["seal_key"]) for name in ("one", "two")]
    one = {**environ, "PUMICE_SEAL_KEY": keys[0]}
    refused = pumice("models", "push", str(source), "--name", "m", "--seal", environ=environ)
    assert (refused.returncode, "seal-key" in refused.stderr) == (2, True)
    assert told(one, "push", str(source), "--name", "m", "--seal")["version"] == 1
    refused = pumice("models", "pull", "m", str(tmp_path / "out"), environ=one)
    assert (refused.returncode, "--unseal" in refused.stderr) == (2, True)
    assert told(environ, "verify")["unopened"] == ["m@1"]
    two = {**environ, "PUMICE_SEAL_KEY": f"{keys[1]},{keys[0]}"}
    assert "local:" in pumice("models", "reseal", "m", environ=two).stdout
    refused = pumice("models", "pull", "--unseal", "m", str(tmp_path / "out"), environ=one)
    assert (refused.returncode, "set it to that key" in refused.stderr) == (2, True)
    pulled = pumice("models", "pull", "--unseal", "m", str(tmp_path / "out"), environ=two)
    assert (pulled.returncode, "unsealed" in pulled.stderr) == (0, True)
    assert (tmp_path / "out" / "sub" / "README.md").read_text() == "# A model\n"
