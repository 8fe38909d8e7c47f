"""What keys look like, scopes and spans, and the audit record."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pumice.domain.access import ANYBODY, Principal, Verb, parse_scope, parse_span, scopes_of
from pumice.domain.errors import Forbidden, KeyNotFound, MalformedInput
from pumice.service.access.audit import KEPT, Act, Audit
from pumice.service.access.keys import KeyStore
from pumice.service.access.tokens import digest_of, id_of, new_key
from pumice.service.access.types import KeyWish


def test_a_key_is_long_and_tells_its_id() -> None:
    keys = [new_key() for _ in range(100)]
    assert len({key for _, key in keys}) == 100
    for key_id, key in keys:
        assert id_of(key) == key_id
        assert len(key) == 64
        assert len(digest_of(key)) == 32


def test_a_typing_error_is_found_without_asking_anyone() -> None:
    _, key = new_key()
    for at in range(4, len(key)):
        other = "x" if key[at] != "x" else "y"
        assert id_of(key[:at] + other + key[at + 1 :]) is None
    for wrong in ("", key[:-1], key + "a", key.replace("pum_", "sk_"), key + "\n", "é" * 64):
        assert id_of(wrong) is None


@pytest.mark.parametrize("text", ["", "infer", "infer:", "open:x", "INFER:x", ":x", "infer:a\nb", "write:*"])
def test_no_scope(text: str) -> None:
    with pytest.raises(MalformedInput, match="infer:sentiment"):
        parse_scope(text)


@pytest.mark.parametrize(
    ("scopes", "verb", "model", "allowed"),
    [
        (["infer:a"], Verb.INFER, "a", True),
        (["infer:a"], Verb.READ, "a", True),
        (["infer:a"], Verb.INFER, "b", False),
        (["infer:a"], Verb.READ, "*", False),
        (["infer:a:b"], Verb.INFER, "a:b", True),
        (["infer:*"], Verb.INFER, "anything", True),
        (["infer:*"], Verb.MANAGE, "*", False),
        (["manage:*"], Verb.INFER, "a", False),
        (["manage:*"], Verb.READ, "*", True),
        (["read:*"], Verb.INFER, "a", False),
        ([], Verb.OPEN, "a", True),
        ([], Verb.READ, "a", False),
    ],
)
def test_what_scopes_allow(scopes: list[str], verb: Verb, model: str, allowed: bool) -> None:
    principal = Principal("key:x", scopes_of(scopes))
    assert principal.allows(verb, model) == allowed
    assert ANYBODY.allows(verb, model)
    if not allowed:
        with pytest.raises(Forbidden, match=f"{verb.value}:"):
            principal.permit(verb, model)


def test_spans() -> None:
    assert [parse_span(text) for text in ("90s", "5m", "12h", "30d", "2w")] == [90, 300, 43_200, 2_592_000, 1_209_600]
    for text in ("", "30", "d", "0d", "-1d", "1y", "1.5d"):
        with pytest.raises(MalformedInput):
            parse_span(text)


def test_a_key_is_replaced_while_both_are_good(tmp_path: Path) -> None:
    now = 1_000_000.0
    store = KeyStore.open(tmp_path)
    store._clock = lambda: now
    old = store.create(KeyWish(name="a", scopes=["infer:m"], expires="30d", rate=5), "test")
    new = store.rotate(old.info.id, "1h", "test")
    kept = {key.id: key for key in store.every()}
    assert kept[old.info.id].expires == now + 3600
    assert kept[new.info.id].expires == old.info.expires
    assert (new.info.scopes, new.info.rate, new.info.burst) == (["infer:m"], 5, 5)
    store.revoke(old.info.id)
    with pytest.raises(KeyNotFound):
        store.rotate(old.info.id, "1h", "test")
    with pytest.raises(KeyNotFound):
        store.revoke("nobody")
    assert old.key.encode() not in (tmp_path / "pumice.sqlite").read_bytes()
    store.close()


def test_the_record_is_whole_and_turns_over(tmp_path: Path) -> None:
    audits = [Audit(tmp_path, max_bytes=4096) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: audits[n % 4].record(Act(who=f"key:{n}", what="load")), range(200)))
    files = sorted(tmp_path.glob("audit.jsonl*"))
    assert 2 < len(files) <= KEPT + 1
    lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    assert sorted(line["who"] for line in lines) == sorted(f"key:{n}" for n in range(200))
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
