"""Files of versions in and out: a push comes in parts and goes on after a break, a file is sent from any byte on."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pumice.domain.access import Verb
from pumice.domain.errors import (
    MalformedInput,
    Overloaded,
    PumiceError,
    PushRefused,
    StillSealed,
    StorageFailed,
    Tampered,
    TooLarge,
    Unsupported,
    Untrusted,
    UploadNotFound,
    VersionNotFound,
)
from pumice.domain.store.names import parse_ref
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.wishes import FileState, UploadState, UploadWish
from pumice.gateway.http.context import HttpContext
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.reading import actor_of, parameter, principal_of, query_of, read_body, read_json
from pumice.gateway.http.replies import JSON
from pumice.gateway.http.store.asking import MODEL, VERSION, name_of, ref_of, told
from pumice.service.store.outgoing import Outgoing
from pumice.service.store.uploads import PIECE_BYTES, Uploads

BYTES = "application/octet-stream"

_UPLOAD = f"{MODEL}/uploads/{{upload}}"
_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")
_NUMBER = re.compile(r"[0-9]{1,18}")
_AT_ONCE = 2
"""Pushes that are brought into the store at once; others wait. A push has threads of its own."""


def endpoints(context: HttpContext) -> Iterator[Endpoint]:
    """List the routes."""
    transfers = _Transfers(context)
    yield Endpoint("POST", f"{MODEL}/uploads", Verb.MANAGE, told(transfers.begin), _BEGIN)
    yield Endpoint("PUT", f"{_UPLOAD}/files/{{file}}", Verb.MANAGE, told(transfers.write), _WRITE, quiet=True)
    yield Endpoint("POST", f"{_UPLOAD}/finish", Verb.MANAGE, told(transfers.finish), _FINISH)
    yield Endpoint("DELETE", _UPLOAD, Verb.MANAGE, told(transfers.forget), _FORGET, quiet=True)
    yield Endpoint("GET", f"{VERSION}/manifest", Verb.TAKE, told(transfers.manifest), _MANIFEST)
    yield Endpoint("GET", f"{VERSION}/files", Verb.TAKE, told(transfers.file), _FILE)


class _Transfers:
    def __init__(self, context: HttpContext) -> None:
        self._ask = context.store.ask
        self._limits = context.uploads
        self._most_json = context.most_of_json
        self._most_bytes = min(context.max_body_bytes, PIECE_BYTES)
        self._pushing = asyncio.Semaphore(_AT_ONCE)

    async def begin(self, request: Request) -> object:
        query_of(request, ())
        wish = await read_json(request, UploadWish, self._most_json)
        for parent in wish.parents:  # its files are taken over where they are the same
            principal_of(request).permit(Verb.TAKE, parse_ref(parent).model)
        name, limits, most = name_of(request), self._limits, self._most_bytes
        return await self._ask(lambda store: Uploads(store, limits).begin(name, wish, most), actor_of(request))

    async def write(self, request: Request) -> object:
        at = _number("parameter 'offset'", query_of(request, ("offset",)).get("offset", ""))
        file = _number("number of the file", parameter(request, "file"))
        name, upload = name_of(request), parameter(request, "upload")
        data = await read_body(request, self._most_bytes)
        limits = self._limits
        return FileState(await self._ask(lambda store: Uploads(store, limits).write(name, upload, file, at, data)))

    async def finish(self, request: Request) -> object:
        query_of(request, ())
        name, upload, limits = name_of(request), parameter(request, "upload"), self._limits
        async with self._pushing:
            actor = actor_of(request)
            record = await self._ask(lambda store: Uploads(store, limits).finish(name, upload), actor)
        request.state.audited = {"version": str(record.version), "digest": record.digest}
        return record

    async def forget(self, request: Request) -> object:
        query_of(request, ())
        name, upload, limits = name_of(request), parameter(request, "upload"), self._limits
        await self._ask(lambda store: Uploads(store, limits).forget(name, upload))
        return Response(status_code=204)

    async def manifest(self, request: Request) -> object:
        query_of(request, ())
        ref = ref_of(request)
        return Response(await self._ask(lambda store: store.shipping.manifest(ref)), media_type=JSON)

    async def file(self, request: Request) -> object:
        path = query_of(request, ("path",)).get("path")
        if path is None:
            raise MalformedInput("parameter 'path'", "missing; expected the path of a file in the version")
        ref = ref_of(request)
        return await FileStream.of(request, await self._ask(lambda store: store.shipping.file(ref, path)))


class FileStream(Response):
    """A file of a version, from the byte that is asked for to its end; a caller who goes away ends it.

    Args:
        out: The file, closed in the end.
        first: What was read of it already.
        status: HTTP status.
        headers: Of the answer.
    """

    media_type = BYTES

    def __init__(self, out: Outgoing, first: bytes, status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        self._out = out
        self._first = first

    @classmethod
    async def of(cls, request: Request, out: Outgoing) -> FileStream:
        """Begin a file where its caller wants it. What is wrong with its first bytes is told by the status."""
        try:
            size, digest = out.file.size, out.file.sha256
            start = _start(request, size, f'"{digest}"')
            headers = {
                "content-length": str(size - start),
                "accept-ranges": "bytes",
                "etag": f'"{digest}"',
                "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:",
                "cache-control": "no-store",
            }
            headers |= {"content-range": f"bytes {start}-{size - 1}/{size}"} if start else {}
            out.start(start)
            first = b"" if request.method == "HEAD" else await asyncio.to_thread(out.block)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(out.close))
            raise
        return cls(out, first, 206 if start else 200, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, the next block being read meanwhile."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            block = b"" if scope["method"] == "HEAD" else self._first
            while block and not gone.done():
                following = asyncio.ensure_future(asyncio.to_thread(self._out.block))
                try:
                    await send({"type": "http.response.body", "body": block, "more_body": True})
                finally:
                    await asyncio.wait({following})  # nobody else may use the file meanwhile
                block = following.result()
            if not gone.done():
                await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            await asyncio.shield(asyncio.to_thread(self._out.close))


def _start(request: Request, size: int, etag: str) -> int:
    """The first byte that is wanted. Other ranges than one to the end are answered with the whole, as HTTP allows."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or request.headers.get("if-range", etag) != etag:
        return 0
    start = int(found[1])
    to_the_end = not found[2] or int(found[2]) >= size - 1
    return start if start < size and to_the_end else 0


