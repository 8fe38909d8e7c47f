"""Keys in variables of the environment, ``env:PUMICE_SECRET_NAME``. Replicas are started without these variables."""

from __future__ import annotations

from pumice.domain.errors import BadSetting
from pumice.environment import SECRETS, secret
from pumice.store.seal_keys.base import LocalKey, from_text


def read(name: str) -> LocalKey:
    """Read a key from a variable.

    Raises:
        BadSetting: Its name is not allowed, or it is not there or holds no key.
    """
    if not name.startswith(SECRETS):
        raise BadSetting("seal_key", "env: with another name", f"env:{SECRETS}…, which replicas do not get")
    found = secret(name)
    if not found:
        raise BadSetting(f"seal_key: 'env:{name}'", "a variable that is not set", "one with a key, in base64")
    return from_text(found.encode("utf-8", "surrogateescape"), f"seal_key: 'env:{name}'")
