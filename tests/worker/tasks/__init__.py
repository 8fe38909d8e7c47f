"""Tests of the task pipelines."""
