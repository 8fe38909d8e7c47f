"""What is pushed comes back, byte for byte, and costs no more than what is new of it."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumice import Store
from pumice.domain.errors import BadArtefact, BadSetting, MalformedInput, UnsafeArtefact, VersionNotFound
from pumice.domain.store.names import is_left_out
from pumice.service.store.types import PushWish

MIB = 1 << 20
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\\"), min_size=1
).filter(
    lambda name: (
        name not in {".", ".."}
        and len(name.encode()) <= 60
        and Path(name).suffix.lower() not in {".pt", ".bin"}
        and not is_left_out(name)
    )
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(tuple), st.binary(max_size=3000), min_size=1, max_size=6
)


def tree_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder; the signature over them is looked at elsewhere."""
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    found.pop("model.sig", None)
    return found


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_any_tree_of_files_comes_back(tree: dict[tuple[str, ...], bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = {}
        for parts, data in tree.items():
            place = folder.joinpath("source", *parts)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(b"#" + data)  # so that no file is a pickle by chance
            except (NotADirectoryError, FileExistsError, IsADirectoryError):
                continue  # one is a folder of the other
            wanted["/".join(parts)] = b"#" + data
        with Store(folder / "home") as store:
            record = store.push(folder / "source", "m")
            store.pull("m", folder / "out")
        assert tree_of(folder / "out") == wanted
        assert record.files == len(wanted)


def test_files_of_every_size_class_come_back(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "sizes"
    source.mkdir()
    for length in (0, 1, 1023, 1024, 1025, 4 * MIB - 1, 4 * MIB, 9 * MIB + 7):
        (source / str(length)).write_bytes(os.urandom(length))
    store.push(source, "m")
    store.pull("m", tmp_path / "out")
    assert tree_of(tmp_path / "out") == tree_of(source)
    assert store.verify("m").problems == []


def test_a_file_of_more_than_one_chunk_list_comes_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pumice.store.lists.MOST_ENTRIES", 7)
    monkeypatch.setattr("pumice.store.packs.LARGEST", MIB)
    source = tmp_path / "large"
    source.write_bytes(os.urandom(9 * MIB))
    store.push(source, "m")
    assert len(store.show("m").manifest.files[0].lists) > 10
    store.pull("m", tmp_path / "out")
    assert (tmp_path / "out" / "large").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("length", [MIB, 8 * MIB, 70 * MIB])
def test_a_sibling_costs_what_differs(store: Store, tmp_path: Path, length: int) -> None:
    source = tmp_path / "w.safetensors.part"
    data = bytearray(os.urandom(length))
    source.write_bytes(data)
    store.push(source, "m")
    data[length // 3 : length // 3 + length // 100] = os.urandom(length // 100)
    source.write_bytes(data)
    second = store.push(source, "m")
    assert second.stored < 0.05 * second.size
    third = store.push(source, "other")
    assert third.stored < 2000, "equal content is stored once, under whatever name"


def test_a_sparse_file_takes_no_space_in_either_place(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.seek(64 * MIB)
        file.write(b"end")
    record = store.push(source, "m")
    assert record.size == 64 * MIB + 3
    assert record.stored < MIB
    store.pull("m", tmp_path / "out")
    pulled = tmp_path / "out" / "sparse"
    assert pulled.stat().st_blocks * 512 < MIB
    assert pulled.read_bytes() == source.read_bytes()


def test_a_single_file_brings_its_manifest_along(store: Store, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x08\x08")
    (tmp_path / "net.manifest.json").write_text('{"task": "tensor", "licence": "MIT", "metrics": {"accuracy": 0.9}}')
    (tmp_path / "other.txt").write_text("not of it")
    shown = store.show(f"net@{store.push(tmp_path / 'net.onnx', 'net').version}")
    assert [file.path for file in shown.manifest.files] == ["net.manifest.json", "net.onnx"]
    assert (shown.manifest.entry, shown.manifest.spec.licence, shown.record.format) == ("net.onnx", "MIT", "onnx")


def test_links_are_followed_inside_and_refused_outside(store: Store, source: Path, tmp_path: Path) -> None:
    (source / "link").symlink_to("sub/README.md")
    store.push(source, "m")
    store.pull("m", tmp_path / "out")
    assert (tmp_path / "out" / "link").read_bytes() == b"# A model\n"
    assert not (tmp_path / "out" / "link").is_symlink()
    (tmp_path / "secret").write_text("not for you")
    (source / "leak").symlink_to(tmp_path / "secret")
    with pytest.raises(BadArtefact, match="leads out"):
        store.push(source, "m")
    (source / "leak").unlink()
    (source / "leak").symlink_to(source / "sub")
    with pytest.raises(BadArtefact, match="a link to a folder"):
        store.push(source, "m")


@pytest.mark.parametrize("name", [b"back\\slash", b"line\nbreak", b"\xff\xfe"])
def test_names_that_mean_something_else_elsewhere_are_refused(store: Store, source: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(source), name), "wb"):  # noqa: PTH118, PTH123 - a name of bytes
        pass
    with pytest.raises(MalformedInput, match="rename the file"):
        store.push(source, "m")
    assert store.models() == []


def test_what_runs_code_is_refused(store: Store, source: Path) -> None:
    (source / "weights.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(UnsafeArtefact):
        store.push(source, "m")
    assert store.models() == []


def test_what_is_not_there_is_refused(store: Store, source: Path, tmp_path: Path) -> None:
    with pytest.raises(BadArtefact, match="no such file"):
        store.push(tmp_path / "nothing", "m")
    with pytest.raises(BadSetting, match="name of a model"):
        store.push(source, "../m")
    with pytest.raises(VersionNotFound, match="nothing"):
        store.push(source, "m", PushWish(parents=("m@1",)))
    with pytest.raises(VersionNotFound):
        store.pull("m", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(store: Store, source: Path, tmp_path: Path) -> None:
    store.push(source, "m")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    with pytest.raises(BadArtefact, match="no empty folder"):
        store.pull("m", tmp_path / "out")
    assert tree_of(tmp_path / "out") == {"mine": b"keep"}


def test_progress_ends_at_the_whole(store: Store, source: Path, tmp_path: Path) -> None:
    pushed: list[tuple[int, int]] = []
    pulled: list[tuple[int, int]] = []
    record = store.push(source, "m", progress=lambda done, total: pushed.append((done, total)))
    store.pull("m", tmp_path / "out", lambda done, total: pulled.append((done, total)))
    assert pushed[-1] == pulled[-1] == (record.size, record.size)
