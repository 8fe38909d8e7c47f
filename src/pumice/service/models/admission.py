"""What a caller may load: nothing that the operator has not put there or named.

Whoever may load models could otherwise read any file of the machine as a model, and run any code on its import path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pumice.config import ModelSettings
from pumice.domain.errors import LoadRefused
from pumice.engines.python.lookup import is_reference
from pumice.service.models.ports import ModelsOptions
from pumice.service.models.uploads import Uploads
from pumice.service.sources import Sources, stored_ref

_FROM_FOLDER = ("model", "tokenizer")
"""Keys of the manifest that name files."""


@dataclass(frozen=True, slots=True)
class Named:
    """What naming models at start allows.

    Attributes:
        roots: The folders of their sources.
        modules: Their Python modules.
        stored: The models of the store that they are versions of.
    """

    roots: tuple[Path, ...]
    modules: frozenset[str]
    stored: frozenset[str]


def named_by(models: Iterable[ModelSettings]) -> Named:
    """Say what naming these models at start allows."""
    roots: set[Path] = set()
    modules: set[str] = set()
    stored: set[str] = set()
    for model in models:
        ref = stored_ref(model.source)
        if ref is not None:
            stored.add(ref.model)
            continue
        place = Path(model.source).expanduser()
        if place.exists():
            roots.add(place.absolute() if place.is_dir() else place.absolute().parent)
        for reference in (model.source, str(model.manifest.get("model", ""))):
            if is_reference(reference) and not Path(reference).exists():
                modules.add(reference.partition(":")[0])
    return Named(tuple(sorted(roots)), frozenset(modules), frozenset(stored))


class Admission:
    """Decides for one server.

    Args:
        options: What the operator allows.
        sources: Finds what sources name.
        uploads: The files that callers send; a source there is nobody's but theirs.
    """

    def __init__(self, options: ModelsOptions, sources: Sources, uploads: Uploads) -> None:
        self._roots = [root.expanduser().resolve() for root in options.roots]
        self._modules = options.modules
        self._stored = options.stored
        self._sources = sources
        self._uploads = uploads

    def check(self, settings: ModelSettings, known: ModelSettings | None) -> None:
        """Hold a source against what the operator allows. Looks at files, so it is not for the event loop.

        Args:
            settings: What is to be loaded.
            known: The operator's own settings of the model, if it has some.

        Raises:
            LoadRefused: It is not allowed.
            SetupError: It cannot be used.
            VersionNotFound: The store does not have it.
            Tampered: Its manifest in the store has changed.
        """
        name, source = settings.name, settings.source
        ref = stored_ref(source)
        if ref is not None:
            self._check_stored(settings, known, ref.model)
            return
        uploaded = False
        if is_reference(source) and not Path(source).exists():
            self._check_module(name, source)
        else:
            place = Path(source).expanduser().resolve()
            uploaded = self._uploads.holds(place)
            self._check_place(name, place, "the source")
        folder = Path(source).expanduser().resolve()
        self._check_manifest(settings, known, folder if folder.is_dir() else folder.parent)
        located = self._sources.look(settings)
        path, manifest = located.path, located.manifest
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

    def _check_stored(self, settings: ModelSettings, known: ModelSettings | None, model: str) -> None:
        """Hold a version of the store against what is allowed: all but code, which must be of a model that was named.

        Whoever stores a version need not be one who may have code run here.
        """
        self._check_manifest(settings, known, None)
        if self._sources.look(settings).manifest.format == "python" and model not in self._stored:
            raise LoadRefused(
                settings.name,
                f"the stored model '{model}' is code, and none of those that the operator named",
                "have a version of it named when the server is started",
            )

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

    def _check_manifest(self, settings: ModelSettings, known: ModelSettings | None, folder: Path | None) -> None:
        """Refuse keys of the manifest that reach further than the model's folder; None: its files are in the store."""
        own = known.manifest if known else {}
        given = settings.manifest
        if given.get("options", {}) != own.get("options", {}) and given.get("options"):
            raise LoadRefused(settings.name, "'options' of the manifest", "have the operator set them")
        for key in _FROM_FOLDER:
            value = given.get(key)
            if not value or value == own.get(key) or is_reference(str(value)):
                continue
            if folder is None and not Path(str(value)).is_absolute():
                continue  # one of the version's own files, or refused where it is looked for
            self._check_place(settings.name, ((folder or Path("/")) / str(value)).resolve(), f"'{key}' of the manifest")
