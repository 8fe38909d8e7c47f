"""docs/reference is what the code says now, and leaves nothing out."""

import re
import shlex
from collections.abc import Iterator

import msgspec
import pytest

from pumice.config import ModelSettings, Settings
from pumice.domain.model import ImageInput, Manifest
from pumice.observe.catalogue import METRICS
from scripts.generate_reference import FOLDER, PAGES, text_of
from scripts.reference.commands import commands, parameters
from scripts.reference.errors import classes
from scripts.reference.markdown import attributes, code
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
    for kind in classes():
        assert re.search(rf"^\| `{kind.__name__}` \| `{kind.code}` \|", page, re.MULTILINE), kind.__name__
        assert re.search(rf"^[│├└─ ]*{kind.__name__}\b", page, re.MULTILINE), f"{kind.__name__} is not in the tree"


def test_error_codes_differ() -> None:
    codes = [kind.code for kind in classes()]
    assert len(codes) == len(set(codes))


def test_every_metric_is_told() -> None:
    page = reference("metrics.md")
    assert [metric.name for metric in METRICS if f"`{metric.name}`" not in page] == []


def test_every_command_and_option_is_told() -> None:
    page = reference("cli.md")
    for name, function in commands():
        assert f"## {name}\n" in page
        assert function.__doc__, f"{name} has no help"
        for parameter in parameters(function):
            assert parameter.text, f"{name}: {parameter.names} has no help"
            assert all(code(word) in page.replace("\\|", "|") for word in parameter.names), f"{name}: {parameter.names}"


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
    known = {name.removeprefix("pumice "): function for name, function in commands()}
    for page, words in command_lines():
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in known), "")
        assert name, f"{page}: there is no command 'pumice {' '.join(words)}'"
        options = {name for parameter in parameters(known[name]) for name in parameter.names}
        unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in options]
        assert not unknown, f"{page}: pumice {words[0]} has no {unknown}"
