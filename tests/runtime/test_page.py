"""The status page: what a replica writes is what the others see, and only a hang looks like one."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from pumice.runtime.page import HangWatch, RunningCall, StatusPage, StatusView


def page_and_view() -> tuple[StatusPage, StatusView]:
    page = StatusPage()
    return page, StatusView(page.fd)


def test_a_call_shows_while_it_runs() -> None:
    page, view = page_and_view()
    assert view.running() is None
    before = time.monotonic()
    page.begin(7 << 32 | 1, 3, 1.5)
    call = view.running()
    assert call is not None
    assert (call.connection, call.number, call.limit) == (7 << 32 | 1, 3, 1.5)
    assert before - 1e-6 <= call.since <= time.monotonic()
    page.end()
    assert view.running() is None


def test_the_page_can_be_read_when_its_writer_is_gone() -> None:
    program = (
        "import os\nfrom pumice.runtime.page import StatusPage\n"
        "page = StatusPage()\npage.begin(9, 2, 0.0)\nos.write(1, b'%d' % page.fd)\nos.read(0, 1)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        fd = os.open(f"/proc/{writer.pid}/fd/{int(os.read(writer.stdout.fileno(), 16))}", os.O_RDWR)
        writer.kill()
    view = StatusView(fd)
    os.close(fd)
    call = view.running()
    assert call is not None
    assert call.connection == 9


def test_what_is_no_page_is_refused() -> None:
    fd = os.memfd_create("short")
    try:
        with pytest.raises(OSError, match="size"):
            StatusView(fd)
    finally:
        os.close(fd)


def test_a_call_is_overdue_only_behind_its_limit() -> None:
    assert not RunningCall(1, 1, since=10.0, limit=2.0).overdue(12.0)
    assert RunningCall(1, 1, since=10.0, limit=2.0).overdue(12.01)
    assert not RunningCall(1, 1, since=10.0, limit=0.0).overdue(1e9)


def test_a_hang_is_seen_at_the_second_look() -> None:
    watch = HangWatch()
    call = RunningCall(1, 1, since=0.0, limit=1.0)
    assert not watch.hangs(call, 0.5)
    assert not watch.hangs(call, 1.1)
    assert watch.hangs(call, 1.2)


@pytest.mark.parametrize(
    "between", [None, RunningCall(1, 2, since=1.1, limit=1.0), RunningCall(2, 1, since=0.0, limit=1.0)]
)
def test_what_went_on_between_two_looks_is_no_hang(between: RunningCall | None) -> None:
    watch = HangWatch()
    call = RunningCall(1, 1, since=0.0, limit=1.0)
    assert not watch.hangs(call, 1.1)
    assert not watch.hangs(between, 1.2)
