"""Random changes of what is stored and what was pulled: all are refused, each with a reason."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.trust.campaign import PLAIN, SEALED, Field, campaign, refused
from tests.trust.stages import Stage, prepare

MANY = 1000
FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Property = Callable[..., None]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return prepare(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return prepare(tmp_path_factory.mktemp("sealed"), sealed=True)


def each_once(kinds: Iterator[str] | list[str]) -> Callable[[Property], Property]:
    """Let a property be tried on each of these kinds, besides those that are drawn."""

    def put(test: Property) -> Property:
        for kind in kinds:
            test = example(kind=kind, seed=5)(test)
        return test

    return put


def holds(field: Field, first: Stage, kind: str, seed: int) -> None:
    assert refused(field, first, kind, seed), f"{kind} was not refused"


@FEW
@each_once(list(PLAIN.kinds))
@given(kind=st.sampled_from(sorted(PLAIN.kinds)), seed=st.integers(0, 2**32))
def test_every_change_of_a_version_or_a_pulled_folder_is_refused(plain: Stage, kind: str, seed: int) -> None:
    holds(PLAIN, plain, kind, seed)


@FEW
@each_once([kind for kind in SEALED.kinds if kind.removeprefix("sealed: ") not in PLAIN.kinds])
@given(kind=st.sampled_from(sorted(SEALED.kinds)), seed=st.integers(0, 2**32))
def test_every_change_of_a_sealed_version_is_refused(sealed: Stage, kind: str, seed: int) -> None:
    holds(SEALED, sealed, kind, seed)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("field", [PLAIN, SEALED], ids=["plain", "sealed"])
def test_a_thousand_changes_are_refused(field: Field) -> None:
    counted, reasons, missed = campaign(field, MANY, seed=5)
    assert missed == []
    assert (counted.total(), counted.keys()) == (MANY, field.kinds.keys())
    assert all(reasons.values())
