"""Public keys: what is read from PEM, their ids, and checking a signature with them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pumice.domain.errors import BadArtefact, Tampered
from pumice.domain.trust.bundles import pae

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    PublicKey = EllipticCurvePublicKey | Ed25519PublicKey

_MEND = "give a key for ECDSA (P-256, P-384 or P-521) or Ed25519, in PEM"


def read_public(pem: bytes, what: str) -> PublicKey:
    """Read a public key.

    Raises:
        BadArtefact: It is none, or of a kind that does not sign here.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return known_kind(load_pem_public_key(pem), what)
    except (ValueError, UnsupportedAlgorithm):
        raise BadArtefact(what, "it is no public key in PEM", _MEND) from None


def known_kind(key: object, what: str) -> PublicKey:
    """Return a public key of a kind that signs here.

    Raises:
        BadArtefact: It is of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in {"secp256r1", "secp384r1", "secp521r1"}:
        return key
    raise BadArtefact(what, "a key of a kind that does not sign here", _MEND)


def pem_of(key: PublicKey) -> bytes:
    """A public key in PEM, in its one form."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def id_of(key: PublicKey) -> str:
    """Id of a key: SHA-256 of its PEM, in hex, as model-signing has it."""
    return hashlib.sha256(pem_of(key)).hexdigest()


def check_signature(key: PublicKey, payload: bytes, signature: bytes, what: str) -> None:
    """Hold a signature against the statement that was signed.

    Raises:
        Tampered: It is not this key's signature over these bytes.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, pae(payload))
        else:
            key.verify(signature, pae(payload), ecdsa(key))
    except InvalidSignature:
        raise Tampered(what, f"the signature by {id_of(key)[:16]} does not fit what it signs") from None


def ecdsa(key: EllipticCurvePublicKey | EllipticCurvePrivateKey) -> ECDSA:
    """ECDSA with the hash that model-signing uses for the curve."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    kinds: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    return ECDSA(kinds[key.curve.key_size])
