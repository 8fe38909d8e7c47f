"""The model store of a server, for work on this side: sources are looked at, and signatures checked, here."""

from __future__ import annotations

from pathlib import Path

from pumice.client import Client
from pumice.client.transfers import Package
from pumice.config import Settings
from pumice.domain.errors import BadArtefact, BadSetting
from pumice.domain.store.manifest import StoredFile, VersionManifest
from pumice.domain.store.names import check_model_name
from pumice.domain.store.records import Move, VersionRecord
from pumice.domain.store.told import Shown, SignedStatement
from pumice.domain.trust.bundles import encode_bundle
from pumice.domain.trust.statements import SIGNATURE_FILE, encode_statement, files_statement
from pumice.service.store.describing import describe
from pumice.service.store.receiving import HomeTrust
from pumice.service.store.types import Progress, PushWish
from pumice.store.signing.keyring import Keyring
from pumice.store.tree import SourceFile, sha256_of


def _silent(_done: int, _total: int) -> None:
    """Tells nobody."""


class RemoteStatements:
    """What is signed of the versions of a server.

    Args:
        client: How the server is spoken to.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def of(self, ref: str) -> list[SignedStatement]:
        """Every signed statement about a version, as Sigstore bundles, the oldest first."""
        return self._client.store.statements(ref)


class RemoteStore:
    """What `Store` does, done with the store of a server.

    Args:
        client: How the server is spoken to.
        settings: Those of this side: its home, its keys, and whom it trusts.
        signs: Whether this home's key signs what is pushed, beside the server's.

    Attributes:
        home: The home of this side.
        statements: What is signed of versions there.
    """

    def __init__(self, client: Client, settings: Settings, *, signs: bool = False) -> None:
        self.home = settings.home_path
        self.statements = RemoteStatements(client)
        self._client = client
        self._settings = settings
        self._signs = signs

    def push(
        self, source: str | Path, name: str, wish: PushWish | None = None, progress: Progress = _silent
    ) -> VersionRecord:
        """Store a source as the next version of a model there; as `Store.push`.

        The source is looked at on this side first, so that what the server would refuse is not sent. A Python model is
        sent as its code, which the server takes only if it is set to.

        Raises:
            PumiceError: As `Store.push`, and what the server says.
        """
        described = describe(str(source))
        entry = Path(source).name if Path(source).expanduser().is_file() else ""
        files = described.files
        if self._signs:
            files = self._signed(check_model_name(name), files)
        return self._client.store.push(Package(files, entry), name, wish, progress)

    def pull(
        self, ref: str, folder: str | Path, progress: Progress = _silent, *, unseal: bool = False
    ) -> VersionRecord:
        """Write the files of a version into a folder; as `Store.pull`. Signatures are checked on this side, too.

        Raises:
            BadSetting: It was to be unsealed.
            PumiceError: As `Store.pull`, and what the server says.
        """
        if unseal:
            raise BadSetting(
                "--unseal", "together with --url", "one of them: nothing that is sealed leaves a server in the clear"
            )
        return self._client.store.pull(ref, folder, progress, trust=HomeTrust.of(self._settings))

    def show(self, ref: str) -> Shown:
        """All that is known of a version."""
        return self._client.store.show(ref)

    def alias(self, name: str, alias: str, version: int, reason: str = "") -> Move:
        """Let an alias point to a version."""
        return self._client.store.alias(name, alias, version, reason)

    def _signed(self, model: str, files: list[SourceFile]) -> list[SourceFile]:
        if any(file.path == SIGNATURE_FILE for file in files):
            raise BadArtefact(SIGNATURE_FILE, "the folder is signed already", "push it without --sign")
        stored = [StoredFile(file.path, file.size, sha256_of(file), []) for file in files]
        said = files_statement(model, VersionManifest(files=stored))
        keyring = Keyring(self.home, self._settings.signing_key, self._settings.signing_certificate)
        body = encode_bundle(keyring.signing.sign(encode_statement(said)))
        return [*files, SourceFile(SIGNATURE_FILE, Path(SIGNATURE_FILE), len(body), body)]
