"""Reports with evidence that was really computed, on answers that were drawn."""

from __future__ import annotations

import numpy as np

from pumice.domain.evidence.disagreement import Disagreement
from pumice.domain.evidence.paired import NonInferiority
from pumice.domain.evidence.sequential import SequentialTest
from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.findings import (
    BaseFinding,
    DataFinding,
    Effort,
    GraphFacts,
    LatencyFinding,
    LatencyPoint,
    NodeDamage,
    QualityFinding,
    Report,
    SliceFinding,
    VariantFinding,
)

MARGIN, EXAMPLES = 0.02, 3000


def report(*, labelled: bool = True, name: str = "sentiment", offered: bool = True) -> Report:
    variants = [
        variant("int8-dynamic", labelled=labelled, changed=0.006, ratio=0.55, share=0.26, offered=offered),
        variant("fuse", labelled=labelled, changed=0.0005, ratio=0.98, share=1.0, offered=False, spread=0.06),
        variant("int4-weights", labelled=labelled, changed=0.018, ratio=1.12, share=0.18, offered=False),
        variant("int8-static-minmax", labelled=labelled, changed=0.09, ratio=0.7, share=0.27, offered=False),
        VariantFinding(
            name="bf16",
            verdict=Verdict.NOT_YET,
            offered=False,
            reasons=["It could not be built: this processor has no bfloat16 instructions."],
            reasons_zh=["无法构建：此处理器没有 bfloat16 指令。"],
            quality=None,
            latency_ms=None,
            size_bytes=0,
            recipe={"passes": [{"bf16": {}}]},
        ),
    ]
    return Report(
        created="2026-11-30T10:00:00+00:00",
        pumice="0.1.0",
        machine={"processor": "A processor", "features": "avx512_vnni", "cores": "2 cores"},
        objective="latency",
        max_drop=MARGIN,
        confidence=0.95,
        agree="Both give the same label.",
        drop="Accuracy of the original less that of the variant.",
        agree_zh="两者给出相同的标签。",
        drop_zh="原模型的准确率减去变体的准确率。",
        base=BaseFinding(
            name=name,
            digest="ab" * 32,
            task="text-classification",
            format="onnx",
            size_bytes=9_400_000,
            value=0.853 if labelled else None,
            latency_ms={"1x1": 1.34, "16x1": 14.8},
        ),
        variants=variants,
        data=DataFinding(
            source="reviews.jsonl",
            digest="cd" * 32,
            examples=EXAMPLES + 512,
            calibration=256,
            search=256,
            certification=EXAMPLES,
            labelled=labelled,
            slices=["short", "long"],
            seed=7,
        ),
        effort=Effort(evaluations=4100, full_grid=15000, seconds=41.3),
    )


def variant(
    name: str, *, labelled: bool, changed: float, ratio: float, share: float, offered: bool, spread: float = 0.02
) -> VariantFinding:
    """A variant whose answers differ from the base's on a part of the examples; half of those become wrong."""
    random = np.random.default_rng(len(name))
    base_right = random.random(EXAMPLES) < 0.85
    differs = random.random(EXAMPLES) < changed
    right = np.where(differs, random.random(EXAMPLES) < 0.5 - 2 * changed, base_right)
    test: SequentialTest
    if labelled:
        test = paired = NonInferiority(MARGIN, 0.01)
        paired.update(base_right, right)
    else:
        test = unlabelled = Disagreement(MARGIN, 0.01)
        unlabelled.update(~differs)
    point = LatencyPoint(
        rows=16,
        threads=1,
        base=14.8,
        value=14.8 * ratio,
        interval=(14.8 * (ratio - spread), 14.8 * (ratio + spread)),
        ratio=ratio,
        ratio_interval=(ratio - spread, ratio + spread),
    )
    slices = [
        SliceFinding(part, 1500, base, value, (test.interval.low - 0.01, test.interval.high + 0.01), Verdict.NOT_YET)
        for part, base, value in (
            ("<long & 长>", 0.84 if labelled else None, 0.83 if labelled else None),
            ("short", 0.86 if labelled else None, 0.86 if labelled else None),
        )
    ]
    return VariantFinding(
        name=name,
        verdict=test.verdict,
        offered=offered,
        reasons=[f"It is {ratio:.2f} times as slow as the original."] if not offered else [],
        reasons_zh=[f"耗时为原模型的 {ratio:.2f} 倍。"] if not offered else [],
        quality=QualityFinding(
            metric="accuracy" if labelled else "agreement",
            n=EXAMPLES,
            base=float(base_right.mean()) if labelled else None,
            value=float(right.mean()) if labelled else float(1 - differs.mean()),
            drop_interval=(test.interval.low, test.interval.high),
            disagreement=float(differs.mean()),
            needed=test.remaining() or None,
            evidence=[test.record()],
            slices=slices,
        ),
        latency_ms=LatencyFinding(
            point.value, point.interval, ratio, point.ratio_interval, [point, point] if offered else [point]
        ),
        size_bytes=int(9_400_000 * share),
        recipe={"passes": [{name: {"per_channel": True}}]},
        digest="ef" * 32,
        batch_dependent=name == "int8-dynamic",
        sensitivity=[
            NodeDamage(f"/encoder/layer.{number}/attention/MatMul", "MatMul", 0.4 / (number + 1), kept=number < 2)
            for number in range(8)
        ]
        if "static" in name
        else [],
        graph=GraphFacts(120, {"MatMulInteger": 24, "DynamicQuantizeLinear": 13, "Add": 20}, 0, 4, 2),
        version="sentiment@2" if offered else "",
    )
