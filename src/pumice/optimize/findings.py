"""What was found of a model's variants: the content of ``report.json``.

Ratios are those of the candidate to the base: of latency, above 1 is slower. Intervals hold over all looks together.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pumice.domain.evidence.record import Record
from pumice.domain.evidence.verdict import Verdict

Bounds = tuple[float, float]
Objective = Literal["latency", "size"]


class LatencyPoint(msgspec.Struct, frozen=True):
    """Latency at one batch size and number of threads, base and candidate in turn.

    Attributes:
        rows: Rows of the batch.
        threads: Threads of one inference.
        base: Median of the base (ms).
        value: Median of the candidate (ms).
        interval: Where the candidate's median lies (ms).
        ratio: Candidate over base, pair by pair: the median.
        ratio_interval: Where it lies.
    """

    rows: int
    threads: int
    base: float
    value: float
    interval: Bounds
    ratio: float
    ratio_interval: Bounds


class LatencyFinding(msgspec.Struct, frozen=True):
    """Latency of a variant; the figures are those of the point at which it is worst against the base.

    Attributes:
        value: Median (ms).
        interval: Where it lies (ms).
        ratio: To the base.
        ratio_interval: Where that lies.
        points: Every batch size and number of threads that was measured.
    """

    value: float
    interval: Bounds
    ratio: float
    ratio_interval: Bounds
    points: list[LatencyPoint] = msgspec.field(default_factory=list)


class SliceFinding(msgspec.Struct, frozen=True):
    """Quality on one part of the data.

    Attributes:
        name: The part.
        n: Its examples that were seen.
        base: Metric of the base; None without labels.
        value: Metric of the variant; None without labels.
        drop_interval: Where the drop lies (without labels: the rate of disagreement).
        verdict: What is proven of it.
        binding: Whether the verdict on the variant depends on it; not if it is too small to prove anything.
        evidence: Records of its tests.
    """

    name: str
    n: int
    base: float | None
    value: float | None
    drop_interval: Bounds
    verdict: Verdict
    binding: bool = True
    evidence: list[Record] = msgspec.field(default_factory=list)


class QualityFinding(msgspec.Struct, frozen=True):
    """Quality of a variant beside its base.

    Attributes:
        metric: Name of the metric; ``agreement`` where there are no labels.
        n: Examples that both saw.
        base: Metric of the base; None without labels.
        value: Metric of the variant; without labels, the part of the examples on which both agree.
        drop_interval: Where the drop lies (without labels: the rate of disagreement, which bounds it).
        disagreement: Part of the examples on which they differ.
        needed: About how many more examples would prove the claim; None if decided, or if they would not.
        evidence: Records of the tests on all examples, each of which can be computed again: the one that decides, then
            that of the disagreement where there are labels.
        slices: By part of the data, the worst first.
    """

    metric: str
    n: int
    base: float | None
    value: float
    drop_interval: Bounds
    disagreement: float
    needed: int | None = None
    evidence: list[Record] = msgspec.field(default_factory=list)
    slices: list[SliceFinding] = msgspec.field(default_factory=list)


class NodeDamage(msgspec.Struct, frozen=True):
    """What quantizing one node alone does to the answers.

    Attributes:
        node: Name of the node (or group).
        op: Its operator.
        damage: Loss that it causes (the smaller the better; no unit).
        kept: Whether it was left out of the quantization.
    """

    node: str
    op: str
    damage: float
    kept: bool = False


class GraphFacts(msgspec.Struct, frozen=True):
    """What the graph looks like when it really runs.

    Attributes:
        nodes: Nodes of the graph as the runtime runs it.
        ops: How often each operator occurs there, the most frequent first.
        quantize_pairs: Q and DQ nodes that are left, which cost time and save none.
        casts: Casts that are left.
        fallbacks: Nodes that run in floating point though the pass was to make them lighter.
    """

    nodes: int
    ops: dict[str, int]
    quantize_pairs: int = 0
    casts: int = 0
    fallbacks: int = 0


class VariantFinding(msgspec.Struct, frozen=True):
    """What was found of one variant.

    Attributes:
        name: Name of its recipe.
        verdict: Of its quality: pass, fail or not yet.
        offered: Whether it may stand in for the base: quality passed, and really better by the objective.
        reasons: Why it is not offered, or what to know of it; sentences for people, in English.
        reasons_zh: The same sentences in Chinese, in the same order.
        quality: None if it was dropped before it saw an example.
        latency_ms: None if it was dropped before it was timed.
        size_bytes: Its files that hold weights (bytes); 0 if it could not be built.
        recipe: The passes that made it, with their options.
        digest: SHA-256 in hex of its files; empty if it could not be built.
        batch_dependent: Whether a row's answer depends on its batch-mates.
        sensitivity: What each node does to the answers, the worst first, where that was measured.
        graph: What its graph looks like when it runs.
        version: Its version in the store, once it is there (``NAME@N``).
    """

    name: str
    verdict: Verdict
    offered: bool
    reasons: list[str]
    quality: QualityFinding | None
    latency_ms: LatencyFinding | None
    size_bytes: int
    recipe: dict[str, Any]
    reasons_zh: list[str] = msgspec.field(default_factory=list)
    digest: str = ""
    batch_dependent: bool = False
    sensitivity: list[NodeDamage] = msgspec.field(default_factory=list)
    graph: GraphFacts | None = None
    version: str = ""


class BaseFinding(msgspec.Struct, frozen=True):
    """What was found of the base.

    Attributes:
        name: What the user called it.
        digest: SHA-256 in hex of its files.
        task: Its task.
        format: Its engine.
        size_bytes: Its files that hold weights (bytes).
        value: Its metric; None without labels.
        latency_ms: Median by ``rows x threads`` (ms), for example ``"16x1": 4.2``.
        graph: What its graph looks like when it runs.
    """

    name: str
    digest: str
    task: str
    format: str
    size_bytes: int
    value: float | None = None
    latency_ms: dict[str, float] = msgspec.field(default_factory=dict)
    graph: GraphFacts | None = None


class DataFinding(msgspec.Struct, frozen=True):
    """What the examples were.

    Attributes:
        source: What the user gave.
        digest: SHA-256 in hex.
        examples: How many there are.
        calibration: How many of them calibrate.
        search: How many of them search for sensitive nodes.
        certification: How many of them are kept for the proof; no pass has seen them.
        labelled: Whether they have labels.
        slices: Names of their parts.
        seed: Of the shuffle.
    """

    source: str
    digest: str
    examples: int
    calibration: int
    search: int
    certification: int
    labelled: bool
    slices: list[str]
    seed: int


class Effort(msgspec.Struct, frozen=True):
    """What the race cost.

    Attributes:
        evaluations: Examples that variants answered.
        full_grid: Examples that they would have answered without dropping any.
        seconds: Wall time.
    """

    evaluations: int
    full_grid: int
    seconds: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an optimization found.

    Attributes:
        schema: Version of this form.
        created: When it was made (ISO 8601, UTC).
        pumice: Version of Pumice.
        machine: The processor, its features and cores, as people name them.
        objective: What a variant has to be better at.
        max_drop: Quality that may be lost (a part of 1).
        confidence: Level at which all of it holds together.
        agree: When two models agree, in words.
        drop: What the drop is, in words.
        agree_zh: The same in Chinese.
        drop_zh: The same in Chinese.
        base: The original.
        variants: Its variants, the offered ones first, the best of them first.
        data: The examples.
        effort: What it cost.
    """

    schema: Literal[1] = 1
    created: str
    pumice: str
    machine: dict[str, str]
    objective: Objective
    max_drop: float
    confidence: float
    agree: str
    drop: str
    agree_zh: str
    drop_zh: str
    base: BaseFinding
    variants: list[VariantFinding]
    data: DataFinding
    effort: Effort

    @property
    def offered(self) -> list[VariantFinding]:
        """Variants that may stand in for the base, the best first."""
        return [variant for variant in self.variants if variant.offered]
