"""YAML from strangers: read as plain values, or refused in little time and memory."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.domain.errors import MalformedInput
from pumice.protocol.safe_yaml import load_yaml

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@settings(max_examples=60, deadline=None)
@given(value=PLAIN)
def test_plain_values_come_back(value: Any) -> None:
    try:
        written = yaml.safe_dump(value)
        wanted = yaml.safe_load(written)
    except yaml.YAMLError:
        return  # PyYAML does not write every text
    assert load_yaml(written, "it") == wanted == value


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"#\n ?,%@`\t0", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        load_yaml(text, "it")
    except MalformedInput:
        return


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "&a [*a]",
        "[" * 100_000,
        "{a: " * 3_000,
        "- " * 3_000,
        "a: 1\na: 2",
        "{[a]: 1}",
        "!!python/object/apply:os.system ['true']",
        "!!binary aGVsbG8=",
        "a\n---\nb",
        "a: *nothing",
        "x" * (4 * 1024 * 1024 + 1),
        "\x00",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_not_plain_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput):
        load_yaml(text, "it")


def test_a_date_stays_a_text_and_an_alias_its_value() -> None:
    assert load_yaml("a: 2024-01-01\nb: &x [1]\nc: *x", "it") == {"a": "2024-01-01", "b": [1], "c": [1]}
