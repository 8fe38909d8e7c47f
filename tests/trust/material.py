"""What tests of trust share."""

from pathlib import Path
from typing import NamedTuple

from pumice.store.signing.keyring import Keyring


class Keys(NamedTuple):
    """Files of a key pair, in PEM."""

    private: Path
    public: Path


def own_public(home: Path) -> Path:
    """The public key of a home, in a file beside it."""
    file = home.with_name(f"{home.name}.pub")
    file.write_bytes(Keyring(home).signing.public)
    return file
