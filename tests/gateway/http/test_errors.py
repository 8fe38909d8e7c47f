"""The table from our errors to HTTP, and the bodies in which they are told."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pumice.domain import errors as e
from pumice.gateway.http import errors


def tree(root: type[e.PumiceError]) -> Iterator[type[e.PumiceError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith(e.__name__):  # not what other tests derive
            yield from tree(child)


def test_the_table_has_every_class_and_no_other() -> None:
    assert set(tree(e.PumiceError)) == set(errors.STATUSES)


@pytest.mark.parametrize("kind", list(errors.STATUSES))
def test_a_class_and_its_ancestors_agree_on_who_is_to_blame(kind: type[e.PumiceError]) -> None:
    status = errors.STATUSES[kind]
    ours = status >= 500
    parent = kind.__mro__[1]
    if parent in errors.STATUSES and parent is not e.PumiceError:
        assert ours == (errors.STATUSES[parent] >= 500)


def test_a_class_that_is_not_in_the_table_has_its_nearest_ancestors_status() -> None:
    class Special(e.TooLarge):
        pass

    assert errors.status_of(Special("the body", 2, 1)) == 413


def test_a_problem_document() -> None:
    told = json.loads(errors.problem(e.ModelNotFound("a", known=("b", "c")), "id-1"))
    assert told == {
        "type": "urn:pumice:error:model-not-found",
        "title": "No such model",
        "status": 404,
        "detail": "model 'a' is not served; served: b, c",
        "request_id": "id-1",
    }


def test_the_shape_of_oip() -> None:
    assert json.loads(errors.oip_error(e.MalformedInput("body", "no JSON"))) == {"error": "body: no JSON"}


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (e.Overloaded("full", retry_after_s=0.2), "1"),
        (e.Overloaded("full", retry_after_s=2.1), "3"),
        (e.ModelNotReady("m", "loading"), "1"),
        (e.ModelFailed("m", "boom"), None),
        (e.DeadlineExceeded("x"), None),
    ],
)
def test_when_to_come_back(error: e.PumiceError, wait: str | None) -> None:
    assert errors.retry_after(error) == wait


def test_the_unforeseen_is_logged_whole_and_told_generically(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        try:
            raise RuntimeError("a secret")
        except RuntimeError as error:
            told = errors.problem(errors.internal_error(error, "id-2"), "id-2")
    assert b"secret" not in told
    assert json.loads(told)["status"] == 500
    assert "a secret" in caplog.text
    assert vars(caplog.records[-1])["request_id"] == "id-2"


def test_what_the_hot_path_imports_is_light() -> None:
    modules = "pumice.gateway.http.errors, pumice.gateway.headers, pumice.gateway.http.compression"
    program = f"import sys, {modules}; print([m for m in sys.modules if m.startswith(('starlette', 'anyio'))])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[]\n"
