"""Keys in the system's keyring, ``keyring:SERVICE/NAME``."""

from __future__ import annotations

from pumice.domain.errors import BadSetting, KeyServiceFailed, MissingDependency
from pumice.store.seal_keys.base import LocalKey, from_text, new_text


def read(name: str) -> LocalKey:
    """Read a key from the keyring.

    Raises:
        BadSetting: There is none of that name.
        KeyServiceFailed: The keyring cannot be opened.
        MissingDependency: The library is not installed.
    """
    found = _get(name)
    if found is None:
        allowed = f"a name that the keyring has; `pumice models seal-key keyring:{name}` makes a key"
        raise BadSetting("seal_key", f"'keyring:{name}', which is not there", allowed)
    return from_text(found.encode(), f"seal_key: 'keyring:{name}'")


def create(name: str) -> LocalKey:
    """Make a key in the keyring.

    Raises:
        BadSetting: There is one of that name already.
        KeyServiceFailed: The keyring cannot be opened.
        MissingDependency: The library is not installed.
    """
    if _get(name) is not None:
        raise BadSetting("keyring", f"'{name}', which is there already", "a name that is not there yet")
    from keyring import set_password
    from keyring.errors import KeyringError

    text = new_text()
    try:
        set_password(*_split(name), text)
    except KeyringError as error:
        raise KeyServiceFailed("the keyring", _told(error)) from None
    return from_text(text.encode(), f"'keyring:{name}'")


def _get(name: str) -> str | None:
    try:
        from keyring import get_password
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        raise MissingDependency("a key in the keyring", "keyring", "pip install 'pumice[keyring]'") from None
    try:
        return get_password(*_split(name))
    except KeyringError as error:
        raise KeyServiceFailed("the keyring", _told(error)) from None


def _told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _split(name: str) -> tuple[str, str]:
    service, slash, user = name.partition("/")
    if not slash or not service or not user:
        raise BadSetting("seal_key", f"'keyring:{name}'", "keyring:SERVICE/NAME")
    return service, user
