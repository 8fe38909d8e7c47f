"""What `pumice doctor` finds, and what it makes of it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import msgspec
import pytest

from pumice.cli.doctor.machine import Gpu, look_at_machine, parse_gpus
from pumice.cli.doctor.packages import Extra, Package, Runtime, extras, onnx_runtime, parse_requirement
from pumice.cli.doctor.places import look_at_home, look_at_port
from pumice.cli.doctor.report import Report, examine, problems_of
from pumice.config import load_settings
from pumice.domain.processor import features_of
from pumice.runtime.worker.sandbox import MEASURES
from tests.cli.command import pumice


@pytest.fixture(scope="module")
def found() -> Report:
    return msgspec.structs.replace(examine(load_settings({}, environ={})), ports=())


def test_this_machine_is_described(tmp_path: Path) -> None:
    done = pumice("doctor", "--json", environ={"PUMICE_HOME": str(tmp_path / "home")})
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["machine"]["cores"] >= 1
    assert "CPUExecutionProvider" in report["onnxruntime"]["providers"]
    assert {"text", "image", "optimize"} <= {extra["name"] for extra in report["extras"]}
    assert "all" not in {extra["name"] for extra in report["extras"]}
    assert report["home"]["exists"] is False
    assert [port["use"] for port in report["ports"]] == ["http", "grpc"]


def test_people_get_a_table(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    done = pumice("doctor", environ={"PUMICE_HOME": str(tmp_path)})
    assert done.returncode == 0
    assert "onnxruntime" in done.stdout
    assert f"chmod 700 {tmp_path}" in done.stdout
    assert "Ready to serve." in done.stdout
    assert "sandbox" in done.stdout


def test_a_home_that_cannot_be_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = pumice("doctor", environ={"PUMICE_HOME": str(file / "home")})
    assert done.returncode == 1
    assert "PUMICE_HOME" in done.stdout
    assert "Ready" not in done.stdout


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert look_at_port("http", "127.0.0.1", number).free is False
    assert look_at_port("http", "127.0.0.1", number).free is True


def test_permissions_of_the_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    home = look_at_home(tmp_path)
    assert (home.exists, home.writable, home.private, home.mode) == (True, True, True, "drwx------")
    assert home.free_bytes > 0
    tmp_path.chmod(0o750)
    assert look_at_home(tmp_path).private is False
    assert look_at_home(tmp_path / "a" / "b").writable is True


def test_what_is_broken_and_what_is_only_missing(found: Report) -> None:
    everything = {measure.name: True for measure in MEASURES}
    healthy = msgspec.structs.replace(found, problems=(), sandbox=everything, extras=())
    assert healthy.healthy

    def problems(**changed: object) -> list[tuple[bool, str]]:
        return [(p.needed, p.mend) for p in problems_of(msgspec.structs.replace(healthy, **changed))]

    assert (True, "pip install --force-reinstall pumice") in problems(packages=(Package("numpy", None),))
    assert (True, "pip install --force-reinstall onnxruntime") in problems(onnxruntime=Runtime(problem="no lib"))
    gpu = msgspec.structs.replace(healthy.machine, gpus=(Gpu("H100", 80 << 30, "580"),))
    assert (False, "pip uninstall onnxruntime && pip install onnxruntime-gpu") in problems(machine=gpu)
    absent = Extra("text", (Package("tokenizers", None),), "pip install 'pumice[text]'")
    assert problems(extras=(absent,)) == [(False, "pip install 'pumice[text]'")]
    unguarded = healthy.sandbox | {"network": False}
    assert problems(sandbox=unguarded) == [(False, "needs seccomp filter (x86-64, arm64)")]


def test_a_container_counts(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_text("model name\t: Chip 3000\nflags\t\t: fpu avx2 avx512f avx_vnni\n", "utf-8")
    (tmp_path / "proc/meminfo").write_text("MemTotal:  8192 kB\nMemAvailable: 4096 kB\n", "utf-8")
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("50000 100000\n", "utf-8")
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(str(2048 << 10), "utf-8")
    (tmp_path / "sys/fs/cgroup/memory.current").write_text(str(512 << 10), "utf-8")
    machine = look_at_machine(tmp_path)
    assert machine.processor == "Chip 3000"
    assert machine.usable_cores == 0.5
    assert machine.memory_bytes == 2048 << 10
    assert machine.available_bytes == 1536 << 10
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("max 100000\n", "utf-8")
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max", "utf-8")
    assert look_at_machine(tmp_path).memory_bytes == 8192 << 10
    assert look_at_machine(tmp_path).usable_cores >= 1


def test_features_are_those_of_the_architecture() -> None:
    assert features_of("x86_64", "avx2 avx512f avx_vnni") == (("avx2", "avx512", "vnni"), ("bf16", "amx"))
    assert features_of("aarch64", "asimd sve") == (("neon", "sve"), ("i8mm", "bf16"))
    assert features_of("riscv64", "rv64gc") == ((), ())


def test_graphics_cards_are_read() -> None:
    assert parse_gpus("NVIDIA H100, 81559, 580.95\n") == (Gpu("NVIDIA H100", 81559 << 20, "580.95"),)
    assert parse_gpus("No devices were found\n") == ()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("numpy>=2.0", ("numpy", (), "")),
        ("tokenizers>=0.21; extra == 'text'", ("tokenizers", (), "text")),
        ('pumice[text,optimize]; extra == "demo"', ("pumice", ("text", "optimize"), "demo")),
        ("uvloop>=0.21; (sys_platform != 'win32') and extra == 'x-y'", ("uvloop", (), "x-y")),
    ],
)
def test_requirements_are_read(text: str, parts: tuple[str, tuple[str, ...], str]) -> None:
    assert parse_requirement(text) == parts


def test_installed_extras_need_no_command() -> None:
    assert all((extra.install == "") == all(p.version for p in extra.packages) for extra in extras())
    assert onnx_runtime().problem == ""