def _number(what: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise MalformedInput(what, f"'{text[:40]}'; expected a number from 0")
    return int(text)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_GROUP = "models"
_ERRORS: tuple[type[PumiceError], ...] = (MalformedInput, VersionNotFound, Tampered, Untrusted, StorageFailed)
_BEGIN = Doc(
    _GROUP,
    Text("Begin a push, or go on with one that was cut off", "开始推送，或继续中断的推送"),
    {200: Answer(UploadState, Text("What is there already of each file.", "各文件已有的字节数。"))},
    (MalformedInput, TooLarge, VersionNotFound, Overloaded, Unsupported, StorageFailed),
    UploadWish,
    {
        "files": [
            {
                "path": "model.onnx",
                "size": 1024,
                "sha256": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
            }
        ],
        "entry": "model.onnx",
        "reason": "trained on more texts",
    },
)
_WRITE = Doc(
    _GROUP,
    Text("Send bytes of a file that follow on those that are there", "发送文件的后续字节"),
    {200: Answer(FileState, Text("What is there now.", "现有的字节数。"))},
    (MalformedInput, TooLarge, UploadNotFound, Overloaded, StorageFailed),
    BYTES,
    query=("offset",),
)
_FINISH = Doc(
    _GROUP,
    Text("Store what was sent as the next version", "将已发送的文件存为下一个版本"),
    {200: Answer(VersionRecord, Text("The version; asked again, the same.", "该版本；重复请求结果相同。"))},
    (MalformedInput, UploadNotFound, VersionNotFound, PushRefused, Tampered, Untrusted, StorageFailed),
)
_FORGET = Doc(
    _GROUP,
    Text("Give up a push, or say that its result was heard", "放弃推送，或确认已收到结果"),
    {204: Answer(None, Text("The server knows nothing of it any more.", "服务器已不再保留。"))},
    (MalformedInput, UploadNotFound, StorageFailed),
)
_MANIFEST = Doc(
    _GROUP,
    Text("The manifest of a version, byte by byte what its digest is of", "版本清单的原始字节，即摘要所对应的内容"),
    {200: Answer(dict, Text("JSON whose SHA-256 is the version's digest.", "其 SHA-256 即版本摘要的 JSON。"))},
    _ERRORS,
)
_FILE = Doc(
    _GROUP,
    Text("A file of a version, from any byte on", "版本中的文件，可从任意字节开始"),
    {
        200: Answer(BYTES, Text("The file; its SHA-256 is in the headers.", "文件内容；SHA-256 见响应头。")),
        206: Answer(BYTES, Text("The file from the byte that was asked for.", "从所请求字节开始的文件内容。")),
    },
    (*_ERRORS, StillSealed),
    headers=("range", "if-range"),
    query=("path",),
)
