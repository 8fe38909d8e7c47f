"""The conformance suite of passes: what every pass must do, as tests that any pass can be put through.

A pass's own tests subclass `PassConformance`; pytest then collects its checks::

    class TestMyPass(PassConformance):
        kind = MyPass
        heavy_modules = ("my_library",)

        @classmethod
        def cases(cls, folder):
            source = ModelFolder.find(str(build_a_small_model(folder)))
            yield Case("small", source, {"x": np.ones((3, 4), np.float32)})

Nothing here imports pytest. A check that fails raises AssertionError with what was expected.
"""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import msgspec
import numpy as np

from pumice.domain.errors import BadArtefact, BadSetting, PumiceError, UnsafeArtefact
from pumice.domain.model import Manifest
from pumice.domain.signature import Arrays
from pumice.engines.base import Engine, EngineConfig
from pumice.engines.registry import load_engine
from pumice.optimize.passes.base import ModelFolder, Pass, Supplies
from pumice.optimize.passes.registry import pass_class
from pumice.optimize.passes.sameness import output_error


@dataclass(frozen=True)
class Case:
    """A model, how it is to be made lighter, and a request that fits it.

    Attributes:
        name: For messages.
        source: The model.
        inputs: Tensors that the model's file takes, [rows, ...] each, three rows or more; they calibrate too.
        options: Options of the pass.
        tolerance: Largest error of the new model's answers, relative to the size of the old one's
            (`pumice.optimize.passes.sameness.output_error`).
        row_tolerance: The same of a row alone against that row among others; dynamic quantization needs some.
        expected: The answers of the old model; None: its engine is asked.
    """

    name: str
    source: ModelFolder
    inputs: dict[str, np.ndarray]
    options: Mapping[str, object] = field(default_factory=dict)
    tolerance: float = 0.05
    row_tolerance: float = 1e-4
    expected: dict[str, np.ndarray] | None = None

    def supplies(self) -> Supplies:
        """The inputs as calibration, in two batches."""
        half = len(next(iter(self.inputs.values()))) // 2
        parts = (slice(0, half), slice(half, None))
        return Supplies(calibration=lambda: [{name: a[part] for name, a in self.inputs.items()} for part in parts])


