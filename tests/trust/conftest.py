"""A store with something in it, and keys to sign with."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.homes import home, source, store
from tests.trust.material import Keys

__all__ = ["home", "source", "store"]


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A key pair of somebody else."""
    folder = tmp_path_factory.mktemp("stranger")
    private = generate_private_key(SECP256R1())
    keys = Keys(folder / "private.pem", folder / "public.pem")
    keys.private.touch(0o600)
    keys.private.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys.public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return keys
