"""The demo's first half: make the bundled model light, prove it, and store what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from pumice.cli.demo import corpus
from pumice.domain.store.names import Ref
from pumice.domain.store.records import VersionRecord
from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.progress import Watch
from pumice.optimize.race.plan import Timing
from pumice.service.optimization.asked import Asked
from pumice.service.optimization.operations import Optimized, optimize
from pumice.service.optimization.originals import pulled
from pumice.service.store import Store

BUNDLED = Path(__file__).parents[2] / "assets" / "sentiment"
"""The model directory that comes with the package."""

MODEL = "sentiment"
"""Its name in the store, and when it is served."""

MAX_DROP = 0.02
"""Accuracy that a lighter version may lose (part of 1)."""

_SECONDS = 10.0
"""Longest time that a variant is timed (s); the whole demo is to end within two minutes."""

_SURE = 0.8
"""A text is sent to the server only if the model is this sure of it: near the boundary the answer of an INT8 model
may depend on its batch-mates, and a right server would be blamed for it."""

_MOST_TEXTS = 400


@dataclass(frozen=True)
class Lightened:
    """What the first half came to.

    Attributes:
        found: What was found, and what is in the store.
        served: The stored version that is served: the fastest that is offered, or the original.
        source: What it is served by: ``NAME@fast``, or the original's number.
        texts: Texts to send, with the label that the served version gives them when alone.
    """

    found: Optimized
    served: VersionRecord
    source: str
    texts: list[tuple[str, str]]

    @property
    def ref(self) -> str:
        """The served version."""
        return str(Ref(self.served.model, version=self.served.version))


def lighten(folder: Path, watch: Watch) -> Lightened:
    """Optimize the bundled model on the held-out texts, as ``pumice optimize`` does it.

    Args:
        folder: For everything, the home included.
        watch: Told how the race stands.

    Raises:
        MissingDependency: The extra ``demo`` is not installed.
    """
    reviews = corpus.select(corpus.load(), "test")
    data = folder / "reviews.jsonl"
    lines = [msgspec.json.encode({"text": one.text, "label": corpus.LABELS[one.label]}) for one in reviews]
    data.write_bytes(b"\n".join(lines) + b"\n")
    asked = Asked(
        source=str(BUNDLED),
        data=data,
        max_drop=MAX_DROP,
        work=folder / "work",
        name=MODEL,
        timing=Timing(threads=(1,), seconds=_SECONDS),  # as its two replicas have it
    )
    with Store(home_of(folder)) as store:
        found = optimize(asked, store, watch)
        source = found.kept.alias or str(Ref(MODEL, version=found.kept.base.version))
        served = store.find(source)
        model = ModelFolder.read(pulled(store, served, asked.work))
    texts = np.array([review.text.encode() for review in reviews[:_MOST_TEXTS]], dtype=object)
    return Lightened(found, served, source, _sure_texts(model, texts))


def home_of(folder: Path) -> Path:
    """The demo's own home: the user's one is left alone."""
    return folder / "home"


def _sure_texts(folder: ModelFolder, texts: np.ndarray) -> list[tuple[str, str]]:
    model = Measured(folder, threads=1)
    answers = [model.run({"text": texts[row : row + 1]}) for row in range(len(texts))]
    model.close()
    return [
        (text.decode(), answer["label"][0].decode())
        for text, answer in zip(texts, answers, strict=True)
        if answer["score"][0] > _SURE
    ]
