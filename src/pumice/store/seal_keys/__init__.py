"""Keys that wrap the data keys of sealed versions: from a file, the environment, the system's keyring, or AWS KMS.

The setting ``seal_key`` names them. A new kind is a module here and its line in `_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pumice.domain.errors import BadSetting
from pumice.store.seal_keys import aws, environment, file, keyring
from pumice.store.seal_keys.base import SealKey

_KINDS: Mapping[str, Callable[[str], SealKey]] = MappingProxyType(
    {"file": file.read, "env": environment.read, "keyring": keyring.read, "aws-kms": aws.read}
)
_ALLOWED = "file:PATH, env:PUMICE_SECRET_NAME, keyring:SERVICE/NAME or aws-kms:KEY, several of them with commas"


class SealKeys:
    """The keys of the setting. The first wraps, all unwrap. Nothing is read before it is needed.

    Args:
        setting: What ``seal_key`` says.
    """

    def __init__(self, setting: str) -> None:
        self._names = [name.strip() for name in setting.split(",") if name.strip()]
        self._keys: dict[str, SealKey] = {}

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return bool(self._names)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all keys.

        Raises:
            BadSetting: The setting names none that can be used.
            KeyServiceFailed: Its service failed.
            MissingDependency: A library that it needs is not installed.
        """
        return tuple(self._open(name).id for name in self._names)

    def first(self) -> SealKey:
        """The key that wraps.

        Raises:
            BadSetting: There is none, or it cannot be used.
            KeyServiceFailed: Its service failed.
            MissingDependency: A library that it needs is not installed.
        """
        if not self._names:
            raise BadSetting("seal_key", "nothing", f"{_ALLOWED}; `pumice models seal-key FILE` makes one")
        return self._open(self._names[0])

    def find(self, key_id: str) -> SealKey | None:
        """The key with an id, or None; raises as `first` does."""
        return next((key for key in map(self._open, self._names) if key.id == key_id), None)

    def _open(self, name: str) -> SealKey:
        if name not in self._keys:
            kind, colon, rest = name.partition(":")
            if not colon or not rest or kind not in _KINDS:
                # what is given is not told: somebody may have put the key itself there
                raise BadSetting("seal_key", "something else", _ALLOWED)
            self._keys[name] = _KINDS[kind](rest)
        return self._keys[name]
