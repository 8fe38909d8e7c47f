"""Everything that was found, and what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec

from pumice.__about__ import __version__
from pumice.cli.doctor.machine import Machine, look_at_machine
from pumice.cli.doctor.packages import Extra, Package, Runtime, core_packages, extras, onnx_runtime
from pumice.cli.doctor.places import Home, Port, look_at_home, look_at_port
from pumice.config import Settings
from pumice.runtime.worker.sandbox import MEASURES, offered


class Problem(msgspec.Struct, frozen=True):
    """Something that is wrong or missing.

    Attributes:
        what: What it is.
        mend: What to do.
        needed: Serving does not work without it.
    """

    what: str
    mend: str
    needed: bool


class Report(msgspec.Struct, frozen=True):
    """What this machine offers.

    Attributes:
        pumice: Version of Pumice.
        python: Version of Python.
        machine: The hardware.
        onnxruntime: The library that runs ONNX models.
        packages: Libraries that are always needed.
        extras: Optional parts.
        home: The folder of everything that lasts.
        ports: Where the server would listen.
        sandbox: What replicas are kept from here, by the name of the measure.
        problems: What is wrong or missing.
    """

    pumice: str
    python: str
    machine: Machine
    onnxruntime: Runtime
    packages: tuple[Package, ...]
    extras: tuple[Extra, ...]
    home: Home
    ports: tuple[Port, ...]
    sandbox: dict[str, bool]
    problems: tuple[Problem, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether serving works."""
        return not any(problem.needed for problem in self.problems)


def examine(settings: Settings) -> Report:
    """Look at everything."""
    wanted = (("http", settings.port), ("grpc", settings.grpc_port))
    report = Report(
        pumice=__version__,
        python=sys.version.split()[0],
        machine=look_at_machine(),
        onnxruntime=onnx_runtime(),
        packages=core_packages(),
        extras=extras(),
        home=look_at_home(settings.home_path),
        ports=tuple(look_at_port(use, settings.host, number) for use, number in wanted if number > 0),
        sandbox=offered(),
    )
    return msgspec.structs.replace(report, problems=tuple(problems_of(report)))


def problems_of(report: Report) -> Iterator[Problem]:
    """Say what is wrong in what was found."""
    missing = [package.name for package in report.packages if package.version is None]
    if missing:
        yield Problem(f"not installed: {', '.join(missing)}", "pip install --force-reinstall pumice", needed=True)
    if report.onnxruntime.problem:
        mend = "pip install --force-reinstall onnxruntime"
        yield Problem(f"onnxruntime cannot be loaded: {report.onnxruntime.problem}", mend, needed=True)
    elif report.machine.gpus and "CUDAExecutionProvider" not in report.onnxruntime.providers:
        mend = "pip uninstall onnxruntime && pip install onnxruntime-gpu"
        yield Problem("there is a GPU, and onnxruntime was built without CUDA", mend, needed=False)
    for extra in report.extras:
        if extra.install:
            names = ", ".join(package.name for package in extra.packages if package.version is None)
            yield Problem(f"the extra '{extra.name}' is not installed ({names})", extra.install, needed=False)
    for measure in MEASURES:
        if not report.sandbox[measure.name]:
            yield Problem(f"nothing enforces here that a replica {measure.text}", f"needs {measure.by}", needed=False)
    yield from _of_places(report)


def _of_places(report: Report) -> Iterator[Problem]:
    home = report.home
    if not home.writable:
        yield Problem(
            f"the home {home.path} cannot be written", "set PUMICE_HOME to a folder that you may write", needed=True
        )
    elif not home.private:
        yield Problem(
            f"others may look into the home {home.path} ({home.mode})", f"chmod 700 {home.path}", needed=False
        )
    for port in report.ports:
        if not port.free:
            option = "--port" if port.use == "http" else "--grpc-port"
            mend = f"stop what listens there, or give another one with {option}"
            yield Problem(f"port {port.number} on {port.host} is taken", mend, needed=False)
