"""The load generator behind `pumice bench` and `make bench`: keep-alive HTTP/1.1 from a process of its own."""

from pumice.client.load.job import LoadJob
from pumice.client.load.result import Bucket, Latency, LoadResult, Outcome
from pumice.client.load.runner import run_load

__all__ = ["Bucket", "Latency", "LoadJob", "LoadResult", "Outcome", "run_load"]
