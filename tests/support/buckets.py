"""A real server of S3 over HTTP, in a process of its own that ends with the tests.

python -m tests.support.buckets        tells its port, and serves until its standard input ends
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

KEY, SECRET = "test-key-id", "test-secret-value"


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own.

    Attributes:
        endpoint: URL of the server.
        name: Name of the bucket.
    """

    endpoint: str
    name: str = field(default_factory=lambda: f"b{uuid.uuid4().hex}")

    @property
    def url(self) -> str:
        """Where a store may be."""
        return f"s3://{self.name}/some/where"

    @property
    def options(self) -> dict[str, Any]:
        """What fsspec is told."""
        return {"endpoint_url": self.endpoint, "key": KEY, "secret": SECRET}

    @property
    def settings(self) -> dict[str, Any]:
        """What a store is told."""
        return {"store_url": self.url, "store_options": self.options}

    def make(self) -> Bucket:
        """Make it; the server asks for no key."""
        assert httpx.put(f"{self.endpoint}/{self.name}").status_code == 200
        return self


def serve() -> Iterator[str]:
    """Start a server; its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.buckets"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdigit(), "the server did not start"
        yield f"http://127.0.0.1:{port}"
        process.kill()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A server for the session."""
    yield from serve()


@pytest.fixture
def bucket(s3: str) -> Bucket:
    """An empty bucket."""
    return Bucket(s3).make()


def main() -> None:
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
