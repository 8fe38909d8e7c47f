"""The OpenAPI 3.1 document, made from the list of routes and the types that they read and write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any

import msgspec

from pumice.domain.access import Verb
from pumice.domain.errors import Forbidden, OverShare, PumiceError, RateLimited, Unauthenticated, Unavailable
from pumice.gateway.http.endpoint import Answer, Doc, Endpoint, Text
from pumice.gateway.http.errors import PROBLEM_JSON, STATUSES, OipError, Problem, is_oip_shaped
from pumice.gateway.http.replies import JSON

GROUPS: Mapping[str, Text] = {
    "oip": Text("Open Inference Protocol v2", "开放推理协议 v2"),
    "kserve": Text("KServe v1 and TensorFlow Serving", "KServe v1 与 TensorFlow Serving"),
    "tasks": Text("Asynchronous tasks", "异步任务"),
    "health": Text("Health", "健康检查"),
    "models": Text("The model store", "模型仓库"),
    "keys": Text("Keys", "密钥"),
    "server": Text("The server itself", "服务器"),
}
"""Groups of routes, in the order in which they are shown."""

HEADERS: Mapping[str, Text] = {
    "x-request-id": Text(
        "Id of the request in logs and in the answer; one is made if it is left out.",
        "请求标识，写入日志与响应；省略时自动生成。",
    ),
    "x-timeout-ms": Text(
        "How long the caller waits (ms); work that nobody waits for is not started.",
        "调用方最长等待时间（毫秒），超时的请求不再执行。",
    ),
    "traceparent": Text("W3C trace context, passed on.", "W3C 追踪上下文，向后传递。"),
    "content-encoding": Text("gzip or deflate, if the body is compressed.", "正文压缩方式：gzip 或 deflate。"),
    "inference-header-content-length": Text(
        "Length of the JSON (bytes) where binary tensors follow it; 0: the body is the only input's bytes.",
        "正文中 JSON 部分的字节数，其后为二进制张量；0 表示正文即唯一输入的字节。",
    ),
    "range": Text(
        "bytes=N-: begin at this byte, to go on with what was cut off.", "bytes=N-：从该字节开始，用于断点续传。"
    ),
    "if-range": Text(
        "The ETag of what is there already; if it is another file now, all of it is sent.",
        "已有部分的 ETag；若文件已不同，则发送全部内容。",
    ),
    "prefer": Text(
        "wait=SECONDS: answer with the result if it is there in time.", "wait=秒数：及时完成则直接返回结果。"
    ),
}
"""Request headers that routes heed."""

QUERY: Mapping[str, Text] = {
    "at": Text(
        "A moment: seconds since 1970, or a time with its zone such as 2026-03-03T10:00:00Z.",
        "时刻：1970 年以来的秒数，或带时区的时间，如 2026-03-03T10:00:00Z。",
    ),
    "against": Text(
        "The version after the change: NAME, NAME@VERSION or NAME@ALIAS.",
        "变更后的版本：NAME、NAME@VERSION 或 NAME@ALIAS。",
    ),
    "reason": Text("Why, for the journal.", "原因，写入变更日志。"),
    "path": Text("Path of the file in the version.", "文件在版本中的路径。"),
    "offset": Text("Place of the first byte in the file.", "首字节在文件中的位置。"),
}
"""What routes heed behind the question mark."""

_NEEDED_QUERY = frozenset({"against", "path", "offset"})

_PARAMETERS: Mapping[str, Text] = {
    "model": Text("Name of the model, percent-encoded.", "模型名称（百分号编码）。"),
    "version": Text("Version of the model.", "模型版本。"),
    "task_id": Text("Id of the task.", "任务标识。"),
    "ref": Text(
        "A version: its number, an alias that points to it, or - for the newest.",
        "版本：编号、指向它的别名，或 - 表示最新版本。",
    ),
    "alias": Text("An alias, such as prod.", "别名，如 prod。"),
    "request_id": Text("Id of the request.", "请求标识。"),
    "key_id": Text("Id of the key.", "密钥标识。"),
    "upload": Text("Name of the push, from its beginning.", "推送的标识，由开始推送时返回。"),
    "file": Text("Place of the file in the list that was sent, from 0.", "文件在所发列表中的序号，从 0 开始。"),
    "signer": Text("Id of the key that signs, or its beginning (8 digits or more).", "密钥标识或其开头（至少 8 位）。"),
    "region": Text("Name of the region of shared memory, percent-encoded.", "共享内存区域的名称（百分号编码）。"),
}

_ERRORS_ZH: Mapping[int, str] = {
    400: "请求无法解析",
    401: "未提供有效的密钥",
    403: "密钥无此权限",
    404: "不存在",
    409: "正在使用，不能更改",
    413: "过大",
    422: "不符合模型签名或限制",
    429: "该调用方超出其限额，请稍后重试",
    499: "调用方已断开",
    500: "模型或服务器出错",
    501: "不支持",
    503: "暂不可用，请稍后重试",
    504: "超过时限",
}

CONNECTION: Mapping[int, Text] = {
    400: Text("What came is no HTTP request, or contradicts itself.", "不是合法的 HTTP 请求，或自相矛盾。"),
    408: Text("The head or the body came too slowly.", "请求头或正文到达过慢。"),
    413: Text("The body is too large.", "正文过大。"),
    414: Text("The target is too long.", "请求目标过长。"),
    431: Text("The head is too large, or has too many headers.", "请求头过大或过多。"),
    501: Text("A method that HTTP does not have, or a transfer coding other than chunked.", "未知方法或传输编码。"),
    503: Text("Too many connections are open.", "连接数已达上限。"),
    505: Text("Another version than HTTP/1.0 and HTTP/1.1.", "仅支持 HTTP/1.0 与 HTTP/1.1。"),
}
"""What a connection answers before a route is found, and then closes."""

_PATH_PARAMETER = re.compile(r"{(\w+)}")
_ATTRIBUTES = "\n\nAttributes:\n"
_RETRY_AFTER = {"retry-after": {"description": "Seconds.", "schema": {"type": "integer"}}}
_REF = "#/components/schemas/{name}"

Json = dict[str, Any]


def document(endpoints: Iterable[Endpoint], title: str, version: str) -> bytes:
    """Write the document.

    Args:
        endpoints: All routes; those without a `Doc` are left out.
        title: Name of the server.
        version: Its version.

    Returns:
        JSON. Chinese texts stand under ``x-zh`` beside the English ones.
    """
    documented = [(endpoint, endpoint.doc) for endpoint in endpoints if endpoint.doc is not None]
    schemas = _Schemas(_types(documented))
    paths: dict[str, Json] = {}
    for endpoint, doc in documented:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, doc, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": title, "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            "tags": [{"name": tag, "description": text.en, "x-zh": text.zh} for tag, text in GROUPS.items()],
            "paths": paths,
            "components": {
                "schemas": schemas.components,
                "responses": {
                    str(status): _connection_answer(status, text, schemas) for status, text in CONNECTION.items()
                },
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


class _Schemas:
    """JSON schemas of all types, each struct once."""

    def __init__(self, types: list[Any]) -> None:
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._schemas = list(zip(types, schemas, strict=True))
        for component in self.components.values():
            _tell_attributes(component)

    def of(self, body: Any) -> Json:
        """The schema of a type, or of any of several."""
        if isinstance(body, tuple):
            return {"anyOf": [self.of(one) for one in body]}
        return next(schema for kind, schema in self._schemas if kind == body)


def _types(documented: list[tuple[Endpoint, Doc]]) -> list[Any]:
    types: list[Any] = [Problem, OipError]
    for _, doc in documented:
        answers = doc.answers.values()
        for body in (doc.body, *(answer.body for answer in answers), *(answer.event for answer in answers)):
            for kind in body if isinstance(body, tuple) else (body,):
                if kind is not None and not isinstance(kind, str) and kind not in types:
                    types.append(kind)
    return types


def _tell_attributes(component: Json) -> None:
    """Move what a docstring says of attributes to the properties that they are."""
    text, _, attributes = cleandoc(component.get("description", "")).partition(_ATTRIBUTES)
    component["description"] = _commonmark(text)
    for name, told in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE):
        if name in component.get("properties", {}):
            component["properties"][name]["description"] = _commonmark(told)


def _commonmark(text: str) -> str:
    """Turn a docstring's markup into that of OpenAPI."""
    return " ".join(text.replace("``", "`").split())


