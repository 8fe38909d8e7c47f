"""Python models that the tests serve; each does one thing that a test needs."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from pumice import Model, Signature, Tensor, current_traces

Arrays = Mapping[str, np.ndarray]

ROW = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("y", "FP32", [-1, 4])])


class Doubler(Model):
    """Doubles."""

    signature = ROW

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {"y": inputs["x"] * 2}


class Explained(Doubler):
    """Doubles, and tells which number of a row is the largest."""

    def explain(self, inputs: Arrays) -> dict[str, np.ndarray]:
        if (inputs["x"] == 13).any():
            return {"odd": np.array([None] * len(inputs["x"]))}
        return {"most": inputs["x"].argmax(axis=1), "name": np.array(["x"] * len(inputs["x"]))}


class Gated(Model):
    """Doubles; a request that names a file in its parameter ``gate`` is held until the file is there."""

    signature = ROW

    def predict(self, inputs: Arrays, parameters: Mapping[str, object]) -> dict[str, np.ndarray]:
        gate = parameters.get("gate")
        while gate is not None and not Path(str(gate)).exists():
            threading.Event().wait(0.005)
        return {"y": inputs["x"] * 2}


class Turns(Gated):
    """Held as `Gated` is; answers which run it was in, counted from 1."""

    runs = 0

    def predict(self, inputs: Arrays, parameters: Mapping[str, object]) -> dict[str, np.ndarray]:
        self.runs += 1
        super().predict(inputs, parameters)
        return {"y": np.full_like(inputs["x"], self.runs)}


class TenMilliseconds(Model):
    """Doubles, in 10 ms of waiting for a batch, as a model on an accelerator does."""

    signature = ROW

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        threading.Event().wait(0.01)
        return {"y": inputs["x"] * 2}


class BatchSize(Model):
    """Answers how many rows ran together; parameters are echoed in the second number."""

    signature = ROW

    def predict(self, inputs: Arrays, parameters: Mapping[str, object]) -> dict[str, np.ndarray]:
        rows = len(inputs["x"])
        answer = np.full((rows, 4), rows, np.float32)
        answer[:, 1] = float(str(parameters.get("mark", 0)))
        return {"y": answer}


class Picky(Model):
    """Raises on 13, dies on 666, hangs on 999 (on 998 in native code that keeps the GIL), takes its time on 997."""

    signature = ROW

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        x = inputs["x"]
        if (x == 13).any():
            raise ValueError("thirteen is refused")
        if (x == 666).any():
            os.kill(os.getpid(), signal.SIGKILL)
        if (x == 999).any():
            threading.Event().wait()
        if (x == 998).any():
            ctypes.PyDLL(None).pause()
        if (x == 997).any():
            threading.Event().wait(0.3)
        return {"y": x * 2}


class Dying(Model):
    """Dies a moment after its first call."""

    signature = ROW

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        threading.Timer(1.0, os._exit, [3]).start()
        return {"y": inputs["x"]}


class Counting(Model):
    """Answers how often it was called; not deterministic, so never cached."""

    signature = ROW
    deterministic = False

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        self.calls += 1
        return {"y": np.full_like(inputs["x"], self.calls)}


class Calls(Counting):
    """The same, but it says that it is deterministic, so that a cache shows."""

    deterministic = True


class Shout(Model):
    """Upper-cases byte strings, whatever bytes they are."""

    signature = Signature(inputs=[Tensor("text", "BYTES", [-1])], outputs=[Tensor("loud", "BYTES", [-1])])

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        loud = np.empty(len(inputs["text"]), dtype=object)
        loud[:] = [text.upper() for text in inputs["text"]]
        return {"loud": loud}


class Traced(Model):
    """Answers the trace contexts of its batch, joined."""

    signature = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("traces", "BYTES", [-1])])

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        traces = np.empty(len(inputs["x"]), dtype=object)
        traces[:] = " ".join(current_traces()).encode()
        return {"traces": traces}


class Mixed(Model):
    """Takes tensors of many types and shapes, and gives them back."""

    signature = Signature(
        inputs=[
            Tensor("half", "FP16", [-1, 2]),
            Tensor("long", "INT64", [-1]),
            Tensor("flag", "BOOL", [-1, -1]),
            Tensor("double", "FP64", [-1, 2, 2]),
        ],
        outputs=[
            Tensor("half_out", "FP16", [-1, 2]),
            Tensor("long_out", "INT64", [-1]),
            Tensor("flag_out", "BOOL", [-1, -1]),
            Tensor("double_out", "FP64", [-1, 2, 2]),
        ],
    )

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {f"{name}_out": array.copy() for name, array in inputs.items()}


class Broken(Model):
    """Cannot be loaded."""

    signature = ROW

    def load(self, path: Path | None) -> None:
        raise RuntimeError("the weights are gone")

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {"y": inputs["x"]}


class Big(Model):
    """Gives images back as they came: large tensors both ways."""

    signature = Signature(
        inputs=[Tensor("image", "FP32", [-1, 3, 224, 224])], outputs=[Tensor("same", "FP32", [-1, 3, 224, 224])]
    )

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {"same": inputs["image"].copy()}


class Nosy(Model):
    """Does what it is asked to by the parameter ``do`` and says how that went."""

    signature = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("told", "BYTES", [-1])])

    def predict(self, inputs: Arrays, parameters: Mapping[str, object]) -> dict[str, np.ndarray]:
        told = np.empty(len(inputs["x"]), dtype=object)
        try:
            told[:] = str(self._do(str(parameters["do"]), str(parameters.get("what", "")))).encode()
        except OSError as error:
            told[:] = type(error).__name__.encode()
        return {"told": told}

    def _do(self, do: str, what: str) -> object:
        deeds: dict[str, Callable[[], object]] = {
            "write": lambda: Path(what).write_text("was here", encoding="utf-8"),
            "read": lambda: Path(what).read_bytes()[:4],
            "environ": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
            "scratch": lambda: os.write(tempfile.mkstemp()[0], b"fine"),
            "cache": lambda: (Path(os.environ["XDG_CACHE_HOME"]) / "cache").write_text("fine", encoding="utf-8"),
            "connect": lambda: socket.create_connection(("127.0.0.1", int(what)), timeout=5).close(),
            "unix": lambda: socket.socket(socket.AF_UNIX).connect(what),
            "signal": lambda: os.kill(os.getppid(), 0),
            "child": lambda: subprocess.run(["cat", what], capture_output=True, check=False).returncode,
            "allocate": lambda: np.ones(int(what), np.uint8).sum(),
        }
        return deeds[do]()


class Counter(Model):
    """Counts up to ``n`` part by part.

    ``gate`` holds it before its last part; ``die``, ``fail`` and ``hang`` stop it there. The file ``progress`` tells
    how far it is, ``closed`` is made when the generator ends, whatever way. While there is no file ``once``, it is
    made and the replica dies.
    """

    signature = Signature(inputs=[Tensor("n", "INT64", [1])], outputs=[Tensor("i", "INT64", [1])])
    concurrency = 4

    def predict(self, inputs: Arrays, parameters: Mapping[str, object]) -> Iterator[dict[str, np.ndarray]]:
        marks = {key: Path(str(parameters[key])) for key in ("gate", "closed", "once") if key in parameters}
        if "once" in marks and not marks["once"].exists():
            marks["once"].touch()
            os.kill(os.getpid(), signal.SIGKILL)
        last = int(inputs["n"][0])
        try:
            for number in range(last):
                if number == last - 1:
                    self.stop(parameters, marks.get("gate"))
                if "progress" in parameters:
                    Path(str(parameters["progress"])).write_text(str(number), encoding="ascii")
                yield {"i": np.array([number], np.int64)}
        finally:
            if "closed" in marks:
                marks["closed"].touch()

    def stop(self, parameters: Mapping[str, object], gate: Path | None) -> None:
        while gate is not None and not gate.exists():
            threading.Event().wait(0.005)
        if parameters.get("fail"):
            raise ValueError("no further")
        if parameters.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if parameters.get("hang"):
            threading.Event().wait()


class Wide(Counter):
    """Counts in parts of many numbers, of which a few fill what lies between the model and a caller."""

    signature = Signature(inputs=[Tensor("n", "INT64", [1])], outputs=[Tensor("i", "INT64", [-1])])

    def predict(self, inputs: Arrays, parameters: Mapping[str, object]) -> Iterator[dict[str, np.ndarray]]:
        for part in super().predict(inputs, parameters):
            yield {"i": np.repeat(part["i"], 4096)}


class Echo(Model):
    """Says a text word by word, asynchronously; ``wait`` makes it stop for ever before the last word."""

    signature = Signature(inputs=[Tensor("text_input", "BYTES", [1])], outputs=[Tensor("text_output", "BYTES", [1])])

    async def predict(self, inputs: Arrays, parameters: Mapping[str, object]) -> AsyncIterator[dict[str, np.ndarray]]:
        words = inputs["text_input"][0].decode().split()
        try:
            for word in words:
                if parameters.get("wait") and word is words[-1]:
                    await asyncio.Event().wait()
                yield {"text_output": np.array([word], dtype=object)}
        finally:
            if "closed" in parameters:
                Path(str(parameters["closed"])).touch()  # noqa: ASYNC240 - a mark for the test
