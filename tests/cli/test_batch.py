"""Batch jobs: every format, bad rows, and runs that are cut off."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.cli.command import ROOT, pumice
from tests.support.server import RunningServer

TEXTS = ["很好", "太差了", "还可以", "质量不错"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    models: list[dict[str, Any]] = [
        {"name": "double", "source": "tests.support.models:Doubler"},
        {"name": "picky", "source": "tests.support.models:Picky"},
        {"name": "gated", "source": "tests.support.models:Gated"},
        {"name": "sentiment", "source": "src/pumice/assets/sentiment"},
        # it waits for more than ever comes, so that a job takes seconds of waiting and not of work
        {"name": "patient", "source": "tests.support.models:Doubler", "max_batch_size": 4096, "max_delay_ms": 50},
    ]
    file = tmp_path_factory.mktemp("server") / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
    with RunningServer("-f", str(file), cwd=ROOT) as running:
        yield running


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the format that the suffix says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(
                {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()}
                for row in rows
            )
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Read rows, their numbers as numbers."""
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def numbers(count: int) -> list[dict[str, Any]]:
    return [{"id": f"n{n}", "x": [float(n)] * 4} for n in range(count)]


def doubled(row: dict[str, Any]) -> Any:
    return json.loads(row["y"]) if isinstance(row["y"], str) else row["y"]


@pytest.mark.parametrize("given", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("wanted", [".jsonl", ".csv", ".parquet"])
def test_every_format_becomes_every_other_in_order(
    server: RunningServer, tmp_path: Path, given: str, wanted: str
) -> None:
    source, out = write(tmp_path / f"in{given}", numbers(50)), tmp_path / f"out{wanted}"
    words = ("--columns", "id", "--batch-rows", "8", "--concurrency", "3", "--json")
    done = pumice("batch", "double", str(source), str(out), "--url", server.url, *words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["rows"], told["failed"], told["resumed_at"]) == (50, 0, 0)
    rows = read(out)
    assert [row["id"] for row in rows] == [f"n{n}" for n in range(50)]
    assert [doubled(row) for row in rows] == [[2.0 * n] * 4 for n in range(50)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, out.name])


def test_texts_get_their_labels_and_their_other_columns(server: RunningServer, tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", [{"label": "true", "text": text} for text in TEXTS])
    words = ("batch", "sentiment", str(source), str(tmp_path / "out.csv"), "--url", server.url)
    clash = pumice(*words, "--columns", "*")
    assert clash.returncode == 2
    assert "--prefix" in clash.stderr
    done = pumice(*words, "--columns", "*", "--prefix", "model_")
    assert done.returncode == 0, done.stderr
    assert "4 rows, 0 failed" in done.stdout
    rows = read(tmp_path / "out.csv")
    assert list(rows[0]) == ["label", "text", "model_label", "model_score", "error"]
    assert [row["text"] for row in rows] == TEXTS
    assert [row["model_label"] for row in rows[:2]] == ["positive", "negative"]


def test_bad_rows_are_told_each_and_spoil_no_other(server: RunningServer, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    good = [json.dumps({"x": [n, n, n, n]}) for n in range(20, 40)]
    bad = ["no json", "[1]", '{"x": [1, 2]}', '{"x": "text"}', "{}", '{"x": [13, 13, 13, 13]}', '{"x": "\udcff"}']
    lines = [*good[:10], *bad, "", *good[10:]]
    source.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    words = ("batch", "picky", str(source), str(out), "--url", server.url)
    done = pumice(*words)
    assert done.returncode == 1
    assert "27 rows, 7 failed" in done.stdout
    rows = read(out)
    assert [row.get("y", [None])[0] for row in rows] == [
        *(2.0 * n for n in range(20, 30)),
        *([None] * len(bad)),
        *(2.0 * n for n in range(30, 40)),
    ]
    errors = [row["error"] for row in rows if "error" in row]
    assert len(errors) == len(bad)
    assert "thirteen" in errors[5]
    assert pumice(*words, "--restart", "--allow-errors").returncode == 0


@pytest.mark.parametrize("wanted", [".jsonl", ".csv", ".parquet"])
def test_a_run_that_is_killed_goes_on_where_it_was(server: RunningServer, tmp_path: Path, wanted: str) -> None:
    count = 6_000
    source, out = write(tmp_path / "in.parquet", numbers(count)), tmp_path / f"out{wanted}"
    words = ("batch", "patient", str(source), str(out), "--url", server.url, "--columns", "id", "--batch-rows", "16")
    journal = tmp_path / f"{out.name}.journal"
    killed = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-m", "pumice.cli.main", *words], cwd=ROOT, env=os.environ)
        while not journal.exists() or noted(journal) <= killed:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed = noted(journal)
        assert 0 < killed < count
    assert not out.exists()
    done = pumice(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert f"resumed at row {killed:,}" in done.stderr
    assert json.loads(done.stdout)["resumed_at"] == killed
    rows = read(out)
    assert [row["id"] for row in rows] == [f"n{n}" for n in range(count)]
    assert [doubled(rows[n]) for n in range(0, count, 997)] == [[2.0 * n] * 4 for n in range(0, count, 997)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, out.name])


def noted(journal: Path) -> int:
    rows: int = json.loads(journal.read_bytes())["rows"]
    return rows


def test_a_server_that_ends_is_an_error_and_not_the_end_of_the_job(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", numbers(5)), tmp_path / "out.jsonl"
    words = ("batch", "double", str(source), str(out))
    done = pumice(*words, "--url", "http://127.0.0.1:9", "--timeout", "1")
    assert done.returncode == 1
    assert not out.exists()
    with RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as server:
        assert pumice(*words, "--url", server.url).returncode == 0
    assert len(read(out)) == 5


def test_a_source_is_served_for_the_job(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", numbers(5)), tmp_path / "out.jsonl"
    done = pumice(
        "batch", "tests.support.models:Doubler", str(source), str(out), environ={"PUMICE_HOME": str(tmp_path / "home")}
    )
    assert done.returncode == 0, done.stderr
    assert [row["y"] for row in read(out)] == [[2.0 * n] * 4 for n in range(5)]


def test_what_cannot_be_done_is_said_before_anything_is_done(server: RunningServer, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", numbers(3))
    taken = write(tmp_path / "taken.jsonl", numbers(3))
    other = write(tmp_path / "other.jsonl", [{"z": 1}])
    out = str(tmp_path / "out.jsonl")
    for words, said in (
        ((str(tmp_path / "none.jsonl"), out), "No such file"),
        ((str(source), str(taken)), "--restart"),
        ((str(source), str(tmp_path / "out.txt")), ".parquet"),
        ((str(other), out), "a column 'x'"),
        ((str(source), out, "--columns", "w"), "columns of IN: id, x"),
        ((str(source), str(tmp_path / "no" / "out.jsonl")), "a folder that is there"),
    ):
        done = pumice("batch", "double", *words, "--url", server.url)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
    assert read(taken) == numbers(3)


def test_a_journal_of_another_job_is_left_alone(server: RunningServer, tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", numbers(3)), tmp_path / "out.jsonl"
    words = ("batch", "double", str(source), str(out), "--url", server.url)
    journal = tmp_path / "out.jsonl.journal"
    for content in (b'{"job": {}}', b"\x00"):
        journal.write_bytes(content)
        done = pumice(*words)
        assert done.returncode == 2
        assert "--restart" in done.stderr
        assert journal.read_bytes() == content
    assert pumice(*words, "--restart").returncode == 0
    assert not journal.exists()
