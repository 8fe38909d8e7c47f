"""Read a recipe file: what it says, held against the passes that are installed.

A file has a ``name``, a line ``about`` it, and ``passes`` (one candidate), ``candidates`` (several), or other recipes
to ``include``. An option whose value is ``{each: […]}`` makes a candidate of each value.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from pumice.domain.errors import BadSetting
from pumice.optimize.passes.registry import installed_passes
from pumice.optimize.recipes.lined import Lined, Place
from pumice.optimize.recipes.model import Recipe, Step
from pumice.optimize.sensitivity.search import LeaveOut

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a candidate is worth a try; each list that is not empty has to hold.

    Attributes:
        operators: The model has one of these at least.
        without_operators: It has none of these.
        features: The processor has one of these at least (`pumice.domain.processor.FEATURES`).
        without_features: It has none of these.
        architectures: The processor is of one of these (``x86_64``, ``aarch64``).
        packages: These modules are installed.
    """

    operators: tuple[str, ...] = ()
    without_operators: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    without_features: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


class Candidate(msgspec.Struct, frozen=True):
    """A recipe and when it is worth a try."""

    recipe: Recipe
    when: When


class Include(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another recipe that comes along, and when."""

    recipe: str
    when: When = When()


class RecipeFile(msgspec.Struct, frozen=True):
    """What a file says.

    Attributes:
        name: Its name.
        about: What it is good for.
        candidates: Those of its own.
        include: Recipes whose candidates come along.
    """

    name: str
    about: str
    candidates: tuple[Candidate, ...]
    include: tuple[Include, ...]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    passes: list[Any]
    about: str = ""
    when: When = When()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    about: str
    passes: list[Any] = msgspec.field(default_factory=list)
    candidates: list[_Entry] = msgspec.field(default_factory=list)
    include: list[str | Include] = msgspec.field(default_factory=list)
    when: When = When()


def read_recipe(text: str, origin: str) -> RecipeFile:
    """Read a recipe.

    Args:
        text: The YAML.
        origin: The file, for messages.

    Raises:
        BadSetting: It is no YAML; a key, pass or option is unknown, or a value is not allowed. The message names the
            line.
    """
    lined = Lined(text, origin)
    if not isinstance(lined.value, dict):
        raise BadSetting(f"{origin}, line 1", type(lined.value).__name__, "a mapping with 'name', 'about' and 'passes'")
    file: _File = _converted(lined)
    if not (file.passes or file.candidates or file.include):
        raise lined.wrong((), "a recipe that does nothing", "one with 'passes', 'candidates' or 'include'")
    made: list[Candidate] = []
    if file.passes:
        own = _Entry(name=file.name, passes=file.passes, about=file.about, when=file.when)
        made.extend(_grid(lined, ("passes",), own))
    for number, entry in enumerate(file.candidates):
        entry.about = entry.about or file.about
        made.extend(_grid(lined, ("candidates", number, "passes"), entry))
    include = tuple(Include(other) if isinstance(other, str) else other for other in file.include)
    return RecipeFile(file.name, file.about, tuple(made), include)


def _converted(lined: Lined) -> _File:
    try:
        return msgspec.convert(lined.value, _File)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        place = lined.place_of(path.rstrip("`"))
        unknown = re.search(r"unknown field `(\w+)`", message)
        place = (*place, unknown.group(1)) if unknown else place
        raise lined.wrong(place, message, "what docs/how-to/lighter-by-hand.md says of recipes") from None


def _grid(lined: Lined, place: Place, entry: _Entry) -> Iterator[Candidate]:
    """One candidate for each choice of the options that say ``each``."""
    steps = [_step(lined, (*place, number), told) for number, told in enumerate(entry.passes)]
    if not steps:
        raise lined.wrong(place, "no pass", "one at least")
    axes = [
        (index, key, value["each"])
        for index, step in enumerate(steps)
        for key, value in step.options.items()
        if _is_grid(value)
    ]
    for values in itertools.product(*(choices for _, _, choices in axes)):
        chosen = [dict(step.options) for step in steps]
        for (index, key, _), value in zip(axes, values, strict=True):
            chosen[index][key] = value
        made = tuple(Step(s.name, o, s.leave_out) for s, o in zip(steps, chosen, strict=True))
        for number, step in enumerate(made):
            _check(lined, (*place, number), step)
        name = "-".join((entry.name, *map(_word, values)))
        yield Candidate(Recipe(name, entry.about, made), entry.when)


def _step(lined: Lined, place: Place, told: object) -> Step:
    if isinstance(told, str):
        told = {told: None}
    known = installed_passes()
    if not isinstance(told, dict):
        raise lined.wrong(place, repr(told), f"a pass: {', '.join(known)}")
    names = [key for key in told if key != "leave_out"]
    if len(names) != 1 or names[0] not in known:
        given = ", ".join(map(repr, names)) or "no pass"
        wrong = (*place, names[-1]) if names else place
        raise lined.wrong(wrong, given, f"one pass: {', '.join(known)}")
    options = told[names[0]] or {}
    if not isinstance(options, dict):
        raise lined.wrong((*place, names[0]), repr(options), "a mapping of options")
    leave_out = None
    if "leave_out" in told:
        if "nodes_left_out" not in known[names[0]].options_type.__struct_fields__:
            raise lined.wrong((*place, "leave_out"), f"'leave_out' of '{names[0]}'", "none: it cannot leave nodes out")
        try:
            leave_out = msgspec.convert(told["leave_out"] or {}, LeaveOut)
        except msgspec.ValidationError as error:
            allowed = f"numbers: {', '.join(LeaveOut.__struct_fields__)} ({error})"
            raise lined.wrong((*place, "leave_out"), repr(told["leave_out"]), allowed) from None
    return Step(names[0], options, leave_out)


def _check(lined: Lined, place: Place, step: Step) -> None:
    try:
        step.made()
    except BadSetting as error:
        quoted = re.search(r"'(\w+)'", error.key)
        key = quoted.group(1) if quoted and quoted.group(1) in step.options else ""
        raise lined.wrong(
            (*place, step.name, key) if key else (*place, step.name), error.given, error.allowed
        ) from None


def _is_grid(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"each"} and isinstance(value["each"], list)


def _word(value: object) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")
