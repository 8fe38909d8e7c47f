"""A request makes its model go wrong, in the middle of a batch. The others get their answers all the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.faults.conftest import Fault
from tests.support.server import RunningServer
from tests.support.wire import at_once, behind, infer, output

GROUP = "In the model, with three other requests in the batch"
ALONE = "The batch is run again item by item"
KILLED = "The replica is replaced; the batch is run again item by item, the bad one alone at most twice"
HANGS = "The replica is killed at its time limit; the batch is run again item by item"


class Case(NamedTuple):
    """What a deed leads to."""

    deed: str
    what: str
    happens: str
    status: int
    says: str


CASES = [
    Case("raise", "It raises", ALONE, 500, "Singular matrix"),
    Case("exit", "It calls `sys.exit`", ALONE, 500, "SystemExit"),
    Case("interrupt", "It raises `KeyboardInterrupt`", ALONE, 500, "KeyboardInterrupt"),
    Case("recurse", "It recurses without end", ALONE, 500, "RecursionError"),
    Case("allocate", "It wants more memory than `memory_limit`", ALONE, 500, "memory_limit"),
    Case("shape", "It answers another shape than its signature says", ALONE, 500, "its signature says"),
    Case("rows", "It answers a row too many", ALONE, 500, "rows"),
    Case("datatype", "It answers another datatype", ALONE, 500, "INT64"),
    Case("nothing", "It answers nothing", ALONE, 500, "outputs"),
    Case("more", "It answers an output that its signature does not name", ALONE, 500, "outputs"),
    Case("list", "It answers a list instead of named tensors", ALONE, 500, "list"),
    Case("nan", "It answers NaN", ALONE, 500, "NaN"),
    Case("infinity", "It answers infinity, and JSON was asked for", "Nothing; the binary form has it", 501, "binary"),
    Case("die", "It kills its replica (SIGKILL)", KILLED, 500, "died"),
    Case("leave", "It ends its process (`os._exit`)", KILLED, 500, "died"),
    Case("segfault", "Native code reads where nothing is (SIGSEGV)", KILLED, 500, "died"),
    Case("abort", "Native code aborts (SIGABRT)", KILLED, 500, "died"),
    Case("overflow", "It overflows its stack", KILLED, 500, "died"),
    Case("close", "It closes its process's descriptors", KILLED, 500, "died"),
    Case("garbage", "It writes garbage into its replica's sockets", KILLED, 500, "died"),
    Case("hang", "It hangs", HANGS, 504, "time limit of 4 s"),
    Case("hang-with-the-lock", "Native code hangs and keeps the interpreter's lock", HANGS, 504, "time limit"),
    Case("stop", "Its process is stopped (SIGSTOP)", HANGS, 504, "time limit"),
    Case("ignore-signals", "It ignores signals", "Nothing", 200, ""),
    Case("threads", "It starts fifty threads that never end", "Nothing", 200, ""),
    Case("child", "It leaves a child behind that holds its descriptors", "Nothing", 200, ""),
    Case("print", "It prints a megabyte", "Nothing; it is in the log", 200, ""),
]


@pytest.mark.parametrize("case", CASES, ids=[case.deed for case in CASES])
def test_a_request_that_makes_its_model_go_wrong(
    case: Case, server: RunningServer, fault: Fault, tmp_path: Path
) -> None:
    caller = {200: "its answer", 504: "504 after the time limit"}.get(case.status, str(case.status))
    fault.is_that(case.what, happens=case.happens, caller=f"{caller}; the others: their answers", group=GROUP)
    parameters = {"do": case.deed}
    rows = [[1, 1, 1, 1], [7, 7, 7, 7], [2, 2, 2, 2], [3, 3, 3, 3]]
    model = "hanging" if case.status == 504 else "faulty"
    calls: list[Callable[[], httpx.Response]] = [
        partial(infer, server.url, model, row, parameters=parameters) for row in rows
    ]
    if model == "hanging":
        fault.strikes()
        answers = at_once(calls)
    else:
        answers = behind(server.url, model, tmp_path / "gate", calls, then=fault.strikes)
    bad = answers.pop(1)
    fault.heals(server.url, model)
    assert bad.status_code == case.status, bad.text
    assert case.says in bad.text
    assert "Traceback" not in bad.text
    assert [output(answer) for answer in answers] == [[2] * 4, [4] * 4, [6] * 4]
    assert output(infer(server.url, "neighbour")) == [2, 4, 6, 8]
