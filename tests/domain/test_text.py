"""The cleaning policy of texts."""

from __future__ import annotations

import time
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.domain.errors import MalformedInput, TooLarge, UncleanText
from pumice.domain.model import CleanPolicy
from pumice.domain.text import MAX_MARKS, clean_texts

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
BURNING_HEART = "❤\ufe0f\u200d\U0001f525"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"

ORDINARY = [
    "",
    "plain ASCII, with\ttabs\r\nand lines",
    "标点，也是中文的一部分！",
    "Ａ full-width letter is not NFKC",
    "e\u0301 is not composed",
    f"{FAMILY} {BURNING_HEART} {ENGLAND}",
    "می\u200cخواهم",
    "ක්\u200dර",
    "Ünïcödé",
]

UNCLEAN = {
    "a\x00b": "U+0000 (a control character) at character 1",
    "\x1b[31m": "U+001B",
    "\x7f": "U+007F",
    "好\x85": "U+0085",
    "in\u200bvisible": "U+200B (ZERO WIDTH SPACE) at character 2",
    "\ufeffmark": "U+FEFF",
    "so\xadft": "U+00AD (SOFT HYPHEN)",
    "evil\u202etxt": "U+202E (RIGHT-TO-LEFT OVERRIDE)",
    "\u2066isolate\u2069": "U+2066",
    "word\u2060joiner": "U+2060",
    "a\u200db": "U+200D",
    f"{FAMILY}\u200d": "U+200D",
    "می\u200c\u200cخواهم": "U+200C",
    "smuggled\U000e0041": "U+E0041",
}


def array(*items: str | bytes) -> np.ndarray:
    made = np.empty(len(items), dtype=object)
    made[:] = [item.encode() if isinstance(item, str) else item for item in items]
    return made


def cleaned(text: str, policy: CleanPolicy = "repair", max_chars: int = 1000) -> str:
    result: bytes = clean_texts(array(text), policy, max_chars, "input 'text'")[0]
    return result.decode()


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize("policy", ["refuse", "off"])
def test_ordinary_text_passes_as_it_is(text: str, policy: CleanPolicy) -> None:
    values = array("first", text)
    assert clean_texts(values, policy, 1000, "input 'text'") is values


@pytest.mark.parametrize(("text", "found"), UNCLEAN.items())
def test_what_nobody_sees_is_refused_by_name(text: str, found: str) -> None:
    with pytest.raises(UncleanText) as error:
        clean_texts(array("fine", text), "refuse", 1000, "input 'text'")
    assert error.value.what == "input 'text'[1]"
    assert found in error.value.problem


@pytest.mark.parametrize("text", UNCLEAN)
def test_off_takes_everything_that_is_utf8(text: str) -> None:
    assert cleaned(text, "off") == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("in\u200bvisible\x00", "invisible"),
        ("ＡＢＣ，①", "ABC,1"),
        ("e\u0301", "é"),
        (f"{FAMILY}\u200d {ENGLAND}", f"{FAMILY} {ENGLAND}"),
        ("می\u200c\u200cخواهم", "می\u200cخواهم"),
        ("clean\t", "clean\t"),
    ],
)
def test_repair_drops_and_normalises(text: str, wanted: str) -> None:
    assert cleaned(text) == wanted


def test_repair_leaves_what_is_clean_alone() -> None:
    values = array("clean", "也干净")
    assert clean_texts(values, "repair", 100, "input 'text'") is values
    grid = array("a", "b\u200b", "c", "d").reshape(2, 2)
    assert clean_texts(grid, "repair", 100, "input 'text'").tolist() == [[b"a", b"b"], [b"c", b"d"]]


ODD = st.sampled_from(
    "aé好，Ａ①\u0301\u0327\x00\u200b\u200c\u200d\u202e\ufe0f\ufdfa\u232a\u0645\u0dca\U0001f130👨🔥🏴\U000e0067\U000e007f"
)


@given(st.text(max_size=60) | st.text(ODD, max_size=12))
def test_repaired_text_is_clean_and_normal(text: str) -> None:
    once = cleaned(text)
    assert unicodedata.is_normalized("NFKC", once)
    assert cleaned(once, "refuse") == once
    assert cleaned(once) == once


@pytest.mark.parametrize("policy", ["refuse", "repair", "off"])
@pytest.mark.parametrize(("items", "row"), [((b"\xff",), 0), ((b"ok", b"\xe4\xbd"), 1), ((b"\xe4\xbd", b"\xa0"), 0)])
def test_bytes_that_are_not_utf8_are_malformed(policy: CleanPolicy, items: tuple[bytes, ...], row: int) -> None:
    with pytest.raises(MalformedInput, match=rf"input 'text'\[{row}\]: not UTF-8 \(byte 0x"):
        clean_texts(array(*items), policy, 100, "input 'text'")


@pytest.mark.parametrize("policy", ["refuse", "repair", "off"])
def test_characters_are_counted_not_bytes(policy: CleanPolicy) -> None:
    assert cleaned("好" * 10, policy, 10) == "好" * 10
    with pytest.raises(TooLarge, match=r"input 'text'\[0\] has 11 characters; at most 10"):
        cleaned("好" * 11, policy, 10)


def test_repair_cannot_grow_past_the_limit() -> None:
    with pytest.raises(TooLarge, match="has 180 characters"):
        cleaned("\ufdfa" * 10, max_chars=100)


@pytest.mark.parametrize("marks", ["\u0300\u0327", "\u0301", "\u0300\u200b\u0327"])
def test_repair_takes_no_more_than_its_share_of_marks_and_time(marks: str) -> None:
    started = time.process_time()
    repaired = cleaned("a" + marks * (60_000 // len(marks)) + "b", max_chars=100_000)
    # NFKC alone takes ten seconds and more
    assert time.process_time() - started < 2
    assert len(repaired) <= MAX_MARKS + 2
    assert repaired.endswith("b")


def test_there_may_be_no_text_at_all() -> None:
    values = array()
    assert clean_texts(values, "refuse", 10, "input 'text'") is values
