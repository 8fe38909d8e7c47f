"""Options of an engine, as a manifest's ``options`` give them: typed, and unknown ones refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from pumice.domain.errors import BadSetting
from pumice.domain.model import Parameter

Options = TypeVar("Options", bound=msgspec.Struct)


def read_options(kind: type[Options], options: Mapping[str, Parameter], more: str = "") -> Options:
    """Turn options into the struct that an engine declares.

    Args:
        kind: The struct; it forbids unknown fields.
        options: What the manifest says.
        more: What else may be given, for the message.

    Raises:
        BadSetting: An option is unknown, or its value is not allowed.
    """
    try:
        return msgspec.convert(dict(options), kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__) + more
        raise BadSetting("manifest 'options'", str(error), known) from None
