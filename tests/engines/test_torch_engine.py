"""The torch engine: its settings, weights for modules of one's own, and archives that try to run code."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pumice.domain.errors import BadArtefact, BadSetting, UnsafeArtefact
from pumice.domain.model import Manifest, Parameter
from pumice.domain.signature import Signature, Tensor
from pumice.engines.safety import refuse_unsafe
from pumice.engines.torch import TorchEngine, load_state
from tests.engines.graphs import config_of
from tests.engines.programs import Mlp, Served, export, mlp
from tests.support.disguises import DISGUISES, Trap

ROWS = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)


def expected() -> np.ndarray:
    with torch.inference_mode():
        answer: np.ndarray = Mlp().eval()(torch.from_numpy(ROWS)).numpy()
    return answer


def test_it_answers_as_the_module_does(tmp_path: Path) -> None:
    engine = TorchEngine(config_of(mlp(tmp_path / "m.pt2"), threads=2))
    assert engine.signature == Signature([Tensor("x", "FP32", [-1, 16])], [Tensor("output", "FP32", [-1, 4])])
    assert (engine.traits.batchable, engine.traits.max_batch_size) == (True, 64)
    assert np.allclose(engine.run({"x": ROWS}, {})["output"], expected(), atol=1e-6)
    placement: dict[str, Parameter] = {"provider": "cpu", "device": 0, "threads": 2, "dtype": "saved", "compile": False}
    assert engine.traits.placement == placement
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_other_dtypes_keep_the_border(tmp_path: Path, dtype: str) -> None:
    engine = TorchEngine(config_of(mlp(tmp_path / "m.pt2"), Manifest(options={"dtype": dtype})))
    answer = engine.run({"x": ROWS}, {})["output"]
    assert answer.dtype == np.float32
    assert np.allclose(answer, expected(), atol=0.1)
    assert not np.array_equal(answer, expected())


def test_tensors_in_bf16_travel_as_fp32(tmp_path: Path) -> None:
    file = export(
        tmp_path / "m.pt2", nn.Linear(2, 2).to(torch.bfloat16), (torch.zeros(1, 2, dtype=torch.bfloat16),), None
    )
    engine = TorchEngine(config_of(file))
    assert engine.signature == Signature([Tensor("input", "FP32", [1, 2])], [Tensor("output", "FP32", [1, 2])])
    assert engine.run({"input": np.ones((1, 2), np.float32)}, {})["output"].dtype == np.float32


@pytest.mark.slow(10)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch about itself
def test_compiled(tmp_path: Path) -> None:
    engine = TorchEngine(config_of(mlp(tmp_path / "m.pt2"), Manifest(options={"compile": True})))
    assert engine.traits.placement["compile"] is True
    assert np.allclose(engine.run({"x": ROWS}, {})["output"], expected(), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "settings", "problem"),
    [
        ({"dtype": "int8"}, {}, "'options'.*int8"),
        ({"compiel": True}, {}, "compiel.*dtype, compile"),
        ({}, {"provider": "openvino"}, "auto, cpu, cuda for the torch engine"),
        ({}, {"provider": "cpu", "device": 1}, "device: given 1; allowed 0 to 0"),
    ],
)
def test_what_cannot_be_set(
    tmp_path: Path, options: dict[str, Parameter], settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BadSetting, match=problem):
        TorchEngine(config_of(mlp(tmp_path / "m.pt2"), Manifest(options=options), **settings))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="sees no CUDA device here"):
        TorchEngine(config_of(mlp(tmp_path / "m.pt2"), provider="cuda"))


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    file = mlp(tmp_path / "m.pt2")
    for name, content, problem in (
        ("empty.pt2", b"", "no .pt2 archive"),
        ("text.pt2", b"hello", "no .pt2 archive"),
        ("other.pt2", _rewritten(file, drop="models/model.json"), "holds no program of torch.export"),
        ("weightless.pt2", _rewritten(file, drop="data/weights/weight_0"), "has no '.*weight_0'"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadArtefact, match=problem):
            TorchEngine(config_of(tmp_path / name))


def _rewritten(
    file: Path,
    drop: str = "",
    change: Callable[[str, bytes], bytes] | None = None,
    added: Mapping[str, bytes] | None = None,
) -> bytes:
    """An archive without one member, with others changed or added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(buffer, "w") as target:
        root = source.namelist()[0].partition("/")[0]
        for name in source.namelist():
            inner = name.partition("/")[2]
            if inner != drop:
                target.writestr(name, change(inner, source.read(name)) if change else source.read(name))
        for name, content in (added or {}).items():
            target.writestr(f"{root}/{name}", content)
    return buffer.getvalue()


