"""The key that a home signs with: its own, made at the first use, or one that the settings name.

No method, message or `repr` tells anything of a private key but the id of its public one.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pumice.domain.errors import BadArtefact, StorageFailed
from pumice.domain.trust.bundles import Bundle, pae
from pumice.store.private_files import make_once
from pumice.store.signing.public import ecdsa, id_of, known_kind, pem_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey

FOLDER = "keys"
FILE_NAME = "signing.pem"
_MEND = "give an unencrypted private key for ECDSA or Ed25519, in PEM (PKCS 8)"


class SigningKey:
    """A key that signs.

    Args:
        private: The key.
        chain: Certificates in DER that vouch for it, its own first; none: the key speaks for itself.
    """

    def __init__(self, private: PrivateKey, chain: tuple[bytes, ...] = ()) -> None:
        self._private = private
        self.chain = chain
        self.public = pem_of(private.public_key())
        self.id = id_of(private.public_key())

    def __repr__(self) -> str:
        return f"SigningKey({self.id[:16]})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a signing key is not copied into files or other processes")

    def sign(self, payload: bytes) -> Bundle:
        """Sign a statement."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if isinstance(self._private, Ed25519PrivateKey):
            signature = self._private.sign(pae(payload))
        else:
            signature = self._private.sign(pae(payload), ecdsa(self._private))
        return Bundle(key="" if self.chain else self.id, chain=self.chain, payload=payload, signature=signature)


def home_file(home: Path) -> Path:
    """Where a home keeps the key that it made itself."""
    return home / FOLDER / FILE_NAME


def make_key(file: Path) -> None:
    """Make a key for ECDSA on P-256, readable for its user alone, unless there is one.

    Raises:
        StorageFailed: It cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        make_once(file, made)
    except OSError as error:
        raise StorageFailed(str(file), error.strerror or str(error)) from error


def read_key(file: Path, certificates: Path | None = None) -> SigningKey:
    """Read a private key, and the certificates that vouch for it.

    Raises:
        BadArtefact: It is no such key, everybody on the machine may read it, or the certificates are another key's.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o007:
            raise BadArtefact(str(file), "everybody on this machine may read this private key", f"chmod 600 {file}")
        found = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise BadArtefact(str(file), f"it cannot be read: {error.strerror}", _MEND) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        raise BadArtefact(str(file), "it is no private key that can be read", _MEND) from None
    known_kind(found.public_key() if hasattr(found, "public_key") else None, str(file))
    private: PrivateKey = found  # type: ignore[assignment] # its public half was just looked at
    return SigningKey(private, _chain(certificates, private) if certificates else ())


def _chain(file: Path, private: PrivateKey) -> tuple[bytes, ...]:
    from cryptography.hazmat.primitives.serialization import Encoding

    from pumice.store.signing.chains import read_certificates

    try:
        found = read_certificates(file.read_bytes(), str(file))
    except OSError as error:
        raise BadArtefact(str(file), f"it cannot be read: {error.strerror}", "mend its path") from None
    if found[0].public_key() != private.public_key():
        raise BadArtefact(str(file), "its first certificate is of another key", "put the key's own certificate first")
    return tuple(one.public_bytes(Encoding.DER) for one in found)
