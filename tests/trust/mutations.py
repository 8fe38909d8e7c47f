"""Random changes of a stored version and of a pulled folder: every one is refused, with its reason."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from sqlalchemy import text

from pumice import Store
from pumice.db import packs, signatures
from pumice.domain.errors import PumiceError
from pumice.domain.store.manifest import VersionManifest, decode_manifest, digest_of
from pumice.domain.trust.bundles import encode_bundle
from pumice.domain.trust.statements import encode_statement, files_statement, version_statement
from pumice.store.pushing import Push
from pumice.store.signing.private import SigningKey
from tests.trust.stages import Stage

DATABASE = "pumice.sqlite*"
STRANGER = SigningKey(generate_private_key(SECP256R1()))


def flipped(data: bytes, dice: random.Random) -> bytes:
    """The same with another bit."""
    changed = bytearray(data)
    place = dice.randrange(len(changed) * 8)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def flip(path: Path, dice: random.Random) -> None:
    path.write_bytes(flipped(path.read_bytes(), dice))


def some(stage: Stage, pattern: str) -> Path:
    return stage.dice.choice(sorted((stage.home / "store").glob(pattern)))


def covered(stage: Stage) -> Path:
    return some(stage, stage.dice.choice(["packs/*/*.pack", "heads/*.json"]))


def cut(path: Path, dice: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])


def swap(first: Path, second: Path) -> None:
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def swap_packs(stage: Stage) -> None:
    swap(*stage.dice.sample(sorted((stage.home / "store").glob("packs/*/*.pack")), 2))


def link_out(path: Path) -> None:
    elsewhere = path.with_name(f"{path.name}.moved").absolute()
    target = path.parents[3] / elsewhere.name if len(path.parents) > 3 else elsewhere
    shutil.move(path, target)
    path.symlink_to(target)


def sql(statement: str) -> Callable[[Stage], None]:
    def change(stage: Stage) -> None:
        with Store(stage.home) as store, store.engine.begin() as connection:
            assert connection.execute(text(statement.replace("?", str(stage.dice.randrange(1, 9))))).rowcount

    return change


def older_database(stage: Stage) -> None:
    for file in stage.home.glob(DATABASE):
        file.unlink()
    for file in stage.old.glob(DATABASE):
        shutil.copy(file, stage.home)


def older_head(stage: Stage) -> None:
    shutil.copy(stage.old / "store" / "heads" / "m.json", stage.home / "store" / "heads" / "m.json")
    older_database(stage)
    shutil.copy(stage.home / "store" / "heads" / "other.json", stage.home / "store" / "heads" / "m.json")


def older_manifest(stage: Stage) -> None:
    """The record of version 3 and its signatures become those of version 1."""
    with Store(stage.home) as store, store.engine.begin() as connection:
        one = store.find("m@1")
        columns = "digest = :d, created = :c, size = :s, files = :f"
        connection.execute(
            text(f"UPDATE store_versions SET {columns} WHERE model = 'm' AND version = 3"),  # noqa: S608
            {"d": one.digest, "c": one.created, "s": one.size, "f": one.files},
        )
        connection.execute(text("DELETE FROM store_signatures WHERE model = 'm' AND version = 3"))
        connection.execute(text("UPDATE store_signatures SET version = 3 WHERE model = 'm' AND version = 1"))


def flip_signature(*, entered: bool) -> Callable[[Stage], None]:
    """Change a bit of a signature; ``entered``: under the digest that it has then."""

    def change(stage: Stage) -> None:
        with Store(stage.home) as store, store.engine.begin() as connection:
            row = stage.dice.choice(signatures.of_version(connection, "m", 3))
            body = flipped(row.body, stage.dice)
            connection.execute(
                text("UPDATE store_signatures SET body = :b, digest = :n WHERE digest = :d AND version = 3"),
                {"b": body, "n": digest_of(body) if entered else row.digest, "d": row.digest},
            )

    return change


def foreign_signature(stage: Stage) -> None:
    with Store(stage.home) as store, store.engine.begin() as connection:
        shown = store.show("m@3")
        connection.execute(text("DELETE FROM store_signatures WHERE model = 'm' AND version = 3"))
        for said in (files_statement("m", shown.manifest), version_statement(shown.record, shown.manifest)):
            body = encode_bundle(STRANGER.sign(encode_statement(said)))
            signatures.add(connection, ("m", 3), said.predicate_type, 1.0, body)


def forged(change: Callable[[VersionManifest], object]) -> Callable[[Stage], None]:
    """Put a manifest of one's own in a version's place, with all rows that belong to it."""
    return lambda stage: forge(stage, lambda manifest, _store, _push: change(manifest))


def forge(stage: Stage, change: Callable[[Any, Store, Push], object], *, vouch: bool = False) -> None:
    """The same, with chunks of one's own; ``vouch``: and let the home sign it."""
    with Store(stage.home) as store:
        manifest = msgspec.to_builtins(store.show("m@3").manifest)
        with (
            store._transfer.session() as session,
            Push(store.engine, session, store._layout, 1.0, lambda _count: None) as push,
        ):
            change(manifest, store, push)
            data = msgspec.json.encode(manifest, order="sorted")
            digest = push.add_object(data)
            push.flush()
            with store.engine.begin() as connection:
                changed = text("UPDATE store_versions SET digest = :d WHERE model = 'm' AND version = 3")
                connection.execute(changed, {"d": digest})
                used = text("INSERT INTO store_uses VALUES ('m', 3, :p)")
                for pack in session.pinned - set(packs.used_by(connection, "m", 3)):
                    connection.execute(used, {"p": pack})
        if vouch:
            with contextlib.suppress(PumiceError):  # it is so wrong that it cannot be signed
                _sign_anew(store, decode_manifest(data, digest))


