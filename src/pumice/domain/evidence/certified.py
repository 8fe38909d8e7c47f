"""A certificate is believed only as far as its own records carry it.

The rules, of which breaking one is `Tampered`:

1. Every record follows from its own counts; see `recheck`.
2. Every test was about the margin that the certificate names, and saw no more examples than were kept for the proof.
3. The errors of the tests that could have proven a part, added up and times the number of contenders, are not more than
   the certificate's confidence leaves. Parts need no share: if the claim is false, one of them passes wrongly.
4. The verdict on each part follows from its records, and the verdict on the whole from those on the parts.
5. The first part is all of the data, and no part comes twice.
6. It is not held against itself. A version that passes made is held against one of its parents, and made by the recipe
   that its manifest names.

What was timed cannot be computed again: it is as good as the signature under it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pumice.domain.errors import Tampered
from pumice.domain.evidence.certificate import WHOLE, Certificate, Claim, joined
from pumice.domain.evidence.disagreement import Disagreement
from pumice.domain.evidence.paired import NonInferiority
from pumice.domain.evidence.recheck import recheck
from pumice.domain.evidence.record import Record
from pumice.domain.evidence.verdict import Verdict
from pumice.domain.store.manifest import Parent, VersionManifest

_PROOFS = (NonInferiority.name, Disagreement.name)
_CLOSE = 1e-9


def conclusion(evidence: Sequence[Record], *, implies_right: bool) -> Verdict:
    """What the tests on one part say together.

    With labels the test of the quality itself decides; answers that agree may prove it sooner. Without labels the test
    of the agreement decides. Other tests are kept to be read.

    Args:
        evidence: Records of the tests.
        implies_right: Whether answers that agree are both right or both wrong.
    """
    quality = [record.verdict for record in evidence if record.test == NonInferiority.name]
    agreement = [record.verdict for record in evidence if record.test == Disagreement.name]
    if quality and not implies_right:
        agreement = []
    if Verdict.FAIL in (quality or agreement):
        return Verdict.FAIL
    return Verdict.PASS if Verdict.PASS in (*quality, *agreement) else Verdict.NOT_YET


def check_certificate(certificate: Certificate, digest: str, what: str) -> None:
    """Compute again what a certificate concludes.

    Args:
        certificate: As it was signed.
        digest: Digest of the manifest of the version that it is about, in hex.
        what: What it is, for messages.

    Raises:
        Tampered: It breaks a rule.
    """
    _check_frame(certificate, digest, what)
    for claim in certificate.claims:
        where = f"{what}, {claim.part or 'all examples'}"
        _check_evidence(certificate, claim, where)
        told = conclusion(claim.evidence, implies_right=certificate.implies_right)
        if told is not claim.verdict:
            raise _wrong(where, f"it says '{claim.verdict}', and its evidence says '{told}'")
    told = joined([claim.verdict for claim in certificate.claims])
    if told is not certificate.verdict:
        raise _wrong(what, f"it says '{certificate.verdict}', and what it claims of its parts says '{told}'")


def check_origin(certificate: Certificate, manifest: VersionManifest, what: str) -> None:
    """Hold what a certificate says of a version's origin against its manifest.

    Args:
        certificate: As it was signed.
        manifest: The manifest of the version that it is about.
        what: What it is, for messages.

    Raises:
        Tampered: It breaks a rule.
    """
    if not certificate.recipe:
        return  # the version was made elsewhere, and held against one that somebody chose
    base = certificate.base
    if Parent(base.model, base.version, base.digest) not in manifest.parents:
        raise _wrong(what, f"it is held against '{base.model}@{base.version}', which is not what it was made from")
    if not manifest.seal and certificate.recipe != manifest.recipe:
        raise _wrong(what, "it names another recipe than the version's manifest")


def _check_frame(certificate: Certificate, digest: str, what: str) -> None:
    if not 0.0 < certificate.max_drop < 1.0 or not 0.0 < certificate.confidence < 1.0 or certificate.contenders < 1:
        raise _wrong(what, "its margin, confidence or number of contenders is none")
    if certificate.base.digest == digest:
        raise _wrong(what, "it holds the version against itself")
    parts = [claim.part for claim in certificate.claims]
    if parts[:1] != [WHOLE] or len(set(parts)) != len(parts):
        raise _wrong(what, "its first claim is not on all examples, or it claims something twice")


def _check_evidence(certificate: Certificate, claim: Claim, where: str) -> None:
    proofs = [record for record in claim.evidence if record.test in _PROOFS]
    if not proofs:
        raise _wrong(where, "it has no evidence of its quality")
    for record in claim.evidence:
        try:
            recheck(record)
        except Tampered as error:
            raise _wrong(where, f"{error.what}: {error.problem}") from None
        if record.n > certificate.data.certification:
            kept = certificate.data.certification
            raise _wrong(where, f"a test saw {record.n} examples, and {kept} were kept for the proof")
    for record in proofs:
        if not math.isclose(record.margin or 0.0, certificate.max_drop, rel_tol=_CLOSE):
            raise _wrong(where, f"a test is about a margin of {record.margin}, and it says {certificate.max_drop}")
    whole = certificate.contenders * sum(record.alpha for record in proofs)
    if whole > (1.0 - certificate.confidence) * (1.0 + _CLOSE):
        level = certificate.confidence
        raise _wrong(where, f"the errors of its tests add up to {whole:.4g}, too much for a confidence of {level}")


def _wrong(what: str, problem: str) -> Tampered:
    return Tampered(what, problem, "do not rely on it; certify the version again")