def _operation(endpoint: Endpoint, doc: Doc, schemas: _Schemas) -> Json:
    names = _PATH_PARAMETER.findall(endpoint.path)
    operation: Json = {
        "operationId": _operation_id(endpoint),
        "tags": [doc.tag],
        "summary": doc.summary.en,
        "x-zh": doc.summary.zh,
        "parameters": [
            *(_parameter(name, "path", _PARAMETERS[name]) for name in names),
            *(_parameter(name, "query", QUERY[name]) for name in doc.query),
            *(_parameter(name, "header", HEADERS[name]) for name in doc.headers),
        ],
        "responses": _responses(endpoint, doc, schemas),
        # an empty one: a server without authentication asks for none
        "security": [] if endpoint.verb is Verb.OPEN else [{"bearer": []}, {}],
    }
    if doc.body is not None:
        if isinstance(doc.body, str):
            kind, content = doc.body, {"schema": {"type": "string", "format": "binary"}}
        else:
            kind, content = JSON, {"schema": schemas.of(doc.body), "example": doc.example}
        operation["requestBody"] = {"required": not doc.body_optional, "content": {kind: content}}
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    return "_".join(re.findall(r"\w+", f"{endpoint.method.lower()} {endpoint.path}"))


def _parameter(name: str, place: str, text: Text) -> Json:
    schema = {"type": "string"}
    required = place == "path" or name in _NEEDED_QUERY
    return {"name": name, "in": place, "required": required, "description": text.en, "x-zh": text.zh, "schema": schema}


