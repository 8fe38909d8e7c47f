"""`pumice.evidence`: tests and intervals that stay valid however often one looks. Pure, on numpy alone."""

from __future__ import annotations

from pumice.domain.evidence.disagreement import Disagreement
from pumice.domain.evidence.family import Together, mean_e_value, shared
from pumice.domain.evidence.mean import MeanConfidence
from pumice.domain.evidence.paired import Harm, NonInferiority
from pumice.domain.evidence.proportion import proportion_interval
from pumice.domain.evidence.quantile import QuantileConfidence
from pumice.domain.evidence.rates import RateIncrease
from pumice.domain.evidence.recheck import recheck
from pumice.domain.evidence.record import Decision, Record
from pumice.domain.evidence.sequential import Interval, SequentialTest
from pumice.domain.evidence.verdict import Verdict

__all__ = [
    "Decision",
    "Disagreement",
    "Harm",
    "Interval",
    "MeanConfidence",
    "NonInferiority",
    "QuantileConfidence",
    "RateIncrease",
    "Record",
    "SequentialTest",
    "Together",
    "Verdict",
    "mean_e_value",
    "proportion_interval",
    "recheck",
    "shared",
]
