"""The model registry of an MLflow server, over its REST interface."""

from pumice.exchanges.mlflow.exchange import Mlflow

__all__ = ["Mlflow"]
