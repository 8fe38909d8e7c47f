"""A certificate is believed only as far as its own records carry it.

The rules, of which breaking one is `Tampered`:

1. Every record follows from its own counts; see `recheck`.
2. The test of the drop decides where there are labels, that of the disagreement where there are none. It was about the
   margin that the certificate names, and saw no more examples than were kept for the proof.
3. Its error, times the number of contenders, is not more than the confidence leaves. Parts need no share of it: if the
   claim is false for one of them, that one passes wrongly.
4. The verdict on each part follows from its records, and the verdict on the whole from those on the parts that bind it.
5. The first part is all of the data, each part that the data names comes once, and one that does not bind is too small
   to prove anything.
6. It is not held against itself. A version that passes made is held against one of its parents, and made by the recipe
   that its manifest names.

What was timed cannot be computed again: it is as good as the signature under it.
"""

from __future__ import annotations

import math

from pumice.domain.errors import Tampered
from pumice.domain.evidence.certificate import WHOLE, Certificate, Claim, joined
from pumice.domain.evidence.disagreement import Disagreement
from pumice.domain.evidence.mixture import threshold
from pumice.domain.evidence.paired import NonInferiority
from pumice.domain.evidence.recheck import recheck
from pumice.domain.evidence.record import Record
from pumice.domain.evidence.sequential import CountedTest, SequentialTest
from pumice.domain.evidence.verdict import Verdict
from pumice.domain.store.manifest import Parent, VersionManifest

_CLOSE = 1e-9


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
        _check_claim(certificate, claim, f"{what}, {claim.part or 'all examples'}")
    told = joined([claim.verdict for claim in certificate.claims if claim.binding])
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
    if parts[:1] != [WHOLE] or sorted(parts[1:]) != sorted(set(certificate.data.parts)):
        raise _wrong(what, "it does not claim something of all examples first, and then once of each part")


def _check_claim(certificate: Certificate, claim: Claim, where: str) -> None:
    deciding = NonInferiority.name if certificate.data.labelled else Disagreement.name
    if not claim.evidence or claim.evidence[0].test != deciding:
        raise _wrong(where, f"its first evidence is not that of the test '{deciding}', which decides")
    decides, *_ = [_again(record, where) for record in claim.evidence]
    first = claim.evidence[0]
    if first.verdict is not claim.verdict:
        raise _wrong(where, f"it says '{claim.verdict}', and its evidence says '{first.verdict}'")
    if first.n > certificate.data.certification:
        kept = certificate.data.certification
        raise _wrong(where, f"its test saw {first.n} examples, and {kept} were kept for the proof")
    if not math.isclose(first.margin or 0.0, certificate.max_drop, rel_tol=_CLOSE):
        raise _wrong(where, f"its test is about a margin of {first.margin}, and it says {certificate.max_drop}")
    error = certificate.contenders * first.alpha
    if error > (1.0 - certificate.confidence) * (1.0 + _CLOSE):
        level = certificate.confidence
        raise _wrong(where, f"the errors of all tests are {error:.4g}, too much for a confidence of {level}")
    if not claim.binding and (claim.verdict is Verdict.FAIL or claim.part == WHOLE or _could_pass(decides, first.n)):
        raise _wrong(where, "it has failed, or is large enough to prove something, and is left out of the verdict")


def _again(record: Record, where: str) -> SequentialTest:
    try:
        return recheck(record)
    except Tampered as error:
        raise _wrong(where, f"{error.what}: {error.problem}") from None


def _could_pass(test: SequentialTest, n: int) -> bool:
    """Whether so many examples without a difference prove the claim."""
    assert isinstance(test, CountedTest)  # noqa: S101 - both that decide are
    counts = dict.fromkeys(test.outcomes, 0) | {test.outcomes[0]: n}
    return test.evidence_at(Verdict.PASS, counts) >= threshold(test.alpha)


def _wrong(what: str, problem: str) -> Tampered:
    return Tampered(what, problem, "do not rely on it; certify the version again")
