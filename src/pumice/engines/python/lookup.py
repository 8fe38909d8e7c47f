"""From ``module:Class`` to the class."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

from pumice.domain.errors import BadArtefact, MissingDependency
from pumice.engines.python.own_code import holds, use_code_of

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_reference(text: str) -> bool:
    """Whether a text reads as ``module:Class``."""
    return _REFERENCE.fullmatch(text) is not None


def find_class(reference: str, folder: Path | None) -> type:
    """Import the class of a reference.

    A folder that holds the module itself is the only place that its modules come from. Else the working directory, and
    the model's folder if it has one, are put at the end of ``sys.path``: a file there cannot take the place of an
    installed module.

    Args:
        reference: ``module:Class``.
        folder: Folder of the model's artefacts.

    Raises:
        BadArtefact: There is no such module or class.
        MissingDependency: The module imports one that is not installed.
        Exception: Whatever the module raises while it is imported.
    """
    module_name, _, class_name = reference.partition(":")
    if folder is not None and holds(folder, module_name):
        places = [folder]
        use_code_of(folder)
    else:
        places = [place for place in (Path.cwd(), folder) if place is not None]
        sys.path += [str(place) for place in places if str(place) not in sys.path]
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name != missing and not module_name.startswith(f"{missing}."):
            raise MissingDependency(f"'{reference}'", f"the module '{missing}'", f"pip install {missing}") from error
        searched = " or in ".join(map(str, places))
        mend = "start in the folder that holds it, or install it"
        raise BadArtefact(reference, f"there is no module '{missing}' in {searched}", mend) from None
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        problem = f"'{class_name}' is no class" if found is not None else f"has no class '{class_name}'"
        classes = [
            name for name, value in vars(module).items() if isinstance(value, type) and hasattr(value, "predict")
        ]
        known = ", ".join(classes) or "none"
        raise BadArtefact(reference, f"module '{module_name}': {problem}", f"name one of its models ({known})")
    return found
