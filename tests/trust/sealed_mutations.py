"""Random changes of a sealed version: those of any stored version, and those that only the seal can refuse.

The latter are vouched for: the home signs what was changed, as if its key were stolen, and the signatures fit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pumice import Store
from pumice.db import seals
from pumice.domain.errors import PumiceError
from pumice.domain.store.manifest import StoredFile, digest_of
from pumice.store.lists import write_list
from pumice.store.packs import PackReader
from pumice.store.pulling import load, runs_of
from pumice.store.pushing import Push
from tests.trust.mutations import STORED, flipped, forge, sql
from tests.trust.stages import KEY, Stage

Segments = list[bytes]


def segments(store: Store, ref: str, path: str) -> Segments:
    """The sealed segments of a file, as they lie in the store."""
    files = {file.path: file for file in store.show(ref).manifest.files}
    found: Segments = []
    with store._transfer.session() as session, PackReader(store._layout) as reader:
        for run in runs_of(files[path], session, reader):
            data = load(reader, run.place, run.chunks, memoryview(bytearray(run.place.size)))
            for _, size in run.chunks:
                found.append(bytes(data[:size]))
                data = data[size:]
    return found


def put(manifest: Any, push: Push, path: str, pieces: Segments) -> None:
    """Let a file of a manifest be of other segments."""
    entries = [(bytes.fromhex(push.add_object(piece)), len(piece)) for piece in pieces]
    whole = b"".join(pieces)
    lists = [push.add_object(write_list(entries))] if entries else []
    stored = msgspec.to_builtins(StoredFile(path, len(whole), digest_of(whole), lists))
    manifest["files"] = [stored if file["path"] == path else file for file in manifest["files"]]


def arranged(path: str, arrange: Callable[[Segments, Store], Segments]) -> Callable[[Stage], None]:
    def make(stage: Stage) -> None:
        def change(manifest: Any, store: Store, push: Push) -> None:
            put(manifest, push, path, arrange(segments(store, "m@3", path), store))

        forge(stage, change, vouch=True)

    return make


def replaced(stage: Stage, ref: str) -> None:
    """The sealed part of the description, or all files, are those of another version."""

    def change(manifest: Any, store: Store, _push: Push) -> None:
        theirs = msgspec.to_builtins(store.show(ref).manifest)
        manifest["seal"]["manifest"] = theirs["seal"]["manifest"]

    forge(stage, change, vouch=True)


def whole(stage: Stage, ref: str) -> None:
    def change(manifest: Any, store: Store, _push: Push) -> None:
        theirs = msgspec.to_builtins(store.show(ref).manifest)
        manifest.clear()
        manifest.update(theirs)

    forge(stage, change, vouch=True)


def bound(field: str, value: object) -> Callable[[Stage], None]:
    return lambda stage: forge(stage, lambda manifest, *_: manifest["seal"]["bound"].update({field: value}), vouch=True)


def flip_key(stage: Stage) -> None:
    with Store(stage.home) as store, store.engine.begin() as connection:
        row = seals.find(connection, "m", 3)
        assert row is not None
        assert seals.replace(connection, row, {**row, "wrapped": flipped(row["wrapped"], stage.dice)})


def key_of(model: str, version: int) -> Callable[[Stage], None]:
    theirs = f"SELECT wrapped FROM store_seals WHERE model = '{model}' AND version = {version}"  # noqa: S608
    return sql(f"UPDATE store_seals SET wrapped = ({theirs}) WHERE model = 'm' AND version = 3")  # noqa: S608


SEALED: dict[str, Callable[[Stage], object]] = {
    "segments swapped": arranged("w.dat", lambda own, _: [own[1], own[0], *own[2:]]),
    "a segment repeated": arranged("w.dat", lambda own, _: [own[0], *own]),
    "a segment left out": arranged("w.dat", lambda own, _: [own[0], *own[2:]]),
    "the last segment cut off": arranged("w.dat", lambda own, _: own[:-1]),
    "cut off inside a segment": arranged("w.dat", lambda own, _: [*own[:-1], own[-1][:-1]]),
    "everything cut off": arranged("w.dat", lambda _own, _: []),
    "a segment of another path": arranged("a.txt", lambda _, store: segments(store, "m@3", "b.txt")),
    "a segment of another version": arranged(
        "w.dat", lambda own, store: [segments(store, "m@1", "w.dat")[0], *own[1:]]
    ),
    "a segment of another model": arranged(
        "w.dat", lambda own, store: [segments(store, "other@1", "w.dat")[0], *own[1:]]
    ),
    "a file of another version": arranged("w.dat", lambda _, store: segments(store, "m@2", "w.dat")),
    "the description of another version": lambda stage: replaced(stage, "m@2"),
    "all of another version": lambda stage: whole(stage, "m@2"),
    "all of another model": lambda stage: whole(stage, "other@1"),
    "an envelope for another version": bound("version", 2),
    "an envelope for another model": bound("model", "other"),
    "an envelope of another form": lambda stage: forge(
        stage, lambda manifest, *_: manifest["seal"].update(form="pumice-seal-0"), vouch=False
    ),
    "no envelope": lambda stage: forge(stage, lambda manifest, *_: manifest.pop("seal"), vouch=False),
    "a flipped bit in a segment": lambda stage: arranged(
        "w.dat", lambda own, _: [own[0], flipped(own[1], stage.dice), *own[2:]]
    )(stage),
    "a flipped bit in the data key": flip_key,
    "the data key of another version": key_of("m", 1),
    "the data key of another model": key_of("other", 1),
    "no data key": sql("DELETE FROM store_seals WHERE model = 'm' AND version = 3"),
}
"""Changes that only the seal can refuse, and of what belongs to it."""

CHANGES = {f"sealed: {kind}": change for kind, change in (STORED | SEALED).items()}


def refusal(stage: Stage, _kind: str) -> str:
    """Why a changed home is refused by whoever has the key; empty: it is not.

    A look at the whole store holds sealed bytes against digests and signatures; what only the seal can refuse is found
    where it is opened: by a look at the version, and by a pull.
    """
    with Store(stage.home, seal_key=f"file:{stage.old.parent / KEY}") as store:
        try:
            found = store.verify().problems or store.verify("m@3").problems
            with tempfile.TemporaryDirectory() as name:
                target = Path(name) / "out"
                try:
                    store.pull("m@3", target, unseal=True)
                except PumiceError as error:
                    assert not target.exists(), "something was handed out"
                    return error.message if found else ""
                before = {path.name: path.read_bytes() for path in stage.folder.iterdir()}
                assert {path.name: path.read_bytes() for path in target.iterdir()} == before
            return f"verify: {found[0]}" if found else ""
        except PumiceError as error:
            return error.message
