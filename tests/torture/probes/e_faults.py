"""Replicas that die or hang, and the server's own end; the server may be lost afterwards."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.torture.probes.d_behaviour import beside, right
from tests.torture.servers.behaviour import DIES, HANGS, SLOW, SLOW_S
from tests.torture.target import Target, seen
from tests.torture.verdicts import Failed, NotApplicable, demand, probe

PRACTICE = "practice"
RECOVERY_S = 30.0


@probe("dead-worker", PRACTICE, limit_s=90)
def dead_worker(target: Target) -> str:
    """A row that kills its worker gets an error within 15 s, and the model is served again within 30 s."""
    reply = target.infer(DIES, 15)
    demand(reply.status >= 400, f"its caller got {seen(reply)}")
    begun = time.monotonic()
    target.demand_well(RECOVERY_S)
    return f"{reply.status} after {reply.seconds:.1f} s, served again {time.monotonic() - begun:.1f} s later"


@probe("dead-worker-mates", PRACTICE, limit_s=90)
def dead_worker_mates(target: Target) -> str:
    """A row that kills its worker does not take the others of its batch along."""
    bad, replies = beside(target, DIES)
    demand(bad.status >= 400, f"the bad one got {seen(bad)}")
    return f"the bad one {bad.status}, six others right within {max(reply.seconds for reply in replies):.1f} s"


@probe("hang-is-bounded", PRACTICE, limit_s=120)
def hang_is_bounded(target: Target) -> str:
    """A call that hangs gets an error within the limit that the operator names."""
    reply = target.infer(HANGS, target.hang_s)
    demand(reply.status >= 400, f"no answer within {target.hang_s:g} s")
    return f"{reply.status} after {reply.seconds:.1f} s"


@probe("hang-and-others", PRACTICE, limit_s=120)
def hang_and_others(target: Target) -> str:
    """Callers behind a call that hangs are answered right, within the limit and the time to load again."""
    body = target.body()
    limit = target.hang_s + RECOVERY_S
    with ThreadPoolExecutor(1) as pool:
        pool.submit(target.infer, HANGS, target.hang_s)
        time.sleep(0.3)
        reply = target.ask(target.request(body), limit)
    demand(right(body, reply), f"the next caller got {seen(reply)} after {reply.seconds:.1f} s")
    return f"the next caller answered after {reply.seconds:.1f} s"


@probe("hang-and-health", PRACTICE, limit_s=120)
def hang_and_health(target: Target) -> str:
    """When a call hangs, the model is served again within the limit, or its readiness says that it is not."""
    target.needs_protocol()
    ready = f"/v2/models/{target.model}/ready"
    with ThreadPoolExecutor(1) as pool:
        pool.submit(target.infer, HANGS, 1.0)
    begun = time.monotonic()
    while time.monotonic() - begun < target.hang_s + RECOVERY_S:
        if target.well():
            return f"served again after {time.monotonic() - begun:.1f} s"
        status = target.get(ready).status
        if status != 200 and time.monotonic() - begun > target.hang_s:
            return f"ready says {status} while it is not served"
        time.sleep(0.2)
    raise Failed(f"not served for {target.hang_s + RECOVERY_S:g} s, and {ready} says {status}")


@probe("graceful-stop", PRACTICE, limit_s=90, ends_server=True)
def graceful_stop(target: Target) -> str:
    """A server that is asked to stop (SIGTERM) answers what it has taken, and ends."""
    if target.managed is None:
        raise NotApplicable("the suite has not started the server and may not stop it")
    bodies = [target.body(SLOW) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(target.ask, target.request(body), 30) for body in bodies]
        time.sleep(SLOW_S / 2)
        target.managed.terminate()
        replies = [future.result() for future in futures]
    code = target.managed.wait(30)
    lost = [reply for body, reply in zip(bodies, replies, strict=True) if not right(body, reply)]
    demand(not lost, f"{len(lost)} of 6 were lost: {seen(lost[0]) if lost else ''}")
    demand(code is not None, "all were answered, but it has not ended within 30 s")
    end = time.monotonic() + 5
    while target.managed.family() and time.monotonic() < end:
        time.sleep(0.1)
    left = len(target.managed.family())
    demand(not left, f"all were answered and it ended with {code}, but {left} of its processes stay behind")
    return f"six answered, ended with {code}"
