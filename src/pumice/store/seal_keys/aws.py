"""Keys of AWS KMS, ``aws-kms:KEY``: the key never leaves the service, which wraps and unwraps.

Region, credentials and another endpoint are found as all of AWS's tools find them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Protocol, TypedDict

from pumice.domain.errors import KeyServiceFailed, MissingDependency
from pumice.domain.store.sealing import Bound

_SERVICE = "AWS KMS"
_WAIT_S = 10.0
"""Longest wait for a connection, and for an answer (s)."""

_NOT_THIS = {"InvalidCiphertextException", "IncorrectKeyException"}
"""What the service says of a data key that was wrapped by another key, for another version, or has changed."""


class _About(TypedDict):
    Arn: str


class _Described(TypedDict):
    KeyMetadata: _About


class _Encrypted(TypedDict):
    CiphertextBlob: bytes


class _Decrypted(TypedDict):
    Plaintext: bytes


class _Client(Protocol):
    """What is used of boto3's client."""

    def describe_key(self, *, KeyId: str) -> _Described: ...  # noqa: N803 - AWS's names

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: dict[str, str]) -> _Encrypted: ...  # noqa: N803

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: dict[str, str]) -> _Decrypted: ...  # noqa: N803


class AwsKey:
    """A key in AWS KMS, asked over HTTPS.

    Needs the rights ``kms:DescribeKey``, ``kms:Encrypt`` (to push and to wrap anew) and ``kms:Decrypt``.

    Args:
        name: Id, ARN or alias of the key.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def id(self) -> str:
        """``aws-kms:`` and the key's ARN, also where an alias was named."""
        with _telling():
            return f"aws-kms:{self._client.describe_key(KeyId=self._name)['KeyMetadata']['Arn']}"

    def wrap(self, data_key: bytes, bound: Bound) -> bytes:
        """Encrypt the data key of a version; see `SealKey.wrap`."""
        with _telling():
            told = self._client.encrypt(KeyId=self._arn, Plaintext=data_key, EncryptionContext=_context(bound))
        return told["CiphertextBlob"]

    def unwrap(self, wrapped: bytes, bound: Bound) -> bytes | None:
        """Decrypt the data key of a version; see `SealKey.unwrap`."""
        from botocore.exceptions import ClientError

        with _telling():
            try:
                told = self._client.decrypt(KeyId=self._arn, CiphertextBlob=wrapped, EncryptionContext=_context(bound))
            except ClientError as error:
                if error.response["Error"]["Code"] in _NOT_THIS:
                    return None
                raise
        return told["Plaintext"]

    @property
    def _arn(self) -> str:
        return self.id.partition(":")[2]

    @cached_property
    def _client(self) -> _Client:
        try:
            from boto3.session import Session
            from botocore.config import Config
        except ModuleNotFoundError:
            raise MissingDependency("a key in AWS KMS", "boto3", "pip install 'pumice[aws]'") from None
        patience = Config(connect_timeout=_WAIT_S, read_timeout=_WAIT_S, retries={"total_max_attempts": 3})
        client: _Client = Session().client("kms", config=patience)
        return client


def read(name: str) -> AwsKey:
    """Name a key; nothing is asked before it is used."""
    return AwsKey(name)


@contextmanager
def _telling() -> Iterator[None]:
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        raise MissingDependency("a key in AWS KMS", "boto3", "pip install 'pumice[aws]'") from None
    try:
        yield
    except ClientError as error:
        about = error.response["Error"]
        raise KeyServiceFailed(_SERVICE, f"{about['Code']}: {about['Message']}") from None
    except BotoCoreError as error:
        raise KeyServiceFailed(_SERVICE, str(error)) from None


def _context(bound: Bound) -> dict[str, str]:
    return {"pumice:model": bound.model, "pumice:version": str(bound.version)}
