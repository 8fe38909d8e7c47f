"""scikit-learn models in the skops format."""

from pumice.engines.sklearn.engine import SklearnEngine

__all__ = ["SklearnEngine"]
