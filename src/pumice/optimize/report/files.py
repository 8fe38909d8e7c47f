"""Write a report: both files appear whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

from pumice.domain.errors import BadArtefact, StorageFailed
from pumice.optimize.findings import Report
from pumice.optimize.report.page import render

JSON, HTML = "report.json", "report.html"


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write ``report.json`` and ``report.html``; what was there under these names is replaced.

    Args:
        report: What was found.
        folder: Made if it is not there.

    Returns:
        Both files.

    Raises:
        StorageFailed: A file cannot be written.
    """
    body = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    written = {folder / JSON: body, folder / HTML: render(report).encode()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in written.items():
            _replace(file, content)
    except OSError as error:
        raise StorageFailed(str(folder), error.strerror or str(error)) from error
    return list(written)


def read_report(file: Path) -> Report:
    """Read a ``report.json``.

    Raises:
        BadArtefact: It is none, or cannot be read.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError) as error:
        raise BadArtefact(str(file), str(error), "give the report.json of `pumice optimize --report DIR`") from None


def _replace(file: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), 0o644)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
