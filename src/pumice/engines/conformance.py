"""The conformance suite of engines: what every engine must do, as tests that any engine can be put through.

An engine's own tests subclass `EngineConformance`; pytest then collects its checks::

    class TestMyEngine(EngineConformance):
        engine = MyEngine
        datatypes = frozenset({"FP32", "INT64"})
        heavy_modules = ("my_runtime",)

        @classmethod
        def cases(cls, folder):
            path = build_a_small_model(folder)
            config = EngineConfig(source=str(path), path=str(path), manifest=Manifest())
            yield Case("small", config, {"x": np.ones((3, 4), np.float32)})

Nothing here imports pytest. A check that fails raises AssertionError with what was expected.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np

from pumice.domain.datatypes import BYTES, NUMPY_TYPES
from pumice.domain.model import Parameter
from pumice.domain.outputs import OutputCheck
from pumice.domain.signature import Arrays, Signature, SignatureCheck, zeros
from pumice.engines.base import Engine, EngineConfig, Traits
from pumice.engines.registry import engine_class, find_engine


@dataclass(frozen=True)
class Case:
    """A model, and a request that fits it.

    Attributes:
        name: For messages.
        config: What the engine loads.
        inputs: Arrays that fit the model; three rows or more that differ, where rows can be joined.
        parameters: Parameters of the request.
        bad_inputs: What the engine must refuse; a request without inputs if left out.
        tolerance: How far the answers to one row may differ between batches, relative and absolute.
        batch_dependent: A row's answer may move with its batch-mates, as with dynamic INT8.
    """

    name: str
    config: EngineConfig
    inputs: dict[str, np.ndarray]
    parameters: dict[str, Parameter] = field(default_factory=dict)
    bad_inputs: dict[str, np.ndarray] = field(default_factory=dict)
    tolerance: float = 1e-5
    batch_dependent: bool = False


class EngineConformance:
    """The checks.

    Attributes:
        engine: The class under test.
        datatypes: The datatypes that it carries; the cases must use each of them.
        heavy_modules: Modules that must not be imported before a model is loaded.
    """

    engine: ClassVar[type[Engine]]
    datatypes: ClassVar[frozenset[str]] = frozenset(NUMPY_TYPES)
    heavy_modules: ClassVar[tuple[str, ...]] = ()

    _folder: ClassVar[TemporaryDirectory[str]]
    _loaded: ClassVar[list[tuple[Case, Engine]]]

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        """Give the models to test; small files may be written to the folder."""
        raise NotImplementedError

    @classmethod
    def setup_class(cls) -> None:
        """Load every model once."""
        cls._folder = TemporaryDirectory(prefix="pumice-conformance-")
        cls._loaded = [(case, cls.engine(case.config)) for case in cls.cases(Path(cls._folder.name))]

    @classmethod
    def teardown_class(cls) -> None:
        """Close every model."""
        for _, engine in cls._loaded:
            engine.close()
        cls._folder.cleanup()

    def test_is_found_by_its_entry_point(self) -> None:
        """The name finds the class, and so does each source."""
        _require(engine_class(self.engine.name) is self.engine, f"entry point '{self.engine.name}' must find the class")
        for case, _ in self._loaded:
            path = Path(case.config.path) if case.config.path else None
            found = find_engine(case.config.source, path, case.config.manifest)
            _require(found is self.engine, f"{case.name}: '{case.config.source}' must find the class, found {found}")

    def test_importing_its_module_is_light(self) -> None:
        """The heavy library waits for the first model."""
        code = f"import sys; sys.path[:] = {sys.path!r}; import {self.engine.__module__}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded = set(self.heavy_modules) & set(done.stdout.split())
        _require(not loaded, f"importing {self.engine.__module__} must not import {sorted(loaded)}")

    def test_names_itself(self) -> None:
        """Name, platform and suffixes are well-formed."""
        kind = self.engine
        _require(bool(kind.name and kind.platform), "name and platform must not be empty")
        good = all(suffix.startswith(".") and suffix == suffix.lower() for suffix in kind.suffixes)
        _require(good, f"suffixes must be lower case and start with a dot, given {kind.suffixes}")

    def test_cases_use_every_datatype(self) -> None:
        """What the engine claims to carry is tested."""
        signatures = [engine.signature for _, engine in self._loaded]
        used = {tensor.datatype for s in signatures for tensor in (*s.inputs, *s.outputs)}
        _require(used == self.datatypes, f"the cases use {sorted(used)}, the engine claims {sorted(self.datatypes)}")

    def test_signature_and_traits_are_sane(self) -> None:
        """There are outputs, the inputs fit, and what is batchable has free first axes."""
        for case, engine in self._loaded:
            _require(isinstance(engine.signature, Signature), f"{case.name}: signature must be a Signature")
            _require(isinstance(engine.traits, Traits), f"{case.name}: traits must be Traits")
            _require(bool(engine.signature.outputs), f"{case.name}: a model must have outputs")
            _require((engine.traits.max_batch_size or 1) >= 1, f"{case.name}: max_batch_size must be at least 1")
            joins = not engine.traits.batchable or engine.signature.batchable
            _require(joins, f"{case.name}: a batchable model must have free first axes, has {engine.signature}")
            rows = SignatureCheck(case.name, engine.signature, batchable=_batchable(engine)).rows(case.inputs)
            _require(rows > 2 or not _batchable(engine), f"{case.name}: the case must have three rows or more")

    def test_answers_fit_the_signature(self) -> None:
        """Names, datatypes, shapes and rows are as promised, for one row and for many."""
        for case, engine in self._loaded:
            check = OutputCheck(case.name, engine.signature, batchable=_batchable(engine))
            for rows in range(1, _rows(case) + 1) if _batchable(engine) else (1,):
                inputs = _take(case.inputs, range(rows)) if _batchable(engine) else case.inputs
                check.check(engine.run(inputs, case.parameters), rows)

    def test_rows_do_not_see_each_other(self) -> None:
        """A row's answer is the same alone, among others, and in any order."""
        for case, engine in self._loaded:
            if not _batchable(engine) or case.batch_dependent:
                continue
            together = engine.run(case.inputs, case.parameters)
            backwards = list(range(_rows(case)))[::-1]
            turned = engine.run(_take(case.inputs, backwards), case.parameters)
            _require_close(turned, _take(together, backwards), case, "in another order")
            for row in backwards:
                alone = engine.run(_take(case.inputs, [row]), case.parameters)
                _require_close(alone, _take(together, [row]), case, f"row {row} alone")

    def test_equal_inputs_give_equal_answers(self) -> None:
        """A deterministic model is one."""
        for case, engine in self._loaded:
            if engine.traits.deterministic:
                first = engine.run(case.inputs, case.parameters)
                _require_close(engine.run(case.inputs, case.parameters), first, case, "the second time", exact=True)

    def test_inputs_stay_as_they_are(self) -> None:
        """Inputs may lie anywhere in someone else's memory: read-only, and not aligned."""
        for case, engine in self._loaded:
            expected = engine.run(case.inputs, case.parameters)
            lent = {name: _lend(array) for name, array in case.inputs.items()}
            _require_close(engine.run(lent, case.parameters), expected, case, "on lent memory")
            for name, array in lent.items():
                _require(np.array_equal(array, case.inputs[name]), f"{case.name}: input '{name}' must not be changed")

    def test_a_bad_request_breaks_nothing(self) -> None:
        """What does not fit raises, and the next request is answered as before."""
        for case, engine in self._loaded:
            expected = engine.run(case.inputs, case.parameters)
            if case.bad_inputs or any(not tensor.optional for tensor in engine.signature.inputs):
                try:
                    engine.run(case.bad_inputs, case.parameters)
                except Exception:  # noqa: BLE001, S110 - any error will do, as the contract of `run` says
                    pass
                else:
                    _require(condition=False, message=f"{case.name}: bad inputs must raise")
            _require_close(engine.run(case.inputs, case.parameters), expected, case, "after a bad request", exact=True)

    def test_warm_inputs_fit(self) -> None:
        """The engine takes its own warm-up."""
        for case, engine in self._loaded:
            inputs = engine.warm_inputs()
            check = SignatureCheck(case.name, engine.signature, batchable=_batchable(engine))
            check.rows(zeros(engine.signature) if inputs is None else inputs)
            if inputs is not None:
                engine.run(inputs, {})

    def test_closes_twice(self) -> None:
        """Closing again does no harm."""
        for case, _ in self._loaded:
            engine = self.engine(case.config)
            engine.close()
            engine.close()


