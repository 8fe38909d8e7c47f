"""The models that the pages show really run, as they stand there."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pumice.engines.base import Engine, EngineConfig
from pumice.engines.registry import load_engine
from pumice.engines.source import resolve_source
from tests.house.pages import TWIN, blocks, pages

Load = Callable[..., Engine]

BEGIN = "import numpy as np\n\nfrom pumice import Model, Signature, Tensor\n\n"


def shown_models() -> Iterator[tuple[str, str]]:
    """Find the Python models that the pages show: name of the class, and the code."""
    for page in pages():
        for block in blocks(page):
            found = re.search(r"^class (\w+)\(Model\):", block.text, re.MULTILINE)
            if found and not page.name.endswith(TWIN):
                yield found[1], block.text


MODELS = dict(shown_models())


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Loads a shown model as `pumice serve` would, from a module of its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    engines: list[Engine] = []

    def load_model(name: str, source: str = "") -> Engine:
        module = f"shown_{name.lower()}"
        (tmp_path / f"{module}.py").write_text(BEGIN + MODELS[name], encoding="utf-8")
        source = source or f"{module}:{name}"
        path, manifest = resolve_source(source)
        engine = load_engine(EngineConfig(source=source, path=str(path or ""), manifest=manifest))
        engines.append(engine)
        return engine

    yield load_model
    for engine in engines:
        engine.close()


def test_the_first_model(load: Load) -> None:
    answer = load("Doubler").run({"x": np.ones((2, 4), np.float32)}, {})
    assert answer["y"].tolist() == [[2.0] * 4] * 2


def test_the_model_that_reads_shared_memory(load: Load) -> None:
    images = np.arange(2 * 3, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((1, 1, 224, 224), np.float32)
    assert load("Means").run({"x": images}, {})["y"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_an_answer_in_parts(load: Load) -> None:
    parts = load("Speller").stream({"text_input": np.array([b"one two"], dtype=object)}, {})
    assert [part["text_output"].tolist() for part in parts] == [[b"one"], [b"two"]]


def test_counting_words(load: Load) -> None:
    texts = np.array([b"one two", b"", b"a b c"], dtype=object)
    assert load("WordCount").run({"text": texts}, {})["words"].tolist() == [2, 0, 3]


def test_parameters(load: Load) -> None:
    scaler = load("Scaler")
    x = np.array([1.0, 2.0], np.float32)
    assert scaler.run({"x": x}, {"factor": 3.0})["y"].tolist() == [3.0, 6.0]
    assert scaler.run({"x": x}, {})["y"].tolist() == [1.0, 2.0]


def test_a_folder_with_weights(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "linear"
    folder.mkdir()
    np.save(folder / "weights.npy", np.ones((4, 2), np.float32))
    manifest = next(block.text for page in pages() for block in blocks(page) if '"linear:Linear"' in block.text)
    (folder / "manifest.json").write_text(manifest, encoding="utf-8")
    (folder / "linear.py").write_text(MODELS["Linear"], encoding="utf-8")
    answer = load("Linear", str(folder)).run({"x": np.ones((1, 4), np.float32)}, {})
    assert answer["y"].tolist() == [[4.0, 4.0]]


def test_a_module_with_safetensors(load: Load, tmp_path: Path) -> None:
    save_file({"weight": np.ones((4, 16), np.float32), "bias": np.zeros(4, np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "mine.py").write_text(MODELS["Mine"], encoding="utf-8")
    (tmp_path / "manifest.json").write_text('{"model": "mine:Mine"}', encoding="utf-8")
    answer = load("Mine", str(tmp_path)).run({"x": np.ones((2, 16), np.float32)}, {})
    assert answer["y"].tolist() == [[16.0] * 4] * 2


def test_every_shown_model_is_tested() -> None:
    assert set(MODELS) == {"Doubler", "Linear", "Means", "Mine", "Scaler", "Speller", "WordCount"}
