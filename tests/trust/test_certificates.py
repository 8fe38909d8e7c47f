"""A certificate is signed with the version, and believed only as far as its evidence carries it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pumice import Store
from pumice.domain.errors import BadSetting, MalformedInput, Tampered, VersionNotFound
from pumice.domain.evidence.certificate import CERTIFICATE, Certificate, CertifiedBase, read_certificate
from pumice.domain.store.records import VersionRecord
from pumice.domain.trust.statements import Statement, version_subject
from pumice.evidence import Verdict
from pumice.service.store.types import PushWish
from tests.cli.command import pumice
from tests.trust.certified import DOCTORED, RECIPE, certificate
from tests.trust.material import Keys


class Stage:
    """A base, a version that was made from it, and a stranger of another name."""

    def __init__(self, store: Store, source: Path) -> None:
        self.store = store
        self.base = store.push(source, "m")
        (source / "empty").write_bytes(b"lighter")
        self.variant = store.push(source, "m", PushWish(parents=("m@1",), recipe=RECIPE))
        (source / "empty").write_bytes(b"another")
        self.other = store.push(source, "other")
        self.honest = certificate(self.base)

    def sign(self, said: Certificate | dict[str, object], about: VersionRecord | None = None) -> str:
        """Sign whatever it says, as one with the home's key could, and give back how it is told."""
        record = about or self.variant
        statement = Statement(
            subject=[version_subject(record)], predicate_type=CERTIFICATE, predicate=msgspec.to_builtins(said)
        )
        body = self.store._guard.signed(statement)
        with self.store.engine.begin() as connection:
            self.store._guard.enter(connection, record, body, CERTIFICATE)
        return f"certificate {hashlib.sha256(body).hexdigest()[:12]}"


@pytest.fixture
def stage(store: Store, source: Path) -> Stage:
    return Stage(store, source)


def test_an_honest_certificate_is_signed_told_and_computed_again(stage: Stage, home: Path) -> None:
    assert stage.store.certificates.add("m@2", stage.honest)
    assert not stage.store.certificates.add("m@2", replace(stage.honest, created="later", machine={}))  # it is there
    assert stage.store.certificates.of("m@2") == [stage.honest]
    assert stage.store.certificates.of("m@1") == []
    found = stage.store.verify()
    assert (found.problems, found.certificates) == ([], 1)
    (line,) = stage.store.show("m@2").certificates
    assert (line.verdict, line.base, line.n, line.problem) == (Verdict.PASS, "m@1", 2000, "")
    assert line.interval[0] < 0.002 < line.interval[1] < 0.02
    shown = pumice("models", "show", "m@2", environ={"PUMICE_HOME": str(home)}).stdout
    assert "pass: loses less than 2.00% of accuracy against m@1" in shown
    # it goes with the version when that is deleted, and its base cannot go before
    stage.store.delete("m@2")
    assert stage.store.verify().problems == []


def test_a_doctored_certificate_is_found_by_whoever_it_is_signed(stage: Stage) -> None:
    reasons: dict[str, str] = {}
    for name, (doctor, reason) in DOCTORED.items():
        wrong = doctor(stage.honest)
        assert wrong != stage.honest, name
        with pytest.raises((Tampered, VersionNotFound)):
            stage.store.certificates.add("m@2", wrong)
        reasons[stage.sign(wrong)] = reason
    for told in stage.store.verify("m@2").problems, [one.problem for one in stage.store.show("m@2").certificates]:
        for digest, reason in reasons.items():
            assert [reason in problem for problem in told if digest in problem] == [True], reason
    with pytest.raises(Tampered, match="certificate"):
        stage.store.certificates.of("m@2")
    stage.sign(stage.honest)
    found = stage.store.verify()
    assert (len(found.problems), found.certificates) == (len(DOCTORED), 1)


def test_a_certificate_of_another_version_is_none_of_this_one(stage: Stage, home: Path) -> None:
    """Swapped candidates: the statement's subject is the digest of what was certified."""
    stage.sign(stage.honest, about=stage.other)  # of a version that passes did not make, by that recipe
    statements = [one for one in stage.store.statements.of("other@1") if one.form == CERTIFICATE]
    with stage.store.engine.begin() as connection:  # and the signed certificate itself, put beside another version
        stage.store._guard.enter(connection, stage.variant, statements[0].bundle, CERTIFICATE)
    told = "\n".join(stage.store.verify().problems)
    assert "other@1, certificate" in told
    assert "m@2, signature" in told
    assert "it is about something else than this version" in told
    done = pumice("models", "verify", "other", environ={"PUMICE_HOME": str(home)})
    assert (done.returncode, "is not what it was made from" in done.stderr) == (3, True)


def test_a_version_made_elsewhere_is_held_against_a_base_that_may_go(stage: Stage) -> None:
    elsewhere = replace(stage.honest, recipe={})
    assert stage.store.certificates.add("other@1", elsewhere)
    with pytest.raises(VersionNotFound):
        stage.store.certificates.add("other@1", replace(elsewhere, base=CertifiedBase("gone", 1, "ab" * 32)))
    with pytest.raises(Tampered, match="against itself"):
        stage.store.certificates.add("m@1", elsewhere)
    stage.store.delete("m@2")
    stage.store.delete("m@1")
    found = stage.store.verify()
    assert (found.problems, found.certificates) == ([], 1)


def test_what_is_no_certificate_is_told_as_such(stage: Stage) -> None:
    with pytest.raises(MalformedInput, match="no certificate"):
        read_certificate({"verdict": "pass"}, "it")
    with pytest.raises(BadSetting, match="does not write itself"):
        stage.store.statements.attest("m@2", CERTIFICATE, {"verdict": "pass"})
    stage.sign({"verdict": "pass"})
    assert "it is no certificate" in stage.store.verify("m@2").problems[0]


def test_a_certificate_by_a_stranger_counts_for_nothing(
    stage: Stage, home: Path, stranger: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMICE_SIGNING_KEY", str(stranger.private))
    with Store(home) as theirs:
        statement = Statement(
            subject=[version_subject(stage.variant)],
            predicate_type=CERTIFICATE,
            predicate=msgspec.to_builtins(stage.honest),
        )
        body = theirs._guard.signed(statement)
    with stage.store.engine.begin() as connection:
        stage.store._guard.enter(connection, stage.variant, body, CERTIFICATE)
    (line,) = stage.store.show("m@2").certificates
    assert line.problem
    assert stage.store.certificates.of("m@2") == []
    assert stage.store.verify("m@2").problems == []
