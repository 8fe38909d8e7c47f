"""OpenSSF's model-signing checks what we sign, and we check what it signs."""

import shutil
import sys
from pathlib import Path
from subprocess import run

import pytest
from model_signing import hashing, signing, verifying

from pumice import Store
from pumice.domain.errors import MalformedInput, Tampered, Untrusted
from pumice.service.store.types import PushWish
from pumice.store.seal_keys.file import create
from tests.trust.material import Keys, own_public


def check(folder: Path, public: Path) -> None:
    config = verifying.Config()  # type: ignore[no-untyped-call] # it has types but there
    config.use_elliptic_key_verifier(public_key=public).verify(folder, folder / "model.sig")


def sign(folder: Path, keys: Keys) -> None:
    form = hashing.Config()  # type: ignore[no-untyped-call]
    config = signing.Config()  # type: ignore[no-untyped-call]
    config.set_hashing_config(form.set_ignored_paths(paths=[Path("model.sig")]))
    config.use_elliptic_key_signer(private_key=keys.private).sign(folder, folder / "model.sig")


def test_its_command_verifies_what_pull_writes(store: Store, source: Path, home: Path, tmp_path: Path) -> None:
    (source / ".gitattributes").write_text("*.bin filter=lfs\n")
    store.push(source, "m")
    store.pull("m", tmp_path / "out")
    words = ("verify", "key", str(tmp_path / "out"), "--signature", str(tmp_path / "out" / "model.sig"))
    command = (sys.executable, "-m", "model_signing", *words, "--public_key", str(own_public(home)))
    assert run(command, check=False, capture_output=True).returncode == 0
    (tmp_path / "out" / "empty").write_bytes(b"x")
    assert run(command, check=False, capture_output=True).returncode == 1


def test_it_verifies_what_is_unsealed(source: Path, home: Path, tmp_path: Path) -> None:
    create(tmp_path / "key")
    out = tmp_path / "out"
    with Store(home, seal_key=f"file:{tmp_path / 'key'}") as store:
        store.push(source, "m", PushWish(seal=True))
        store.pull("m", out, unseal=True)
    check(out, own_public(home))
    (out / "sub" / "README.md").write_text("# B model\n")
    with pytest.raises(ValueError, match="mismatch"):
        check(out, own_public(home))


@pytest.mark.parametrize("change", ["changed", "extra", "missing", "another key"])
def test_it_refuses_what_was_changed_after_the_pull(
    store: Store, source: Path, home: Path, tmp_path: Path, stranger: Keys, change: str
) -> None:
    store.push(source, "m")
    out = tmp_path / "out"
    store.pull("m", out)
    check(out, own_public(home))
    if change == "changed":
        (out / "sub" / "README.md").write_text("# B model\n")
    elif change == "extra":
        (out / "more").write_text("hello")
    elif change == "missing":
        (out / "empty").unlink()
    with pytest.raises(ValueError, match="mismatch"):
        check(out, stranger.public if change == "another key" else own_public(home))


def test_a_pulled_folder_that_is_pushed_again_is_the_same_version(store: Store, source: Path, tmp_path: Path) -> None:
    first = store.push(source, "m")
    store.pull("m", tmp_path / "out")
    again = store.push(tmp_path / "out", "m")
    assert (again.digest, again.files) == (first.digest, first.files)
    assert len(store.show("m@2").signed) == 3, "the one that came with it, and two of its own"


def test_we_check_what_it_signed(store: Store, source: Path, stranger: Keys, tmp_path: Path) -> None:
    sign(source, stranger)
    with pytest.raises(Untrusted, match="not known here"):
        store.push(source, "m")
    assert store.push(source, "m", PushWish(drop_signature=True)).files == 3
    store.keys.trust(stranger.public, models=("m*",))
    assert store.push(source, "m").files == 3
    assert [line.problem for line in store.show("m@2").signed] == ["", "", ""]
    with pytest.raises(Untrusted, match=r"trusted for m\* only"):
        store.push(source, "other")
    (source / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(Tampered, match=r"'weights.safetensors' has other bytes"):
        store.push(source, "m")


@pytest.mark.parametrize("change", ["extra", "missing"])
def test_files_that_it_did_not_sign_are_refused(store: Store, source: Path, stranger: Keys, change: str) -> None:
    store.keys.trust(stranger.public)
    sign(source, stranger)
    if change == "extra":
        (source / "more").write_text("hello")
    else:
        (source / "empty").unlink()
    with pytest.raises(Tampered, match="was not signed" if change == "extra" else "is not there"):
        store.push(source, "m")


def test_a_signature_that_is_none_is_refused(store: Store, source: Path) -> None:
    (source / "model.sig").write_text("{}")
    with pytest.raises(MalformedInput, match="no Sigstore bundle"):
        store.push(source, "m")


def test_what_both_sign_over_the_same_files_is_the_same(
    store: Store, source: Path, stranger: Keys, tmp_path: Path
) -> None:
    from pumice.domain.trust.bundles import decode_bundle
    from pumice.domain.trust.statements import decode_statement, signed_files

    (source / "a-b").mkdir()
    (source / "a-b" / "c").write_text("c")
    (source / "a").mkdir()
    (source / "a" / "d").write_text("d")
    store.push(source, "model")
    store.pull("model", tmp_path / "out")
    sign(source, stranger)
    ours, theirs = (
        decode_statement(decode_bundle((folder / "model.sig").read_bytes(), "").payload, "")
        for folder in (tmp_path / "out", source)
    )
    assert ours.subject == theirs.subject
    assert list(signed_files(ours, "").items()) == list(signed_files(theirs, "").items())
    shutil.rmtree(tmp_path / "out")
