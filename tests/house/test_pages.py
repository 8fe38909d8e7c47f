"""The pages are right as far as a machine can tell: twins in step, links that lead somewhere, code that can be read."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from pumice.config import load_settings
from pumice.domain.model import parse_manifest
from pumice.optimize.recipes.reading import read_recipe
from tests.house.pages import TWIN, Block, anchors, blocks, pages, prose
from tests.house.source import ROOT, name_of

TWINS = [page for page in pages() if page.name.endswith(TWIN)]
GLOSSARY = ROOT / "docs" / "concepts" / "glossary.md"
# one word a thing; the whole project speaks with these
WORDS = [
    "model", "version", "alias", "signature", "artefact", "manifest", "lineage", "engine", "deployment", "replica",
    "traffic weight", "rollout", "variant", "recipe", "pass", "budget", "evidence", "certificate", "feedback",
]  # fmt: skip


def english(twin: Path) -> Path:
    return twin.with_name(twin.name.replace(TWIN, ".md"))


def all_blocks(*languages: str) -> Iterator[tuple[Path, Block]]:
    for page in pages():
        yield from ((page, block) for block in blocks(page) if block.language in languages)


def test_what_users_read_first_is_there_in_both_languages() -> None:
    wanted = [
        ROOT / "README.md",
        ROOT / "docs/index.md",
        ROOT / "docs/quickstart.md",
        *(ROOT / "docs/how-to").glob("*.md"),
    ]
    alone = [name_of(page) for page in wanted if not page.name.endswith(TWIN) and page.with_suffix(TWIN) not in TWINS]
    assert not alone, f"no Chinese page beside {alone}"


@pytest.mark.parametrize("twin", TWINS, ids=name_of)
def test_twins_are_in_step(twin: Path) -> None:
    other = english(twin)

    def outline(page: Path) -> list[int]:
        return [len(level) for level in re.findall(r"^(#+) ", prose(page), re.MULTILINE)]

    def lines_of_tables(page: Path) -> int:
        return len(re.findall(r"^\|", prose(page), re.MULTILINE))

    assert outline(twin) == outline(other), "their sections differ"
    assert blocks(twin) == blocks(other), "their code differs"
    assert lines_of_tables(twin) == lines_of_tables(other), "their tables differ"
    assert figures(twin) == figures(other), "their measured figures differ"


def figures(page: Path) -> list[list[str]]:
    """The numbers between the markers of measured results."""
    marked = re.findall(r"<!-- (\w+):begin -->(.*?)<!-- \1:end -->", page.read_text(encoding="utf-8"), re.DOTALL)
    return [re.findall(r"\d+(?:\.\d+)?", text) for _, text in marked]


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        aim = (page.parent / place).resolve() if place else page
        assert aim.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(aim), f"{target}: no such heading"


def test_python_in_the_pages_can_be_read() -> None:
    for page, block in all_blocks("python"):
        try:
            ast.parse(block.text)
        except SyntaxError as error:
            pytest.fail(f"{name_of(page)}: {error}\n{block.text}")


def test_manifests_and_settings_in_the_pages_are_accepted(tmp_path: Path) -> None:
    for page, block in all_blocks("json"):
        data = json.loads(block.text)
        if not {"task_id", "status", "error", "inputs"} & set(data):
            parse_manifest(data, name_of(page))
    file = tmp_path / "pumice.yaml"
    for page, block in all_blocks("yaml"):
        if "passes:" in block.text:
            assert read_recipe(block.text, name_of(page)).candidates
            continue
        file.write_text(block.text, encoding="utf-8")
        settings = load_settings({}, file, environ={})
        assert settings.models, name_of(page)
        for model in settings.models:
            parse_manifest(yaml.safe_load(msgspec.json.encode(model.manifest)), name_of(page))


def test_the_glossary_has_every_word_once() -> None:
    headings = re.findall(r"^### (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(WORDS) <= set(headings), f"missing: {sorted(set(WORDS) - set(headings))}"
    assert headings == sorted(set(headings)), "in the order of the alphabet, each once"
