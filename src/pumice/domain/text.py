"""What is done about unclean text before a model reads it.

Every text must be valid UTF-8 and no longer than its limit. Beyond that the policy of the model decides:

* ``refuse``: control, zero-width and direction characters are an error. Text that is not NFKC passes: ordinary Chinese
  punctuation (``，！``) is not.
* ``repair``: these characters are dropped and the text is brought to NFKC.
* ``off``: the model reads what came.

Tab, line feed and carriage return always pass. So do joiners where writing needs them: U+200D within an emoji,
U+200C and U+200D after a letter of an Arabic or Indic script, and the tags of a regional flag.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from pumice.domain.errors import MalformedInput, TooLarge, UncleanText
from pumice.domain.model import CleanPolicy

_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
# C1 controls, soft hyphen, and every format character (Unicode category Cf) that shows nothing by itself
_INVISIBLE = (
    "\x80-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
# emoji that are joined to others; none that NFKC changes
_PICTURES = "\u2190-\u21ff\u2300-\u2328\u232b-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff"
_JOINING_SCRIPTS = "\u0600-\u0fff\u1000-\u109f\u1780-\u18af\ua840-\ua8ff\ua980-\ua9df"

_ASCII_UNCLEAN = re.compile(f"[{_CONTROLS}]".encode())
_UNCLEAN = re.compile(f"[{_CONTROLS}{_INVISIBLE}]")
_LEGITIMATE = "|".join(
    (
        "\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f",  # a black flag and the tags of its region
        f"(?<=[{_PICTURES}\ufe0f])\u200d(?=[{_PICTURES}])",  # family, professions: pictures joined into one
        f"(?<=[{_JOINING_SCRIPTS}])[\u200c\u200d]",  # Persian, Sinhala and others spell with joiners
    )
)
_LEGITIMATE_OR_UNCLEAN = re.compile(f"{_LEGITIMATE}|([{_CONTROLS}{_INVISIBLE}])")

MAX_MARKS = 30
"""Most combining marks in a row that ``repair`` keeps (UAX #15, stream-safe text).

Bringing a run of n marks to NFKC takes time in the order of n squared: 10 s for 100,000 of them.
"""

# combining marks are no word characters, so only such a run can hold too many of them
_MARK_CANDIDATES = re.compile(rf"[^\w\s\x00-\x7f]{{{MAX_MARKS + 1},}}")


def clean_texts(values: np.ndarray, policy: CleanPolicy, max_chars: int, what: str) -> np.ndarray:
    """Check the texts of one input, and repair them if the policy says so.

    Args:
        values: ``bytes`` objects, any shape.
        policy: What is done about unclean text.
        max_chars: Longest text that is taken (characters).
        what: Name of the input for messages, for example ``"input 'text'"``.

    Returns:
        The same array if nothing was to be repaired (the usual case), else a new one of the same shape.

    Raises:
        MalformedInput: A text is not UTF-8.
        TooLarge: A text is longer than ``max_chars``.
        UncleanText: A text holds what the policy refuses.
    """
    items: list[bytes] = values.ravel().tolist()
    if _clean_at_a_glance(items, policy, max_chars):
        return values
    repaired = np.empty(len(items), dtype=object)
    for row, item in enumerate(items):
        repaired[row] = _clean(item, policy, max_chars, f"{what}[{row}]")
    return repaired.reshape(values.shape) if policy == "repair" else values


def _clean_at_a_glance(items: list[bytes], policy: CleanPolicy, max_chars: int) -> bool:
    """Whether all texts are surely fine, found in a few passes over all of them at once."""
    # a character takes at least one byte; what is longer in bytes is counted one by one
    if max(map(len, items), default=0) > max_chars:
        return False
    # a line feed ends any unfinished character, so the whole is valid UTF-8 only if every text is
    joined = b"\n".join(items)
    if joined.isascii():
        return policy == "off" or _ASCII_UNCLEAN.search(joined) is None
    try:
        text = joined.decode()
    except UnicodeDecodeError:
        return False
    if policy == "off":
        return True
    if _UNCLEAN.search(text):
        return False
    return policy == "refuse" or (not _MARK_CANDIDATES.search(text) and unicodedata.is_normalized("NFKC", text))


def _clean(item: bytes, policy: CleanPolicy, max_chars: int, what: str) -> bytes:
    try:
        text = item.decode()
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte 0x{item[error.start]:02x} at {error.start}: {error.reason}); send UTF-8 text"
        raise MalformedInput(what, problem) from None
    _check_length(text, max_chars, what)
    if policy == "refuse":
        _refuse(text, what)
    if policy != "repair":
        return item
    text = _repair(text)
    _check_length(text, max_chars, what)  # one character may become eighteen
    return text.encode()


def _repair(text: str) -> str:
    normal = _normal(_without_unclean(text))
    if normal == _without_unclean(normal):
        return normal
    # marks that changed places, or were cut, left a joiner without its letter
    return _normal(_UNCLEAN.sub("", text))


def _without_unclean(text: str) -> str:
    return _LEGITIMATE_OR_UNCLEAN.sub(lambda found: "" if found[1] else found[0], text)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", _MARK_CANDIDATES.sub(_cut_marks, text))


def _check_length(text: str, max_chars: int, what: str) -> None:
    if len(text) > max_chars:
        raise TooLarge(what, len(text), max_chars, "characters")


def _refuse(text: str, what: str) -> None:
    for found in _LEGITIMATE_OR_UNCLEAN.finditer(text):
        character = found[1]
        if character:
            name = unicodedata.name(character, "a control character")
            raise UncleanText(what, f"holds U+{ord(character):04X} ({name}) at character {found.start()}")


def _cut_marks(found: re.Match[str]) -> str:
    """Keep `MAX_MARKS` combining marks of each run."""
    kept: list[str] = []
    run = 0
    for character in found[0]:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)
