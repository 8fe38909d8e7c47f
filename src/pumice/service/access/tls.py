"""Certificates of the server, for HTTP and gRPC alike, taken anew when their files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pumice.domain.errors import BadArtefact

LOOK_EVERY_S = 1.0
"""How often the files are looked at (s)."""

HTTP, GRPC = "http/1.1", "h2"
"""What is spoken on the two ports, in the words of ALPN."""

_log = logging.getLogger("pumice.access")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificates are, in PEM.

    Attributes:
        cert: The server's certificate, with those between it and its authority.
        key: Its private key.
        client_ca: Authorities of the clients' certificates; None: clients need none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """What the files held when they were last read and fitted together."""

    cert: bytes
    key: bytes
    client_ca: bytes | None
    contexts: Mapping[str, ssl.SSLContext]


class Certificates:
    """The certificates in use.

    Args:
        files: Where they are.

    Attributes:
        current: The newest that could be used.

    Raises:
        BadArtefact: They cannot be used.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = self._stamp()
        self.current = self._load()
        self._served = {protocol: self._listening(protocol) for protocol in (HTTP, GRPC)}

    @property
    def context(self) -> ssl.SSLContext:
        """For listening sockets of HTTP: each new connection has the newest certificates."""
        return self._served[HTTP]

    @property
    def grpc_context(self) -> ssl.SSLContext:
        """The same for sockets of gRPC."""
        return self._served[GRPC]

    @property
    def asks_clients(self) -> bool:
        """Whether clients need certificates of their own."""
        return self._files.client_ca is not None

    async def watch(self) -> None:
        """Look at the files for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take the files if they have changed; those that cannot be used are told in the log, and the old ones stay."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self.current = self._load()
        except BadArtefact as error:
            _log.error("new certificates cannot be used; the old ones stay", extra={"problem": error.message})
        else:
            _log.info("new certificates are in use", extra={"file": str(self._files.cert)})

    def _listening(self, protocol: str) -> ssl.SSLContext:
        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self.current.contexts[protocol]

        made = self._context(protocol)
        # asked at the beginning of every handshake, whether or not the client names a server
        made.sni_callback = choose
        return made

    def _load(self) -> Pair:
        files = self._files
        contexts = {protocol: self._context(protocol) for protocol in (HTTP, GRPC)}
        try:
            ca = files.client_ca.read_bytes() if files.client_ca else None
            return Pair(files.cert.read_bytes(), files.key.read_bytes(), ca, contexts)
        except OSError as error:
            raise _unusable(files.cert, error) from error

    def _context(self, protocol: str) -> ssl.SSLContext:
        files = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([protocol])
        try:
            context.load_cert_chain(files.cert, files.key)
            if files.client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(files.client_ca)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise _unusable(files.cert, error) from error
        return context

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp_of(file) for file in (self._files.cert, self._files.key, self._files.client_ca) if file)


def subject_of(certificate: Any) -> str:
    """Return the common name of a client's certificate, as `ssl` tells it; empty if there is none."""
    for part in (certificate or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return ""


def _stamp_of(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _unusable(cert: Path, error: Exception) -> BadArtefact:
    problem = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return BadArtefact(str(cert), f"not usable with its key: {problem}", "give a PEM certificate chain and its own key")
