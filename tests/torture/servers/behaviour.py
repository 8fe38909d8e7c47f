"""What the probe model does, the same under every server; needs numpy only.

Model ``probe``: ``x`` FP32 [-1, 4] to ``y`` FP32 [-1, 4], doubled. The first number of a row may ask for trouble.
Model ``probe_b`` triples and knows no trouble. Model ``probe_text``: ``text`` BYTES [-1] to ``loud``, in upper case.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import numpy as np

RAISES, NAN, SHAPE, DIES, SLOW, HANGS = 13, 444, 555, 666, 777, 999
SLOW_S = 0.5
MAX_BATCH = 8
"""Most rows that a server should give the model at once."""

Array = np.ndarray[Any, Any]


def double(x: Array) -> Array:
    """Answer a batch, or make the trouble that it asks for."""
    asked = x[:, 0]
    if (asked == HANGS).any():
        threading.Event().wait()
    if (asked == DIES).any():
        os.kill(os.getpid(), signal.SIGKILL)
    if (asked == RAISES).any():
        raise ValueError("thirteen is refused")
    if (asked == SLOW).any():
        time.sleep(SLOW_S)
    if (asked == SHAPE).any():
        return np.zeros((len(x) + 1, 3), np.float32)
    y = (x * 2).astype(np.float32)
    y[asked == NAN] = np.nan
    return y


def triple(x: Array) -> Array:
    """Answer as the other model does."""
    return (x * 3).astype(np.float32)


def shout(text: Array) -> Array:
    """Upper-case byte strings."""
    loud = np.empty(text.shape, dtype=object)
    loud.ravel()[:] = [bytes(item).upper() for item in text.ravel()]
    return loud
