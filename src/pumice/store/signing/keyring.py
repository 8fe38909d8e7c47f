"""The keys of a home: the one that it signs with, and those that it trusts (``trust.json``)."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import msgspec

from pumice.domain.errors import BadArtefact, BadSetting, StorageFailed, Untrusted
from pumice.domain.store.told import KeyLine
from pumice.domain.trust.bundles import Bundle
from pumice.domain.trust.policy import TRUST, Signer, TrustedKey, TrustList, check_pattern, short
from pumice.store.layout import sync_folder
from pumice.store.private_files import write_private
from pumice.store.signing.chains import check_chain, id_of_certificate, read_certificates, subject_of
from pumice.store.signing.private import SigningKey, home_file, make_key, read_key
from pumice.store.signing.public import check_signature, id_of, read_public

LIST_NAME = "trust.json"
LEAST_ID = 8
"""Digits of a key's id that are enough to name it."""

_MOST_BYTES = 16 * 1024 * 1024
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


class Keyring:
    """The keys of a home. Nothing is made before something is signed.

    Args:
        home: The home.
        key_file: The private key that it signs with; empty: its own.
        certificates: Certificates that vouch for that key; empty: none.
    """

    def __init__(self, home: Path, key_file: str = "", certificates: str = "") -> None:
        self._home = home
        self._named = Path(key_file).expanduser() if key_file else None
        self._certificates = Path(certificates).expanduser() if certificates else None

    @property
    def key_file(self) -> Path:
        """Where the private key lies."""
        return self._named or home_file(self._home)

    @cached_property
    def signing(self) -> SigningKey:
        """The key that the home signs with; made at the first use if none is named.

        Raises:
            BadArtefact: It cannot be read, or is no such key.
            StorageFailed: It cannot be made.
        """
        if self._named is None and not self.key_file.exists():
            make_key(self.key_file)
        return read_key(self.key_file, self._certificates)

    @property
    def own(self) -> SigningKey | None:
        """The key that the home signs with, or None if it never signed.

        Raises:
            BadArtefact: It cannot be read, or is no such key.
        """
        return self.signing if self._named is not None or self.key_file.exists() else None

    @property
    def list_file(self) -> Path:
        """Where it is said which keys are trusted."""
        return self._home / LIST_NAME

    def trusted(self) -> TrustList:
        """Read which keys are trusted; without a file, only the home's own.

        Raises:
            BadArtefact: The file is wrong.
        """
        try:
            with self.list_file.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            return TrustList()
        except OSError as error:
            raise BadArtefact(str(self.list_file), f"it cannot be read: {error.strerror}", "mend it") from None
        try:
            found = msgspec.json.decode(data, type=TrustList)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadArtefact(str(self.list_file), f"it is no list of keys: {error}", "mend it") from None
        for key, entry in found.keys.items():
            if id_of_pem(entry.pem, str(self.list_file)) != key:
                raise BadArtefact(str(self.list_file), f"the key under {short(key)} is another one", "take it out")
        return found

    def write(self, trusted: TrustList) -> None:
        """Write which keys are trusted; the old list or the new is there at any moment.

        Raises:
            StorageFailed: It cannot be written.
        """
        data = msgspec.json.format(msgspec.json.encode(trusted, order="sorted"), indent=2) + b"\n"
        replace_file(self.list_file, data)

    def trust(self, file: Path, models: tuple[str, ...] = ("*",), name: str = "") -> str:
        """Trust a key, or the keys that an authority vouches for.

        Args:
            file: A public key, or an authority's certificate, in PEM.
            models: Patterns of the models' names that it is trusted for; ``*`` stands for anything.
            name: Whose it is; the file's name if left out.

        Returns:
            The key's id.

        Raises:
            BadArtefact: It is neither.
            BadSetting: A pattern is none.
            StorageFailed: The list of keys cannot be written.
        """
        try:
            pem = file.read_bytes()[:_MOST_BYTES]
        except OSError as error:
            raise BadArtefact(str(file), f"it cannot be read: {error.strerror}", "mend its path") from None
        return self.trust_pem(pem, models, name or file.stem, str(file))

    def trust_pem(self, pem: bytes, models: tuple[str, ...], name: str, what: str) -> str:
        """The same with the bytes of the file.

        Args:
            pem: A public key, or an authority's certificate, in PEM.
            models: Patterns of the models' names that it is trusted for.
            name: Whose it is.
            what: What it is, for messages.
        """
        for pattern in models:
            check_pattern(pattern)
        key, entry = entry_of(pem, name, models, what)
        trusted = self.trusted()
        self.write(msgspec.structs.replace(trusted, keys={**trusted.keys, key: entry}))
        return key

    def revoke(self, key: str, reason: str, now: float) -> str:
        """Believe nothing any longer that a key signed, nor what an authority vouches for.

        Args:
            key: Its id, or the beginning of it.
            reason: Why.
            now: The time (s since 1970).

        Returns:
            The key's id.

        Raises:
            BadSetting: No key, or several, are meant.
            StorageFailed: The list of keys cannot be written.
        """
        trusted = self.trusted()
        known = dict(trusted.keys)
        own = self.own
        if own is not None:
            known.setdefault(own.id, TrustedKey(name="this home", pem=own.public.decode()))
        found = [one for one in known if len(key) >= LEAST_ID and one.startswith(key)]
        if len(found) != 1:
            raise BadSetting("key", repr(key), f"the beginning (from {LEAST_ID} digits on) of one key's id")
        entry = msgspec.structs.replace(known[found[0]], revoked=now, reason=reason)
        self.write(msgspec.structs.replace(trusted, keys={**trusted.keys, found[0]: entry}))
        return found[0]

    def rotate(self) -> str:
        """Make a new key for the home; what the old one signed stays trusted until it is revoked.

        Returns:
            The new key's id.

        Raises:
            BadSetting: The home signs with a key of the settings.
            StorageFailed: A file cannot be written.
        """
        if self._named is not None:
            raise BadSetting("signing_key", str(self._named), "the home's own key; a team's key is changed in its file")
        old = self.own
        if old is not None:
            trusted = self.trusted()
            entry = trusted.keys.get(old.id) or TrustedKey(name="this home, before", pem=old.public.decode())
            self.write(msgspec.structs.replace(trusted, keys={**trusted.keys, old.id: entry}))
            self.key_file.unlink(missing_ok=True)
        self.__dict__.pop("signing", None)
        return self.signing.id

    def lines(self) -> list[KeyLine]:
        """The key that the home signs with, and those that it trusts."""
        trusted, own = self.trusted(), self.own
        entries = dict(trusted.keys)
        if own is not None:
            entries = {own.id: TrustedKey(name="this home", pem=own.public.decode())} | entries
        return [
            KeyLine(
                id=key,
                name=entry.name,
                models=list(entry.models),
                own=own is not None and key == own.id,
                authority=entry.pem.startswith(_CERTIFICATE),
                revoked=entry.revoked,
                reason=entry.reason,
                public=entry.pem,
            )
            for key, entry in entries.items()
        ]

    def signer(self, bundle: Bundle, what: str) -> Signer:
        """Tell who signed a statement, and hold the signature against it. Whether that key may is another question.

        Raises:
            Tampered: The signature does not fit.
            Untrusted: The key is not known here, so nothing can be checked.
        """
        trusted = self.trusted()
        if bundle.chain:
            return self._by_certificate(bundle, trusted, what)
        own = self.own
        entry = trusted.keys.get(bundle.key)
        if own is not None and bundle.key == own.id:
            name, pem = entry.name if entry else "this home", own.public
        elif entry is not None and not entry.pem.startswith(_CERTIFICATE):
            name, pem = entry.name, entry.pem.encode()
        else:
            raise Untrusted(what, f"it is signed by {short(bundle.key)}, a key that is not known here", TRUST)
        check_signature(read_public(pem, str(self.list_file)), bundle.payload, bundle.signature, what)
        return Signer(key=bundle.key, name=name)

    def _by_certificate(self, bundle: Bundle, trusted: TrustList, what: str) -> Signer:
        authorities = {key: entry for key, entry in trusted.keys.items() if entry.pem.startswith(_CERTIFICATE)}
        certificates = [read_certificates(entry.pem.encode(), what)[0] for entry in authorities.values()]
        own = self.own
        if own is not None and own.chain == bundle.chain:
            check_signature(read_public(own.public, what), bundle.payload, bundle.signature, what)
            return Signer(key=own.id, name="this home")
        key, authority = check_chain(bundle.chain, certificates, what)
        check_signature(key, bundle.payload, bundle.signature, what)
        return Signer(key=id_of(key), name=subject_of(bundle.chain[0]), authority=authority)


def id_of_pem(pem: str, what: str) -> str:
    """Id of a public key or of a certificate's key.

    Raises:
        BadArtefact: It is neither.
    """
    if pem.startswith(_CERTIFICATE):
        return id_of_certificate(read_certificates(pem.encode(), what)[0], what)
    return id_of(read_public(pem.encode(), what))


def entry_of(pem: bytes, name: str, models: tuple[str, ...], what: str) -> tuple[str, TrustedKey]:
    """Make an entry of the list from a public key, or from an authority's certificate.

    Returns:
        The key's id, and the entry.

    Raises:
        BadArtefact: It is neither.
    """
    try:
        text = pem.decode("ascii").strip() + "\n"
    except UnicodeDecodeError:
        raise BadArtefact(what, "it is no PEM", "give a public key or a certificate in PEM") from None
    return id_of_pem(text, what), TrustedKey(name=name, pem=text, models=models)


def replace_file(file: Path, data: bytes) -> None:
    """Write a file anew, for its user alone; the old one or the new is there at any moment.

    Raises:
        StorageFailed: It cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(temporary, data)
        temporary.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        raise StorageFailed(str(file), error.strerror or str(error)) from error
