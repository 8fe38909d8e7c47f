"""The contract of a pass: one model folder in, a lighter one out."""

from __future__ import annotations

import abc
import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Manifest
from pumice.engines.safety import check_external_data, refuse_unsafe


class ModelFolder(msgspec.Struct, frozen=True):
    """A model directory.

    Attributes:
        path: The folder.
        manifest: What its ``manifest.json`` says.
    """

    path: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The model's file."""
        return self.path / self.manifest.model

    @property
    def size_bytes(self) -> int:
        """Size of the model's file and of those beside it that hold its weights (bytes)."""
        beside = check_external_data(self.model) if self.manifest.format == "onnx" else ()
        return sum(file.stat().st_size for file in (self.model, *(self.path / name for name in beside)))

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read a model directory.

        Raises:
            BadArtefact: It has no manifest that names a model file.
        """
        file = path / "manifest.json"
        try:
            manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise BadArtefact(str(file), str(error), "give a model directory with a manifest") from None
        if not manifest.model or not (path / manifest.model).is_file():
            raise BadArtefact(str(file), f"its 'model' names '{manifest.model}', which is not there", "name the file")
        return cls(path, manifest)


class Pass(abc.ABC):
    """One way to make a model lighter.

    Attributes:
        name: Name in the entry point and in a recipe.
        formats: Manifest formats that it takes.
    """

    name: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]

    def apply(self, source: ModelFolder, target: Path) -> ModelFolder:
        """Make the lighter model.

        Args:
            source: The model; it is not changed.
            target: Folder of the new model; it is made, and must not be there yet.

        Returns:
            The new model. Its manifest is the old one's, less the measured ``metrics``, which are no longer true.

        Raises:
            BadArtefact: The model's format is not taken, or its file cannot be used.
            MissingDependency: The pass needs an extra that is not installed.
            UnsafeArtefact: The model's file may run code when it is read.
        """
        if source.manifest.format not in self.formats:
            problem = f"format '{source.manifest.format}'"
            raise BadArtefact(str(source.path), problem, f"'{self.name}' takes {', '.join(self.formats)}")
        # a pass opens the file with libraries of its own, which look at less than the engines do
        refuse_unsafe(source.model)
        if source.manifest.format == "onnx":
            check_external_data(source.model)
        target.mkdir(parents=True)
        tokenizer = source.manifest.tokenizer
        if tokenizer:
            shutil.copyfile(source.path / tokenizer, target / tokenizer)
        self.transform(source.model, target / source.manifest.model)
        manifest = msgspec.structs.replace(source.manifest, metrics={})
        # by the standard library: people read and edit this file
        told: Any = msgspec.to_builtins(manifest)
        text = json.dumps(told, indent=2, ensure_ascii=False)
        (target / "manifest.json").write_text(text + "\n", encoding="utf-8")
        return ModelFolder(target, manifest)

    @abc.abstractmethod
    def transform(self, source: Path, target: Path) -> None:
        """Write the lighter model's file.

        Args:
            source: The model's file.
            target: The new file.

        Raises:
            MissingDependency: An extra is not installed.
        """
