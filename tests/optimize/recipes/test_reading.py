"""Recipe files: what they say, and what is wrong with them, by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumice.domain.errors import BadSetting
from pumice.optimize.recipes.choosing import BUILT_IN, load_recipe
from pumice.optimize.recipes.reading import read_recipe

GRID = """\
name: mine
about: a grid of two options
passes:
  - fuse
  - int8-static: {calibration: {each: [minmax, percentile]}, reduce_range: {each: [true, false]}}
    leave_out: {until: 0.1}
"""


def test_a_grid_makes_a_candidate_of_each_choice() -> None:
    recipes = [candidate.recipe for candidate in read_recipe(GRID, "mine.yaml").candidates]
    assert [recipe.name for recipe in recipes] == [
        "mine-minmax-true",
        "mine-minmax-false",
        "mine-percentile-true",
        "mine-percentile-false",
    ]
    assert len({recipe.digest for recipe in recipes}) == 4
    assert all(recipe.needs_calibration and recipe.needs_search and not recipe.deterministic for recipe in recipes)
    told = recipes[0].told["passes"]
    assert told[0]["fuse"]["tool"] == "onnxslim"  # defaults are written out
    assert told[1]["leave_out"] == {"until": 0.1, "seconds": 120.0}


def test_the_digest_is_that_of_what_is_done() -> None:
    def digest(text: str) -> str:
        return read_recipe(text, "x").candidates[0].recipe.digest

    plain = digest("{name: a, about: b, passes: [int8-dynamic]}")
    assert plain == digest("{name: other, about: words, passes: [{int8-dynamic: {per_channel: true}}]}")
    assert plain != digest("{name: a, about: b, passes: [{int8-dynamic: {per_channel: false}}]}")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: a\nabout: b\npasses:\n  - int9\n", 4, "'int9'; allowed one pass: .*int8-static"),
        ("name: a\nabout: b\npasses:\n  - fuse:\n      tol: x\n", 5, r"fuse\.tol.*tool, model_type"),
        (
            "name: a\nabout: b\npasses:\n  - fuse:\n      tool: x\n",
            5,
            "'x'; allowed onnxruntime, onnxslim, transformers",
        ),
        (
            "name: a\nabout: b\npasses:\n- int8-static:\n    percentile: 101\n",
            5,
            "101; allowed a number, above 50 and at",
        ),
        ("name: a\nabout: b\npasses: [fuse]\nwhat: 1\n", 4, "unknown field `what`"),
        ("name: a\nabout: b\ncandidates:\n- name: A\n  passes: [fuse]\n", 4, "matching regex"),
        ("name: a\nabout: b\ncandidates:\n- name: a\n  when: {cpu: x}\n  passes: [fuse]\n", 5, "unknown field `cpu`"),
        ("name: a\nabout: b\npasses:\n- fuse:\n  leave_out: {}\n", 5, "cannot leave nodes out"),
        ("name: a\nabout: b\npasses:\n- int8-dynamic:\n  leave_out: {til: 1}\n", 5, "until, seconds"),
        ("name: a\nabout: b\nname: c\n", 3, "there already"),
        ("name: a\nabout: [b\n", 3, "YAML"),
        ("name: a\nabout: b\n", 1, "does nothing"),
        ("- name\n", 1, "a mapping"),
        ("name: a\nabout: b\npasses:\n  - fuse: [1]\n", 4, "a mapping of options"),
        ("name: a\nabout: b\npasses:\n  - {fuse: , fp16: }\n", 4, "one pass"),
        ("name: a\nabout: b\npasses:\n  - weight-only: {bits: 8, embeddings: true}\n", 4, "there is no other kernel"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(BadSetting, match=rf"(?s)^r\.yaml, line {line}\b.*{words}"):
        read_recipe(text, "r.yaml")


def test_built_in_recipes_are_files_that_can_be_read() -> None:
    for name in BUILT_IN:
        file = load_recipe(name)
        assert file.name == name
        assert file.about


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="'int9'; allowed auto, int8, fp16, small, fast, or a YAML file"):
        load_recipe("int9")
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(BadSetting, match="utf-8"):
        load_recipe(str(tmp_path / "odd.yaml"))