class PassConformance:
    """The checks.

    Attributes:
        kind: The class under test.
        heavy_modules: Modules that must not be imported before the pass is applied.
        changes: Keys of the manifest that the pass may change.
    """

    kind: ClassVar[type[Pass[Any]]]
    heavy_modules: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime", "torch", "transformers", "openvino")
    changes: ClassVar[frozenset[str]] = frozenset()

    _folder: ClassVar[TemporaryDirectory[str]]
    _given: ClassVar[list[Case]]
    _made: ClassVar[dict[str, ModelFolder]]

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        """Give the models to test; they may be written to the folder."""
        raise NotImplementedError

    @classmethod
    def setup_class(cls) -> None:
        """Nothing is made before a check needs it: test runners may spread the checks of a class."""
        cls._folder = TemporaryDirectory(prefix="pumice-conformance-")
        cls._given, cls._made = [], {}

    @classmethod
    def teardown_class(cls) -> None:
        """Delete what was made."""
        cls._folder.cleanup()

    def test_is_found_by_its_entry_point(self) -> None:
        """The name finds the class."""
        _require(pass_class(self.kind.name) is self.kind, f"entry point '{self.kind.name}' must find the class")

    def test_importing_its_module_is_light(self) -> None:
        """The heavy library waits for the first model."""
        code = f"import sys; sys.path[:] = {sys.path!r}; import {self.kind.__module__}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded = set(self.heavy_modules) & set(done.stdout.split())
        _require(not loaded, f"importing {self.kind.__module__} must not import {sorted(loaded)}")

    def test_says_what_it_is(self) -> None:
        """It has a summary; each option has a default and is described."""
        options = self.kind.options_type
        _require(bool(self.kind.summary), "a pass must have a summary")
        _require(options() == options() and options.__struct_config__.frozen, "options must be a frozen struct")
        told = options.__doc__ or ""
        missing = [name for name in options.__struct_fields__ if f"{name}:" not in told]
        _require(not missing, f"the options {missing} must be described in the docstring of {options.__name__}")

    def test_an_unknown_option_is_refused_by_name(self) -> None:
        """The message names the option and the pass."""
        error = _raised(lambda: self.kind.of({"no_such_option": 1}), BadSetting)
        _require("'no_such_option'" in error and f"'{self.kind.name}'" in error, f"unclear message: {error}")

    def test_the_source_stays_and_equal_input_gives_equal_bytes(self) -> None:
        """The source is not touched, and a deterministic pass is one."""
        for case in self._all():
            before = _digests(case.source.path)
            first = _digests(self._result(case).path)
            second = _digests(self._apply(case, case.source, self._place / f"{case.name} again").path)
            _require(_digests(case.source.path) == before, f"{case.name}: the source must stay as it is")
            _require(first == second or not self.kind.deterministic, f"{case.name}: the bytes must be the same")

    def test_the_result_is_a_model_that_answers_as_before(self) -> None:
        """A whole model directory with the old manifest, less what was measured, and the old signature.

        Its answers are near the old ones, and a row alone is answered nearly as among others.
        """
        for case in self._all():
            made = self._result(case)
            self._check_manifest(case, made)
            new = load_raw(made)
            answers = new.run(case.inputs, {})
            error = output_error([self._expected(case, new)], [answers])
            _require(error <= case.tolerance, f"{case.name}: its answers are off by {error:.2g} of their size")
            if new.signature.batchable:
                alone = new.run({name: array[1:2] for name, array in case.inputs.items()}, {})
                error = output_error([{name: array[1:2] for name, array in answers.items()}], [alone])
                _require(error <= case.row_tolerance, f"{case.name}: a row alone is off by {error:.2g} of its size")
            new.close()

    def test_what_it_cannot_take_is_refused(self) -> None:
        """Other formats, unsafe files, a place that is taken: a clear error, and nothing is written."""
        case, place = self._all()[0], self._place
        other = ModelFolder(case.source.path, msgspec.structs.replace(case.source.manifest, format="other"))
        error = _raised(lambda: self._apply(case, other, place / "other"), BadArtefact)
        _require("'other'" in error and ", ".join(self.kind.formats) in error, f"unclear message: {error}")
        unsafe = place / "unsafe"
        unsafe.mkdir()
        (unsafe / "model.onnx").write_bytes(pickle.dumps(Path))
        evil = ModelFolder(unsafe, Manifest(format=self.kind.formats[0], model="model.onnx"))
        _raised(lambda: self._apply(case, evil, place / "evil"), UnsafeArtefact)
        (place / "taken").mkdir()
        _raised(lambda: self._apply(case, case.source, place / "taken"), BadArtefact)
        if self.kind.needs_calibration:
            apply = self.kind.of(case.options).apply
            error = _raised(lambda: apply(case.source, place / "uncalibrated"), BadSetting)
            _require("--data" in error, f"unclear message: {error}")
        written = {name for name in ("other", "evil", "uncalibrated") if (place / name).exists()}
        _require(not written and not any((place / "taken").iterdir()), "nothing must be written")

    def test_killed_half_way_it_leaves_no_half_model(self) -> None:
        """After kill -9 there is no target, and the next attempt succeeds."""
        case, place = self._all()[0], self._place
        task = (self.kind, case.source, dict(case.options), case.inputs, place / "killed")
        (place / "task").write_bytes(pickle.dumps(task))
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import _die_half_way; _die_half_way(sys.argv[1])"
        )
        done = subprocess.run([sys.executable, "-c", code, str(place / "task")], capture_output=True, check=False)
        _require(done.returncode == -9, f"the process must be killed in the pass, but: {done.stderr.decode()[-2000:]}")
        _require(not (place / "killed").exists(), "a killed pass must leave no target")
        self._apply(case, case.source, place / "killed")

    @property
    def _place(self) -> Path:
        return Path(self._folder.name)

    def _all(self) -> list[Case]:
        if not self._given:
            self._given.extend(self.cases(self._place / "given"))
        return self._given

    def _result(self, case: Case) -> ModelFolder:
        if case.name not in self._made:
            self._made[case.name] = self._apply(case, case.source, self._place / case.name)
        return self._made[case.name]

    def _apply(self, case: Case, source: ModelFolder, target: Path) -> ModelFolder:
        return self.kind.of(case.options).apply(source, target, case.supplies())

    def _expected(self, case: Case, new: Engine) -> Arrays:
        """What the old model answers; its tensors must be called the same, where its engine can be asked."""
        if case.expected is not None:
            return case.expected
        old = load_raw(case.source)
        _require(_ends(new) == _ends(old), f"{case.name}: the signature was {_ends(old)}, is {_ends(new)}")
        answers = old.run(case.inputs, {})
        old.close()
        return answers

    def _check_manifest(self, case: Case, made: ModelFolder) -> None:
        _require(ModelFolder.read(made.path) == made, f"{case.name}: the folder must say what was returned")
        _require(made.manifest.metrics == {}, f"{case.name}: metrics of another model must be dropped")
        for name in sorted(set(Manifest.__struct_fields__) - {"metrics"} - self.changes):
            now, before = getattr(made.manifest, name), getattr(case.source.manifest, name)
            _require(now == before, f"{case.name}: the manifest's '{name}' was {before!r}, is {now!r}")
        if made.manifest.tokenizer:
            _require((made.path / made.manifest.tokenizer).is_file(), f"{case.name}: the tokenizer is missing")


def _die_half_way(task: str) -> None:
    """Apply a pass and kill the process when its files are written, but not yet at their place."""
    import os
    import signal

    kind, source, options, inputs, target = pickle.loads(Path(task).read_bytes())  # noqa: S301 - our own, a moment ago

    class Dying(kind):  # type: ignore[misc, valid-type]
        def transform(self, *arguments: Any) -> Manifest:
            super().transform(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

    case = Case("killed", source, inputs)
    Dying.of(options).apply(source, target, case.supplies())


def load_raw(folder: ModelFolder) -> Engine:
    """Load a model by the tensors of its file, without its task."""
    manifest = msgspec.structs.replace(folder.manifest, tokenizer="")
    return load_engine(EngineConfig(source=str(folder.path), path=str(folder.model), manifest=manifest, provider="cpu"))


def _ends(engine: Engine) -> list[tuple[str, str, int]]:
    tensors = [*engine.signature.inputs, *engine.signature.outputs]
    return [(tensor.name, tensor.datatype, len(tensor.shape)) for tensor in tensors]


def _digests(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _raised(action: Any, kind: type[PumiceError]) -> str:
    """The message of the error that an action must raise."""
    try:
        action()
    except kind as error:
        return error.message
    raise AssertionError(f"{kind.__name__} must be raised")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