def _sign_anew(store: Store, manifest: VersionManifest) -> None:
    with store.engine.begin() as connection:
        changed = text("UPDATE store_versions SET size = :s, files = :f WHERE model = 'm' AND version = 3")
        connection.execute(changed, {"s": manifest.size, "f": len(manifest.files)})
        connection.execute(text("DELETE FROM store_signatures WHERE model = 'm' AND version = 3"))
    store.statements.sign("m")


def renamed(name: str) -> Callable[[Stage], None]:
    return forged(lambda manifest: manifest["files"][-1].update(path=name))  # type: ignore[index]


def mixed(stage: Stage) -> None:
    with Store(stage.home) as store:
        theirs = msgspec.to_builtins(store.show("m@1").manifest)["files"][-1]
    forged(lambda manifest: manifest["files"].__setitem__(-1, theirs))(stage)  # type: ignore[index]


STORED: dict[str, Callable[[Stage], object]] = {
    "a flipped bit in a file": lambda stage: flip(covered(stage), stage.dice),
    "a file that is cut off": lambda stage: cut(covered(stage), stage.dice),
    "a file that is gone": lambda stage: covered(stage).unlink(),
    "two packs swapped": swap_packs,
    "two heads swapped": lambda stage: swap(
        stage.home / "store" / "heads" / "m.json", stage.home / "store" / "heads" / "other.json"
    ),
    "a link that leads out": lambda stage: link_out(covered(stage)),
    "an extra file": lambda stage: some(stage, "*").joinpath(f"x{stage.dice.randrange(99)}").write_text("hello"),
    "an older database": older_database,
    "an older database and another head": older_head,
    "an older manifest": older_manifest,
    "a flipped bit in a signature": flip_signature(entered=False),
    "a flipped bit in a signature, entered anew": flip_signature(entered=True),
    "a foreign signature": foreign_signature,
    "no signature": sql("DELETE FROM store_signatures WHERE model = 'm' AND version = 3"),
    "signatures of another version": sql(
        "UPDATE store_signatures SET version = 4 - version WHERE model = 'm' AND version IN (1, 3)"
    ),
    "another digest": sql(
        "UPDATE store_versions SET digest = (SELECT digest FROM store_versions WHERE version = 2) WHERE version = 3"
    ),
    "another time": sql("UPDATE store_versions SET created = created + ? WHERE model = 'm' AND version = 3"),
    "another author": sql("UPDATE store_versions SET made_by = 'me' WHERE model = 'm' AND version = 3"),
    "another size": sql("UPDATE store_versions SET size = size + ? WHERE model = 'm' AND version = 3"),
    "another number": sql("UPDATE store_versions SET version = 3 + ? WHERE model = 'm' AND version = 3"),
    "an alias moved": sql("UPDATE store_aliases SET version = 1 WHERE model = 'm'"),
    "an alias gone": sql("DELETE FROM store_aliases WHERE model = 'm'"),
    "a line of the journal": sql("UPDATE store_journal SET reason = 'because ?' WHERE version = 3"),
    "a line of the journal gone": sql("DELETE FROM store_journal WHERE id = (SELECT max(id) FROM store_journal)"),
    "parents gone": sql("DELETE FROM store_parents"),
    "packs not in use": sql("DELETE FROM store_uses WHERE model = 'm' AND version = 3"),
    "chunks elsewhere": sql("UPDATE store_chunks SET start = start + ?"),
    "chunks of another length": sql("UPDATE store_chunks SET size = size + ?"),
    "chunks in another pack": sql("UPDATE store_chunks SET pack = (SELECT max(id) FROM store_packs)"),
    "a chunk gone": sql("DELETE FROM store_chunks WHERE digest = (SELECT max(digest) FROM store_chunks)"),
    "a version gone": sql("DELETE FROM store_versions WHERE model = 'm' AND version = 1"),
    "a path that leads out": renamed("../../evil"),
    "an absolute path": renamed("/tmp/evil"),  # noqa: S108
    "a renamed path": renamed("zzz"),
    "files of another version": mixed,
    "another recipe": forged(lambda manifest: manifest.update(recipe={"passes": ["none"]})),  # type: ignore[attr-defined]
    "other parents": forged(lambda manifest: manifest.update(parents=[])),  # type: ignore[attr-defined]
}
"""Changes of a home."""


