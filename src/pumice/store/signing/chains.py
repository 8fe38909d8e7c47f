"""Certificates that vouch for a key: the chain in a bundle, held against authorities that are trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pumice.domain.errors import BadArtefact, Tampered, Untrusted
from pumice.domain.trust.policy import TRUST
from pumice.store.signing.public import id_of, known_kind

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from pumice.store.signing.public import PublicKey


def read_certificates(pem: bytes, what: str) -> list[Certificate]:
    """Read certificates in PEM.

    Raises:
        BadArtefact: There is none, or one cannot be read.
    """
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(pem)
    except ValueError:
        raise BadArtefact(what, "it holds no certificate in PEM", "give certificates in PEM") from None


def check_chain(chain: tuple[bytes, ...], authorities: Iterable[Certificate], what: str) -> tuple[PublicKey, str]:
    """Follow a chain to an authority.

    As in model-signing, the time that counts is when the signer's certificate began: when a model was signed is not
    known to anybody else. So a certificate that has expired since is taken; a key that must not be believed any longer
    has to be revoked.

    Args:
        chain: Certificates in DER, the signer's first.
        authorities: Who is trusted.
        what: What was signed, for messages.

    Returns:
        The signer's key, and the id of the authority that the chain ends at.

    Raises:
        Tampered: A certificate cannot be read.
        Untrusted: No authority vouches for it, or it is not meant for signing.
    """
    from cryptography.x509 import load_der_x509_certificate
    from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

    try:
        leaf, *between = [load_der_x509_certificate(raw) for raw in chain]
        key = known_kind(leaf.public_key(), what)
    except ValueError:
        raise Tampered(what, "a certificate of its signature cannot be read") from None
    except BadArtefact as error:
        raise Untrusted(what, error.problem, error.mend) from None
    trusted = list(authorities)
    if not trusted:
        raise Untrusted(what, "it is signed with a certificate, and no authority is trusted here", TRUST)
    verifier = (
        PolicyBuilder()
        .store(Store(trusted))
        .time(leaf.not_valid_before_utc)
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        path = verifier.verify(leaf, between).chain
    except VerificationError as error:
        raise Untrusted(what, f"no trusted authority vouches for its certificate: {error}", TRUST) from None
    if not _may_sign(leaf):
        raise Untrusted(what, "its certificate is not meant for signing", "sign with one whose key usage allows it")
    return key, id_of_certificate(path[-1], what)


def id_of_certificate(certificate: Certificate, what: str) -> str:
    """Id of a certificate's key.

    Raises:
        BadArtefact: It is of a kind that does not sign here.
    """
    return id_of(known_kind(certificate.public_key(), what))


def subject_of(raw: bytes) -> str:
    """Whose certificate it is, from its DER; it was checked before."""
    from cryptography.x509 import load_der_x509_certificate

    return load_der_x509_certificate(raw).subject.rfc4514_string()


def _may_sign(leaf: Certificate) -> bool:
    from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound, KeyUsage
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        if leaf.extensions.get_extension_for_class(KeyUsage).value.digital_signature:
            return True
    except ExtensionNotFound:
        pass
    try:
        return ExtendedKeyUsageOID.CODE_SIGNING in leaf.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except ExtensionNotFound:
        return False
