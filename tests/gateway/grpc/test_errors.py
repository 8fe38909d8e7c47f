"""The table from our errors to gRPC is complete, and its answers fit on the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pumice.domain import errors as e
from pumice.gateway.grpc.errors import MAX_DETAILS, STATUSES, details_of, retry_metadata, status_of
from pumice.protocol.grpc.status import StatusCode


def below(kind: type[e.PumiceError]) -> Iterator[type[e.PumiceError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


def test_the_table_names_every_error_and_nothing_else() -> None:
    declared = {kind for kind in below(e.PumiceError) if kind.__module__.startswith(e.__name__)}
    assert set(STATUSES) == declared


def test_no_error_is_a_success() -> None:
    assert StatusCode.OK not in STATUSES.values()


@pytest.mark.parametrize("error", [e.ModelNotReady("m", "loading", 2.5), e.Overloaded("full", 2.5)])
def test_what_is_unavailable_says_when_to_come_back(error: e.PumiceError) -> None:
    assert status_of(error) is StatusCode.UNAVAILABLE
    assert dict(retry_metadata(error)) == {"retry-after": "2.5", "grpc-retry-pushback-ms": "2500"}


def test_other_errors_do_not_ask_the_caller_to_come_back() -> None:
    assert retry_metadata(e.MalformedInput("body", "broken")) == ()


def test_an_error_that_the_table_does_not_name_is_told_as_its_parent() -> None:
    class Special(e.ModelNotFound):
        pass

    assert status_of(Special("m")) is StatusCode.NOT_FOUND


def test_long_messages_are_cut() -> None:
    assert details_of(e.MalformedInput("x", "short")) == "x: short"
    cut = details_of(e.MalformedInput("x", "漢" * 5000))
    assert len(cut) == MAX_DETAILS
    assert cut.endswith("…")
