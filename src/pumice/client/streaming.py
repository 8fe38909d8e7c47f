"""The operation `stream`: named tensors in, named tensors out part by part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pumice.client.errors import BadAnswer, ConnectionFailed
from pumice.client.flow import Broken, Call, Link, Reply, Send
from pumice.client.inference import Options, infer_call
from pumice.client.refusals import refusal
from pumice.domain.errors import DeadlineExceeded, MalformedInput, PumiceError
from pumice.protocol.oip.client_codec import decode_answer

_DATA = "data: "
_ERROR = '{"error"'


class PartReader:
    """Sends one request and reads the parts of its answer; both clients drive it.

    Args:
        link: How the server is spoken to.
        model: Name of the model.
        inputs: As for `infer`.
        options: How it is asked; the timeout is the longest silence (s).

    Attributes:
        send: What is to be sent.

    Raises:
        PumiceError: As `pumice.client.inference.infer_call`.
    """

    def __init__(self, link: Link, model: str, inputs: Mapping[str, object], options: Options) -> None:
        call = infer_call(model, inputs, options, parts=True)
        self.send = Send(call, {**link.headers, **call.headers}, options.timeout or link.timeout_s)
        self._url = link.url
        self._call: Call = call
        self._model = model
        self._version = options.version

    def refused(self, reply: Reply) -> PumiceError:
        """Tell of an answer that is no success."""
        return refusal(reply, model=self._model, version=self._version)

    def part(self, line: str) -> dict[str, np.ndarray] | None:
        """Read a line of the answer; None if it holds no part.

        Raises:
            PumiceError: The answer ends here, since something went wrong.
            BadAnswer: It is no such line.
        """
        if not line.startswith(_DATA):
            return None
        data = line[len(_DATA) :]
        if data.startswith(_ERROR):
            raise self.refused(Reply(500, {}, data.encode()))
        try:
            return decode_answer(data.encode(), None).outputs
        except MalformedInput as error:
            raise BadAnswer(str(self._call), str(error)) from None

    def broken(self, broken: Broken) -> PumiceError:
        """Tell of a connection that broke, or of a server that was silent for too long."""
        if broken.timed_out:
            return DeadlineExceeded(f"the client's timeout of {self.send.timeout_s:g} s for a part")
        return ConnectionFailed(self._url, broken.problem, 1)
