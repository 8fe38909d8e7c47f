"""The table of what is accepted and refused is true, row by row; and chat templates stay in their sandbox."""

from __future__ import annotations

import json
import re
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jinja2.exceptions import SecurityError

from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.engines.safety import check_external_data, refuse_unsafe
from pumice.engines.safety.templates import look_at, sandboxed
from tests.engines.graphs import mlp
from tests.engines.test_safety import safetensors
from tests.support.disguises import DISGUISES

PAGE = Path(__file__).parents[2] / "docs/concepts/safe-models.md"
ROWS = {
    cells[0]: cells[1]
    for line in PAGE.read_text(encoding="utf-8").partition("<!-- kinds:begin -->")[2].split("<!--")[0].splitlines()[3:]
    if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 3
}

GOOD = "{% for m in messages %}{% generation %}{{ m['role'] + ': ' + m.content | trim }}{% endgeneration %}{% endfor %}"
BAD = "{{ messages.__class__.__mro__ }}"


def gguf(template: str, version: int = 3) -> bytes:
    """A GGUF file with a list of tokens, a number and a chat template."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    tokens = text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    number = text("general.quantization_version") + struct.pack("<II", 4, 2)
    said = text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template)
    return b"GGUF" + struct.pack("<IQQ", version, 0, 3) + tokens + number + said


def bytes_of(disguise: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        file = folder / "model.data"
        file.write_bytes(DISGUISES[disguise](folder / "marker"))
        return file

    return make


def named(name: str, content: bytes | str = b"content") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        file = folder / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return make


def zipped(name: str, *members: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member in members:
                archive.writestr(member, "{}")
        return folder / name

    return make


def arrays(folder: Path) -> Path:
    np.savez(folder / "arrays.npz", a=np.ones(3), b=np.array(["x"]))
    return folder / "arrays.npz"


def outside(folder: Path) -> Path:
    import onnx

    model = onnx.load(mlp(folder / "model.onnx"))
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    data = (folder / "model.onnx").read_bytes().replace(b"weights", b"/we/ght")
    (folder / "model.onnx").write_bytes(data)
    return folder / "model.onnx"


def tokenizer(template: str) -> Callable[[Path], Path]:
    return named("tokenizer_config.json", json.dumps({"chat_template": template}))


SAMPLES: dict[str, list[Callable[[Path], Path]]] = {
    "ONNX, its external weights inside its folder": [lambda folder: mlp(folder / "model.onnx")],
    "ONNX whose weights lie outside of its folder": [outside],
    "`.safetensors`": [lambda folder: safetensors(folder / "w.safetensors", np.ones((2, 3), np.float32))],
    "`.pt2` of `torch.export.save`": [zipped("m.pt2", "m/models/model.json", "m/data/weights/weight_0")],
    "`.skops`": [zipped("m.skops", "schema.json", "1.npy")],
    "`.gguf`": [named("m.gguf", gguf(GOOD)), named("m.gguf", gguf(GOOD, 2))],
    "NumPy arrays of numbers or texts": [arrays],
    "tokenizers, JSON, text": [tokenizer(GOOD), named("vocab.txt", "a\nb\n"), named("chat_template.jinja", GOOD)],
    "source code (`.py`)": [named("modeling.py", "raise SystemExit\n")],
    "unknown data": [named("weights.msgpack", bytes(range(256))), named("README")],
    "pickles of any protocol, under any name": [bytes_of(f"protocol {number}") for number in range(6)],
    "packed pickles, as joblib writes them": [bytes_of("joblib with zlib"), bytes_of("joblib with xz")],
    "pickles in a zip or a tar": [bytes_of("pickle in a zip"), bytes_of("tar"), bytes_of("tar in gzip")],
    "files of `torch.save`": [bytes_of("torch.save"), bytes_of("legacy torch.save")],
    "TorchScript": [bytes_of("TorchScript")],
    "compiled packages (AOTInductor)": [zipped("m.pt2", "m/data/aotinductor/model/x.so")],
    "NumPy arrays of Python objects": [bytes_of("object array"), bytes_of("object array in npz")],
    "Keras (`.keras`, `.h5`), with Lambda layers or without": [
        zipped("m.keras", "config.json", "metadata.json", "model.weights.h5"),
        named("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
    ],
    "files named as pickles are (`.pkl`, `.joblib`, `.pt`, `.bin`)": [
        *map(named, ("m.pkl", "m.joblib", "m.pt", "pytorch_model.bin")),
    ],
    "compiled programs and libraries": [
        named("libops.so", b"\x7fELF\x02\x01\x01" + bytes(600)),
        named("ops.dll", b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(600)),
        named("ops.dylib", b"\xcf\xfa\xed\xfe" + bytes(600)),
    ],
    "a chat template that reaches beyond its sandbox": [
        tokenizer(BAD),
        named("chat_template.jinja", "{{ x['__globals__'] }}"),
        named("chat_template.jinja", "{{ x | attr('__class__') }}"),
        named("chat_template.jinja", "{{ x | map(attribute='__class__') | list }}"),
        named("chat_template.jinja", "{% include 'other' %}"),
        named("tokenizer_config.json", json.dumps({"chat_template": [{"name": "a", "template": BAD}]})),
        named("m.gguf", gguf(BAD)),
    ],
    "a chat template that cannot be read": [tokenizer("{% if %}"), tokenizer("{{ x" * 2)],
    "archives that cannot be read, or are nested too deep or too full": [named("m.zip", b"PK\x03\x04 broken")],
}


def test_every_row_has_a_sample() -> None:
    assert ROWS.keys() == SAMPLES.keys()
    assert set(ROWS.values()) == {"accepted", "refused"}


@pytest.mark.parametrize("row", SAMPLES)
def test_the_table_is_true(tmp_path: Path, row: str) -> None:
    for number, make in enumerate(SAMPLES[row]):
        folder = tmp_path / str(number)
        folder.mkdir()
        file = make(folder)
        if ROWS[row] == "accepted":
            _look(file)
            continue
        with pytest.raises((UnsafeArtefact, BadArtefact), match=r"refused|leads out"):
            _look(file)
        assert not (folder / "marker").exists()


def _look(file: Path) -> None:
    refuse_unsafe(file)
    refuse_unsafe(file.parent)
    if file.suffix == ".onnx":
        check_external_data(file)


def test_a_broken_gguf_file_is_told(tmp_path: Path) -> None:
    whole = gguf(GOOD)
    for content in (whole[:-1], whole[:20], b"GGUF", gguf(GOOD, 1), whole[:12] + b"\xff" * 8 + whole[20:]):
        (tmp_path / "m.gguf").write_bytes(content)
        with pytest.raises(BadArtefact, match="no whole GGUF file"):
            refuse_unsafe(tmp_path / "m.gguf")


def test_what_is_put_together_while_rendering_is_refused_then() -> None:
    hidden = "{{ ('a' | attr('__cl' ~ 'ass__')) }}{{ x['_' ~ '_class_' ~ '_'].mro() }}"
    assert look_at("{{ x['_' ~ '_class_' ~ '_'].mro() }}") == ""
    with pytest.raises(SecurityError):
        sandboxed().from_string(hidden).render(x="text")
    with pytest.raises(SecurityError):
        sandboxed().from_string("{{ messages.append(1) }}").render(messages=[])
    assert sandboxed().from_string(GOOD).render(messages=[{"role": "user", "content": " hi "}]) == "user: hi"


def test_jinja_is_not_imported_for_models_without_templates() -> None:
    import subprocess

    code = "import sys, pumice.engines.safety, pumice.engines.registry; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_page_names_every_way() -> None:
    ways = re.findall(r"\| refused \| (.*?) \|", PAGE.read_text(encoding="utf-8"))
    assert all(ways)
    assert len(ways) == list(ROWS.values()).count("refused")