def _batchable(engine: Engine) -> bool:
    said = engine.traits.batchable
    return engine.signature.batchable if said is None else said


def _rows(case: Case) -> int:
    return len(next(iter(case.inputs.values())))


def _take(arrays: Arrays, rows: Iterable[int]) -> dict[str, np.ndarray]:
    chosen = list(rows)
    return {name: array[chosen] for name, array in arrays.items()}


def _lend(array: np.ndarray) -> np.ndarray:
    """Copy an array to where a replica may find it: behind an odd number of other bytes, read-only."""
    if array.dtype == NUMPY_TYPES[BYTES]:
        lent = array.copy()
        lent.flags.writeable = False
        return lent
    data = b"\0" + array.tobytes()
    return np.frombuffer(data, dtype=array.dtype, count=array.size, offset=1).reshape(array.shape)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _require_close(
    given: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], case: Case, when: str, *, exact: bool = False
) -> None:
    tolerance = 0.0 if exact else case.tolerance
    for name, array in wanted.items():
        if array.dtype.kind == "f":
            same = np.allclose(given[name], array, rtol=tolerance, atol=tolerance, equal_nan=True)
        else:
            same = np.array_equal(given[name], array)
        _require(same, f"{case.name}: output '{name}' differs {when}: {given[name]!r} instead of {array!r}")
