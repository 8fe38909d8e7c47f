"""Random changes of what is stored and what was pulled: all are refused, each with a reason."""

from tests.trust.mutations import PULLED, STORED, campaign


def test_every_kind_of_change_is_refused() -> None:
    number = len(STORED) + len(PULLED) + 14
    counted, reasons, missed = campaign(number, seed=5)
    assert missed == []
    assert (counted.total(), len(counted)) == (number, len(STORED) + len(PULLED))
    assert all(reasons.values())