def _at(*keys: str | int, value: Any) -> Callable[[str, bytes], bytes]:
    """Change one place of the graph."""

    def change(name: str, content: bytes) -> bytes:
        if name != "models/model.json":
            return content
        graph = inner = json.loads(content)
        for key in keys[:-1]:
            inner = inner[key]
        assert keys[-1] in inner or isinstance(keys[-1], int), keys
        inner[keys[-1]] = value
        return json.dumps(graph).encode()

    return change


GRAPH = ("graph_module", "graph")
NODE = (*GRAPH, "nodes", 0)
CODE = "x=__import__('os').mkdir('{marker}')"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*NODE, "target"), "torch.os.mkdir"),
        ((*NODE, "target"), "torch.serialization.load"),
        ((*NODE, "target"), "_operator.methodcaller"),
        ((*NODE, "target"), "torch.ops.aten.from_file.default"),
        ((*NODE, "target"), "torch.ops.aten.save.default"),
        ((*NODE, "target"), "torch.ops.aten.__init__.__globals__"),
        ((*NODE, "target"), "torch.ops.load_library"),
        ((*NODE, "target"), "#anything"),
        ((*NODE, "name"), CODE),
        ((*GRAPH, "inputs", 0, "as_tensor", "name"), CODE),
        ((*GRAPH, "outputs", 0, "as_tensor", "name"), "a\nb"),
        (("graph_module", "signature", "input_specs", 0, "parameter", "parameter_name"), 'w"]; ' + CODE),
        ((*GRAPH, "tensor_values", "x", "sizes", 0, "as_expr", "expr_str"), "__import__('os').mkdir('{marker}')"),
        ((*GRAPH, "tensor_values", "x", "sizes", 0, "as_expr", "expr_str"), "Symbol('s0').__class__"),
        ((*GRAPH, "tensor_values", "x", "sizes", 0, "as_expr", "expr_str"), "sympify('1 + 1')"),
        ((*GRAPH, "tensor_values", "x", "sizes", 0, "as_expr", "expr_str"), "(lambda: 1)()"),
        ((*GRAPH, "tensor_values", "x", "sizes", 0, "as_expr", "expr_str"), "Symbol('a b')"),
        (("range_constraints",), {"s0); import os": {"min_val": 0, "max_val": 1}}),
        (
            ("graph_module", "module_call_graph", 0, "signature", "in_spec"),
            json.dumps([1, {"type": "collections.defaultdict", "context": None, "children_spec": []}]),
        ),
        (
            ("graph_module", "module_call_graph", 0, "signature", "in_spec"),
            json.dumps(
                [
                    1,
                    {
                        "type": "builtins.dict",
                        "context": json.dumps([{"__enum__": True, "fqn": "antigravity:X", "name": "Y"}]),
                        "children_spec": [],
                    },
                ]
            ),
        ),
        (("graph_module", "module_call_graph", 0, "signature", "forward_arg_names"), [CODE]),
    ],
)
def test_a_graph_may_say_nothing_but_a_graph(tmp_path: Path, place: tuple[str | int, ...], value: Any) -> None:
    marker, file = tmp_path / "marker", tmp_path / "evil.pt2"
    armed = json.loads(json.dumps(value).replace("{marker}", str(marker)))
    file.write_bytes(_rewritten(mlp(tmp_path / "m.pt2"), change=_at(*place, value=armed)))
    with pytest.raises(UnsafeArtefact, match=r"a \.pt2 archive where its graph has the"):
        TorchEngine(config_of(file))
    assert not marker.exists()


def test_source_code_and_samples_are_left_out(tmp_path: Path) -> None:
    """What torch would run, and nobody needs: guards, stack traces, a pickle of sample inputs."""
    marker, good = tmp_path / "marker", mlp(tmp_path / "m.pt2")
    trap = f"__import__('os').mkdir({str(marker)!r})"

    def change(name: str, content: bytes) -> bytes:
        if name.startswith("data/sample_inputs/"):
            return _torch_saved(Trap(marker))
        if name != "models/model.json":
            return content
        graph = json.loads(content) | {"guards_code": [trap]}
        for node in graph["graph_module"]["graph"]["nodes"]:
            node["metadata"] = {"stack_trace": f'File "a", line 1, in b\r{trap}\n    c', "torch_fn": trap}
        return json.dumps(graph).encode()

    (tmp_path / "evil.pt2").write_bytes(_rewritten(good, change=change))
    engine = TorchEngine(config_of(tmp_path / "evil.pt2"))
    assert np.allclose(engine.run({"x": ROWS}, {})["output"], expected(), atol=1e-6)
    assert not marker.exists()


def test_the_traps_of_an_archive_are_armed(tmp_path: Path) -> None:
    """Torch itself runs what the tests above put in: its own documentation says so."""
    marker, good = tmp_path / "marker", mlp(tmp_path / "m.pt2")

    def change(name: str, content: bytes) -> bytes:
        return _torch_saved(Trap(marker)) if name.startswith("data/sample_inputs/") else content

    (tmp_path / "evil.pt2").write_bytes(_rewritten(good, change=change))
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever comes of it
        torch.export.load(tmp_path / "evil.pt2")
    assert marker.is_dir()


