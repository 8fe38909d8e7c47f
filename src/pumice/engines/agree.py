"""The manifest's signature, held against what a model's file says."""

from __future__ import annotations

from collections.abc import Mapping

from pumice.domain.errors import BadArtefact
from pumice.domain.signature import Signature, Tensor


def agreed(said: Signature | None, found: Signature, path: str, *, datatypes: bool = True) -> Signature:
    """Let the manifest's signature win where it fits the file's; outputs that it leaves out are not served.

    Args:
        said: The manifest's.
        found: The file's.
        path: The file, for messages.
        datatypes: Whether the datatypes must be the file's too.

    Raises:
        BadArtefact: A name, datatype or rank is not the file's, or an input is left out.
    """
    if said is None:
        return found
    for tensors, known in ((said.inputs, _by_name(found.inputs)), (said.outputs, _by_name(found.outputs))):
        for tensor in tensors:
            own = known.get(tensor.name)
            if own is None:
                problem = f"it has no '{tensor.name}', which the manifest's signature names"
                raise BadArtefact(path, problem, f"it has {sorted(known)}")
            if (datatypes and own.datatype != tensor.datatype) or len(own.shape) != len(tensor.shape):
                mend = f"mend the manifest's signature, which says {tensor}"
                raise BadArtefact(path, f"'{tensor.name}' is {own}", mend)
    missing = {t.name for t in found.inputs if not t.optional} - {t.name for t in said.inputs}
    if missing:
        raise BadArtefact(path, f"the manifest's signature leaves out the inputs {sorted(missing)}", "add them")
    return said


def _by_name(tensors: list[Tensor]) -> Mapping[str, Tensor]:
    return {tensor.name: tensor for tensor in tensors}
