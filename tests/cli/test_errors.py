"""The table of exit codes holds every class of the error tree."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module

import pytest

from pumice.cli.errors import EXIT_CODES, ExitCode, exit_code, show
from pumice.client.errors import ConnectionFailed
from pumice.client.flow import Reply
from pumice.client.refusals import refusal
from pumice.domain.errors import BadSetting, ModelNotReady, PumiceError

HOMES = ("pumice.domain.errors", "pumice.client.errors")
"""The modules that define errors."""


def tree(root: type[PumiceError]) -> Iterator[type[PumiceError]]:
    yield root
    for kind in root.__subclasses__():
        yield from tree(kind)


def test_the_table_is_complete() -> None:
    for home in HOMES:
        import_module(home)
    assert set(EXIT_CODES) == {kind for kind in tree(PumiceError) if kind.__module__.startswith(HOMES)}


def test_what_the_user_can_mend_is_2_and_what_time_can_mend_is_1() -> None:
    assert exit_code(BadSetting("port", "x", "a number")) is ExitCode.WRONG
    assert exit_code(ModelNotReady("m", "loading")) is ExitCode.FAILED
    assert exit_code(ConnectionFailed("http://x", "refused")) is ExitCode.FAILED
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3]


@pytest.mark.parametrize(("status", "code"), [(404, 2), (422, 2), (500, 1), (503, 1), (504, 1), (401, 1), (418, 1)])
def test_a_servers_refusal_has_the_code_of_its_class(status: int, code: int) -> None:
    assert exit_code(refusal(Reply(status, {}, b""), model="m")) == code


def test_an_error_is_one_line_without_colour_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    show(BadSetting("port", "x", "a number"), debug=False)
    assert capsys.readouterr().err == "pumice: port: given x; allowed a number\n"


def test_an_error_is_red_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show(BadSetting("port", "x", "a number"), debug=False)
    assert capsys.readouterr().err == "\033[31mpumice: port: given x; allowed a number\033[0m\n"
