"""Keys: kinds, files, certificates, commands; and nothing of a private one is ever told."""

import datetime as dt
import json
import os
import pickle
import traceback
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from model_signing import verifying

import pumice as package
from pumice import Store
from pumice.domain.errors import BadArtefact, BadSetting, Untrusted
from pumice.store.signing.keyring import Keyring
from tests.cli.command import pumice


def written(file: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> Path:
    file.touch(0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    name, by = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (subject, issuer))
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )


def test_the_homes_own_key_is_made_at_the_first_push_for_its_user_alone(store: Store, home: Path, source: Path) -> None:
    file = home / "keys" / "signing.pem"
    assert not file.exists()
    store.push(source, "m")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())], ids=["Ed25519", "P-384"]
)
def test_a_teams_key(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    source: Path,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUMICE_SIGNING_KEY", str(written(tmp_path / "team.pem", key)))
    with Store(home) as store:
        store.push(source, "m")
        store.pull("m", tmp_path / "out")
        public = tmp_path / "team.pub"
        public.write_bytes(store.keys.signing.public)
        assert not (home / "keys").exists()
    monkeypatch.delenv("PUMICE_SIGNING_KEY")
    with Store(home) as store:
        with pytest.raises(Untrusted):
            store.pull("m", tmp_path / "again")
        store.keys.trust(public, name="the team")
        store.pull("m", tmp_path / "again")


def test_certificates(source: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, team = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate("the authority", root, "the authority", root, ca=True)
    leaf = certificate("the team", team, "the authority", root, ca=False)
    (tmp_path / "chain.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (tmp_path / "authority.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    monkeypatch.setenv("PUMICE_SIGNING_KEY", str(written(tmp_path / "team.pem", team)))
    monkeypatch.setenv("PUMICE_SIGNING_CERTIFICATE", str(tmp_path / "chain.pem"))
    with Store(home) as store:
        store.push(source, "m")
        store.pull("m", tmp_path / "out")
    config = verifying.Config()  # type: ignore[no-untyped-call] # it has types but there
    config.use_certificate_verifier(certificate_chain=[tmp_path / "authority.pem"])
    config.verify(tmp_path / "out", tmp_path / "out" / "model.sig")
    monkeypatch.delenv("PUMICE_SIGNING_KEY")
    monkeypatch.delenv("PUMICE_SIGNING_CERTIFICATE")
    with Store(home) as store:
        with pytest.raises(Untrusted, match="no authority is trusted"):
            store.pull("m", tmp_path / "again")
        other = certificate("another", team, "another", team, ca=True)
        (tmp_path / "other.pem").write_bytes(other.public_bytes(Encoding.PEM))
        store.keys.trust(tmp_path / "other.pem")
        with pytest.raises(Untrusted, match="no trusted authority vouches"):
            store.pull("m", tmp_path / "again")
        store.keys.trust(tmp_path / "authority.pem", models=("m",))
        store.pull("m", tmp_path / "again")
        assert "CN=the team" in store.verify("m").signers["m@1"]
        store.keys.revoke(next(line.id for line in store.keys.lines() if line.name == "authority"), "", 1.0)
        with pytest.raises(Untrusted, match="is revoked"):
            store.pull("m", tmp_path / "more")


def test_a_key_that_is_none_is_refused_and_not_told(tmp_path: Path) -> None:
    secret = "c2VjcmV0IQ=="
    bad = tmp_path / "bad.pem"
    bad.touch(0o600)
    bad.write_text(f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n")
    private = ec.generate_private_key(ec.SECP256R1())
    locked = tmp_path / "locked.pem"
    locked.touch(0o600)
    locked.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")))
    for file in (bad, locked, written(tmp_path / "rsa.pem", rsa.generate_private_key(65537, 2048)), tmp_path / "none"):
        with pytest.raises(BadArtefact) as refused:
            _ = Keyring(tmp_path / "home", str(file)).signing
        told = "".join(traceback.format_exception(refused.value))
        assert not any(line in told for line in (secret, *(file.read_text().split("\n")[1:3] if file.exists() else ())))


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "open.pem", ec.generate_private_key(ec.SECP256R1()))
    os.chmod(file, 0o644)  # noqa: PTH101
    with pytest.raises(BadArtefact, match="chmod 600"):
        _ = Keyring(tmp_path / "home", str(file)).signing


def test_nothing_of_a_key_is_told(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    key = keyring.signing
    assert repr(key) == f"SigningKey({key.id[:16]})"
    lines = keyring.key_file.read_text().split("\n")[1:3]
    assert not any(line in repr([vars(keyring), keyring.lines()]) for line in lines)
    with pytest.raises(TypeError, match="not copied"):
        pickle.dumps(key)


def test_what_cannot_be_revoked(store: Store) -> None:
    for key in ("", "abc", "0" * 64):
        with pytest.raises(BadSetting, match="beginning"):
            store.keys.revoke(key, "", 1.0)


def test_a_version_that_no_trusted_key_signed_is_not_served(store: Store, home: Path) -> None:
    store.push(Path(package.__file__).parent / "assets" / "sentiment", "m")
    (home / "keys" / "signing.pem").unlink()
    done = pumice("serve", "m@1", "--port", "0", environ={"PUMICE_HOME": str(home)})
    assert (done.returncode, "not known here" in done.stderr) == (3, True)


def test_the_commands(home: Path, source: Path, tmp_path: Path) -> None:
    environ = {"PUMICE_HOME": str(home)}

    def told(*words: str) -> str:
        done = pumice("models", *words, environ=environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    told("push", str(source), "--name", "m")
    (tmp_path / "own.pem").write_text(told("trust", "--public"))
    assert "1 signed by" in told("verify", "m")
    assert "signed" in told("show", "m")
    told("pull", "m", str(tmp_path / "out"))
    assert "3 files, signed by" in told("verify", "--folder", str(tmp_path / "out"))
    (tmp_path / "out" / "empty").write_text("x")
    assert pumice("models", "verify", "--folder", str(tmp_path / "out"), environ=environ).returncode == 3
    (old,) = json.loads(told("trust", "--json"))["keys"]
    told("trust", "--rotate")
    told("trust", "--revoke", old["id"], "--reason", "test")
    refused = pumice("models", "verify", "m", environ=environ)
    assert (refused.returncode, "is revoked: test" in refused.stderr) == (3, True)
    assert told("sign", "m") == "m@1\n"
    told("verify", "m")
    told("trust", str(tmp_path / "own.pem"), "--models", "m*", "--name", "old")
    assert pumice("models", "trust", "--rotate", "--public", environ=environ).returncode == 2
