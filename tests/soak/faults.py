"""What is done to the server while it serves. A fault that heals is waited for, so that its bound is one of healing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from tests.soak.caller import Caller, judged
from tests.soak.calls import TROUBLED, told
from tests.soak.ledger import RIGHT, Kind
from tests.support.wire import body

REVOKED_WITHIN_S = 1.0
LOOK_AGAIN_S = 0.05


def strike(pid: int, number: signal.Signals) -> None:
    """Send a replica a signal, unless another fault has ended it since it was looked for."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill(caller: Caller) -> str:
    """Kill the older of two replicas with signal 9 and wait until there are two again."""
    served = caller.served
    before = served.replicas("double")
    if len(before) < 2:
        return "no second replica"
    strike(before[0], signal.SIGKILL)
    while before[0] in (now := served.replicas("double")) or len(now) < 2:
        time.sleep(LOOK_AGAIN_S)
    return RIGHT


def stop(caller: Caller) -> str:
    """Stop a replica with SIGSTOP; the calls that it is sent hang until it is replaced."""
    replicas = caller.served.replicas("picky")
    if replicas:
        strike(replicas[-1], signal.SIGSTOP)
    return RIGHT


def swap(caller: Caller) -> str:
    """Load the other file; who asks from then on gets its answers."""
    number = caller.dice.choice((1, 2))
    config = json.dumps({"source": str(caller.served.folder / f"swap{number}")})
    answer = caller.admin("POST", "/v2/repository/models/swap/load", {"parameters": {"config": config}})
    if answer.status_code != 200:
        return f"{answer.status_code}: {answer.text}"
    return judged(caller.http.post("/v2/models/swap/infer", json=body()), [number] * 4)


def unload_and_load(caller: Caller) -> str:
    """Unload a model, look that it is gone, load it again."""
    path = "/v2/repository/models/come"
    answer = caller.admin("POST", f"{path}/unload", {})
    if answer.status_code != 200:
        return f"unload {answer.status_code}: {answer.text}"
    missing = caller.http.get("/v2/models/come/ready").status_code
    answer = caller.admin("POST", f"{path}/load", {})
    if answer.status_code != 200:
        return f"load {answer.status_code}: {answer.text}"
    return RIGHT if missing == 404 else f"unloaded, but {missing}"


def bad_load(caller: Caller) -> str:
    """Load what cannot be loaded; what is served stays."""
    config = json.dumps({"source": str(caller.served.folder / "none.onnx")})
    answer = caller.admin("POST", "/v2/repository/models/pair/load", {"parameters": {"config": config}})
    return RIGHT if answer.status_code == 400 else f"{answer.status_code}: {answer.text}"


def keys(caller: Caller) -> str:
    """Make a key, use it, end it; it is refused within a second."""
    made = caller.admin("POST", "/api/keys", {"name": "short", "scopes": ["infer:double"]}).json()
    key, key_id = made["key"], made["info"]["id"]

    def use() -> int:
        return caller.admin("POST", "/v2/models/double/infer", body(), key=key).status_code

    first = use()
    ended = caller.admin("DELETE", f"/api/keys/{key_id}").status_code
    since = time.monotonic()
    while use() != 401:
        if time.monotonic() - since > REVOKED_WITHIN_S + 4:
            return "a revoked key is still good"
        time.sleep(LOOK_AGAIN_S)
    return RIGHT if (first, ended) == (200, 200) else f"created {first}, revoked {ended}"


def faults() -> Iterator[Kind]:
    """All of them; the pauses let a replica live longer than what counts as dying again and again."""
    yield Kind("fault: kill -9", kill, pause_s=8)
    yield Kind("fault: SIGSTOP", stop, pause_s=10)
    yield Kind("fault: a call that kills its replica", partial(told, number=666, status=500, word="died"), TROUBLED, 14)
    yield Kind("fault: a call that hangs", partial(told, number=999, status=504, word="timeout"), TROUBLED, 10)
    yield Kind("fault: a call that hangs in native code", partial(told, number=998, status=504, word=""), TROUBLED, 15)
    yield Kind("change: swap", swap, pause_s=2)
    yield Kind("change: unload and load", unload_and_load, pause_s=3)
    yield Kind("change: a load that fails", bad_load, pause_s=2)
    yield Kind("change: keys", keys, pause_s=1)
