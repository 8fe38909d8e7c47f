"""Several tests together: slices of one question, or many variants of which some will be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pumice.domain.errors import BadSetting
from pumice.domain.evidence.sequential import SequentialTest, check_share
from pumice.domain.evidence.verdict import Verdict


def shared(alpha: float, weights: int | Sequence[float]) -> list[float]:
    """Share an error among tests, so that the probability of any wrong verdict of theirs is at most the whole.

    This is Bonferroni's bound: it holds however the tests depend on each other, and on whichever of them is then
    chosen. Use it for the variants of a model, of which those that pass are offered.

    Args:
        alpha: The error of all together.
        weights: How many tests there are, or how much of the error each is given.

    Returns:
        The error of each test.

    Raises:
        BadSetting: Alpha is not between 0 and 1, or the weights are not positive numbers.
    """
    check_share("alpha", alpha)
    parts = [1.0] * weights if isinstance(weights, int) else list(weights)
    if not parts or any(part <= 0.0 for part in parts):
        raise BadSetting("weights", str(weights), "at least one test, or positive numbers")
    return [alpha * part / sum(parts) for part in parts]


def mean_e_value(e_values: Sequence[float]) -> float:
    """Evidence against all nulls holding at once: the mean of their e-values, whatever their dependence.

    Source: Vovk and Wang (2021), "E-values: calibration, combination and applications".

    Raises:
        BadSetting: There is none.
    """
    if not e_values:
        raise BadSetting("e_values", "[]", "at least one")
    return sum(e_values) / len(e_values)


class Together:
    """A claim that holds only if it holds in each of several parts, for example in every slice of the data.

    PASS needs all parts to pass. If the claim is false, at least one of them passes wrongly, so the error of PASS is
    the largest alpha of a part and not their sum. FAIL needs one part to fail; its error is at most the sum.

    Args:
        parts: The tests, by name; at least one.

    Attributes:
        parts: The same.

    Raises:
        BadSetting: There is none.
    """

    def __init__(self, parts: Mapping[str, SequentialTest]) -> None:
        if not parts:
            raise BadSetting("parts", "{}", "at least one test")
        self.parts = dict(parts)

    @property
    def verdict(self) -> Verdict:
        """What is proven of all parts together."""
        told = {part.verdict for part in self.parts.values()}
        if Verdict.FAIL in told:
            return Verdict.FAIL
        return Verdict.PASS if told == {Verdict.PASS} else Verdict.NOT_YET

    @property
    def pass_error(self) -> float:
        """Probability of a wrong PASS, at most."""
        return max(part.alpha for part in self.parts.values())

    @property
    def fail_error(self) -> float:
        """Probability of a wrong FAIL, at most."""
        return min(1.0, sum(part.alpha for part in self.parts.values()))

    def worst(self) -> str:
        """The part with the highest interval of what is tested: the first that a person should look at."""
        return max(self.parts, key=lambda name: self.parts[name].interval)
