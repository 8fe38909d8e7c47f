"""What is proven of one candidate's quality."""

from __future__ import annotations

import numpy as np

from pumice.domain.evidence.disagreement import Disagreement
from pumice.domain.evidence.paired import NonInferiority
from pumice.domain.evidence.sequential import SequentialTest
from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.findings import QualityFinding
from pumice.optimize.quality.base import Judge
from pumice.optimize.race.plan import Seen


class OneProof:
    """Non-inferiority where there are labels, disagreement where there are none.

    Args:
        judge: Says what the figures mean.
        margin: Quality that may be lost (a part of 1).
        alpha: Error of each verdict.
        labelled: Whether there are labels.
    """

    def __init__(self, judge: Judge, margin: float, alpha: float, *, labelled: bool) -> None:
        self._metric = judge.metric
        self._paired = NonInferiority(margin, alpha) if labelled else None
        self._different = Disagreement(margin, alpha)
        self._right = np.zeros(2, np.int64)
        self._differ = 0
        self._n = 0

    @property
    def _test(self) -> SequentialTest:
        return self._paired or self._different

    @property
    def verdict(self) -> Verdict:
        """What is proven; stays as it was when it was first proven."""
        return self._test.verdict

    def update(self, seen: Seen) -> None:
        """Take in the next examples."""
        self._n += len(seen.agree)
        self._differ += int((~seen.agree).sum())
        self._different.update(seen.agree)
        if self._paired and seen.base_right is not None and seen.candidate_right is not None:
            self._right += [int(seen.base_right.sum()), int(seen.candidate_right.sum())]
            self._paired.update(seen.base_right, seen.candidate_right)

    def futile(self, n_max: int) -> bool:
        """Whether the claim cannot be proven any more within so many examples altogether."""
        return self._test.futile(n_max)

    def finding(self) -> QualityFinding:
        """What is told of it."""
        base, value = (self._right / max(self._n, 1)).tolist()
        agreement = 1.0 - self._differ / max(self._n, 1)
        low, high = self._test.interval
        return QualityFinding(
            metric=self._metric if self._paired else "agreement",
            n=self._n,
            base=base if self._paired else None,
            value=value if self._paired else agreement,
            drop_interval=(low, high),
            disagreement=1.0 - agreement,
            needed=self._test.remaining() if self.verdict is Verdict.NOT_YET else None,
            evidence=[self._test.record()],
        )