def inside(stage: Stage) -> Path:
    return stage.dice.choice(sorted(path for path in stage.folder.rglob("*") if path.is_file() and path.stat().st_size))


def resigned(stage: Stage) -> None:
    with Store(stage.home) as store:
        said = files_statement("m", store.show("m@3").manifest)
    (stage.folder / "model.sig").write_bytes(encode_bundle(STRANGER.sign(encode_statement(said))))


PULLED: dict[str, Callable[[Stage], object]] = {
    "pulled: a flipped bit": lambda stage: flip(inside(stage), stage.dice),
    "pulled: a file that is cut off": lambda stage: cut(inside(stage), stage.dice),
    "pulled: an extra file": lambda stage: (stage.folder / f"x{stage.dice.randrange(99)}").write_text("hello"),
    "pulled: a file that is gone": lambda stage: (stage.folder / "b.txt").unlink(),
    "pulled: two files swapped": lambda stage: swap(stage.folder / "a.txt", stage.folder / "b.txt"),
    "pulled: a renamed path": lambda stage: (stage.folder / "a.txt").rename(stage.folder / "c.txt"),
    "pulled: a link that leads out": lambda stage: _link(stage.folder / "a.txt", stage.other / "a.txt"),
    "pulled: a file of another version": lambda stage: shutil.copy(stage.other / "w.dat", stage.folder / "w.dat"),
    "pulled: the signature of another version": lambda stage: shutil.copy(
        stage.other / "model.sig", stage.folder / "model.sig"
    ),
    "pulled: a foreign signature": resigned,
}
"""Changes of a folder that was pulled."""


def _link(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def refusal(stage: Stage, kind: str) -> str:
    """Why a changed home, or a changed folder, is refused; empty: it is not."""
    try:
        with Store(stage.home) as store:
            if kind in PULLED:
                with tempfile.TemporaryDirectory() as name, Store(Path(name) / "home") as mine:
                    mine.keys.trust(_public(stage.home, Path(name)))
                    mine.push(stage.folder, "m")
                return ""
            found = store.verify()
            if not found.problems:
                return ""
            with tempfile.TemporaryDirectory() as name:
                target = Path(name) / "out"
                try:
                    store.pull("m@prod", target)
                except PumiceError as error:
                    assert not target.exists(), "something was handed out"
                    return error.message
                # what verify found is not of this version, or a row that says nothing of its bytes
                before = {path.name: path.read_bytes() for path in stage.folder.iterdir()}
                assert {path.name: path.read_bytes() for path in target.iterdir()} == before
            return f"verify: {found.problems[0]}"
    except PumiceError as error:
        return error.message


def _public(home: Path, folder: Path) -> Path:
    file = folder / "public.pem"
    with Store(home) as store:
        file.write_bytes(store.keys.signing.public)
    return file
