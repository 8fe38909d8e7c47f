"""The contract between a replica and an engine.

An engine is one class. It is made with an `EngineConfig`, which loads the model, and is then called from one thread
at a time. Its heavy library is imported in its own module only when the class is made, never when the module is.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import msgspec
import numpy as np

from pumice.domain.model import Manifest, Parameter, Trust
from pumice.domain.signature import Signature


class EngineConfig(msgspec.Struct, frozen=True):
    """What an engine needs to load a model.

    Attributes:
        source: What the user named: a path or ``module:Class``.
        path: The model's file or folder, or an empty string where there is none.
        manifest: What is known of the model besides its file.
        threads: Threads of one inference; at least 1.
        provider: Execution provider by its short name (``cpu``, ``cuda``, ``tensorrt``, ``openvino``, ``coreml``,
            ``directml``), or ``auto``.
        device: Device number for providers that have several.
        name: Name under which the model is served, for messages; empty where it is not served.
        trust: What the operator named by hand; a file or its manifest cannot bring it along.
        held: The model's files are in memory; those in its folder are links to them, which the server has made.
    """

    source: str
    path: str
    manifest: Manifest
    threads: int = 1
    provider: str = "auto"
    device: int = 0
    name: str = ""
    trust: Trust = Trust()
    held: bool = False

    @property
    def label(self) -> str:
        """What messages call the model."""
        return self.name or self.source


class Traits(msgspec.Struct, frozen=True):
    """What an engine found out of its model while loading, over and above the signature.

    Attributes:
        batchable: Rows may be joined; None: decided by the signature's free first axes.
        deterministic: Equal inputs give equal answers.
        idempotent: Running twice does no harm.
        max_batch_size: The model's own limit (rows), or None.
        placement: What was really chosen: provider, device, threads.
        metadata: What the file says of itself (producer, description, custom keys).
        decoupled: Answers come in parts, by `Engine.stream`; such requests are never joined.
        concurrency: Most answers in parts that are computed at once, each read by a thread of its own.
        explains: The model can explain its answers, by `Engine.explain`.
    """

    batchable: bool | None = None
    deterministic: bool = True
    idempotent: bool = True
    max_batch_size: int | None = None
    placement: dict[str, Parameter] = msgspec.field(default_factory=dict)
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    decoupled: bool = False
    concurrency: int = 1
    explains: bool = False


class Parts(abc.ABC):
    """The parts of one answer, given one by one; read by one thread."""

    def __iter__(self) -> Self:
        return self

    @abc.abstractmethod
    def __next__(self) -> dict[str, np.ndarray]:
        """Compute the next part: all outputs of the signature.

        Raises:
            StopIteration: There are no more.
            Exception: Whatever the model raises; the answer ends there.
        """

    def close(self) -> None:  # noqa: B027 - many hold nothing that needs it
        """No more parts are wanted; called once by the thread that reads them, at the end as well."""

    def cancel(self) -> None:  # noqa: B027 - what cannot be stopped within a part ends behind it
        """Make a `__next__` that runs end soon, if that is possible; called by another thread."""


class Engine(abc.ABC):
    """Runs one model of one format.

    Attributes:
        name: Name in the entry point and in a manifest's ``format``.
        platform: The field's name of the format in OIP metadata.
        suffixes: File endings that this engine takes (lower case, with the dot).
        runs_code: A model is its author's own code, so that its files are not looked at for what may run.
        signature: Named tensors of the model; set when made.
        traits: What was found while loading; set when made.
    """

    name: ClassVar[str]
    platform: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    runs_code: ClassVar[bool] = False

    signature: Signature
    traits: Traits

    @classmethod
    def takes(cls, source: str, path: Path | None) -> bool:
        """Whether this engine can run a source; looks at names only, never into files."""
        del source
        return path is not None and path.suffix.lower() in cls.suffixes

    @classmethod
    def peek(cls, path: Path) -> Signature | None:
        """Read the signature from a model's file without loading the model: no weights, no library.

        The file has passed `pumice.engines.safety.refuse_unsafe`.

        Returns:
            What the file says; None where it does not say, or the engine must load the model to know.

        Raises:
            BadArtefact: It is no such file, or has tensors that cannot be served.
        """
        del path
        return None

    @abc.abstractmethod
    def __init__(self, config: EngineConfig) -> None:
        """Load the model.

        Raises:
            BadArtefact: The file cannot be used.
            BadSetting: A setting is unknown or not possible here.
            MissingDependency: The engine's library is not installed.
        """

    @abc.abstractmethod
    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Run the model once.

        Args:
            inputs: Arrays that fit `signature`, row-major, read-only; valid during the call only. ``BYTES`` are
                object arrays of ``bytes``.
            parameters: The requests' own parameters, the same for all rows.

        Returns:
            All outputs of `signature` by name; rows stand in the order of the inputs' rows.

        Raises:
            Exception: Whatever the model raises; the replica reports it and goes on.
        """

    def explain(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Explain what the model would answer; called only if `traits` say ``explains``.

        Args:
            inputs: As for `run`.

        Returns:
            Arrays by any names, with a row for each row of the inputs where rows are joined.
        """
        del inputs
        raise NotImplementedError

    def stream(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> Parts:
        """Run the model, whose answer comes in parts; called only if `traits` say ``decoupled``, and then `run` is not.

        Args:
            inputs: As for `run`, but valid until the parts are closed.
            parameters: The request's own parameters.

        Raises:
            Exception: Whatever the model raises; it may come as well while the parts are read.
        """
        del inputs, parameters
        raise NotImplementedError

    def warm_inputs(self) -> dict[str, np.ndarray] | None:
        """Inputs of a typical request for warming up, or None if zeros in the signature's shape will do."""
        return None

    def close(self) -> None:  # noqa: B027 - many engines hold nothing that needs it
        """Free what the model holds; `run` is not called any more."""
