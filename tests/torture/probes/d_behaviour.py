"""What becomes of good callers beside bad ones, and of too many of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.torture.servers.behaviour import NAN, RAISES, SHAPE, SLOW, SLOW_S
from tests.torture.target import Json, Reply, Target, answers, seen, strict
from tests.torture.verdicts import Failed, NotApplicable, demand, probe

PRACTICE = "practice"


def beside(target: Target, trouble: float) -> tuple[Reply, list[Reply]]:
    """Let a bad row and six good ones wait behind a slow one, so that they share a batch; the bad reply, the others.

    Fails the probe if a good one is not answered right.
    """
    bodies = [target.body() for _ in range(3)] + [target.body(trouble)] + [target.body() for _ in range(3)]
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(target.infer, SLOW)
        time.sleep(SLOW_S / 3)
        replies = target.volley([target.request(body) for body in bodies])
        slow.result()
    bad = replies.pop(3)
    del bodies[3]
    wrong = [reply for body, reply in zip(bodies, replies, strict=True) if not right(body, reply)]
    demand(
        not wrong, f"{len(wrong)} of 6 good callers beside it got no right answer: {seen(wrong[0]) if wrong else ''}"
    )
    return bad, replies


def right(body: Json, reply: Reply) -> bool:
    """Whether a row was answered right."""
    try:
        return reply.status == 200 and answers(reply) == [2 * value for value in body["inputs"][0]["data"]]
    except (ValueError, LookupError, TypeError):
        return False


@probe("bad-item-alone", PRACTICE)
def bad_item(target: Target) -> str:
    """A row on which the model raises fails alone; the others of its batch are answered right."""
    bad, _ = beside(target, RAISES)
    demand(bad.status >= 400, f"the bad one got {seen(bad)}")
    return f"the bad one {bad.status}, six others right"


@probe("wrong-shape-out", PRACTICE)
def wrong_shape(target: Target) -> str:
    """An output that does not fit the model's signature is an error for its caller, and for nobody else."""
    bad, _ = beside(target, SHAPE)
    demand(bad.status >= 400, f"it was passed on: {seen(bad)}")
    return f"the bad one {bad.status}, six others right"


@probe("nan-out", "RFC 8259 6")
def nan_out(target: Target) -> str:
    """NaN from the model is an error or valid JSON, and touches nobody else."""
    bad, _ = beside(target, NAN)
    if bad.status == 200:
        try:
            strict(bad.body)
        except ValueError as error:
            raise Failed(f"200 with a body that is no JSON: {error}") from error
    demand(bad.status, f"no answer: {seen(bad)}")
    return f"the bad one {bad.status}, six others right"


@probe("no-foreign-answer", PRACTICE)
def no_foreign_answer(target: Target) -> str:
    """Equal bodies to two models at once: each is answered by its own, cache or not."""
    other = f"{target.model}_b"
    if target.ask(target.request(target.body(), model=other)).status != 200:
        raise NotApplicable(f"no model {other} is served")
    for _ in range(5):
        body = json.dumps(target.body()).encode()
        replies = target.volley([target.request(body, model=model) for model in (target.model, other) * 4])
        firsts = [answers(reply)[0] if reply.status == 200 else reply.status for reply in replies]
        demand(firsts == [2.0, 3.0] * 4, f"first numbers {firsts}, where {[2.0, 3.0] * 4} are right")
    return "forty right"


@probe("cancelled-caller", PRACTICE)
def cancelled_caller(target: Target) -> str:
    """Callers that go away while they wait do no harm to those that wait beside them."""
    bodies = [target.body() for _ in range(6)]
    with ThreadPoolExecutor(7) as pool:
        slow = pool.submit(target.infer, SLOW)
        time.sleep(SLOW_S / 3)
        gone = [target.open() for _ in range(6)]
        for raw in gone:
            raw.send(target.request(target.body()))
        waiting = [pool.submit(target.ask, target.request(body)) for body in bodies]
        for raw in gone:
            raw.socket.close()
        replies = [one.result() for one in waiting]
        slow.result()
    wrong = [reply for body, reply in zip(bodies, replies, strict=True) if not right(body, reply)]
    demand(not wrong, f"{len(wrong)} of 6 that stayed got no right answer: {seen(wrong[0]) if wrong else ''}")
    return f"six that stayed answered within {max(reply.seconds for reply in replies):.1f} s"


@probe("overload", PRACTICE, limit_s=90)
def overload(target: Target) -> str:
    """Two hundred slow callers at once, behind a bounded queue: the surplus is refused at once with 429 or 503."""
    if not target.queue:
        raise NotApplicable("the operator knows no bound of the queue to set")
    replies = target.volley([target.request(target.body(SLOW)) for _ in range(200)], 60)
    told = ", ".join(f"{count} x {status or 'nothing'}" for status, count in Counter(r.status for r in replies).items())
    surplus = [reply for reply in replies if reply.status in {429, 503}]
    demand(surplus, f"nobody was refused: {told}")
    demand(all(reply.status in {200, 429, 503} for reply in replies), told)
    latest = max(reply.seconds for reply in surplus)
    demand(latest < 3, f"a refusal took {latest:.1f} s ({told})")
    target.demand_well(20)
    return f"{told}; refused within {latest:.1f} s"


@probe("deadline", PRACTICE)
def deadline(target: Target) -> str:
    """A request that may wait 100 ms is not served when its turn comes later; its caller hears so in time."""
    if target.deadline == "none":
        raise NotApplicable("the server offers no deadline of a request")
    header = ("x-timeout-ms: 100",) if target.deadline == "header" else ()
    body = target.body() if header else target.body(parameters={"timeout": 100_000})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(target.infer, SLOW)
        time.sleep(SLOW_S / 3)
        reply = target.ask(target.request(body, *header))
        slow.result()
    demand(reply.status >= 400, f"answered {seen(reply)} after {reply.seconds:.1f} s")
    demand(reply.seconds < SLOW_S + 1, f"{reply.status} after {reply.seconds:.1f} s only")
    return f"{reply.status} after {reply.seconds:.1f} s"


@probe("memory-of-bad-bodies", PRACTICE, limit_s=90)
def memory_of_bad_bodies(target: Target) -> str:
    """Hundreds of bad bodies of 1 MB leave memory where it was (100 MiB more at most)."""
    if target.managed is None:
        raise NotApplicable("the suite has not started the server and cannot see its memory")
    bad = [b"[" * 1_000_000, b'{"inputs":[' + b'{"name":"x"},' * 70_000, b'"' + b"\xff" * 1_000_000]

    def once() -> None:
        for body in bad:
            target.ask(target.request(body))

    for _ in range(10):
        once()
    before = target.managed.memory()
    for _ in range(60):
        once()
    grown = (target.managed.memory() - before) / (1 << 20)
    demand(grown < 100, f"{grown:.0f} MiB more after 180 of them")
    target.demand_well()
    return f"{grown:+.0f} MiB after 180 of them"
