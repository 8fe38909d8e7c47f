"""A metric of the user's own: a Python function."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from pumice.domain.errors import BadSetting, PumiceError
from pumice.domain.signature import Arrays
from pumice.optimize.quality.base import Definition, Judge

Function = Callable[[Arrays, np.ndarray], np.ndarray]
"""Takes answers, [n, ...] each, and labels [n, ...]; gives whether each answer is right, bool [n]."""


class Own(Judge):
    """What is right, the user's function says; what is the same, the task's own judge.

    Args:
        name: The function, as ``module:function``.
        function: It.
        task: Says whether two answers agree.
    """

    implies_right: ClassVar[bool] = False

    def __init__(self, name: str, function: Function, task: Judge) -> None:
        self._name = name
        self._function = function
        self._task = task
        # a reader of the report should find the function's name, not the word "own"
        self.metric = name  # type: ignore[misc]
        self.needs_reference = task.needs_reference  # type: ignore[misc]
        self.definition = Definition(
            agree=task.definition.agree,
            drop=f"The part of the examples that {name} calls right: that of the base less that of the variant.",
            agree_zh=task.definition.agree_zh,
            drop_zh=f"{name} 判为正确的样本所占的比例: 原模型减去变体.",
        )

    def beside(self, base: Arrays, candidate: Arrays) -> Judge:
        """The same, with the task's judge of this candidate."""
        return Own(self._name, self._function, self._task.beside(base, candidate))

    def among(self, inputs: Arrays) -> Judge:
        """The same, with the task's judge of these examples."""
        return Own(self._name, self._function, self._task.among(inputs))

    def right(self, answers: Arrays, labels: np.ndarray) -> np.ndarray:
        """Whether the function calls each answer right.

        Raises:
            BadSetting: It gives something else than one truth value an example, or raises.
        """
        try:
            told = np.asarray(self._function(answers, labels))
        except PumiceError:
            raise
        except Exception as error:
            given = f"'{self._name}', which raised {type(error).__name__}: {error}"
            raise BadSetting("metric", given, "a function that takes answers and labels") from error
        if told.shape != (len(labels),) or not np.isin(told, (0, 1)).all():
            given = f"'{self._name}', which answered {told.dtype} {list(told.shape)} for {len(labels)} examples"
            raise BadSetting("metric", given, "a function that gives one truth value an example")
        return told.astype(bool)

    def agree(self, base: Arrays, candidate: Arrays) -> np.ndarray:
        """Whether the task's judge calls them the same."""
        return self._task.agree(base, candidate)


def function_named(name: str) -> tuple[Function, str]:
    """Find a function by its name, as ``module:function``; the working directory must be on the path.

    Returns:
        The function, and SHA-256 in hex of its module's source, by which a changed metric is known.

    Raises:
        BadSetting: There is none.
    """
    module, _, attribute = name.partition(":")
    allowed = "module:function, a function of a module that can be imported from here"
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise BadSetting("metric", f"'{name}' ({error})", allowed) from None
    function = getattr(found, attribute, None)
    if not callable(function):
        raise BadSetting("metric", f"'{name}', which is no function of '{module}'", allowed)
    try:
        source = inspect.getsource(found)
    except (OSError, TypeError):
        source = name
    return function, hashlib.sha256(source.encode()).hexdigest()
