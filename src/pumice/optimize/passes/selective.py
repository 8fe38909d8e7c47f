"""Passes that work on some nodes of a graph and can leave others as they are."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from pumice.optimize.passes.base import Supplies
from pumice.optimize.passes.onnx_pass import OnnxPass, prepared
from pumice.optimize.passes.options import Options
from pumice.optimize.passes.selection import Node


class SelectivePass(OnnxPass[Options]):
    """A pass over nodes, so that the sensitive ones can be found and left out.

    Its options have a field ``nodes_left_out``. The work is cut in three: what is done once for a model (`prepare`),
    which nodes there are (`nodes`), and what is done for a choice of them (`quantize`).
    """

    def rewrite(self, source: Path, target: Path, supplies: Supplies) -> None:
        """Write the new model.

        Raises:
            BadSetting: A node or operator that is named is not there, nothing is left to do, or the calibration inputs
                are not what the model takes.
            MissingDependency: The extra ``optimize`` is not installed.
        """
        ready = self.prepare(source, supplies)
        self.quantize(ready, target, self.nodes(ready))

    def prepare(self, source: Path, supplies: Supplies) -> Path:
        """Lay a model down as the other two methods take it; the folder around it may be written to."""
        del supplies
        return prepared(source, self.name)

    @abc.abstractmethod
    def nodes(self, ready: Path) -> list[Node]:
        """Nodes of a prepared model that are worked on, in the graph's order.

        Raises:
            BadSetting: A node or operator that is named is not there, or nothing is left to do.
        """

    @abc.abstractmethod
    def quantize(self, ready: Path, target: Path, nodes: Sequence[Node]) -> None:
        """Write a prepared model in which these nodes, and no others, are worked on.

        Raises:
            MissingDependency: The extra ``optimize`` is not installed.
        """

    def leaving_out(self, names: Iterable[str]) -> Self:
        """The same pass, with these nodes left out as well."""
        options: Any = self.options
        left_out = tuple(dict.fromkeys((*options.nodes_left_out, *names)))
        return type(self)(msgspec.structs.replace(options, nodes_left_out=left_out))
