"""What a caller may load: nothing that the operator has not put there or named.

Whoever may load models could otherwise read any file of the machine as a model, and run any code on its import path.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pumice.config import ModelSettings
from pumice.domain.errors import LoadRefused
from pumice.engines.python.lookup import is_reference
from pumice.engines.source import resolve_source
from pumice.service.models.uploads import Uploads

_FROM_FOLDER = ("model", "tokenizer")
"""Keys of the manifest that name files."""


def roots_of(models: Iterable[ModelSettings]) -> tuple[tuple[Path, ...], frozenset[str]]:
    """Say what naming these models at start allows: the folders of their sources, and their Python modules."""
    roots: set[Path] = set()
    modules: set[str] = set()
    for model in models:
        place = Path(model.source).expanduser()
        if place.exists():
            roots.add(place.absolute() if place.is_dir() else place.absolute().parent)
        for reference in (model.source, str(model.manifest.get("model", ""))):
            if is_reference(reference) and not Path(reference).exists():
                modules.add(reference.partition(":")[0])
    return tuple(sorted(roots)), frozenset(modules)


class Admission:
    """Decides for one server.

    Args:
        roots: Folders below which a caller may name sources.
        modules: Python modules of which a caller may name classes.
        uploads: The files that callers send; a source there is nobody's but theirs.
    """

    def __init__(self, roots: Iterable[Path], modules: Iterable[str], uploads: Uploads) -> None:
        self._roots = [root.expanduser().resolve() for root in roots]
        self._modules = frozenset(modules)
        self._uploads = uploads

    def check(self, settings: ModelSettings, known: ModelSettings | None) -> None:
        """Hold a source against what the operator allows. Looks at files, so it is not for the event loop.

        Args:
            settings: What is to be loaded.
            known: The operator's own settings of the model, if it has some.

        Raises:
            LoadRefused: It is not allowed.
            SetupError: It cannot be used.
        """
        name, source = settings.name, settings.source
        uploaded = False
        if is_reference(source) and not Path(source).exists():
            self._check_module(name, source)
        else:
            place = Path(source).expanduser().resolve()
            uploaded = self._uploads.holds(place)
            self._check_place(name, place, "the source")
        self._check_manifest(settings, known)
        path, manifest = resolve_source(source, settings.manifest)
        if manifest.format == "python":
            if uploaded:
                raise LoadRefused(name, "the files name a Python class", "send a model that is no code, such as ONNX")
            self._check_module(name, source if is_reference(source) else manifest.model)
        if uploaded and manifest.options:
            raise LoadRefused(
                name, f"the files set 'options' ({', '.join(manifest.options)})", "have the operator set them"
            )
        if path is not None:
            self._check_place(name, path.resolve(), "the model's file")

    def _check_module(self, name: str, reference: str) -> None:
        module = reference.partition(":")[0]
        if module not in self._modules:
            named = ", ".join(sorted(self._modules)) or "none"
            raise LoadRefused(
                name,
                f"the module '{module}' is none of those that the operator named ({named})",
                "have a model of it named when the server is started",
            )

    def _check_place(self, name: str, place: Path, what: str) -> None:
        if not self._uploads.holds(place) and not any(place.is_relative_to(root) for root in self._roots):
            raise LoadRefused(
                name,
                f"{what} is below none of the folders from which models may be loaded",
                "put it there, or have the operator name its folder in 'model_roots'",
            )

    def _check_manifest(self, settings: ModelSettings, known: ModelSettings | None) -> None:
        own = known.manifest if known else {}
        given = settings.manifest
        if given.get("options", {}) != own.get("options", {}) and given.get("options"):
            raise LoadRefused(settings.name, "'options' of the manifest", "have the operator set them")
        folder = Path(settings.source).expanduser().resolve()
        folder = folder if folder.is_dir() else folder.parent
        for key in _FROM_FOLDER:
            value = given.get(key)
            if value and value != own.get(key) and not is_reference(str(value)):
                self._check_place(settings.name, (folder / str(value)).resolve(), f"'{key}' of the manifest")
