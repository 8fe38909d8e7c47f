"""Takes the file-type model out of its package, and makes examples of files that are on this machine.

    build_magika.py TARGET.onnx

Input `bytes`, INT32 [batch, 2048]: the first 1024 bytes of a file and its last 1024, 256 where there are none; output
`target_label`, FP32 [batch, 214]. Beside it: `magika.npz` with the examples, without labels. The model is that of the
package magika (Apache-2.0).
"""

import os
import random
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime

PLACES = (Path(sys.prefix), Path("/usr/share"), Path("/usr/lib"), Path("/usr/bin"), Path("/etc"))
END, PADDING = 1024, 256
EXAMPLES, A_KIND = 6000, 150


def model_file() -> Path:
    """Returns the model's file inside the package, which need not be imported."""
    spec = find_spec("magika")
    if spec is None or spec.origin is None:
        raise SystemExit("magika is not installed here; run benchmarks.setup_peers")
    return Path(spec.origin).parent / "models" / "standard_v3_3" / "model.onnx"


def files() -> Iterator[Path]:
    """Yields files of many kinds, in an order that is the same every time on the same machine."""
    found = sorted(Path(folder) / name for place in PLACES for folder, _, names in os.walk(place) for name in names)
    random.Random(7).shuffle(found)
    seen: dict[str, int] = {}
    for path in found:
        kind = path.suffix.lower()
        if seen.get(kind, 0) < A_KIND and path.is_file() and not path.is_symlink() and path.stat().st_size >= 64:
            seen[kind] = seen.get(kind, 0) + 1
            yield path


def features(path: Path) -> np.ndarray:
    """Returns what the model reads of a file."""
    with path.open("rb") as stream:
        head = stream.read(4 * END).lstrip()[:END]
        stream.seek(max(path.stat().st_size - 4 * END, 0))
        tail = stream.read(4 * END).rstrip()[-END:]
    row = np.full(2 * END, PADDING, np.int32)
    row[: len(head)] = np.frombuffer(head, np.uint8)
    if tail:
        row[-len(tail) :] = np.frombuffer(tail, np.uint8)
    return row


def build(target: Path) -> None:
    """Writes both."""
    rows, kinds = [], set()
    for path in files():
        try:
            rows.append(features(path))
        except OSError:
            continue
        kinds.add(path.suffix.lower())
        if len(rows) == EXAMPLES:
            break
    part = target.with_suffix(".part")
    shutil.copyfile(model_file(), part)
    [given] = onnxruntime.InferenceSession(part).get_inputs()
    examples = np.unique(np.stack(rows), axis=0)
    np.savez_compressed(target.with_name("magika.npz"), **{given.name: examples})
    print(f"{len(examples)} different files of {len(kinds)} kinds; input {given.name}")
    part.rename(target)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
