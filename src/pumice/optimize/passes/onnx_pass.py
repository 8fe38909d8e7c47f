"""What passes from one ONNX file to another share: one file in, libraries kept quiet, one file out."""

from __future__ import annotations

import abc
import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pumice.domain.errors import BadArtefact, MissingDependency
from pumice.domain.model import Manifest
from pumice.engines.safety import check_external_data
from pumice.optimize.passes.base import ModelFolder, Pass, Supplies
from pumice.optimize.passes.options import Options
from pumice.optimize.passes.tidying import tidy

INSTALL = "pip install 'pumice[optimize]'"
"""What brings the libraries of the passes."""


SINGLE_WHERE_UNKNOWN = {"DefaultTensorType": 1}
"""For quantizers: tensors behind operators of ONNX Runtime's own, whose kind onnx cannot infer, are FP32."""


class OnnxPass(Pass[Options]):
    """A pass from one ONNX file to another.

    Models of up to 2 GiB are taken, with their weights inside or in files beside them; the result is one file.
    """

    formats: ClassVar[tuple[str, ...]] = ("onnx",)

    def transform(self, source: ModelFolder, folder: Path, supplies: Supplies) -> Manifest:
        """Write the new file under the old one's name."""
        target = folder / source.manifest.model
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pumice-pass-") as place, quiet():
            self.rewrite(whole(source.model, Path(place), self.name), target, supplies)
        return source.manifest

    @abc.abstractmethod
    def rewrite(self, source: Path, target: Path, supplies: Supplies) -> None:
        """Write the new file.

        Args:
            source: The model with all its weights in one file; the folder around it may be written to.
            target: The new file.
            supplies: What the pass is given besides.
        """


def import_onnx(feature: str) -> Any:
    """Import onnx.

    Raises:
        MissingDependency: The extra ``optimize`` is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise MissingDependency(feature, "onnx", INSTALL) from None
    return onnx


def whole(source: Path, folder: Path, name: str) -> Path:
    """Lay a model down with all its weights in one file, in a folder where a library may write.

    Raises:
        BadArtefact: It is too large for one file.
        MissingDependency: The extra ``optimize`` is not installed.
    """
    onnx = import_onnx(name)
    beside = check_external_data(source)
    size = source.stat().st_size + sum((source.parent / file).stat().st_size for file in beside)
    most = onnx.checker.MAXIMUM_PROTOBUF
    if size > most:
        raise BadArtefact(str(source), f"its weights take {size:,} bytes", f"'{name}' takes at most {most:,}")
    target = folder / "whole.onnx"
    if beside:
        onnx.save(onnx.load(source), target)
    else:
        target.symlink_to(source.absolute())
    return target


def prepared(source: Path, name: str) -> Path:
    """Fold constants and infer shapes, so that weights behind a transpose or in ``Constant`` nodes are found.

    Every node has a name afterwards.

    Raises:
        MissingDependency: The extra ``optimize`` is not installed.
    """
    try:
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError:
        raise MissingDependency(f"the pass '{name}'", "onnx and sympy", INSTALL) from None
    target = source.parent / "prepared.onnx"
    quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
    onnx = import_onnx(name)
    model = onnx.load(target)
    if tidy(model):
        onnx.save(model, target)
    return target


def raise_opset(file: Path, least: int) -> None:
    """Bring a model to a version of ONNX's operators, if it is of an older one.

    Raises:
        BadArtefact: onnx cannot do that for one of its operators.
    """
    import onnx
    from onnx import version_converter

    model = onnx.load(file)
    has = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=least)
    if has >= least:
        return
    try:
        onnx.save(version_converter.convert_version(model, least), file)
    except (RuntimeError, version_converter.ConvertError) as error:
        line = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        problem = f"it is of version {has} of ONNX's operators, and onnx cannot make it {least}: {line}"
        raise BadArtefact(str(file), problem, "export it again with a newer version") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries from logging or warning a line a node."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
