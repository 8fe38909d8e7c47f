"""Why a variant is slow is seen in the graph that runs, and in the times of its nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pumice.optimize.diagnosis import graph_facts, times_of
from pumice.optimize.passes.int8_dynamic import Int8Dynamic
from pumice.optimize.race.reasons import seen_in_graph, seen_in_times
from tests.optimize.passes.models import digit_network


def test_dynamic_int8_of_convolutions_is_seen_through(tmp_path: Path) -> None:
    base = digit_network(tmp_path / "base")
    int8 = Int8Dynamic().apply(base, tmp_path / "int8")
    before, after = graph_facts(base), graph_facts(int8)
    assert before
    assert after
    assert (before.fallbacks, before.quantize_pairs, after.fallbacks) == (0, 0, 0)
    assert after.ops["ConvInteger"] == 2
    assert after.nodes > before.nodes
    told = " ".join(reason.en for reason in seen_in_graph(after, before))
    assert f"{after.ops['DynamicQuantizeLinear']} activation" in told
    assert f"{after.nodes} nodes, the original's {before.nodes}" in told
    assert seen_in_graph(before, before) == []
    images = {"x": np.zeros((4, 1, 8, 8), np.float32)}
    own, others = times_of(int8, images, 1), times_of(base, images, 1)
    assert abs(sum(time.share for time in own) - 1.0) < 1e-6
    assert {time.op for time in others} >= {"Conv"} or {time.op for time in others} >= {"FusedConv"}
    assert own[0].op in seen_in_times(own, others)[0].en
