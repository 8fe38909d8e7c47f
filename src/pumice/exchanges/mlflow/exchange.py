"""From an MLflow registry and back to one."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import BadSetting, ExchangeFailed, MalformedInput
from pumice.domain.model import Manifest
from pumice.domain.store.names import parse_ref
from pumice.exchanges.base import Arrival, Exchange, Parcel, Progress, Sent
from pumice.exchanges.huggingface.card import Card
from pumice.exchanges.huggingface.reading import Files, read_manifest
from pumice.exchanges.mlflow.client import Server, model_uri_root, place_of
from pumice.exchanges.mlflow.mlmodel import NAME, MlModel, manifest_of, read_mlmodel, write_mlmodel

MANIFEST = "manifest.json"

_EXPERIMENT = "pumice"
_FOLDER = "model"
_EXISTS = "already exists"
_METRIC = re.compile(r"[^A-Za-z0-9_. /-]")
_TOLD = ("mlflow_version", "model_uuid", "model_id", "run_id", "utc_time_created", "signature", "metadata")


class Mlflow(Exchange):
    """A model of an MLflow registry: ``mlflow:http://HOST:PORT/NAME[@VERSION|@ALIAS]``; a target has no version."""

    name = "mlflow"
    title = "MLflow registry: http://HOST:PORT/NAME@VERSION"

    @classmethod
    def recognises(cls, source: str) -> bool:
        """No: an address alone does not tell what answers there."""
        del source
        return False

    def fetch(self, source: str, folder: Path, progress: Progress) -> Arrival:
        """Download a registered version; see `Exchange.fetch`.

        Raises:
            BadSetting: The source is no address with a name.
            ExchangeFailed: The server cannot be reached, or said no.
            MalformedInput: What it says cannot be read, or leads out.
            UnsafeArtefact: It is a pickle, or code that would have to be run.
            Unsupported: The server does not give out the files.
        """
        url, ref = _parted(source)
        with Server(url, self.access) as server:
            version = _find(server, ref)
            model, number = str(version.get("name", "")), str(version.get("version", ""))
            done = 0
            for path, place in server.files(model_uri_root(server, model, version)):
                done += server.download(place, folder / path)
                progress(done, done)
        told = read_mlmodel(_text(folder / NAME))
        entry = ""
        if told.ours:
            (folder / NAME).unlink()
            entry = _entry(told, folder)
            manifest = None
        else:
            manifest = _manifest(told, version, folder)
        return Arrival(
            name=model,
            entry=entry,
            manifest=manifest,
            origin={"server": url, "name": model, "version": number, **_origin(version, told)},
            aliases=tuple(map(str, version.get("aliases", []))),
        )

    def send(self, parcel: Parcel, target: str, progress: Progress) -> Sent:
        """Register a version, with its files as artefacts of a run; see `Exchange.send`.

        Raises:
            BadSetting: The target is no address with a name.
            ExchangeFailed: The server cannot be reached, or said no.
        """
        url, name = _parted(target)
        with Server(url, self.access) as server, tempfile.TemporaryDirectory(prefix="pumice-export-") as around:
            folder = Path(around, _FOLDER)
            parcel.unpack(folder)
            if not (folder / NAME).exists():
                (folder / NAME).write_text(write_mlmodel(parcel.record, parcel.manifest), encoding="utf-8")
            run = _start_run(server, parcel)
            try:
                _upload(server, folder, place_of(run["artifact_uri"]), progress)
                number = _register(server, name, parcel, run)
            except BaseException:
                _end_run(server, run, "FAILED")
                raise
            _end_run(server, run, "FINISHED")
            for alias in parcel.aliases:
                server.post("mlflow/registered-models/alias", name=name, alias=alias, version=number)
        about = {"name": name, "version": number, "run_id": run["run_id"], "aliases": list(parcel.aliases)}
        return Sent(place=f"{url}/{name}@{number}", about=about)


def _parted(text: str) -> tuple[str, str]:
    """Address of the server, and what stands behind its last slash."""
    url, slash, ref = text.rpartition("/")
    if not (slash and ref and re.fullmatch(r"https?://[^/@?#]+(/[^@?#]*)?", url)):
        allowed = "http://HOST:PORT/NAME@VERSION; what is secret is given as PUMICE_EXCHANGE_TOKEN"
        raise BadSetting("address of an MLflow model", "something else", allowed)
    return url, ref


