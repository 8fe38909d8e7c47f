"""docs/reference is what the code says now, and leaves nothing out."""

import re
import shlex
from collections.abc import Iterator

import msgspec
import pytest

from pumice.config import ModelSettings, Settings
from pumice.domain.errors import PumiceError
from pumice.domain.model import ImageInput, Manifest
from pumice.observe.catalogue import METRICS
from scripts.generate_reference import FOLDER, PAGES, text_of
from scripts.reference.commands import commands
from scripts.reference.errors import classes
from scripts.reference.markdown import attributes
from tests.house.pages import blocks, pages
from tests.house.source import name_of


def reference(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert reference(name) == text_of(name), "run `make reference`"


@pytest.mark.parametrize("struct", [Settings, ModelSettings, Manifest, ImageInput], ids=lambda struct: struct.__name__)
def test_every_setting_and_key_is_told(struct: type[msgspec.Struct]) -> None:
    page = reference("settings.md")
    for field in msgspec.structs.fields(struct):
        rows = re.findall(rf"^\| `{field.name}` \|.*\| (.*) \|$", page, re.MULTILINE)
        assert rows, f"{field.name} is missing"
        assert all(len(text) > 3 for text in rows), f"{field.name} has no description"


@pytest.mark.parametrize("struct", [Manifest, ImageInput], ids=lambda struct: struct.__name__)
def test_no_description_outlives_its_key(struct: type[msgspec.Struct]) -> None:
    assert list(attributes(struct.__doc__)) == list(struct.__struct_fields__)


def test_every_error_is_told_and_drawn() -> None:
    page = reference("errors.md")
    for kind in classes(PumiceError):
        assert re.search(rf"^\| `{kind.__name__}` \| `{kind.code}` \|", page, re.MULTILINE), kind.__name__
        assert re.search(rf"^[│├└─ ]*{kind.__name__}\b", page, re.MULTILINE), f"{kind.__name__} is not in the tree"


def test_error_codes_differ() -> None:
    codes = [kind.code for kind in classes(PumiceError)]
    assert len(codes) == len(set(codes))


def test_every_metric_is_told() -> None:
    page = reference("metrics.md")
    assert [metric.name for metric in METRICS if f"`{metric.name}`" not in page] == []


def test_every_command_and_option_is_told() -> None:
    page = reference("cli.md")
    for name, command in commands():
        assert f"## {name}\n" in page
        assert command.help, f"{name} has no help"
        for parameter in command.params:
            assert getattr(parameter, "help", "x"), f"{name}: {parameter.name} has no help"
            for option in parameter.opts if parameter.param_type_name == "option" else []:
                assert f"`{option}`" in page, f"{name} {option}"


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Find every call of `pumice` in the pages, with the page that it is in."""
    for page in pages():
        for block in blocks(page):
            if block.language == "bash":
                for line in block.text.replace("\\\n", " ").splitlines():
                    words = shlex.split(line, comments=True)
                    calls = [at for at, word in enumerate(words) if word in {"pumice", ".venv/bin/pumice"}]
                    yield from ((name_of(page), words[at + 1 :]) for at in calls[:1])


def test_commands_in_the_pages_exist() -> None:
    known = {name.removeprefix("pumice "): command for name, command in commands()}
    for page, words in command_lines():
        name = next((name for name in known if words[: len(name.split())] == name.split()), None)
        assert name is not None, f"{page}: there is no command 'pumice {' '.join(words)}'"
        options = {
            option for parameter in known[name].params for option in [*parameter.opts, *parameter.secondary_opts]
        }
        for word in words:
            if word.startswith("-") and word != "--help":
                assert word.split("=")[0] in options, f"{page}: pumice {name} has no option {word}"
