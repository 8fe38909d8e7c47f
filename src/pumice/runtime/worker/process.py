"""The life of a replica: read what to load, load it, listen, answer, end with the parent.

The parent keeps one end of a socket pair, the lifeline. What the replica is to load comes in on it, the word that it
listens goes out on it, and when it closes the replica ends at once, whatever it is doing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from pathlib import Path

import msgspec

from pumice.domain.errors import PumiceError
from pumice.domain.model import Profile
from pumice.engines.base import EngineConfig
from pumice.engines.registry import load_engine
from pumice.protocol.frames import ErrorRecord, Loaded, WorkerSpec, record_error
from pumice.protocol.stream_frames import SUFFIX
from pumice.runtime.memory import receive_files
from pumice.runtime.page import StatusPage
from pumice.runtime.worker.files import lay_out
from pumice.runtime.worker.sandbox import limit_memory, narrow
from pumice.runtime.worker.serve import failure, serve
from pumice.runtime.worker.streams import StreamServer
from pumice.runtime.worker.tasks import Pipeline, StreamPipeline, pipeline_for

_LENGTH = struct.Struct("<I")
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run a replica until its parent goes away."""
    # the front drains on SIGTERM; a replica that ended first would take requests with it
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lifeline = socket.socket(fileno=int(sys.argv[1]))
    told = _receive(lifeline)
    if not told:  # nobody needed this one
        return
    spec = msgspec.msgpack.decode(told, type=WorkerSpec)
    try:
        if spec.files is not None:
            spec = lay_out(spec, receive_files(lifeline, len(spec.files)))
        _die_with_parent(lifeline)
        _give_up_rights(spec)
        pipeline, profile = _load(spec)
        listener = _listen(spec.socket)
        page = StatusPage()
        if isinstance(pipeline, StreamPipeline):
            StreamServer(_listen(spec.socket + SUFFIX), pipeline, spec.name, page).start()
    except BaseException as error:  # noqa: BLE001 - a model may raise anything, SystemExit too; the front is told
        _tell(lifeline, _record(error, spec.name))
        sys.exit(1)
    _tell(lifeline, Loaded(profile))
    serve(listener, pipeline, spec.name, page)


def _give_up_rights(spec: WorkerSpec) -> None:
    if spec.memory_limit:
        limit_memory(spec.memory_limit)
    if spec.confined:
        narrow(hidden=spec.hidden, shown=_shown(spec), network=spec.network)


def _shown(spec: WorkerSpec) -> tuple[str, ...]:
    """The artefacts: the model's folder, for what lies beside its file; only the file if the folder holds secrets."""
    if not spec.path:
        return ()
    path = Path(spec.path).resolve()
    folder = path if path.is_dir() else path.parent
    holds_secrets = any(Path(hidden).resolve().is_relative_to(folder) for hidden in spec.hidden)
    return (str(path if holds_secrets else folder),)


def _load(spec: WorkerSpec) -> tuple[Pipeline, Profile]:
    started = time.perf_counter()
    config = EngineConfig(
        source=spec.source,
        path=spec.path,
        manifest=spec.manifest,
        threads=spec.threads,
        provider=spec.provider,
        device=spec.device,
        name=spec.name,
        trust=spec.trust,
        held=spec.files is not None,
    )
    engine = load_engine(config)
    pipeline = pipeline_for(engine, config)
    manifest, traits = spec.manifest, engine.traits
    profile = Profile(
        engine=engine.name,
        platform=engine.platform,
        task=manifest.task,
        signature=pipeline.signature,
        batchable=pipeline.batchable,
        deterministic=manifest.deterministic and traits.deterministic,
        idempotent=manifest.idempotent and traits.idempotent,
        batch_dependent=manifest.batch_dependent and pipeline.batchable,
        max_batch_size=manifest.max_batch_size or traits.max_batch_size,
        clean=manifest.clean,
        allow_nonfinite=manifest.allow_nonfinite,
        max_text_chars=manifest.max_text_chars,
        labels=manifest.labels,
        placement=traits.placement,
        load_seconds=time.perf_counter() - started,
        description=manifest.description,
        typical_warm_up=manifest.task != "tensor" or engine.warm_inputs() is not None,
        decoupled=traits.decoupled,
        concurrency=traits.concurrency,
        explains=traits.explains and manifest.task == "tensor" and not traits.decoupled,
    )
    return pipeline, profile


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    return listener


def _record(error: BaseException, model: str) -> ErrorRecord:
    if isinstance(error, PumiceError):
        return record_error(error)
    traceback.print_exc()
    return record_error(failure(error, model))


def _die_with_parent(lifeline: socket.socket) -> None:
    """End the process when the lifeline closes, even in the middle of a call."""

    def watch() -> None:
        lifeline.recv(1)
        os._exit(0)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
    # a native call that keeps the GIL would keep the thread from seeing it; the kernel does not wait for the GIL
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _receive(lifeline: socket.socket) -> bytes:
    head = _exactly(lifeline, _LENGTH.size)
    return _exactly(lifeline, _LENGTH.unpack(head)[0]) if head else b""


def _exactly(lifeline: socket.socket, count: int) -> bytes:
    """So many bytes and no more, since descriptors may come with those behind them; none if the parent has gone."""
    data = b""
    while len(data) < count:
        more = lifeline.recv(count - len(data))
        if not more:
            return b""
        data += more
    return data


def _tell(lifeline: socket.socket, message: Loaded | ErrorRecord) -> None:
    data = msgspec.msgpack.encode(message)
    lifeline.sendall(_LENGTH.pack(len(data)) + data)
