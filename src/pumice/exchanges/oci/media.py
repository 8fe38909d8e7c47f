"""The kinds of things in a ModelPack, and what kind a file is.

Specification: https://github.com/modelpack/model-spec (docs/spec.md, docs/annotations.md), on the OCI image
specification 1.1 (https://github.com/opencontainers/image-spec).
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal, cast

LAYOUT_VERSION = "1.0.0"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_DATA = b"{}"

MODEL = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
VERSION = "application/vnd.pumice.version.v1+json"
"""A version's manifest in the store, attached to the model."""

SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json"
"""A signed statement: of a model's files, in the form of OpenSSF model-signing (what lies beside them as
``model.sig``), or about the version: where it comes from, and evidence. `PREDICATE` says which."""

PREDICATE = "dev.sigstore.bundle.predicateType"
CONTENT = "dev.sigstore.bundle.content"
ENVELOPE = "dsse-envelope"
"""What Sigstore's tools say of a bundle that they attach."""

FILE_PATH = "org.cncf.model.filepath"
FILE_METADATA = "org.cncf.model.file.metadata+json"
UNTESTED = "org.cncf.model.file.mediatype.untested"
TITLE = "org.opencontainers.image.title"
REF_NAME = "org.opencontainers.image.ref.name"
DIGEST = "pumice.digest"

Packing = Literal["raw", "tar", "tar+gzip"]
"""How the files of a layer lie in it."""

_PREFIX = "application/vnd.cncf.model."
_KINDS = ("weight", "weight.config", "doc", "code", "dataset")
_PACKINGS = ("raw", "tar", "tar+gzip")

_WEIGHTS = frozenset(
    (".safetensors", ".onnx", ".ort", ".gguf", ".pt2", ".skops", ".bin", ".onnx_data", ".data", ".npz", ".npy")
)
_CONFIGS = frozenset((".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".model", ".jinja"))
_CONFIG_NAMES = frozenset(("vocab.txt", "merges.txt", "MLmodel"))
_DOCS = frozenset((".md", ".txt", ".rst", ".pdf", ".html"))
_DOC_NAMES = frozenset(("README", "LICENSE", "NOTICE", "USE_POLICY"))
_CODE = frozenset((".py", ".ipynb", ".sh", ".c", ".cpp", ".h", ".js", ".ts", ".go", ".rs", ".jl", ".r"))
_DATA = frozenset((".parquet", ".arrow", ".csv"))


def kind_of(path: str, entry: str) -> tuple[str, bool]:
    """Say which media type a file has as a layer, and whether that is known rather than guessed.

    Args:
        path: The file's path in the model.
        entry: The file that an engine is given.
    """
    name, suffix = PurePosixPath(path).name, PurePosixPath(path).suffix.lower()
    if path == entry or suffix in _WEIGHTS:
        kind = "weight"
    elif suffix in _CONFIGS or name in _CONFIG_NAMES:
        kind = "weight.config"
    elif suffix in _DOCS or PurePosixPath(path).stem in _DOC_NAMES:
        kind = "doc"
    elif suffix in _CODE:
        kind = "code"
    elif suffix in _DATA:
        kind = "dataset"
    else:
        return f"{_PREFIX}weight.v1.raw", False
    return f"{_PREFIX}{kind}.v1.raw", True


def packing_of(media_type: str) -> Packing | None:
    """How the files of a layer lie in it; None for a layer that is no model's, or packed with Zstandard."""
    kind, _, packing = media_type.removeprefix(_PREFIX).partition(".v1.")
    known = media_type.startswith(_PREFIX) and kind in _KINDS and packing in _PACKINGS
    return cast("Packing", packing) if known else None
