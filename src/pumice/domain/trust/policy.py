"""Which keys are trusted for which models: the rules, without keys or files."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from pumice.domain.errors import BadSetting, Untrusted

Policy = Literal["require", "warn", "off"]
"""What happens to a version that no trusted key signed: it is refused, used with a warning, or nobody looks."""

SIGN = "sign it with `pumice models sign NAME`, or set `signatures` to 'warn'"
TRUST = "trust the key with `pumice models trust KEYFILE --models PATTERN`, or set `signatures` to 'warn'"


class TrustedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key, or an authority whose certificates name keys.

    Attributes:
        name: Whose it is, in the words of who trusts it.
        pem: The public key, or the authority's certificate.
        models: Patterns of the models' names that it is trusted for; ``*`` stands for anything.
        revoked: When it was revoked (s since 1970): whatever it signed is refused.
        reason: Why.
    """

    name: str
    pem: str
    models: tuple[str, ...] = ("*",)
    revoked: float | None = None
    reason: str = ""


class TrustList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file ``trust.json`` of a home.

    Attributes:
        schema: Version of this form.
        keys: Keys by their id: SHA-256 of the public key in PEM, in hex. A certificate has that of its key.
    """

    schema: Literal[1] = 1
    keys: dict[str, TrustedKey] = msgspec.field(default_factory=dict)


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed something; the signature was checked.

    Attributes:
        key: Id of the key.
        name: Whose it is: as the list has it, or the subject of the certificate.
        authority: Id of the authority's key that vouches for it; empty: the key itself is known.
    """

    key: str
    name: str
    authority: str = ""


def check_signer(signer: Signer, model: str, trusted: TrustList, own: str) -> None:
    """Refuse who may not sign a model. The home's own key may sign everything unless it is revoked.

    Args:
        signer: Who signed.
        model: Name of the model.
        trusted: What the home says of keys.
        own: Id of the key that the home signs with; empty: it has none.

    Raises:
        Untrusted: The key or its authority is revoked, unknown, or trusted for other models only.
    """
    what = f"'{model}', signed by {short(signer.key)} ({signer.name})"
    known = {key: trusted.keys[key] for key in (signer.key, signer.authority) if key in trusted.keys}
    for key, entry in known.items():
        if entry.revoked is not None:
            why = f": {entry.reason}" if entry.reason else ""
            raise Untrusted(what, f"the key {short(key)} is revoked{why}", SIGN, revoked=True)
    if signer.key == own:
        return
    if not known:
        raise Untrusted(what, "that key is not trusted here", TRUST)
    if not any(covers(entry, model) for entry in known.values()):
        patterns = ", ".join(pattern for entry in known.values() for pattern in entry.models)
        raise Untrusted(what, f"that key is trusted for {patterns} only", TRUST)


def covers(entry: TrustedKey, model: str) -> bool:
    """Whether a key is trusted for a model."""
    return any(fnmatchcase(model, pattern) for pattern in entry.models)


def check_pattern(pattern: str) -> str:
    """Return a pattern of names if it is one.

    Raises:
        BadSetting: It is not.
    """
    plain = pattern.replace("*", "")
    if not pattern or len(pattern) > 128 or not all(character.isalnum() or character in "._-" for character in plain):
        raise BadSetting("pattern of models", repr(pattern), "letters, digits, '.', '_', '-' and '*'")
    return pattern


def short(key: str) -> str:
    """The beginning of a key's id, as people read it."""
    return key[:16]