def _responses(endpoint: Endpoint, doc: Doc, schemas: _Schemas) -> Json:
    responses = {str(status): _answer(answer, schemas) for status, answer in doc.answers.items()}
    by_status: dict[int, list[type[PumiceError]]] = {}
    at_the_door = () if endpoint.verb is Verb.OPEN else (Unauthenticated, Forbidden, RateLimited)
    for error in (*doc.errors, *at_the_door, PumiceError):
        by_status.setdefault(STATUSES[error], []).append(error)
    shape, media_type = (OipError, JSON) if is_oip_shaped(endpoint.path) else (Problem, PROBLEM_JSON)
    for status, errors in sorted(by_status.items()):
        response: Json = {
            "description": "; ".join(dict.fromkeys(error.title for error in errors)),
            "x-zh": _ERRORS_ZH[status],
            "content": {media_type: {"schema": schemas.of(shape)}},
        }
        if any(issubclass(error, Unavailable | RateLimited | OverShare) for error in errors):
            response["headers"] = _RETRY_AFTER
        responses.setdefault(str(status), response)
    for status in CONNECTION:
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{status}"})
    if "$ref" not in responses["503"]:  # one connection too many is told before its request is read
        responses["503"].setdefault("content", {}).setdefault(PROBLEM_JSON, {"schema": schemas.of(Problem)})
    return dict(sorted(responses.items()))


def _connection_answer(status: int, text: Text, schemas: _Schemas) -> Json:
    """What is said before it is known which protocol is spoken has either shape."""
    response: Json = {
        "description": text.en,
        "x-zh": text.zh,
        "content": {PROBLEM_JSON: {"schema": schemas.of(Problem)}, JSON: {"schema": schemas.of(OipError)}},
    }
    if status == 503:
        response["headers"] = _RETRY_AFTER
    return response


def _answer(answer: Answer, schemas: _Schemas) -> Json:
    response: Json = {"description": answer.text.en, "x-zh": answer.text.zh}
    if answer.event is not None:
        data = {"type": "string", "contentMediaType": JSON, "contentSchema": schemas.of(answer.event)}
        event = {"type": "object", "required": ["data"], "properties": {"data": data}}
        response["content"] = {answer.body: {"schema": event}}
    elif isinstance(answer.body, str):
        response["content"] = {answer.body: {"schema": {"type": "string"}}}
    elif answer.body is not None:
        response["content"] = {JSON: {"schema": schemas.of(answer.body)}}
    return response
