"""What users import: the names are there, and importing the package alone loads nothing heavy."""

import subprocess
import sys

import pytest

import pumice

NAMES = {"AsyncClient", "Client", "Model", "Signature", "Store", "Tensor", "__version__", "current_traces"} | {
    "export_model",
    "import_model",
}
HEAVY = {"numpy", "onnxruntime", "grpc", "httpx", "sqlalchemy", "starlette", "uvicorn", "msgspec", "typer", "rich"}


def modules_after(code: str) -> set[str]:
    """Run code in a new interpreter and tell which modules it loaded."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_public_names_are_these() -> None:
    assert set(pumice.__all__) == NAMES
    assert set(dir(pumice)) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_can_be_used(name: str) -> None:
    assert getattr(pumice, name) is not None


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Modell'"):
        _ = pumice.Modell


def test_importing_the_package_is_light() -> None:
    assert not HEAVY & modules_after("import pumice")


def test_the_client_needs_no_server() -> None:
    loaded = modules_after("from pumice import Client")
    assert not {"onnxruntime", "grpc", "sqlalchemy", "starlette", "uvicorn", "typer"} & loaded