def _find(server: Server, text: str) -> dict[str, Any]:
    ref = parse_ref(text)
    if ref.version is not None:
        found = server.get("mlflow/model-versions/get", name=ref.model, version=str(ref.version)).get("model_version")
    elif ref.alias:
        found = server.get("mlflow/registered-models/alias", name=ref.model, alias=ref.alias).get("model_version")
    else:
        query = {"filter": f"name='{ref.model}'", "max_results": "1", "order_by": "version_number DESC"}
        listed = server.get("mlflow/model-versions/search", **query).get("model_versions") or [None]
        found = listed[0]
    if not isinstance(found, dict):
        raise ExchangeFailed(server.url, f"it has no '{text}'", "name a model that it has")
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MalformedInput(NAME, "it is not among the model's files") from None
    except UnicodeDecodeError:
        raise MalformedInput(NAME, "it is no UTF-8") from None


def _entry(told: MlModel, folder: Path) -> str:
    """The file that was pushed alone, if one was."""
    entry = told.ours.get("entry")
    if (folder / MANIFEST).exists() or not isinstance(entry, str) or not entry:
        return ""
    if entry not in _files(folder):
        raise MalformedInput(NAME, f"it names a file {entry!r} that is not there")
    return entry


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _manifest(told: MlModel, version: Mapping[str, Any], folder: Path) -> Manifest | None:
    files = _files(folder)
    manifest = manifest_of(told, frozenset(files))
    if manifest.format == "transformers":
        place = str(told.flavours["transformers"].get("model_binary") or "model")
        inner = {path.removeprefix(f"{place}/"): file for path, file in files.items() if path.startswith(f"{place}/")}
        known = read_manifest(Files(inner), Card({}, "", ""))
        inside = f"{place}/{known.tokenizer}" if known.tokenizer else ""
        manifest = msgspec.structs.replace(known, format="transformers", model="", tokenizer=inside)
    return msgspec.structs.replace(manifest, description=str(version.get("description") or ""))


def _origin(version: Mapping[str, Any], told: MlModel) -> dict[str, Any]:
    tags = {str(tag.get("key")): tag.get("value") for tag in version.get("tags", []) if isinstance(tag, dict)}
    kept = {key: told.data[key] for key in _TOLD if told.data.get(key)}
    origin: dict[str, Any] = {"run_id": version.get("run_id"), "source": version.get("source"), "tags": tags}
    origin |= {"mlmodel": kept, "flavours": sorted(told.flavours)}
    origin |= {"version_here": told.ours} if told.ours else {}
    return {key: value for key, value in origin.items() if value}


def _start_run(server: Server, parcel: Parcel) -> dict[str, Any]:
    record = parcel.record
    tags = [{"key": "mlflow.runName", "value": f"{record.model}@{record.version}"}]
    now = int(time.time() * 1000)
    run = server.post("mlflow/runs/create", experiment_id=_experiment(server), start_time=now, tags=tags).get("run", {})
    info = run.get("info", {})
    if not {"run_id", "artifact_uri"} <= info.keys():
        raise ExchangeFailed(server.url, "it began no run", "see that it is an MLflow server of version 2 or later")
    measured = [
        {"key": _METRIC.sub("_", name), "value": float(value), "timestamp": now, "step": 0}
        for name, value in parcel.manifest.spec.metrics.items()
        if isinstance(value, int | float)
    ]
    if measured:
        server.post("mlflow/runs/log-batch", run_id=info["run_id"], metrics=measured)
    return dict(info)


def _end_run(server: Server, run: Mapping[str, Any], status: str) -> None:
    now = int(time.time() * 1000)
    server.post("mlflow/runs/update", run_id=run["run_id"], status=status, end_time=now)


def _experiment(server: Server) -> str:
    try:
        found = server.get("mlflow/experiments/get-by-name", experiment_name=_EXPERIMENT)
        return str(found["experiment"]["experiment_id"])
    except (ExchangeFailed, KeyError):
        return str(server.post("mlflow/experiments/create", name=_EXPERIMENT).get("experiment_id"))


def _upload(server: Server, folder: Path, root: str, progress: Progress) -> None:
    files = _files(folder)
    total, done = sum(file.stat().st_size for file in files.values()), 0
    for path, file in files.items():
        done += server.upload(file, f"{root}/{_FOLDER}/{path}")
        progress(done, total)


def _register(server: Server, name: str, parcel: Parcel, run: Mapping[str, Any]) -> str:
    record = parcel.record
    try:
        server.post("mlflow/registered-models/create", name=name)
    except ExchangeFailed as error:
        if _EXISTS not in error.problem:
            raise
    told = {"digest": record.digest, "model": record.model, "version": str(record.version), "task": record.task}
    made = server.post(
        "mlflow/model-versions/create",
        name=name,
        source=f"{run['artifact_uri']}/{_FOLDER}",
        run_id=run["run_id"],
        description=parcel.manifest.spec.description,
        tags=[{"key": f"pumice.{key}", "value": value} for key, value in told.items()],
    )
    return str(made.get("model_version", {}).get("version", ""))
