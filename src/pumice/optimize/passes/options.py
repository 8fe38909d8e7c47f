"""Options of a pass, as a recipe or a command line gives them: typed, and unknown ones refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from pumice.domain.errors import BadSetting

Options = TypeVar("Options", bound=msgspec.Struct)

_PLACE = re.compile(r" - at `\$\.(\w+)")


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pass that has nothing to choose."""


def read_pass_options(kind: type[Options], name: str, options: Mapping[str, object]) -> Options:
    """Turn what was given into the struct that a pass declares.

    Args:
        kind: The struct.
        name: The pass, for messages.
        options: What was given.

    Raises:
        BadSetting: An option is unknown, or its value is not allowed.
    """
    known = kind.__struct_fields__
    for key, value in options.items():
        if key not in known:
            allowed = f"its options: {', '.join(known)}" if known else "nothing: it has no options"
            raise BadSetting(f"option '{key}' of the pass '{name}'", repr(value), allowed)
    try:
        return msgspec.convert(dict(options), kind)
    except msgspec.ValidationError as error:
        problem = str(error)
        found = _PLACE.search(problem)
        key = found.group(1) if found else ""
        given = repr(options.get(key, dict(options)))
        what = f"option '{key}' of the pass '{name}'" if key else f"options of the pass '{name}'"
        allowed = allowed_values(kind, key) if key else ", ".join(known)
        raise BadSetting(what, given, f"{allowed} ({_PLACE.sub('', problem).rstrip('`')})") from None


def allowed_values(kind: type[msgspec.Struct], key: str) -> str:
    """Say in words what an option takes."""
    field = next(field for field in msgspec.inspect.type_info(kind).fields if field.encode_name == key)  # type: ignore[attr-defined]
    return _words(field.type)


def _words(kind: Any) -> str:
    if isinstance(kind, msgspec.inspect.LiteralType):
        return ", ".join(map(str, kind.values))
    if isinstance(kind, msgspec.inspect.BoolType):
        return "true or false"
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return f"a{' whole' * isinstance(kind, msgspec.inspect.IntType)} number{_bounds(kind)}"
    if isinstance(kind, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        return f"a list of {_words(kind.item_type)}"
    if isinstance(kind, msgspec.inspect.UnionType):
        return " or ".join(_words(part) for part in kind.types)
    return "nothing" if isinstance(kind, msgspec.inspect.NoneType) else "text"


def _bounds(kind: Any) -> str:
    signs = (("above", kind.gt), ("at least", kind.ge), ("below", kind.lt), ("at most", kind.le))
    told = [f"{sign} {bound:g}" for sign, bound in signs if bound is not None]
    return f", {' and '.join(told)}" if told else ""
