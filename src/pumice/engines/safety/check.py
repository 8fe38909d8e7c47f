"""The one gate through which every model's file goes before a library opens it."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.engines.safety import archives, arrays, gguf, templates
from pumice.engines.safety.native import NATIVE, is_native
from pumice.engines.safety.pickles import PICKLE, is_pickle

_HEAD_BYTES = 512
_TAR_MAGIC = slice(257, 262)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP_END = b"PK\x05\x06"
_ZIP_END_BYTES = 22
_LONGEST_ZIP_COMMENT = 0xFFFF

_PICKLE_SUFFIXES = frozenset((".pkl", ".pickle", ".joblib", ".dill", ".sav", ".pt", ".pth", ".bin", ".ckpt"))
_TORCH_SUFFIXES = frozenset((".pt", ".pth", ".bin", ".ckpt", ".pt2"))
_TORCH_FINDS = frozenset((archives.TORCH_SAVE, archives.TORCHSCRIPT, archives.COMPILED))

_IF_TRUSTED = "if you trust it, load it in a Python model of your own (module:Class)"
_TORCH_WAY = (
    "convert it: its weights alone to .safetensors with `pumice models convert`, the whole of it to .pt2 with"
    " torch.export.save or to ONNX with torch.onnx.export"
)
_OTHER_WAY = "convert it to .skops or ONNX with `pumice models convert` (scikit-learn), or its arrays to .safetensors"
_KERAS_WAY = "convert it to ONNX with tf2onnx"
_ARRAY_WAY = "convert it with `pumice models convert`, or save it again without objects (text as fixed-width strings)"
_NATIVE_WAY = "take it out; operators of ONNX Runtime are named as trust.custom_ops in the server's settings"
_TEMPLATE_WAY = "take that out of the template"
_ARCHIVE_WAY = "unpack it and name the model's file"
_BOMB_WAY = "write it again without compression"
_WAYS = {
    arrays.OBJECT_ARRAY: _ARRAY_WAY,
    archives.KERAS: _KERAS_WAY,
    archives.BOMB: _BOMB_WAY,
    archives.BROKEN: _ARCHIVE_WAY,
    archives.TOO_MUCH: _ARCHIVE_WAY,
    NATIVE: _NATIVE_WAY,
}


def refuse_unsafe(path: Path) -> None:
    """Refuse a file that may run code when it is read, by its bytes and whatever it is called.

    These are pickles of every protocol, also in zips, tars and compressed streams, files of torch.save, TorchScript,
    archives with compiled code, NumPy's arrays of objects, Keras files, compiled programs and libraries, and chat
    templates that reach beyond their sandbox. By their names alone are refused only files that are called as pickles
    are. A folder is looked at file by file. Nothing is executed, imported or written.

    Args:
        path: The model's file or folder.

    Raises:
        UnsafeArtefact: It may run code.
        BadArtefact: It cannot be read.
    """
    for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
        found = "" if file.is_dir() else what_runs_code(file)
        if found:
            raise UnsafeArtefact(str(file), found, f"{_way(file, found)}; {_IF_TRUSTED}")


def what_runs_code(file: Path) -> str:
    """Say what of a file may run code when it is read, in one of this package's constants; nothing: it is safe.

    Raises:
        BadArtefact: It cannot be read.
    """
    return _found(file) or _by_name(file) or _in_templates(file)


def _found(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return _look(stream, path.stat().st_size, 0)
    except OSError as error:
        raise BadArtefact(str(path), f"it cannot be read: {error.strerror}", "mend its path or permissions") from None


def _look(stream: IO[bytes], size: int, depth: int) -> str:
    """What a stream holds that must not be loaded, or nothing; its position moves."""
    head = stream.read(_HEAD_BYTES)
    is_zip = head.startswith(archives.ZIP_MAGICS) or (not depth and _ends_as_zip(stream, size))
    stream.seek(0)
    if is_zip:
        return archives.look_into_zip(stream, size, depth, _look)
    if head[_TAR_MAGIC] == b"ustar":
        return archives.look_into_tar(stream, depth, _look)
    if head.startswith(arrays.MAGIC):
        return arrays.OBJECT_ARRAY if arrays.holds_objects(stream) else ""
    if head.startswith(_HDF5):
        return archives.KERAS
    if is_native(head) or is_pickle(stream, size):
        return NATIVE if is_native(head) else PICKLE
    stream.seek(0)
    return archives.look_into_packed(stream, head, depth, _look)


def _ends_as_zip(stream: IO[bytes], size: int) -> bool:
    """Whether a zip stands behind other bytes: readers of zips start at the end."""
    length = min(size, _ZIP_END_BYTES + _LONGEST_ZIP_COMMENT)
    stream.seek(size - length)
    tail = stream.read(length)
    start = tail.rfind(_ZIP_END)
    comment = int.from_bytes(tail[start + 20 : start + 22], "little")
    return start >= 0 and start + _ZIP_END_BYTES + comment == len(tail)


def _by_name(path: Path) -> str:
    suffix = path.suffix.lower()
    weights = suffix == ".bin" and path.with_suffix(".xml").is_file()  # of OpenVINO: raw numbers, and no pickle inside
    return f"named '{suffix}', as pickles are" if suffix in _PICKLE_SUFFIXES and not weights else ""


def _in_templates(path: Path) -> str:
    """What is wrong with the chat templates that a tokenizer's file or a GGUF file brings along."""
    try:
        with path.open("rb") as stream:
            if stream.read(len(gguf.MAGIC)) == gguf.MAGIC:
                found = map(templates.look_at, gguf.chat_templates(path))
                return next(filter(None, found), "")
            if not templates.holds_templates(path.name):
                return ""
            stream.seek(0)
            return templates.look_at_file(path.name, stream.read())
    except ValueError as error:
        raise BadArtefact(str(path), f"it is no whole GGUF file ({error})", "copy it again") from None
    except OSError as error:
        raise BadArtefact(str(path), f"it cannot be read: {error.strerror}", "mend its path or permissions") from None


def _way(path: Path, found: str) -> str:
    if found.startswith((templates.ESCAPE, templates.UNREADABLE)):
        return _TEMPLATE_WAY
    torch = found in _TORCH_FINDS or path.suffix.lower() in _TORCH_SUFFIXES
    return _WAYS.get(found) or (_TORCH_WAY if torch else _OTHER_WAY)
