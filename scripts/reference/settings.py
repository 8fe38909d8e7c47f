"""The page of all settings: the server's, a model's, and the keys of a manifest."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from pumice.config import ModelSettings, Settings
from pumice.domain.model import ImageInput, Manifest, Trust
from pumice.domain.signature import Signature
from pumice.environment import PREFIX
from scripts.reference.markdown import attributes, code, table

LEAD = f"""\
A setting is looked for in four places; the first that has it wins:

1. the command line (`--max-batch-size 64`),
2. the environment (`{PREFIX}MAX_BATCH_SIZE=64`),
3. the file named with `-f` (`max_batch_size: 64`),
4. the default.

An unknown key or a value that is not allowed is an error at start. It names the key, its origin and what may be given.
"""

MANIFEST = """\
`manifest.json` in a model's folder, or `NAME.manifest.json` beside `NAME.onnx`. The same keys may stand under
`manifest` in the file of settings; those win.
"""

_NAMES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true`, `false`",
    ModelSettings: "[models](#a-model)",
    Signature: "`inputs` and `outputs`, each a list of tensors (`name`, `datatype`, `shape`)",
    ImageInput: "[a mapping](#keys-of-image)",
    Trust: "[a mapping](#keys-of-trust)",
}


def page() -> str:
    """Write the page."""
    return "\n".join(
        [
            "# Settings\n",
            LEAD,
            "## The server\n",
            f"In the environment, put `{PREFIX}` before the name, in capitals.\n",
            _described(Settings),
            "## A model\n",
            "An entry of `models` in the file. What it leaves out is taken from the server's setting of that name.\n",
            _described(ModelSettings),
            "### Keys of `trust`\n",
            _documented(Trust),
            "## A manifest\n",
            MANIFEST,
            _documented(Manifest),
            "### Keys of `image`\n",
            _documented(ImageInput),
        ]
    )


def _described(struct: type[msgspec.Struct]) -> str:
    """A table of a struct whose fields carry their description as `msgspec.Meta`."""
    rows = []
    hints = typing.get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        metas = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, msgspec.Meta)]
        text = " ".join(meta.description for meta in metas if meta.description)
        rows.append((code(field.name), _values(hint, metas), _default(field), text))
    return table(("key", "values", "default", "what it does"), rows)


def _documented(struct: type[msgspec.Struct]) -> str:
    """A table of a struct whose fields are described in its docstring."""
    texts = attributes(struct.__doc__)
    hints = typing.get_type_hints(struct, include_extras=True)
    rows = [
        (code(f.name), _values(hints[f.name], []), _default(f), texts[f.name]) for f in msgspec.structs.fields(struct)
    ]
    return table(("key", "values", "default", "what it says"), rows)


def _values(hint: Any, metas: list[msgspec.Meta]) -> str:
    return ", ".join([_type(hint), *(bound for meta in metas for bound in _bounds(meta))])


def _bounds(meta: msgspec.Meta) -> Iterator[str]:
    if meta.ge is not None and meta.le is not None:
        yield f"{meta.ge:,} to {meta.le:,}"
    elif meta.ge is not None:
        yield f"at least {meta.ge:,}"
    elif meta.gt is not None:
        yield f"more than {meta.gt:,}"


def _type(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return ", ".join(code(str(value)) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments if part is not type(None))
    if origin in (list, tuple):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "mapping"
    return _NAMES[hint]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "(must be given)"
    value = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
    if value is None or value in ("", [], {}, (), Trust()):
        return ""
    return code(str(value).lower() if isinstance(value, bool) else str(value))
