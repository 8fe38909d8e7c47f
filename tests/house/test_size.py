"""Files, classes: small enough to read, and each says its job."""

import ast
import statistics

import pytest

from tests.house.source import CODE_FOLDERS, ROOT, name_of, package_files, python_files, tree_of

MEDIAN_LINES = 150
HARD_LIMIT = 500
MOST_METHODS = 20


def lines_of(folder: str) -> dict[str, int]:
    return {name_of(path): len(path.read_bytes().splitlines()) for path in python_files(folder)}


@pytest.mark.parametrize("folder", CODE_FOLDERS)
def test_no_file_is_longer_than_the_hard_limit(folder: str) -> None:
    too_long = {name: lines for name, lines in lines_of(folder).items() if lines > HARD_LIMIT}
    assert not too_long, f"more than {HARD_LIMIT} lines; split them by job: {too_long}"


@pytest.mark.parametrize("folder", CODE_FOLDERS)
def test_the_usual_file_is_short(folder: str) -> None:
    assert statistics.median(lines_of(folder).values()) <= MEDIAN_LINES


def test_every_file_says_its_job_in_its_first_line() -> None:
    silent = []
    for path in python_files():
        docstring = ast.get_docstring(tree_of(path))
        if not docstring or not docstring.splitlines()[0].rstrip().endswith((".", ":", "?", "!")):
            silent.append(name_of(path))
    assert not silent, f"the first line must be a docstring, one sentence, that says the file's job: {silent}"


def test_no_class_has_too_many_methods() -> None:
    fat = {}
    for path in package_files():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                methods = sum(is_method(part) for part in node.body)
                if methods > MOST_METHODS:
                    fat[f"{name_of(path)}:{node.name}"] = methods
    assert not fat, f"more than {MOST_METHODS} methods: {fat}"


def is_method(part: ast.stmt) -> bool:
    """Whether a part of a class is a method; a property is an attribute to its users."""
    if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return not any(ast.unparse(decorator).endswith(("property", ".setter")) for decorator in part.decorator_list)


def test_every_folder_of_the_package_is_a_package() -> None:
    bare = {name_of(path.parent) for path in package_files() if not (path.parent / "__init__.py").exists()}
    assert not bare, f"no __init__.py in {sorted(bare)} below {ROOT.name}"
