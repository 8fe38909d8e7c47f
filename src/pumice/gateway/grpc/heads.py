"""What the head of a call says, read once for all calls with the same head: clients send it again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pumice.gateway.grpc.methods import Method, Methods
from pumice.gateway.grpc.verbs import verb_of
from pumice.gateway.headers import REQUEST_ID, TRACEPARENT
from pumice.protocol.grpc.heads import HeadFault, read_head
from pumice.protocol.grpc.messages import CODINGS
from pumice.protocol.grpc.status import StatusCode

if TYPE_CHECKING:
    from pumice.protocol.http2.header_blocks import Fields
    from pumice.service.access.doors import Standing

_ANSWER_CODINGS = (b"gzip", b"deflate")


class Head:
    """The head of a call.

    Attributes:
        name: Full name of the method.
        method: The method; None: it is refused.
        verb: What the method asks of the caller.
        timeout: How long the caller waits (s); None: it did not say.
        coding: Of messages that are marked as compressed.
        reply_coding: Of the answer's messages; a caller that packs what it sends, and reads the same, gets it packed.
        request_id: The caller's, or an empty string.
        traceparent: The caller's W3C trace context, or an empty string.
        authorization: What the caller shows at the door.
        http_status: Tells that this is no call of gRPC; 0: it is.
        refusal: Status and words that refuse it.
        standing: The caller as the door knows it.
        epoch: Of the doors, when they said so.
        until: Moment on the monotonic clock from which they have to be asked again (s).
    """

    __slots__ = (
        "authorization",
        "coding",
        "epoch",
        "http_status",
        "method",
        "name",
        "refusal",
        "reply_coding",
        "request_id",
        "standing",
        "timeout",
        "traceparent",
        "until",
        "verb",
    )

    def __init__(self, fields: Fields, methods: Methods, most: int) -> None:
        values = fields.values
        self.name = ""
        self.method: Method | None = None
        self.timeout: float | None = None
        self.coding = self.reply_coding = b""
        self.request_id = _text(values, REQUEST_ID)
        self.traceparent = _text(values, TRACEPARENT)
        self.authorization = _text(values, "authorization")
        self.http_status = 0
        self.refusal: tuple[StatusCode, str] | None = None
        self.standing: Standing | None = None
        self.epoch = 0
        self.until = 0.0
        try:
            asked = read_head(fields)
        except HeadFault as fault:
            self.http_status = fault.status
            self.refusal = StatusCode.INVALID_ARGUMENT, fault.why
        else:
            self.name, self.timeout, self.coding = asked.path, asked.timeout, asked.coding
            if asked.coding in _ANSWER_CODINGS and asked.coding in asked.accepts:
                self.reply_coding = asked.coding
            self.method = methods.get(asked.path)
            self.refusal = self._refusal(fields.size, most)
        self.verb = verb_of(self.name)

    def _refusal(self, size: int, most: int) -> tuple[StatusCode, str] | None:
        if size > most:
            return StatusCode.RESOURCE_EXHAUSTED, f"metadata of {size} bytes; {most} are allowed"
        if self.method is None:
            return (
                StatusCode.UNIMPLEMENTED,
                f"no method '{self.name[:200]}'; the server's reflection tells what there is",
            )
        if self.coding and self.coding not in CODINGS:
            coding = self.coding[:32].decode("latin-1")
            return StatusCode.UNIMPLEMENTED, f"messages compressed by '{coding}'; gzip, deflate and identity are known"
        return None


def _text(values: dict[bytes, bytes], name: str) -> str:
    return values.get(name.encode(), b"").decode("latin-1")
