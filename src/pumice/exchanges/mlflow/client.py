"""The few calls of MLflow's REST interface that an exchange needs (https://mlflow.org/docs/latest/api_reference/rest-api.html).

MLflow's own client is not used: it takes 120 MB and seconds to import for a dozen calls of JSON over HTTP, and nothing
that it could do with a model may be done here.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from pumice.domain.errors import BadArtefact, ExchangeFailed, MalformedInput, StorageFailed, Unsupported
from pumice.domain.store.names import check_path
from pumice.exchanges.base import Access
from pumice.exchanges.folders import MOST_FILES

SCHEME = "mlflow-artifacts:/"
"""Where artefacts lie that the server itself gives out."""

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_BLOCK = 1 << 20
_MOST_ANSWER_BYTES = 16 << 20
_DEEPEST = 32
_MEND = "see that the address is that of an MLflow server, and that it may be used with PUMICE_EXCHANGE_TOKEN"


class Server:
    """An MLflow server; use it in a ``with`` block.

    Args:
        url: Its address.
        access: What it is shown.
    """

    def __init__(self, url: str, access: Access) -> None:
        self.url = url.rstrip("/")
        user, colon, password = access.token.partition(":")
        headers = {"Authorization": f"Bearer {access.token}"} if access.token and not colon else {}
        verify = ssl.create_default_context(cafile=access.ca) if access.ca else True
        self._http = httpx.Client(
            headers=headers, auth=(user, password) if colon else None, verify=verify, timeout=_TIMEOUT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, call: str, **query: str) -> dict[str, Any]:
        """Ask.

        Raises:
            ExchangeFailed: The server cannot be reached, or said no.
        """
        return self._json("GET", call, params=query)

    def post(self, call: str, **body: object) -> dict[str, Any]:
        """Change something.

        Raises:
            ExchangeFailed: The server cannot be reached, or said no.
        """
        return self._json("POST", call, json=body)

    def files(self, root: str) -> Iterator[tuple[str, str]]:
        """List the files below a place of the server's artefacts.

        Args:
            root: An artefact URI.

        Yields:
            The path below the root, and the place.

        Raises:
            Unsupported: The server does not give out what lies there.
            MalformedInput: A path leads out, or there are too many.
        """
        top = place_of(root)
        waiting, count = [""], 0
        while waiting:
            folder = waiting.pop()
            place = f"{top}/{folder}" if folder else top
            for entry in self.get("mlflow-artifacts/artifacts", path=place).get("files", []):
                name = str(entry.get("path", "")).rpartition("/")[2]
                path = check_path(f"{folder}/{name}" if folder else name)
                count += 1
                if count > MOST_FILES or path.count("/") > _DEEPEST:
                    raise MalformedInput(
                        "artefacts", f"more than {MOST_FILES} files, or folders in folders without end"
                    )
                if entry.get("is_dir"):
                    waiting.append(path)
                else:
                    yield path, f"{top}/{path}"

    def download(self, place: str, target: Path) -> int:
        """Write an artefact into a file that is not there yet, and return its length (bytes).

        Raises:
            ExchangeFailed: The server cannot be reached, or said no.
            StorageFailed: It could not be written.
        """
        try:
            with self._http.stream("GET", self._artefact(place)) as answer:
                _check(answer, self.url)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    for block in answer.iter_bytes(_BLOCK):
                        file.write(block)
                    return file.tell()
        except httpx.HTTPError as error:
            raise self._failed(error) from error
        except OSError as error:
            raise StorageFailed(str(target), error.strerror or str(error)) from error

    def upload(self, source: Path, place: str) -> int:
        """Send a file, and return its length (bytes).

        Raises:
            ExchangeFailed: The server cannot be reached, or said no.
        """
        size = source.stat().st_size
        try:
            with source.open("rb") as file:
                blocks = iter(lambda: file.read(_BLOCK), b"")
                headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
                answer = self._http.put(self._artefact(place), content=blocks, headers=headers)
            _check(answer, self.url)
        except httpx.HTTPError as error:
            raise self._failed(error) from error
        return size

    def _artefact(self, place: str) -> str:
        return f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{quote(place)}"

    def _json(self, method: str, call: str, **given: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, f"{self.url}/api/2.0/{call}", **given)
            _check(answer, self.url)
            found = answer.json() if len(answer.content) <= _MOST_ANSWER_BYTES else None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed(error) from error
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ExchangeFailed(self.url, f"its answer to {call} is no JSON object", _MEND)
        return found

    def _failed(self, error: Exception) -> ExchangeFailed:
        return ExchangeFailed(self.url, f"it cannot be reached ({error})", _MEND)


def place_of(uri: str) -> str:
    """Where an artefact URI points to on the server.

    Raises:
        Unsupported: It points to storage that the server does not give out.
        MalformedInput: It leads out.
    """
    if not uri.startswith(SCHEME) or uri.startswith(f"{SCHEME}/"):
        raise Unsupported(f"artefacts at {uri[:80]!r}", "start the MLflow server with --serve-artifacts")
    return check_path(uri.removeprefix(SCHEME).strip("/"))


def model_uri_root(server: Server, model: str, version: Mapping[str, Any]) -> str:
    """Where the files of a registered version lie.

    Raises:
        BadArtefact: The server does not say.
        ExchangeFailed: It cannot be reached, or said no.
    """
    told = server.get("mlflow/model-versions/get-download-uri", name=model, version=str(version.get("version")))
    uri = told.get("artifact_uri")
    if not isinstance(uri, str) or not uri:
        raise BadArtefact(f"{model}@{version.get('version')}", "the server does not say where its files are", _MEND)
    return uri


def _check(answer: httpx.Response, url: str) -> None:
    if answer.is_success:
        return
    answer.read()
    try:
        told = answer.json()
        problem = str(told["message"]) if isinstance(told, dict) and "message" in told else answer.reason_phrase
    except ValueError:
        problem = answer.reason_phrase
    raise ExchangeFailed(url, f"it answered {answer.status_code}: {problem[:300]}", _MEND)
