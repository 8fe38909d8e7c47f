"""The contract of a pass: one model folder in, another one out."""

from __future__ import annotations

import abc
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self

import msgspec

from pumice.domain.errors import BadArtefact, BadSetting, PumiceError
from pumice.domain.model import Manifest, Parameter
from pumice.domain.processor import Processor
from pumice.domain.signature import Arrays
from pumice.engines.base import EngineConfig
from pumice.engines.registry import engine_class
from pumice.engines.safety import check_external_data, refuse_unsafe
from pumice.engines.source import resolve_source
from pumice.optimize.passes.options import NoOptions, Options, read_pass_options

Batches = Callable[[], Iterable[Arrays]]
"""Gives batches, from the first one each time: the tensors that the model's file itself takes (texts are tokenized,
images decoded), [rows, ...] each."""

Tell = Callable[[int, int], None]
"""Told how much is done, and of how much."""

MANIFEST = "manifest.json"
"""The manifest of a model directory."""


class ModelFolder(msgspec.Struct, frozen=True):
    """A model, by the folder in which its files are.

    Attributes:
        path: The folder.
        manifest: What is known of the model; its paths start at the folder. An empty ``model`` means the whole folder.
    """

    path: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The model's file (the folder, where the model is all of it)."""
        return self.path / self.manifest.model

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The model's file and those beside it that hold its weights."""
        if self.model.is_dir():
            return tuple(sorted(file for file in self.model.rglob("*") if file.is_file()))
        if self.manifest.format == "onnx":
            return (self.model, *(self.model.parent / name for name in sorted(check_external_data(self.model))))
        beside = self.model.with_suffix(".bin")
        return (self.model, beside) if self.model.suffix == ".xml" and beside.is_file() else (self.model,)

    @property
    def size_bytes(self) -> int:
        """Size of the files that hold the model's graph and weights (bytes)."""
        return sum(file.stat().st_size for file in self.weight_files)

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read a model directory.

        Raises:
            BadArtefact: It has no manifest that names a model file.
        """
        file = path / MANIFEST
        try:
            manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise BadArtefact(str(file), str(error), "give a model directory with a manifest") from None
        if not manifest.model or not (path / manifest.model).is_file():
            raise BadArtefact(str(file), f"its 'model' names '{manifest.model}', which is not there", "name the file")
        return cls(path, manifest)

    @classmethod
    def find(cls, source: str) -> ModelFolder:
        """Find the model that a SOURCE names: a model directory, a model's file, or a Hugging Face directory.

        Raises:
            SetupError: There is no such model, or it cannot be used.
        """
        place = Path(source).expanduser().absolute()
        if (place / "config.json").is_file() and not (place / MANIFEST).exists():
            return cls(place, Manifest(format="transformers"))
        path, manifest = resolve_source(source)
        if path is None:
            raise BadArtefact(source, "it is no file", "give a model's file or its folder")
        folder = path if path.is_dir() else place if place.is_dir() else path.parent
        model = "" if path == folder else str(path.relative_to(folder))
        tokenizer = str(Path(manifest.tokenizer).relative_to(folder)) if manifest.tokenizer else ""
        return cls(folder, msgspec.structs.replace(manifest, model=model, tokenizer=tokenizer))


@dataclass(frozen=True)
class Supplies:
    """What a pass is given besides the model.

    Attributes:
        calibration: Typical inputs, for passes that measure the range of activations; None: there are none.
        seed: Of whatever a pass draws.
        tell: Told of progress.
    """

    calibration: Batches | None = None
    seed: int = 0
    tell: Tell = lambda _done, _total: None


class Pass(abc.ABC, Generic[Options]):
    """One way to make a model lighter.

    A pass is a value: its options are chosen when it is made, and `apply` may be called any number of times. The same
    input, options, supplies and libraries give the same bytes, unless `deterministic` says otherwise.

    Attributes:
        name: Name in the entry point and in a recipe.
        summary: What it does, in a line.
        formats: Manifest formats that it takes.
        options_type: A frozen struct that forbids unknown fields; each field has a default.
        needs_calibration: Whether it cannot do without `Supplies.calibration`.
        deterministic: Whether equal input gives equal bytes, so that results can be kept by digest.
        options: The options of this one.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    formats: ClassVar[tuple[str, ...]]
    options_type: ClassVar[type[msgspec.Struct]] = NoOptions
    needs_calibration: ClassVar[bool] = False
    deterministic: ClassVar[bool] = True

    options: Options

    def __init__(self, options: Options | None = None) -> None:
        made: Any = self.options_type() if options is None else options
        self.options = made

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Self:
        """Make the pass with options as a recipe gives them.

        Raises:
            BadSetting: An option is unknown, or its value is not allowed.
        """
        chosen: Any = read_pass_options(cls.options_type, cls.name, options)
        return cls(chosen)

    @classmethod
    def result_format(cls, given: str) -> str:
        """Manifest format of the result for a model of a format that the pass takes."""
        return given

    @classmethod
    def suited(cls, processor: Processor) -> Mapping[str, Parameter]:
        """Options that should be set on a processor where a recipe does not say; they become part of the recipe."""
        del processor
        return {}

    def apply(self, source: ModelFolder, target: Path, supplies: Supplies | None = None) -> ModelFolder:
        """Make the new model. It appears at `target` whole or not at all, also if the process is killed.

        Args:
            source: The model; it is not changed.
            target: Folder of the new model; it is made, and must not be there yet.
            supplies: What the pass is given besides.

        Returns:
            The new model; its engine has loaded it. Its manifest is the old one's, less the measured ``metrics``,
            which are no longer true, and with what the new format asks for.

        Raises:
            BadArtefact: The model's format is not taken, its file cannot be used, or the target is there already.
            BadSetting: The pass needs calibration inputs, or an option does not suit the model or the machine.
            MissingDependency: The pass needs an extra that is not installed.
            UnsafeArtefact: The model's file may run code when it is read.
        """
        supplies = supplies or Supplies()
        self._check(source, target, supplies)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
            made = Path(place) / "model"
            made.mkdir()
            manifest = msgspec.structs.replace(self._transformed(source, made, supplies), metrics={})
            if manifest.tokenizer and not (made / manifest.tokenizer).exists():
                (made / manifest.tokenizer).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source.path / manifest.tokenizer, made / manifest.tokenizer)
            _write_manifest(made / MANIFEST, manifest)
            self._load(ModelFolder(made, manifest), source)
            made.rename(target)
        return ModelFolder(target, manifest)

    @abc.abstractmethod
    def transform(self, source: ModelFolder, folder: Path, supplies: Supplies) -> Manifest:
        """Write the new model's files.

        Args:
            source: The model; its files have been found safe to read.
            folder: An empty folder for the new files.
            supplies: What the pass is given besides.

        Returns:
            The new model's manifest. Its tokenizer is copied if it is not in the folder afterwards.

        Raises:
            PumiceError: What the user can mend.
            Exception: Whatever a library raises; it becomes a BadArtefact.
        """

    def _check(self, source: ModelFolder, target: Path, supplies: Supplies) -> None:
        if source.manifest.format not in self.formats:
            problem = f"its format is '{source.manifest.format}'"
            raise BadArtefact(str(source.path), problem, f"'{self.name}' takes {', '.join(self.formats)}")
        if self.needs_calibration and supplies.calibration is None:
            allowed = "typical inputs: give some with --data"
            raise BadSetting(f"calibration inputs of the pass '{self.name}'", "none", allowed)
        if target.exists():
            raise BadArtefact(str(target), "it is there already", "name a folder that is not")
        # a pass opens the file with libraries of its own, which look at less than the engines do
        refuse_unsafe(source.model)
        if source.manifest.format == "onnx":
            check_external_data(source.model)

    def _transformed(self, source: ModelFolder, folder: Path, supplies: Supplies) -> Manifest:
        try:
            return self.transform(source, folder, supplies)
        except PumiceError:
            raise
        except Exception as error:
            # libraries raise what they like for a graph that they cannot handle
            problem = f"the pass '{self.name}' cannot handle it: {_line(error)}"
            mend = "take another pass, or leave nodes out; --debug shows where it failed"
            raise BadArtefact(str(source.model), problem, mend) from error

    def _load(self, made: ModelFolder, source: ModelFolder) -> None:
        """Load the new model once: a library that wrote what cannot run must not go unnoticed."""
        manifest = msgspec.structs.replace(
            made.manifest, tokenizer=str(made.path / made.manifest.tokenizer) if made.manifest.tokenizer else ""
        )
        config = EngineConfig(source=str(made.path), path=str(made.model), manifest=manifest, provider="cpu")
        try:
            engine_class(manifest.format)(config).close()
        except BadArtefact as error:
            problem = f"what the pass '{self.name}' made of it does not load: {error.problem}"
            raise BadArtefact(str(source.model), problem, "take another pass, or leave nodes out") from error


def _write_manifest(file: Path, manifest: Manifest) -> None:
    # by the standard library: people read and edit this file
    told: Any = msgspec.to_builtins(manifest)
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _line(error: Exception) -> str:
    """The first line of an error, or its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
