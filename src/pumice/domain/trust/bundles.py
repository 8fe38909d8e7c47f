"""Signed statements as files: a DSSE envelope in a Sigstore bundle, as OpenSSF model-signing writes and reads it.

Sources: github.com/secure-systems-lab/dsse (protocol 1.0), docs.sigstore.dev/about/bundle (version 0.3),
github.com/sigstore/model-transparency (key ids, and what lies in a bundle).
"""

from __future__ import annotations

import base64
from typing import Literal

import msgspec

from pumice.domain.errors import MalformedInput

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"

MOST_BYTES = 64 * 1024 * 1024
"""Largest bundle that is read (bytes)."""

MOST_CERTIFICATES = 10
"""Longest chain of certificates."""


class _Certificate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    raw_bytes: str


class _Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    certificates: list[_Certificate]


class _PublicKey(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    hint: str = ""
    raw_bytes: str = ""
    key_details: str = ""


class _Material(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    public_key: _PublicKey | None = None
    x509_certificate_chain: _Chain | None = msgspec.field(default=None, name="x509CertificateChain")
    certificate: _Certificate | None = None
    tlog_entries: list[msgspec.Raw] = msgspec.field(default_factory=list)


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    payload: str
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: list[_Signature]


class _Bundle(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verification_material: _Material
    dsse_envelope: _Envelope


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement.

    Attributes:
        key: Id of the key that signed it, as it says itself; empty where certificates say it.
        chain: Certificates in DER, the signer's first; empty where a key says it.
        payload: The statement's bytes.
        signature: Signature over `pae` of the payload.
    """

    key: str = ""
    chain: tuple[bytes, ...] = ()
    payload: bytes
    signature: bytes


def pae(payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def encode_bundle(bundle: Bundle) -> bytes:
    """Write a bundle in its one form."""
    material: dict[str, object] = {"tlogEntries": []}
    if bundle.chain:
        material["x509CertificateChain"] = {"certificates": [{"rawBytes": raw} for raw in bundle.chain]}
    else:
        material["publicKey"] = {"hint": bundle.key}
    return msgspec.json.encode(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": bundle.payload,
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": bundle.signature, "keyid": ""}],
            },
        },
        order="sorted",
    )


def decode_bundle(data: bytes, what: str) -> Bundle:
    """Read a bundle; nothing of it is believed yet.

    Args:
        data: Its bytes.
        what: What it is, for messages.

    Raises:
        MalformedInput: It is none, or of a kind that we do not read.
    """
    if len(data) > MOST_BYTES:
        raise MalformedInput(what, f"it has {len(data)} bytes; a signature has {MOST_BYTES} at most")
    try:
        read = msgspec.json.decode(data, type=_Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput(what, f"it is no Sigstore bundle with a DSSE envelope: {error}") from None
    material = read.verification_material
    if len(read.dsse_envelope.signatures) != 1:
        raise MalformedInput(what, f"it has {len(read.dsse_envelope.signatures)} signatures; one is expected")
    chain = (
        tuple(_bytes(one.raw_bytes, what) for one in material.x509_certificate_chain.certificates)
        if (material.x509_certificate_chain)
        else ()
    )
    if len(chain) > MOST_CERTIFICATES:
        raise MalformedInput(what, f"it has {len(chain)} certificates; {MOST_CERTIFICATES} at most are expected")
    key = material.public_key.hint if material.public_key else ""
    if bool(chain) == bool(key):
        kind = (
            "signed through Sigstore's public service" if material.certificate else "signed with no key that it names"
        )
        raise MalformedInput(what, f"it is {kind}; signatures by a key or a chain of certificates are read")
    return Bundle(
        key=key,
        chain=chain,
        payload=_bytes(read.dsse_envelope.payload, what),
        signature=_bytes(read.dsse_envelope.signatures[0].sig, what),
    )


def _bytes(text: str, what: str) -> bytes:
    """Read base64 in its one form: no bit of it may be different without the bytes being so."""
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        found = b""
    if not found or base64.b64encode(found).decode() != text:
        raise MalformedInput(what, "a part of it is not in base64")
    return found
