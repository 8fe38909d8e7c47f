"""Python models: any class with a signature and a ``predict``."""

from pumice.engines.python.engine import PythonEngine
from pumice.engines.python.model import Model

__all__ = ["Model", "PythonEngine"]
