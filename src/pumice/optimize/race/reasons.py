"""Why a variant is not offered, and what to know of it: sentences for people, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.diagnosis import Time
from pumice.optimize.findings import GraphFacts, QualityFinding
from pumice.optimize.latency.standing import PointStanding


class Reason(NamedTuple):
    """A sentence.

    Attributes:
        en: In English.
        zh: In Chinese.
    """

    en: str
    zh: str


FUTILE = Reason(
    "its quality cannot be proven any more with the examples that are left", "剩下的样例已不足以证明它的质量"
)
UNTIMED = Reason("it was not timed, as its quality is not proven", "质量未被证明，因此没有测量延迟")


def lost(quality: QualityFinding | None, max_drop: float) -> Reason:
    """It is proven that more is lost than allowed, or, without labels, that it disagrees more often than allowed."""
    parts = [part.name for part in quality.slices if part.verdict is Verdict.FAIL] if quality else []
    where = f" on {', '.join(map(repr, parts))}" if parts else ""
    where_zh = f"（在 {'、'.join(parts)} 上）" if parts else ""
    if quality and quality.base is None:
        return Reason(
            f"it disagrees with the original on more than {max_drop:.3g} of the examples{where}: that is proven",
            f"与原模型不一致的样例超过 {max_drop:.3g}{where_zh}：已被证明",
        )
    return Reason(
        f"more quality is lost than {max_drop:.3g}{where}: that is proven",
        f"质量损失超过 {max_drop:.3g}{where_zh}：已被证明",
    )


def not_built(problem: str) -> Reason:
    """It could not be built."""
    return Reason(f"it could not be built: {problem}", f"无法构建：{problem}")


def no_answers(problem: str) -> Reason:
    """It gives no answers, or senseless ones."""
    return Reason(f"its answers cannot be used: {problem}", f"它的输出无法使用：{problem}")


def not_proven(needed: int | None) -> Reason:
    """The examples did not suffice."""
    if needed is None:
        return Reason("its quality is not proven with these examples", "用这些样例无法证明它的质量")
    return Reason(
        f"its quality is not proven yet: about {needed:,} more examples are needed",
        f"它的质量尚未被证明：大约还需要 {needed:,} 个样例",
    )


def slower(place: PointStanding) -> Reason:
    """It is proven slower."""
    en, zh = _figures(place)
    return Reason(f"slower than the original: {en}", f"比原模型慢：{zh}")


def little_faster(place: PointStanding, gain: float) -> Reason:
    """It is proven to be faster by less than the gain."""
    en, zh = _figures(place)
    return Reason(f"less than {gain:.0%} faster than the original: {en}", f"比原模型快不到 {gain:.0%}：{zh}")


def not_proven_faster(place: PointStanding, gain: float) -> Reason:
    """Its interval holds both."""
    en, zh = _figures(place)
    asked, asked_zh = (f"at least {gain:.0%} faster", f"至少快 {gain:.0%}") if gain else ("faster", "更快")
    return Reason(f"not proven {asked}: {en}", f"未能证明{asked_zh}：{zh}")


def not_smaller(size: int, base: int) -> Reason:
    """It is not smaller."""
    return Reason(
        f"not smaller than the original: {size:,} bytes, the original {base:,}",
        f"不比原模型小：{size:,} 字节，原模型 {base:,} 字节",
    )


def batch_dependent() -> Reason:
    """Its rows depend on each other."""
    return Reason(
        "a row's answer depends on its batch-mates: certified in batches as in serving, and not cached",
        "同一批中的其他行会影响一行的结果：按服务时的批次认证，且不缓存",
    )


def seen_in_graph(own: GraphFacts, base: GraphFacts) -> list[Reason]:
    """What in its graph may cost it the time that was to be saved."""
    found: list[Reason] = []
    if own.fallbacks:
        en = f"{own.fallbacks} node{'s' * (own.fallbacks > 1)} with weights fell back to floating point"
        found.append(Reason(en, f"{own.fallbacks} 个带权重的节点回退为浮点运算"))
    if own.quantize_pairs:
        en = f"{own.quantize_pairs} QuantizeLinear and DequantizeLinear nodes are left in the graph that runs"
        found.append(Reason(en, f"运行的图中仍有 {own.quantize_pairs} 个 QuantizeLinear 和 DequantizeLinear 节点"))
    if own.ops.get("DynamicQuantizeLinear"):
        many = own.ops["DynamicQuantizeLinear"]
        found.append(
            Reason(
                f"{many} activation{'s are' if many > 1 else ' is'} quantized anew in every run",
                f"每次运行都要重新量化 {many} 个激活",
            )
        )
    if own.casts > base.casts:
        more = own.casts - base.casts
        found.append(
            Reason(f"{more} more cast{'s' * (more > 1)} than in the original", f"比原模型多 {more} 个类型转换节点")
        )
    if own.nodes > base.nodes:
        en = f"its graph runs {own.nodes} nodes, the original's {base.nodes}: some are not fused any more"
        found.append(Reason(en, f"它的图运行 {own.nodes} 个节点，原模型 {base.nodes} 个：有些节点不再融合"))
    return found


def seen_in_times(own: Sequence[Time], base: Sequence[Time]) -> list[Reason]:
    """Where its time goes."""
    if not own or not base:
        return []
    dear, whole = own[0], sum(time.ms for time in base)
    again = next((time.ms for time in base if time.op == dear.op), 0.0)
    there = f"{again:.2f} ms" if again else "none"
    return [
        Reason(
            f"{dear.share:.0%} of its time in nodes goes into {dear.op} ({dear.ms:.2f} ms); "
            f"the original spends {whole:.2f} ms in all its nodes, {there} of it there",
            f"节点用时的 {dear.share:.0%} 花在 {dear.op} 上（{dear.ms:.2f} ms）；"
            f"原模型全部节点用时 {whole:.2f} ms，其中该算子 {again:.2f} ms",
        )
    ]


def _figures(place: PointStanding) -> tuple[str, str]:
    low, high = place.bounds
    rows, threads = place.point
    times = f"{place.ratio:.2f} x ({low:.2f} – {high:.2f})"
    return (
        f"{times} its time at batches of {rows}, {threads} thread{'s' * (threads > 1)}, {place.n} pairs",
        f"每批 {rows} 行、{threads} 线程时，用时为其 {times}，{place.n} 对测量",
    )
