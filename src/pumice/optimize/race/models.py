"""The models that are loaded at a time: as many as fit."""

from __future__ import annotations

from collections.abc import Mapping

from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder

_ROOM = 2 << 30


class Models:
    """Loads models when they are asked for, and frees those that were not for longest.

    Args:
        folders: The models by name.
        room: Size of the files of those that are loaded at a time (bytes).
    """

    def __init__(self, folders: Mapping[str, ModelFolder], room: int = _ROOM) -> None:
        self.folders = dict(folders)
        self._room = room
        self._loaded: dict[tuple[str, int], Measured] = {}

    def get(self, *names: str, threads: int) -> list[Measured]:
        """Models of these names, loaded together.

        Args:
            names: Whose.
            threads: Threads of one inference.

        Raises:
            PumiceError: One cannot be loaded.
        """
        wanted = [(name, threads) for name in names]
        for key in wanted:
            model = self._loaded.pop(key, None) or Measured(self.folders[key[0]], threads)
            self._loaded[key] = model  # the last of the dict is the one used last
        for key in [key for key in self._loaded if key not in wanted]:
            if sum(model.folder.size_bytes for model in self._loaded.values()) <= self._room:
                break
            self._loaded.pop(key).close()
        return [self._loaded[key] for key in wanted]

    def free(self, name: str) -> None:
        """Free a model that is not needed any more."""
        for key in [key for key in self._loaded if key[0] == name]:
            self._loaded.pop(key).close()

    def close(self) -> None:
        """Free all."""
        for name, _ in list(self._loaded):
            self.free(name)
