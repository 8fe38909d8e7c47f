"""What an export writes, held against the CNCF ModelPack specification and Sigstore's way to attach statements.

The rules are those of the specification's JSON schema (schema/config-schema.json of modelpack/model-spec) and of its
pages on manifests and annotations, written down here in our own words.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from pumice import Store, export_model, import_model
from pumice.domain.trust.bundles import decode_bundle
from pumice.domain.trust.statements import FILES, PROVENANCE, decode_statement, encode_statement
from pumice.service.store.types import PushWish

Json = dict[str, Any]
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EVIDENCE = "https://example.com/evidence/v1"


def closed(required: tuple[str, ...] = (), **members: Json) -> Json:
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def some(item: Json, **more: Any) -> Json:
    return {"type": "array", "items": item, **more}


TEXT: Json = {"type": "string"}
TIME: Json = {"type": "string", "format": "date-time"}
KIND: Json = {"enum": ["text", "image", "audio", "video", "embedding", "other"]}
FLAG: Json = {"type": "boolean"}
CONFIG = closed(
    ("descriptor", "config", "modelfs"),
    descriptor=closed(
        (),
        createdAt=TIME,
        name=TEXT | {"minLength": 1},
        **dict.fromkeys(("authors", "datasetsURL", "licenses"), some(TEXT)),
        **dict.fromkeys(
            ("family", "docURL", "sourceURL", "version", "revision", "vendor", "title", "description"), TEXT
        ),
    ),
    config=closed(
        (),
        **dict.fromkeys(("architecture", "format", "paramSize", "precision", "quantization"), TEXT),
        capabilities=closed(
            (),
            inputTypes=some(KIND),
            outputTypes=some(KIND),
            knowledgeCutoff=TIME,
            languages=some(TEXT | {"pattern": "^[a-z]{2}$"}),
            **dict.fromkeys(("reasoning", "toolUsage", "reward"), FLAG),
        ),
    ),
    modelfs=closed(("type", "diffIds"), type={"enum": ["layers"]}, diffIds=some(TEXT, minItems=1)),
)
LAYER = re.compile(
    r"application/vnd\.cncf\.model\.(weight|weight\.config|doc|code|dataset)\.v1\.(raw|tar|tar\+(gzip|zstd))"
)
METADATA = {"name", "mode", "uid", "gid", "size", "mtime", "typeflag"}


def blob(layout: Path, descriptor: Json) -> bytes:
    data = Path(layout, "blobs", "sha256", descriptor["digest"][7:]).read_bytes()
    assert descriptor["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert descriptor["size"] == len(data)
    return data


def exported(store: Store, tmp_path: Path) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    save_file({"w": np.arange(8, dtype=np.float32)}, model / "model.safetensors")
    (model / "README.md").write_text("# Notes\n")
    told = {"format": "transformers", "licence": "MIT", "task": "text-embedding", "description": "small"}
    (model / "manifest.json").write_text(json.dumps(told))
    store.push(model, "base")
    store.push(model, "m", PushWish(parents=("base@1",), recipe={"passes": ["none"]}))
    store.statements.attest("m", EVIDENCE, {"accuracy": 0.9})
    export_model(store, "m", f"oci:{tmp_path / 'layout'}")
    return tmp_path / "layout"


def test_a_layout_is_what_modelpack_asks_for(store: Store, tmp_path: Path) -> None:
    layout = exported(store, tmp_path)
    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(blob(layout, index["manifests"][0]))
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    config = json.loads(blob(layout, manifest["config"]))
    schemas = import_module("jsonschema")
    schemas.Draft202012Validator(CONFIG, format_checker=schemas.FormatChecker()).validate(config)
    assert config["config"] == {
        "format": "safetensors",
        "capabilities": {"inputTypes": ["text"], "outputTypes": ["embedding"]},
    }
    assert config["descriptor"].keys() == {"createdAt", "name", "version", "description", "licenses"}
    layers = manifest["layers"]
    assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in layers]  # raw: packed as they are
    for layer in layers:
        assert LAYER.fullmatch(layer["mediaType"]), layer
        told = json.loads(layer["annotations"]["org.cncf.model.file.metadata+json"])
        assert told.keys() == METADATA
        assert told["name"] == layer["annotations"]["org.cncf.model.filepath"]
        assert told["size"] == len(blob(layout, layer))


def test_signature_and_lineage_are_attached_as_referrers(store: Store, tmp_path: Path) -> None:
    layout = exported(store, tmp_path)
    index = json.loads((layout / "index.json").read_bytes())
    model = index["manifests"][0]
    said: dict[str, Any] = {}
    for entry in index["manifests"][1:]:
        referrer = json.loads(blob(layout, entry))
        assert referrer["subject"]["digest"] == model["digest"]
        assert referrer["artifactType"] == entry["artifactType"]
        assert referrer.get("annotations", {}) == entry.get("annotations", {})
        assert json.loads(blob(layout, referrer["config"])) == {}
        (layer,) = referrer["layers"]
        if entry["artifactType"] == BUNDLE:
            assert layer["mediaType"] == BUNDLE
            payload = decode_bundle(blob(layout, layer), "it").payload
            statement = decode_statement(payload, "it")
            assert entry["annotations"]["dev.sigstore.bundle.predicateType"] == statement.predicate_type
            assert encode_statement(statement) == payload
            said[statement.predicate_type] = statement
    assert said.keys() == {FILES, PROVENANCE, EVIDENCE}
    record = store.find("m")
    for form in (PROVENANCE, EVIDENCE):
        assert [one.digest["sha256"] for one in said[form].subject] == [record.digest]
    assert "base" in json.dumps(said[PROVENANCE].predicate)
    found = import_model(store, f"oci:{layout}", "again")  # what is about another version is not taken over
    forms = sorted(line.form for line in store.show("again").signed)
    assert forms == sorted([FILES, FILES, PROVENANCE])
    assert found.record.version == 1
