"""Versions that a server hands out, held against the keys that are trusted here, as those of the own store are."""

from __future__ import annotations

import logging

from pumice.client.transfers import Received
from pumice.config import Settings
from pumice.domain.errors import Untrusted
from pumice.domain.trust.policy import Policy, Signer, check_signer
from pumice.domain.trust.statements import FILES
from pumice.domain.trust.trusted import TrustedVersion
from pumice.store.signing.keyring import Keyring

_log = logging.getLogger("pumice.store")


class HomeTrust:
    """What a home believes of versions that come from elsewhere.

    What the head of a name says is the server's to look at: a client sees one version of it.

    Args:
        keyring: The keys of the home.
        policy: What happens to a version that no trusted key signed.
    """

    def __init__(self, keyring: Keyring, policy: Policy) -> None:
        self._keyring = keyring
        self._policy = policy

    @classmethod
    def of(cls, settings: Settings) -> HomeTrust:
        """That of the home of the settings, without opening its store."""
        keyring = Keyring(settings.home_path, settings.signing_key, settings.signing_certificate)
        return cls(keyring, settings.signatures)

    def __call__(self, received: Received) -> bytes | None:
        """Say whether a version may be used.

        Returns:
            The signature that goes with its files; None if nobody looks, or there is none.

        Raises:
            Tampered: A signature does not fit; never with the policy ``off``.
            Untrusted: No trusted key signed it, and the policy is ``require``.
            BadArtefact: A key, or the list of trusted keys, cannot be read.
        """
        if self._policy == "off":
            return None
        trusted, own = self._keyring.trusted(), self._keyring.own
        model = received.record.model

        def judge(signer: Signer) -> None:
            check_signer(signer, model, trusted, own.id if own else "")

        version = TrustedVersion(received.record, received.manifest, self._keyring.signer, judge)
        for told in received.statements:
            version.add(told.digest, told.bundle)
        try:
            version.signer()
        except Untrusted as error:
            if self._policy == "require":
                raise
            _log.warning("a version is used though no trusted key signed it: %s", error.message)
        good = {seen.digest for seen in version.seen if not seen.problem}
        found = [told for told in received.statements if told.form == FILES]
        found.sort(key=lambda told: (told.digest in good, told.line.created))
        return found[-1].bundle if found else None
