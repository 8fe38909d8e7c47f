"""The graph of a torch.export archive, held against what a graph may say before torch reads it.

torch builds Python out of this JSON: it looks up operators by dotted names, evaluates the expressions of sizes with
sympy, imports the modules of enumerations, writes names into source code and executes it. So every text in it is held
against what may stand there, and what torch does not need for running (stack traces, guards as source code) is left
out. What passes can do arithmetic on tensors, and nothing else.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*|[0-9.]*")
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z0-9_.:+ \[\]-]*")
_NUMBER = re.compile(r"-?[0-9.]+(e[+-]?[0-9]+)?")
_ATEN = re.compile(r"torch\.ops\.(aten|prims|quantized_decomposed)\.(?!__)\w+\.(?!__)\w+")
_FILE_OPERATORS = re.compile(r"torch\.ops\.aten\.(from_file|_?save|_?load)\b.*")
_OTHER_TARGETS = frozenset(
    (
        *("_operator.add", "_operator.sub", "_operator.mul", "_operator.floordiv", "_operator.truediv"),
        *("_operator.mod", "_operator.neg", "_operator.pow", "_operator.eq", "_operator.ne", "_operator.lt"),
        *("_operator.le", "_operator.gt", "_operator.ge", "_operator.and_", "_operator.or_", "_operator.getitem"),
        *("math.ceil", "math.floor", "math.trunc", "math.sqrt", "torch.sym_int", "torch.sym_float", "torch.sym_max"),
        *("torch.sym_min", "torch.sym_not", "torch.sym_ite", "torch._sym_sqrt"),
        *("torch.ops.aten.__and__.Scalar", "torch.ops.aten.__and__.Tensor", "torch.ops.aten.__or__.Scalar"),
        *("torch.ops.aten.__or__.Tensor", "torch.ops.aten.__xor__.Scalar", "torch.ops.aten.__xor__.Tensor"),
        *("torch.ops.aten.__lshift__.Scalar", "torch.ops.aten.__rshift__.Scalar"),
        *("torch.ops.higher_order.cond", "torch.ops.higher_order.while_loop", "torch.ops.higher_order.map_impl"),
        *("torch.ops.higher_order.scan", "torch.ops.higher_order.wrap_with_set_grad_enabled"),
        "torch.ops.higher_order.wrap_with_autocast",
    )
)
_CONTAINERS = frozenset((None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"))
_SYMPY = frozenset(
    (
        *(
            "Symbol",
            "Integer",
            "Float",
            "Rational",
            "Add",
            "Mul",
            "Pow",
            "Mod",
            "Max",
            "Min",
            "Abs",
            "floor",
            "ceiling",
        ),
        *("Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "Equality", "Unequality", "StrictLessThan"),
        *("LessThan", "StrictGreaterThan", "GreaterThan", "FloorDiv", "ModularIndexing", "Where", "PythonMod"),
        *("CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv", "LShift", "RShift", "PowByNatural", "FloatPow"),
        *("FloatTrueDiv", "IntTrueDiv", "IsNonOverlappingAndDenseIndicator", "TruncToFloat", "TruncToInt"),
        *("RoundToInt", "RoundDecimal", "ToFloat", "Identity"),
    )
)
_TEXTS = (ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.UnaryOp, ast.USub)
_LONGEST_EXPRESSION = 2000
_DEEPEST = 100


class BadProgram(ValueError):
    """A graph that says what no graph needs to say; the message tells what."""


def checked_program(data: bytes) -> bytes:
    """Check a graph (``models/*.json``) and leave out what running it does not need.

    Raises:
        BadProgram: It is no such graph, or more than one.
    """
    program = _json(data)
    if not isinstance(program, dict):
        raise BadProgram("its graph is no JSON object")
    program["guards_code"] = []
    _walk(program, "", 0)
    return json.dumps(program).encode()


def checked_weights(data: bytes) -> tuple[bytes, frozenset[str]]:
    """Check the list of weights or constants, and give the files that it names.

    Raises:
        BadProgram: An entry is a pickle, or no entry at all.
    """
    config = _json(data)
    entries = config.get("config") if isinstance(config, dict) else None
    if not isinstance(entries, dict):
        raise BadProgram("its list of weights is no JSON object")
    files = set()
    for name, entry in entries.items():
        file = entry.get("path_name") if isinstance(entry, dict) else None
        if not isinstance(file, str) or not re.fullmatch(r"(weight|tensor)_[0-9]+", file):
            raise BadProgram(f"the constant '{name}' is a Python object ('{file}')")
        if entry.get("use_pickle") is not False:
            raise BadProgram(f"the weights '{name}' are a pickle (of a tensor's subclass)")
        files.add(file)
    _walk(config, "", 0)
    return json.dumps(config).encode(), frozenset(files)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadProgram(f"its graph cannot be read ({type(error).__name__})") from None


def _walk(value: Any, key: str, depth: int) -> None:
    """Check every text of a value that stands under a key."""
    if depth > _DEEPEST:
        raise BadProgram("its graph is nested too deep")
    if isinstance(value, dict):
        value.pop("metadata", None)
        if "target" in value and "inputs" in value:
            value["metadata"] = {}
        for name, inner in value.items():
            _require(_NAME.fullmatch(name) is not None, "name", name)
            _walk(inner, name, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, key, depth + 1)
    elif isinstance(value, str):
        _CHECKS.get(key, _check_name)(value)


def _check_name(text: str) -> None:
    _require(_NAME.fullmatch(text) is not None, "name", text)


def _check_word(text: str) -> None:
    _require(_WORD.fullmatch(text) is not None, "word", text)


def _check_argument(text: str) -> None:
    # a text among an operator's arguments, as the equation of einsum; torch writes it with repr()
    _require(text.isprintable(), "argument", text)


def _check_target(text: str) -> None:
    known = _ATEN.fullmatch(text) is not None or text in _OTHER_TARGETS
    _require(known and _FILE_OPERATORS.fullmatch(text) is None, "operator", text)


def _check_expression(text: str) -> None:
    try:
        tree = ast.parse(text, mode="eval") if len(text) <= _LONGEST_EXPRESSION else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    _require(tree is not None and all(map(_may_stand, ast.walk(tree))), "size", text)


def _may_stand(node: ast.AST) -> bool:
    """Whether a part of an expression is one that sympy's `srepr` writes of a size."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _SYMPY
    if isinstance(node, ast.Name):
        return node.id in _SYMPY or re.fullmatch(r"true|false|oo|int_oo|[a-z]+[0-9]+", node.id) is not None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _SYMBOL.fullmatch(node.value) is not None or _NUMBER.fullmatch(node.value) is not None
    return isinstance(node, _TEXTS)


def _check_tree(text: str) -> None:
    """Check how arguments are nested: tuples, lists and dictionaries by texts, and nothing that must be imported."""
    if text:
        protocol = _json(text.encode())
        _require(isinstance(protocol, list) and len(protocol) == 2 and type(protocol[0]) is int, "structure", text)
        _check_container(protocol[1], 0)


def _check_container(node: Any, depth: int) -> None:
    good = isinstance(node, dict) and set(node) <= {"type", "context", "children_spec"} and depth < _DEEPEST
    _require(good and node["type"] in _CONTAINERS, "structure", node)
    keys = json.loads(node["context"]) if isinstance(node["context"], str) else node["context"]
    _require(keys is None or (isinstance(keys, list) and all(isinstance(key, str) for key in keys)), "structure", node)
    for key in keys or ():
        _check_name(key)
    for child in node["children_spec"]:
        _check_container(child, depth + 1)


def _require(good: object, what: str, given: object) -> None:
    if not good:
        raise BadProgram(f"its graph has the {what} {str(given)[:200]!r}")


_CHECKS: Mapping[str, Callable[[str], None]] = {
    "target": _check_target,
    "expr_str": _check_expression,
    "in_spec": _check_tree,
    "out_spec": _check_tree,
    "as_string": _check_argument,
    "as_strings": _check_argument,
    "as_float": _check_word,
    "as_floats": _check_word,
    "torch_version": _check_word,
    "verifiers": _check_name,
}
