"""FastAPI with the usual dynamic batcher: a queue, a short wait, one call of the model in a thread.

Workload B gets two threads that each call the model on one core, so two batches run at once.
"""

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel

Feed = dict[str, np.ndarray]
IMAGE = (3, 224, 224)
BATCHES = {"A": (1, 32), "B": (2, 16), "C": (1, 8)}
"""Threads and rows of a batch."""


class Row(BaseModel):
    x: list[float]


class Tokens(BaseModel):
    input_ids: list[int]
    attention_mask: list[int]


class Answer(BaseModel):
    output: list[float]


def load(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Batcher:
    """Puts single rows together, up to `max_batch` or until `max_wait` seconds have passed."""

    def __init__(self, session: onnxruntime.InferenceSession, workers: int, max_batch: int, max_wait: float) -> None:
        self.session, self.max_batch, self.max_wait = session, max_batch, max_wait
        self.queue: asyncio.Queue[tuple[Feed, asyncio.Future]] = asyncio.Queue()
        self.free = asyncio.Semaphore(workers)
        self.pool = ThreadPoolExecutor(workers)
        self.running: set[asyncio.Task] = set()

    async def infer(self, feed: Feed) -> np.ndarray:
        future = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((feed, future))
        return await future

    async def collect(self) -> None:
        while True:
            await self.free.acquire()
            batch = [await self.queue.get()]
            until = asyncio.get_running_loop().time() + self.max_wait
            while len(batch) < self.max_batch:
                try:
                    batch.append(self.queue.get_nowait())
                except asyncio.QueueEmpty:
                    left = until - asyncio.get_running_loop().time()
                    if left <= 0:
                        break
                    try:
                        batch.append(await asyncio.wait_for(self.queue.get(), left))
                    except TimeoutError:
                        break
            task = asyncio.create_task(self.run(batch))
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    async def run(self, batch: list[tuple[Feed, asyncio.Future]]) -> None:
        feed = {name: np.stack([row[name] for row, _ in batch]) for name in batch[0][0]}
        try:
            (out,) = await asyncio.get_running_loop().run_in_executor(self.pool, self.session.run, None, feed)
            for (_, future), row in zip(batch, out, strict=True):
                future.done() or future.set_result(row)
        except Exception as problem:
            for _, future in batch:
                future.done() or future.set_exception(problem)
        finally:
            self.free.release()


def create_app(workload: str, model: str) -> FastAPI:
    batcher = Batcher(load(model), *BATCHES[workload], 0.002)

    @asynccontextmanager
    async def lifespan(_: FastAPI):
        task = asyncio.create_task(batcher.collect())
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan)

    async def predict_row(row: Row) -> Answer:
        return Answer(output=(await batcher.infer({"x": np.array(row.x, np.float32)})).tolist())

    async def predict_tokens(tokens: Tokens) -> Answer:
        feed = {
            "input_ids": np.array(tokens.input_ids, np.int64),
            "attention_mask": np.array(tokens.attention_mask, np.int64),
        }
        return Answer(output=(await batcher.infer(feed)).tolist())

    async def predict_image(request: Request) -> Answer:
        x = np.frombuffer(await request.body(), np.float32).reshape(IMAGE)
        return Answer(output=(await batcher.infer({"x": x})).tolist())

    app.post("/predict")({"A": predict_row, "B": predict_tokens, "C": predict_image}[workload])
    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=["A", "B", "C"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(create_app(given.workload, given.model), port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
