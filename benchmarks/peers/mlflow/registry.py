"""MLflow's own client on its registry: does what it is told on standard input, and answers with the seconds it took.

{"do": "fill", "models": 50, "versions": 4}    {"do": "push", "path": "/model"}    {"do": "list"}    {"do": "alias"}
"""

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path

import mlflow

NAME = "bench"


class Registry:
    def __init__(self, artefacts: str) -> None:
        self.client = mlflow.MlflowClient()
        where = {"artifact_location": artefacts} if artefacts else {}
        known = self.client.get_experiment_by_name(NAME)
        self.experiment = known.experiment_id if known else self.client.create_experiment(NAME, **where)
        self.turn = 0

    def fill(self, models: int, versions: int) -> None:
        run = self.client.create_run(self.experiment)
        for model in range(models):
            name = f"model-{model}"
            self.client.create_registered_model(name)
            for _ in range(versions):
                self.client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
            self.client.set_registered_model_alias(name, "prod", str(versions))

    def push(self, path: str) -> None:
        run = self.client.create_run(self.experiment)
        self.client.log_artifact(run.info.run_id, path, "model")
        with contextlib.suppress(mlflow.MlflowException):  # it is there from the second time on
            self.client.create_registered_model("pushed")
        self.client.create_model_version("pushed", f"{run.info.artifact_uri}/model", run.info.run_id)

    def list(self) -> None:
        found = self.client.search_registered_models(max_results=1000)
        assert len(found) > 1

    def alias(self) -> None:
        self.turn += 1
        assert self.client.get_model_version_by_alias(f"model-{self.turn % 20}", "prod").version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artefacts", default="", help="folder of artefacts, without a server")
    registry = Registry(parser.parse_args().artefacts)
    for line in sys.stdin:
        told = json.loads(line)
        work = getattr(registry, told.pop("do"))
        begun = time.perf_counter()
        work(**told)
        print(json.dumps({"seconds": time.perf_counter() - begun}), flush=True)


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))
    main()
