"""The page of the documentation with what the optimizer did on real models."""

from benchmarks.bounds import bounds_optimize
from benchmarks.optimize.racing import optimize_sections
from benchmarks.report import about, bound_table, chapter
from benchmarks.samples import Results

METHOD = (
    "`pumice optimize` as a user runs it, with its default recipe where nothing else is said, on real models: what it"
    " offers, what it refuses and why, and what that cost. Verdicts and intervals of one model hold together at 95 %."
    " Latency is that of an undisturbed run, variant and original in turn."
)
NAMES = {
    "minilm_eager_pytorch_of_offered": "one row of 32 tokens, one thread: CPU of eager PyTorch by that of the offered",
    "minilm_onnx_fp32_of_offered": "the same: CPU of ONNX Runtime with FP32 by that of what is offered",
    "minilm_offered_size_share": "size of what is offered by the original's",
    "minilm_offered_ms": "CPU of what is offered, ms",
}


def optimize_page(results: Results) -> str:
    """Writes the page."""
    titles = [f"* **{entry['case']}**: {entry['title']}" for entry in results.optimized]
    parts = ["# Benchmarks of the optimizer", METHOD, *about(results), "\n".join(titles)]
    parts += [chapter(title.partition(": ")[2].capitalize(), rows) for title, rows in optimize_sections(results)]
    extras = [[title, f"{results.extras[key]:.2f}"] for key, title in NAMES.items() if key in results.extras]
    if extras:
        parts.append(chapter("MiniLM beside PyTorch", [["", "value"], *extras]))
    parts.append(chapter("Bounds", bound_table(list(bounds_optimize(results)))))
    parts += [f"Not measured: {problem}." for problem in results.problems]
    parts.append("`python -m benchmarks.run --workload optimize --peers pumice --publish` measures all of this anew.")
    return "\n\n".join(parts) + "\n"