def _torch_saved(thing: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"path_name": "opaque_obj_0", "use_pickle": True}, "is a Python object"),
        ({"path_name": "custom_obj_0", "use_pickle": True}, "is a Python object"),
        ({"path_name": "tensor_9", "use_pickle": True}, "a pickle"),
        ({"path_name": "../../x", "use_pickle": False}, "is a Python object"),
    ],
)
@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_weights_that_are_objects(tmp_path: Path, kind: str, entry: dict[str, Any], problem: str) -> None:
    marker, file = tmp_path / "marker", tmp_path / "evil.pt2"

    def change(name: str, content: bytes) -> bytes:
        if name != f"data/{kind}/model_{kind}_config.json":
            return content
        config = json.loads(content)
        config["config"]["evil"] = {"is_param": False, "tensor_meta": None} | entry
        return json.dumps(config).encode()

    evil = {f"data/{kind}/{entry['path_name']}": b"\0" * 8}
    file.write_bytes(_rewritten(mlp(tmp_path / "m.pt2"), change=change, added=evil))
    with pytest.raises(UnsafeArtefact, match=problem):
        TorchEngine(config_of(file))
    file.write_bytes(_rewritten(mlp(tmp_path / "m.pt2"), added={"data/weights/w": pickle.dumps(Trap(marker))}))
    with pytest.raises(UnsafeArtefact, match="pickle"):
        TorchEngine(config_of(file))
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_what_torch_really_writes(tmp_path: Path) -> None:
    """The gate knows the real files: torch.save new and old, state dicts, TorchScript, compiled packages."""
    module, files = Mlp().eval(), {}
    for name, legacy in (("new", True), ("old", False)):
        files[name] = tmp_path / f"{name}.pt2"
        torch.save(module.state_dict(), files[name], _use_new_zipfile_serialization=legacy)
    files["script"] = tmp_path / "script.pt2"
    torch.jit.trace(module, torch.zeros(1, 16)).save(str(files["script"]))  # type: ignore[no-untyped-call]
    files["native"] = tmp_path / "native.pt2"
    files["native"].write_bytes(
        _rewritten(mlp(tmp_path / "m.pt2"), added={"data/aotinductor/model/a.wrapper.so": b"\x7fELF"})
    )
    for file in files.values():
        with pytest.raises(UnsafeArtefact, match=r"convert it: .*\.pt2"):
            TorchEngine(config_of(file))
    refuse_unsafe(tmp_path / "m.pt2")


@pytest.mark.parametrize("shards", [1, 2])
def test_weights_for_a_module_of_ones_own(tmp_path: Path, shards: int) -> None:
    state = {name: tensor.clone() for name, tensor in Mlp().state_dict().items()}
    if shards == 1:
        save_file(state, tmp_path / "model.safetensors")
    else:
        names = [f"model-{number}.safetensors" for number in range(shards)]
        place = {name: names[index % shards] for index, name in enumerate(state)}
        for file in names:
            save_file({name: state[name] for name in state if place[name] == file}, tmp_path / file)
        index = json.dumps({"weight_map": place})
        (tmp_path / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    served = Served()
    served.load(tmp_path)
    assert np.allclose(served.predict({"x": ROWS})["y"], expected(), atol=1e-6)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    marker, file, module = tmp_path / "marker", tmp_path / "w.safetensors", nn.Linear(2, 2)
    for state, problem in (
        ({"weight": torch.zeros(2, 2)}, r"missing \(\['bias'\]\)"),
        ({"weight": torch.zeros(2, 2), "bias": torch.zeros(2), "more": torch.zeros(1)}, "more"),
        ({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}, "do not fit"),
    ):
        save_file(state, file)
        with pytest.raises(BadArtefact, match=problem):
            load_state(module, file)
    file.write_bytes(DISGUISES["torch.save"](marker))
    with pytest.raises(UnsafeArtefact, match=r"its weights alone to \.safetensors"):
        load_state(module, file)
    file.write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(BadArtefact, match="no whole safetensors"):
        load_state(module, file)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../x"}}', encoding="utf-8")
    with pytest.raises(BadArtefact, match=r"it names '\.\./x'"):
        load_state(module, tmp_path)
    assert not marker.exists()


def test_shared_weights_are_written_once(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(3, 2)
            self.head = nn.Linear(2, 3, bias=False)
            self.head.weight = self.embed.weight

    save_file({"embed.weight": torch.ones(3, 2)}, tmp_path / "model.safetensors")
    module = Tied()
    load_state(module, tmp_path)
    assert module.head.weight.tolist() == [[1, 1]] * 3
