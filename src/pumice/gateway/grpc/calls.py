"""One call: its messages and deadline on the way in, its answer, status and trailers on the way out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING

from pumice.domain.access import Verb
from pumice.domain.errors import DeadlineExceeded, MalformedInput, Overloaded, PumiceError
from pumice.domain.request import InferRequest
from pumice.gateway.grpc.errors import details_of, status_of
from pumice.gateway.grpc.heads import Head
from pumice.gateway.grpc.inbox import Inbox
from pumice.gateway.grpc.methods import Method, run_stream, unforeseen
from pumice.gateway.grpc.replies import Reply
from pumice.gateway.headers import choose_request_id
from pumice.observe.stats import VersionStats
from pumice.protocol.grpc.messages import PREFIX_BYTES, MessageFault, MessageReader
from pumice.protocol.grpc.status import StatusCode, no_grpc
from pumice.protocol.http2.values import Code

if TYPE_CHECKING:
    from pumice.gateway.grpc.connection import Connection


_RECORDING: set[asyncio.Task[None]] = set()
"""Tasks that write down who was turned away."""


class Call(Reply):
    """What an operation sees of its call, besides the message.

    Args:
        connection: It came over this one.
        number: Of its stream.
        head: What its head says.

    Attributes:
        runs: Names of models that the caller was seen to be allowed to run.
        began: When it came, on the monotonic clock (s).
        came: Of its messages, with all that is around them (bytes).
        deadline: Moment on the monotonic clock after which nobody waits (s), or None.
        inbox: Messages for the operation, if the method streams.
    """

    __slots__ = (
        "_body",
        "_door",
        "_let_in",
        "_reader",
        "_task",
        "_uncredited",
        "began",
        "came",
        "deadline",
        "inbox",
        "runs",
    )

    def __init__(self, connection: Connection, number: int, head: Head) -> None:
        Reply.__init__(self, connection, number, head, choose_request_id(head.request_id))
        self.runs = connection.runs
        self.began = time.monotonic()
        self.deadline = None if head.timeout is None else self.began + head.timeout
        self.came = 0
        self.inbox: Inbox | None = None
        self._body: bytes | None = None  # whole, while the door is not open yet or the end is not here
        self._reader: MessageReader | None = None
        self._task: asyncio.Task[None] | None = None
        self._door: asyncio.Task[None] | None = None
        self._let_in = False  # until then nothing runs, whatever has come
        self._uncredited = 0

    @property
    def traceparent(self) -> str:
        """The caller's W3C trace context, or an empty string."""
        return self.head.traceparent

    @property
    def half(self) -> bool:
        """Its one message is still to come; never so of a method that streams."""
        return self.inbox is None and not self.ended_in

    # -- for operations

    def permit(self, verb: Verb, model: str) -> None:
        """Let the caller do something with a model.

        Raises:
            Forbidden: Its scopes do not say so.
        """
        self.principal.permit(verb, model)

    def carry(self, request: InferRequest, now: float) -> None:
        """Give an inference the call's id, caller, trace context and deadline, if that is the earlier one.

        Args:
            request: The inference.
            now: The monotonic clock (s).
        """
        del now
        request.request_id = self.request_id
        request.caller = self.principal.caller or self.connection.address
        request.traceparent = self.head.traceparent
        deadline = self.deadline
        if deadline is not None and (request.deadline is None or deadline < request.deadline):
            request.deadline = deadline

    def requests(self) -> AsyncIterator[bytes]:
        """The messages of the caller, as they come."""
        assert self.inbox is not None  # noqa: S101 - made before its operation runs
        return self.inbox

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run what answers the call as a task, which ends with the call."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(work)
        if self.deadline is not None:
            timer = loop.call_later(self.deadline - time.monotonic(), self.late)
            self._task.add_done_callback(lambda _: timer.cancel())

    # -- what HTTP/2 tells

    def start(self) -> None:
        """Refuse the call, or let it come in."""
        head = self.head
        if head.http_status:
            self.connection.session.end(self, no_grpc(head.http_status))
            self.over()
        elif head.refusal is not None:
            self.end(*head.refusal, ())
        else:
            self._enter()

    def _enter(self) -> None:
        guard = self.connection.common.guard
        try:
            waiting = None if guard is None else guard.enter(self)
        except Exception as error:  # noqa: BLE001 - the boundary: what is not ours is logged whole, told generically
            self.turn_away(error)
            return
        method = self.head.method
        assert method is not None  # noqa: S101 - else it was refused
        if method.stream is not None:
            self.inbox = Inbox(self._taken)
        if waiting is not None:
            self._door = asyncio.get_running_loop().create_task(self._wait(waiting))
        else:
            self._come_in(method)

    async def _wait(self, waiting: Coroutine[None, None, None]) -> None:
        try:
            await waiting
        except Exception as error:  # noqa: BLE001 - as above
            self._door = None
            self.turn_away(error)
            return
        self._door = None
        method = self.head.method
        if method is not None and not self.ended_out:
            self._come_in(method)

    def _come_in(self, method: Method) -> None:
        self._let_in = True
        if method.stream is not None:
            self.spawn(run_stream(method.stream, self))
        elif self._body is not None and self.ended_in:
            self._whole(self._body)

    def received(self, piece: bytes, *, ended: bool) -> None:
        """Take a piece of the request."""
        if not self._let_in and self._door is None:
            return  # it was turned away, and is about to hear it
        size = len(piece) - PREFIX_BYTES
        if (
            ended
            and self._reader is None
            and self.inbox is None
            and size >= 0
            and piece[0] == 0
            and int.from_bytes(piece[1:PREFIX_BYTES]) == size <= self.connection.common.max_message
        ):
            self._whole(piece[PREFIX_BYTES:])
            return
        try:
            self._collect(piece, ended=ended)
        except MessageFault as fault:
            code = StatusCode.INVALID_ARGUMENT
            if fault.too_large or fault.unknown:
                code = StatusCode.RESOURCE_EXHAUSTED if fault.too_large else StatusCode.UNIMPLEMENTED
            self.cut(code, fault.why)
        except PumiceError as error:
            self.fail(error)
            self._stop()

    def _collect(self, piece: bytes, *, ended: bool) -> None:
        if self._reader is None:
            self._reader = MessageReader(self.head.coding, self.connection.common.max_message)
        self.came += len(piece)
        messages = self._reader.feed(piece) if piece else []
        inbox = self.inbox
        for message in messages:
            if inbox is not None:
                inbox.put(message)
            elif self._body is None:
                self._body = message
            else:
                raise MalformedInput("request", "a second message; this method takes one")
        waiting = inbox.size if inbox is not None else len(self._body or b"")
        self.hold(self._reader.held + waiting)
        if ended and self._reader.held:
            raise MalformedInput("request", "it ends within a message")
        self._uncredited += len(piece)
        self._taken()
        if not ended:
            return
        if inbox is not None:
            inbox.end()
        elif self._body is None:
            raise MalformedInput("request", "it has no message")
        else:
            self._whole(self._body)

    def _taken(self) -> None:
        """Let the caller send more, if not too much waits already."""
        if self.inbox is not None:
            if self.inbox.size > self.connection.common.window // 2:
                return
            if self._reader is not None:
                self.hold(self._reader.held + self.inbox.size)
        if self._uncredited:
            self.connection.session.credit(self, self._uncredited)
            self._uncredited = 0
            self.connection.touch()

    def _whole(self, body: bytes) -> None:
        if not self._let_in:
            self._body = body
            return
        self._body = self._reader = None
        method = self.head.method
        if method is not None and method.take is not None:
            method.take(self, body)

    def gone(self) -> None:
        """The caller has gone, or has broken the call off: work nobody waits for is not done."""
        self._stop()
        self.hold(0)

    def late(self) -> None:
        """The deadline has passed."""
        if not self.ended_out:
            self.cut(StatusCode.DEADLINE_EXCEEDED, details_of(DeadlineExceeded("the call's deadline")))

    def cut(self, code: StatusCode, details: str) -> None:
        """End the call, whatever is being done for it."""
        if self.tail is not None:
            # it was answered, and the answer waits for the caller: half of it must not look whole
            self.connection.session.reset(self, Code.CANCEL)
            self.over()
        else:
            self.outbox = None
            self.end(code, details, self.trailers)
        self._stop()

    def stopping(self) -> None:
        """The server ends, and waits no longer."""
        error = Overloaded("the server is stopping")
        self.cut(status_of(error), details_of(error))

    def turn_away(self, error: Exception) -> None:
        """Refuse a call at the door."""
        told = error if isinstance(error, PumiceError) else unforeseen(error, self)
        if self.head.verb is Verb.MANAGE and self.connection.common.audit is not None:
            # not a task of the call: one who is turned away cannot keep that off the record by going away
            task = asyncio.get_running_loop().create_task(self.conclude(b"", told))
            _RECORDING.add(task)
            task.add_done_callback(_RECORDING.discard)
        else:
            self.fail(told)

    def _stop(self) -> None:
        abandoned, self.abandoned = self.abandoned, None
        if abandoned is not None:
            abandoned()
        for task in (self._task, self._door):
            if task is not None:
                task.cancel()
        self.drained()


class Counted:
    """Counts the request that is answered inside of a ``with`` block, by its outcome.

    Args:
        stats: Counters of the version that it is for.
        protocol: Label of the face in the metrics.
    """

    __slots__ = ("_begun", "_protocol", "_stats")

    def __init__(self, stats: VersionStats, protocol: str) -> None:
        self._stats = stats
        self._protocol = protocol

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        code = "OK" if error is None else _code_of(error)
        self._stats.finished(self._protocol, code, time.perf_counter() - self._begun)


def _code_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return StatusCode.CANCELLED.name
    return status_of(error if isinstance(error, PumiceError) else PumiceError()).name
