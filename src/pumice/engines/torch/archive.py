"""A ``.pt2`` archive of ``torch.export.save``, rewritten so that torch reads nothing but what was checked.

``torch.export.load`` unpickles what the archive asks it to, without limits: sample inputs, tensors of subclasses,
constants that are objects; it loads compiled code, and older layouts whole as pickles. So the archive is not handed
over as it is. Its graph is checked, the raw numbers of its weights are copied, the sample inputs are left out, and
anything else is refused. As torch gets the copy, two readers of one zip cannot disagree about what is in it.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.engines.torch.program_check import BadProgram, checked_program, checked_weights

_GRAPH = "models/model.json"
_SAMPLES = "data/sample_inputs/model.pt"
_LISTS = {
    "data/weights/model_weights_config.json": "data/weights/",
    "data/constants/model_constants_config.json": "data/constants/",
}
_PLAIN = ("archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id")
_MOST_JSON_BYTES = 256 << 20
_AGAIN = "export it again with torch.export.save (torch 2.9 or newer)"


def checked_archive(path: Path) -> io.BytesIO:
    """Copy an archive, with nothing in it that runs code when torch loads it.

    Args:
        path: The archive; it holds one program, named ``model`` as `torch.export.save` names it.

    Returns:
        The copy, in memory: as large as the weights, until torch has read it.

    Raises:
        BadArtefact: It is no such archive.
        UnsafeArtefact: It holds pickled objects, or its graph says what no graph needs to say.
    """
    try:
        with zipfile.ZipFile(path) as source:
            return _copy(source, path)
    except BadProgram as error:
        mend = "export it again, with plain tensors as weights and tensors, tuples, lists or dictionaries as arguments"
        raise UnsafeArtefact(str(path), f"a .pt2 archive where {error}", mend) from None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        raise BadArtefact(str(path), f"it is no .pt2 archive ({error})", _AGAIN) from None


def _copy(source: zipfile.ZipFile, path: Path) -> io.BytesIO:
    names = source.namelist()
    if len(set(names)) != len(names):
        raise BadProgram("two members have one name")
    root = names[0].partition("/")[0] if names else ""
    if f"{root}/{_GRAPH}" not in names:
        raise BadArtefact(str(path), "it holds no program of torch.export (models/model.json)", _AGAIN)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        target.writestr("model/" + _GRAPH, checked_program(_read(source, f"{root}/{_GRAPH}")))
        target.writestr("model/" + _SAMPLES, b"")
        for name in _PLAIN:
            if f"{root}/{name}" in names:
                target.writestr(f"model/{name}", _read(source, f"{root}/{name}"))
        for listing, folder in _LISTS.items():
            content, files = checked_weights(_read(source, f"{root}/{listing}"))
            target.writestr(f"model/{listing}", content)
            for file in sorted(files):
                target.writestr(f"model/{folder}{file}", _raw(source, f"{root}/{folder}{file}"))
    buffer.seek(0)
    return buffer


def _raw(source: zipfile.ZipFile, name: str) -> bytes:
    """Numbers of a weight; torch does not pack them, and what is not packed is not larger than the file."""
    if name in source.namelist() and source.getinfo(name).compress_type != zipfile.ZIP_STORED:
        message = f"'{name}' is packed"
        raise ValueError(message)
    return _read(source, name, most=sys.maxsize)


def _read(source: zipfile.ZipFile, name: str, most: int = _MOST_JSON_BYTES) -> bytes:
    try:
        member = source.getinfo(name)
    except KeyError:
        message = f"it has no '{name}'"
        raise ValueError(message) from None
    if member.file_size > most:
        message = f"'{name}' has {member.file_size} bytes"
        raise ValueError(message)
    return source.read(member)
