"""A real MLflow server with its own client on one side, the store on the other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pumice import Store, export_model, import_model
from pumice.domain.errors import BadSetting, ExchangeFailed, MalformedInput, PumiceError, UnsafeArtefact, Unsupported
from pumice.exchanges.mlflow.client import place_of
from pumice.exchanges.mlflow.mlmodel import manifest_of, read_mlmodel
from tests.exchanges.conftest import Digests
from tests.support.mlflow import MISSING, START_S, MlflowServer, is_there

LOG = """
import numpy as np, mlflow, onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
spec = lambda name: Schema([TensorSpec(np.dtype("float32"), (-1, 4), name=name)])
signature = ModelSignature(inputs=spec("x"), outputs=spec("y"))
with mlflow.start_run():
    mlflow.onnx.log_model(onnx.load({path!r}), name="model", signature=signature, registered_model_name="theirs")
client = mlflow.MlflowClient()
client.set_registered_model_alias("theirs", "prod", "1")
client.set_model_version_tag("theirs", "1", "team", "vision")
client.update_model_version("theirs", "1", description="A small net")
class Code(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input
mlflow.pyfunc.log_model(name="code", python_model=Code(), registered_model_name="code")
"""
LOOK = """
import json, mlflow, numpy as np
version = mlflow.MlflowClient().get_model_version_by_alias("ours", "prod")
run = mlflow.get_run(version.run_id)
info = mlflow.models.get_model_info("models:/ours@prod")
model = mlflow.pyfunc.load_model("models:/ours@prod")
answer = model.predict({"x": np.ones((2, 4), np.float32)})
print(json.dumps({"version": version.version, "tags": version.tags, "description": version.description,
                  "metrics": run.data.metrics, "status": run.info.status, "signature": info.signature.to_dict(),
                  "y": answer["y"].tolist()}))
"""


TENSOR = """'[{"name": "", "tensor-spec": {"dtype": "float32", "shape": [-5]}}]'"""
NAMELESS = f"flavors: {{onnx: {{data: m.onnx}}}}\nsignature: {{inputs: {TENSOR}, outputs: {TENSOR}}}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    if not is_there():
        pytest.skip(MISSING)
    with MlflowServer(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """A graph that adds its input to itself."""
    place = tmp_path / "doubler"
    place.mkdir()
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubler", ends[:1], ends[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(made, place / "doubler.onnx")
    told = {"model": "doubler.onnx", "description": "Doubles", "metrics": {"accuracy": 0.9, "data set: f1": 0.8}}
    (place / "manifest.json").write_text(json.dumps(told))
    return place


@pytest.mark.slow(30)
@pytest.mark.timeout(2 * START_S)
def test_versions_go_both_ways(
    server: MlflowServer, store: Store, doubler: Path, digests: Digests, tmp_path: Path
) -> None:
    # theirs comes in
    server.run(LOG.format(path=str(doubler / "doubler.onnx")))
    found = import_model(store, f"mlflow:{server.url}/theirs@prod", aliases=True)
    spec = store.show("theirs@prod").manifest.spec
    assert (spec.format, spec.model, spec.description) == ("onnx", "model.onnx", "A small net")
    assert spec.signature is not None
    assert [str(tensor) for tensor in (*spec.signature.inputs, *spec.signature.outputs)] == ["FP32 [-1, 4]"] * 2
    assert (found.origin["version"], found.origin["tags"], found.aliases) == ("1", {"team": "vision"}, ["prod"])
    assert found.origin["run_id"]
    assert found.origin["mlmodel"]["mlflow_version"].startswith("3.")
    assert import_model(store, f"mlflow:{server.url}/theirs@1", "same").record.size == found.record.size
    with pytest.raises(UnsafeArtefact):
        import_model(store, f"mlflow:{server.url}/code")
    # ours goes out, is loaded and run by MLflow itself, and comes back
    store.push(doubler, "ours")
    store.alias("ours", "prod", 1)
    sent = export_model(store, "ours", f"mlflow:{server.url}/ours", aliases=True)
    seen: dict[str, Any] = json.loads(server.run(LOOK))
    assert seen["y"] == [[2.0] * 4] * 2
    assert (seen["version"], seen["status"], seen["description"]) == ("1", "FINISHED", "Doubles")
    assert seen["tags"]["pumice.digest"] == store.show("ours").record.digest
    assert seen["metrics"] == {"accuracy": 0.9, "data set_ f1": 0.8}
    assert json.loads(seen["signature"]["inputs"])[0]["tensor-spec"] == {"dtype": "float32", "shape": [-1, 4]}
    assert sent.about["version"] == "1"
    import_model(store, f"mlflow:{server.url}/ours", "again")
    assert digests("again") == digests("ours")
    assert store.show("again").manifest.spec == store.show("ours").manifest.spec
    # a version that came from there keeps its MLmodel, and a second export is the next version
    export_model(store, "theirs", f"mlflow:{server.url}/ours")
    import_model(store, f"mlflow:{server.url}/ours@2", "back")
    assert digests("back") == digests("theirs")
    # a file that was pushed alone comes back alone
    store.push(doubler / "doubler.onnx", "alone")
    export_model(store, "alone", f"mlflow:{server.url}/alone")
    import_model(store, f"mlflow:{server.url}/alone", "alone-again")
    assert store.show("alone-again").manifest.entry == "doubler.onnx"
    assert digests("alone-again") == digests("alone")
    for missing in ("nothing@1", "nothing", "ours@9", "ours@nobody"):
        with pytest.raises(ExchangeFailed):
            import_model(store, f"mlflow:{server.url}/{missing}")


def test_addresses_are_checked_and_hold_no_secrets(store: Store, tmp_path: Path) -> None:
    for place in ("http://user:word@host/m", "host/m", "http://host", "ftp://host/m", "http://host/m?a=b/c"):
        with pytest.raises(BadSetting) as refused:
            import_model(store, f"mlflow:{place}")
        assert "word" not in refused.value.message
    with pytest.raises(ExchangeFailed, match="cannot be reached"):
        import_model(store, "mlflow:http://127.0.0.1:1/m@1")


def test_only_what_the_server_gives_out_is_read() -> None:
    assert place_of("mlflow-artifacts:/0/models/a/artifacts") == "0/models/a/artifacts"
    for uri in ("file:///etc", "/etc/passwd", "s3://bucket/x", "mlflow-artifacts://other:5000/x"):
        with pytest.raises(Unsupported, match="serve-artifacts"):
            place_of(uri)
    with pytest.raises(MalformedInput):
        place_of("mlflow-artifacts:/0/../../etc")


@pytest.mark.parametrize(
    ("flavors", "way"),
    [
        ("sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle}", "skops"),
        ("pytorch: {model_data: data}", r"\.pt2"),
        ("python_function: {loader_module: mlflow.pyfunc.model, code: code}", "module:Class"),
    ],
)
def test_pickles_and_code_are_refused_with_the_way_out(flavors: str, way: str) -> None:
    told = read_mlmodel(f"flavors:\n  {flavors}\n")
    with pytest.raises(UnsafeArtefact, match=way):
        manifest_of(told, frozenset({"model.pkl"}))


def test_skops_and_transformers_are_taken() -> None:
    told = read_mlmodel("flavors: {sklearn: {pickled_model: model.skops, serialization_format: skops}}")
    assert manifest_of(told, frozenset({"model.skops"})).format == "sklearn"
    told = read_mlmodel("flavors: {transformers: {model_binary: model}, python_function: {}}")
    assert manifest_of(told, frozenset()).format == "transformers"


@pytest.mark.parametrize(
    "text",
    [
        "flavors: []",
        "flavors: {onnx: 1}",
        "- a",
        "flavors: {onnx: {data: ../../etc/passwd}}",
        "flavors: {onnx: {data: /etc/passwd}}",
        "flavors: {onnx: {data: other.onnx}}",
        "flavors: {onnx: {data: [1]}}",
        "flavors: {onnx: {data: m.onnx}}\nsignature: {inputs: '[', outputs: '['}",
        NAMELESS,
    ],
)
def test_an_mlmodel_that_lies_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput):
        manifest_of(read_mlmodel(text), frozenset({"m.onnx"}))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["onnx", "data", "sklearn", "pickled_model", "inputs", "outputs", "tensor-spec", "name", "shape"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(flavors=PLAIN, signature=PLAIN, inputs=PLAIN)
def test_any_mlmodel_is_read_or_refused(flavors: Any, signature: Any, inputs: Any) -> None:
    sides = {"inputs": json.dumps(inputs), "outputs": json.dumps([inputs])}
    for told in (signature, sides):
        try:
            manifest_of(read_mlmodel(json.dumps({"flavors": flavors, "signature": told})), frozenset({"m.onnx"}))
        except PumiceError:
            continue
