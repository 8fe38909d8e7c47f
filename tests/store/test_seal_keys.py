"""Keys of sealed versions, from each place that they may be in."""

import base64
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from pumice.domain.errors import BadSetting, KeyServiceFailed
from pumice.domain.store.sealing import Bound
from pumice.environment import of_replicas, own_settings
from pumice.store.seal_keys import SealKeys, file, keyring
from pumice.store.seal_keys.base import SealKey

BOUND = Bound("m", 3)
DATA_KEY = os.urandom(32)
RAW = bytes(range(32, 64))
TEXT = base64.b64encode(RAW).decode()


def opened(key: SealKey, wrapped: bytes, bound: Bound) -> bytes | None:
    try:
        return key.unwrap(wrapped, bound)
    except KeyServiceFailed:  # so a service may say that another key is needed
        return None


def wraps(key: SealKey, other: SealKey) -> None:
    """What a key wraps is opened by it alone, for the same version alone, and unchanged alone."""
    wrapped = key.wrap(DATA_KEY, BOUND)
    assert DATA_KEY not in wrapped
    assert key.unwrap(wrapped, BOUND) == DATA_KEY
    assert opened(other, wrapped, BOUND) is None
    for bound in (Bound("m", 4), Bound("n", 3)):
        assert key.unwrap(wrapped, bound) is None
    assert key.unwrap(wrapped[:-1] + bytes([wrapped[-1] ^ 1]), BOUND) is None
    assert key.unwrap(wrapped[:-1], BOUND) is None
    assert key.id != other.id


def written(place: Path, data: bytes, mode: int = 0o600) -> str:
    place.write_bytes(data)
    place.chmod(mode)
    return f"file:{place}"


def test_a_key_in_a_file(tmp_path: Path) -> None:
    file.create(tmp_path / "made")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o600
    raw, text = written(tmp_path / "raw", RAW), written(tmp_path / "text", f"{TEXT}\n".encode())
    wraps(SealKeys(raw).first(), SealKeys(f"file:{tmp_path / 'made'}").first())
    assert SealKeys(raw).first().id == SealKeys(text).first().id, "the same key"
    with pytest.raises(BadSetting, match="exists"):
        file.create(tmp_path / "made")


@pytest.mark.parametrize(
    ("data", "mode", "told"),
    [
        (RAW, 0o644, "mode 644"),
        (RAW, 0o660, "mode 660"),
        (RAW[:-1], 0o600, "base64"),
        (base64.b64encode(RAW[:16]), 0o600, "16 bytes"),
        (b"", 0o600, "0 bytes"),
        (TEXT.encode() + b"!", 0o600, "base64"),
    ],
)
def test_a_file_that_is_no_key_or_open_to_others_is_refused(tmp_path: Path, data: bytes, mode: int, told: str) -> None:
    with pytest.raises(BadSetting, match=told) as caught:
        SealKeys(written(tmp_path / "key", data, mode)).first()
    assert not data or data[:8].decode() not in str(caught.value)
    assert caught.value.__cause__ is None, "no traceback shows what was read"


@pytest.mark.parametrize(
    "setting", ["", TEXT, "file:", "file:/none", "vault:x", "env:HOME", "env:PUMICE_SECRET_NONE", "keyring:pumice"]
)
def test_a_setting_that_names_no_key_is_refused(setting: str) -> None:
    with pytest.raises(BadSetting, match="seal_key") as caught:
        SealKeys(setting).first()
    assert TEXT not in str(caught.value)


def test_a_key_in_the_environment_reaches_no_replica(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PUMICE_SECRET_SEAL", TEXT)
    keys = SealKeys(f"env:PUMICE_SECRET_SEAL,{written(tmp_path / 'other', os.urandom(32))}")
    wraps(keys.first(), SealKeys(f"file:{tmp_path / 'other'}").first())
    assert len(keys.ids) == 2
    assert "secret_seal" not in own_settings()
    assert "PUMICE_SECRET_SEAL" not in of_replicas()


def test_a_key_in_the_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import keyring as library
    from keyrings.alt.file import PlaintextKeyring

    backend = PlaintextKeyring()
    monkeypatch.setattr(backend, "file_path", str(tmp_path / "keyring.cfg"), raising=False)
    before = library.get_keyring()
    library.set_keyring(backend)
    try:
        made, other = keyring.create("pumice/team"), keyring.create("pumice/other")
        wraps(made, other)
        assert SealKeys("keyring:pumice/team").first().id == made.id
        with pytest.raises(BadSetting, match="already"):
            keyring.create("pumice/team")
        with pytest.raises(BadSetting, match="not there"):
            SealKeys("keyring:pumice/none").first()
        library.set_password("pumice", "bad", "secret words")
        with pytest.raises(BadSetting, match="base64") as caught:
            SealKeys("keyring:pumice/bad").first()
        assert "secret words" not in str(caught.value)
    finally:
        library.set_keyring(before)


def test_a_keyring_that_cannot_be_opened_is_told() -> None:
    import keyring as library
    from keyring.backends.fail import Keyring

    before = library.get_keyring()
    library.set_keyring(Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(KeyServiceFailed, match="keyring"):
            SealKeys("keyring:pumice/team").first()
    finally:
        library.set_keyring(before)


AWS = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a key management service that speaks AWS's protocol."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name, value in (AWS | {"AWS_ENDPOINT_URL_KMS": url}).items():
        monkeypatch.setenv(name, value)
    yield url
    server.stop()


def test_a_key_in_aws_kms(kms: str) -> None:
    import boto3

    client = boto3.client("kms")
    made, other = (client.create_key()["KeyMetadata"] for _ in range(2))
    client.create_alias(AliasName="alias/pumice", TargetKeyId=made["KeyId"])
    key = SealKeys("aws-kms:alias/pumice").first()
    assert key.id == f"aws-kms:{made['Arn']}" == SealKeys(f"aws-kms:{made['KeyId']}").first().id
    wraps(key, SealKeys(f"aws-kms:{other['Arn']}").first())
    with pytest.raises(KeyServiceFailed, match="NotFound"):
        assert SealKeys("aws-kms:alias/none").first().id
    assert key.unwrap(key.wrap(DATA_KEY, BOUND), Bound("m", 4)) is None, "told as changed, not as a failure"


def test_a_service_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (AWS | {"AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:9"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(KeyServiceFailed, match="AWS KMS"):
        assert SealKeys("aws-kms:alias/pumice").first().id
