"""Settings, read in one place.

Precedence, highest first: command line, environment (``PUMICE_*``), file (``-f pumice.yaml``), default.
`pumice.environment` alone reads the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pumice.domain.errors import BadSetting
from pumice.domain.model import Trust
from pumice.domain.trust.policy import Policy
from pumice.environment import own_settings

Sandbox = Literal["auto", "required", "off"]
"""How replicas are kept from doing harm."""


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one model is served. A value left out is taken from the server's settings of the same name."""

    name: Annotated[str, Meta(description="Name under which callers find the model.")]
    source: Annotated[str, Meta(description="A path, or `module:Class` for a Python model.")]
    version: Annotated[
        str,
        Meta(
            description="Version shown to callers: letters, digits, `.`, `_`, `-`.", pattern=r"^[A-Za-z0-9._-]{1,64}$"
        ),
    ] = "1"
    versions: Annotated[
        Literal["newest", "all"] | tuple[str, ...],
        Meta(
            description="Which versions to serve of a folder that holds one folder a version (`1/`, `2/`, …): "
            "`newest`, `all`, or a list of them."
        ),
    ] = "newest"
    preload: Annotated[
        bool | None,
        Meta(
            description="Load it when the server starts and keep it in memory (`true`), or load it at its first "
            "request (`false`). Left out: `false` if there is a `memory_budget` or `max_loaded`; else `true`."
        ),
    ] = None
    replicas: Annotated[int | None, Meta(description="Worker processes that hold the model.")] = None
    threads: Annotated[int | None, Meta(description="Threads of one inference; 0: cores / replicas.")] = None
    provider: Annotated[str | None, Meta(description="Execution provider.")] = None
    device: Annotated[int, Meta(description="Number of the device, for providers that have several.")] = 0
    max_batch_size: Annotated[int | None, Meta(description="Most rows of a batch.")] = None
    max_delay_ms: Annotated[float | None, Meta(description="Longest wait for a fuller batch (ms).")] = None
    timeout: Annotated[float | None, Meta(description="Longest that one call of the model may take (s).")] = None
    stream_timeout: Annotated[
        float | None, Meta(description="Longest silence in an answer in parts, of the model or of its caller (s).")
    ] = None
    max_wait: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Longest predicted wait of a request without a deadline (s)."),
    ] = None
    cache_size: Annotated[int | None, Meta(description="Size of the response cache (bytes); 0: off.")] = None
    sandbox: Annotated[Sandbox | None, Meta(description="What keeps the replicas from doing harm.")] = None
    network: Annotated[
        bool, Meta(description="Whether replicas may use the network, for models that ask other services.")
    ] = False
    memory_limit: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Most memory of one replica (bytes); 0: no limit.")
    ] = None
    trust: Annotated[
        Trust,
        Meta(
            description="Code that the model may use: `types` of a `.skops` file, `custom_ops` libraries (paths) of "
            "ONNX Runtime. A manifest cannot say this."
        ),
    ] = msgspec.field(default_factory=Trust)
    manifest: Annotated[
        dict[str, Any], Meta(description="Keys of the manifest that are said here instead of beside the file.")
    ] = msgspec.field(default_factory=dict)


_SHARED = (
    *("replicas", "threads", "provider", "max_batch_size", "max_delay_ms", "max_wait", "timeout", "cache_size"),
    *("stream_timeout", "sandbox", "memory_limit"),
)
"""Settings of a model that are the server's where it says nothing."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of a server, each with its unit."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port of HTTP; 0: any free one.", ge=0, le=65535)] = 8000
    grpc_port: Annotated[int, Meta(description="Port of gRPC; 0: any free one, -1: no gRPC.", ge=-1, le=65535)] = 8001
    home: Annotated[str, Meta(description="Folder of the database and of everything else that lasts.")] = "~/.pumice"
    workers: Annotated[int, Meta(description="Front processes that share the ports.", ge=1, le=256)] = 1
    replicas: Annotated[int, Meta(description="Worker processes per model.", ge=1, le=1024)] = 1
    threads: Annotated[int, Meta(description="Threads of one inference; 0: cores / replicas.", ge=0, le=1024)] = 0
    provider: Annotated[
        str, Meta(description="Execution provider: auto, cpu, cuda, tensorrt, openvino, coreml or directml.")
    ] = "auto"
    max_batch_size: Annotated[int, Meta(description="Most rows of a batch.", ge=1, le=65536)] = 32
    max_delay_ms: Annotated[
        float,
        Meta(description="Longest wait for a fuller batch (ms); 0: none, a free replica takes what is there.", ge=0),
    ] = 0.0
    max_queue: Annotated[int, Meta(description="Most requests that wait for one version.", ge=1)] = 10_000
    max_wait: Annotated[
        float,
        Meta(
            description="Longest predicted wait of a request without a deadline (s); one that would wait longer is "
            "refused at once.",
            gt=0,
        ),
    ] = 30.0
    timeout: Annotated[float, Meta(description="Longest that one call of a model may take (s).", gt=0)] = 30.0
    stream_timeout: Annotated[
        float, Meta(description="Longest silence in an answer in parts, of the model or of its caller (s).", gt=0)
    ] = 60.0
    load_timeout: Annotated[float, Meta(description="Longest that loading a model may take (s).", gt=0)] = 600.0
    drain_timeout: Annotated[float, Meta(description="Longest wait for open requests when stopping (s).", ge=0)] = 30.0
    cache_size: Annotated[int, Meta(description="Size of the response cache (bytes); 0: off.", ge=0)] = 0
    cache_ttl: Annotated[float, Meta(description="How long a cached answer is good (s).", gt=0)] = 300.0
    sandbox: Annotated[
        Sandbox,
        Meta(
            description=(
                "What keeps replicas from doing harm: `auto` takes away the network, the right to write and the sight "
                "of the home as far as the system allows, `required` refuses to start where one is missing, `off`: "
                "nothing."
            )
        ),
    ] = "auto"
    memory_limit: Annotated[
        int,
        Meta(
            description=(
                "Most memory of its own that one replica may take (bytes): heaps, arrays, stacks of threads; "
                "0: no limit."
            ),
            ge=0,
        ),
    ] = 0
    max_body_bytes: Annotated[int, Meta(description="Largest request body (bytes).", ge=1)] = 64 * 1024 * 1024
    max_json_bytes: Annotated[
        int,
        Meta(
            description="Largest JSON of an inference or a task (bytes): parsed it takes up to 55 times as much memory."
            " Larger tensors go as binary data, or over gRPC.",
            ge=1,
        ),
    ] = 16 * 1024 * 1024
    max_inflight_bytes: Annotated[
        int,
        Meta(
            description="Most memory for the bodies of all requests of one front process that are being read or"
            " answered, bodies up to 64 KiB aside (bytes); more are refused with 503.",
            ge=1,
        ),
    ] = 1024 * 1024 * 1024
    max_connections: Annotated[
        int,
        Meta(
            description="Most open connections over HTTP; more are refused with 503. Fewer, if the system's limit of"
            " open files does not hold so many.",
            ge=1,
        ),
    ] = 10_000
    header_timeout: Annotated[
        float, Meta(description="Longest that the head of a request may take to come (s).", gt=0)
    ] = 10.0
    body_timeout: Annotated[
        float, Meta(description="Longest that a body may take to come (s), besides what `min_rate` gives it.", gt=0)
    ] = 30.0
    send_timeout: Annotated[
        float,
        Meta(
            description="Longest that a caller may leave its answer unread (s), besides what `min_rate` gives it.", gt=0
        ),
    ] = 30.0
    min_rate: Annotated[
        int,
        Meta(description="Each so many bytes of a body, or of an answer, give a slow caller one second more.", ge=1),
    ] = 1024
    idle_timeout: Annotated[
        float, Meta(description="How long a connection without a request stays open (s).", gt=0)
    ] = 75.0
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins whose pages may call, exact as in `https://example.org`; none are by default."),
    ] = ()
    shared_memory: Annotated[
        bool,
        Meta(
            description="Whether callers on this machine may name memory below `/dev/shm` that the server reads inputs "
            "from and writes outputs to. Whoever may manage then reaches all such memory of the server's user."
        ),
    ] = False
    memory_budget: Annotated[
        int,
        Meta(
            description="Memory that all replicas together may take (bytes, or text such as `8GiB`); 0: no limit. "
            "Models that are idle leave it for others, the longest idle first.",
            ge=0,
        ),
    ] = 0
    max_loaded: Annotated[int, Meta(description="Most versions in memory; 0: no limit.", ge=0)] = 0
    request_log: Annotated[
        Literal["none", "ids"],
        Meta(
            description="What is written down of answers: `none`, or `ids`: the request's id, the model, its version "
            "and digest, and the time, for `pumice models show --request-id`. Never what requests hold."
        ),
    ] = "none"
    request_log_size: Annotated[
        int, Meta(description="Answers that the request log keeps; older ones are deleted.", ge=1)
    ] = 1_000_000
    keep_warm: Annotated[
        float,
        Meta(
            description="How long the version that an alias of the store has left stays in memory (s), so that the way "
            "back is at once; 0: not at all. It goes earlier where `memory_budget` or `max_loaded` need its room.",
            ge=0,
        ),
    ] = 600.0
    model_roots: Annotated[
        tuple[str, ...],
        Meta(
            description="Folders below which callers of the repository API may name sources, in addition to the "
            "sources that are named at start."
        ),
    ] = ()
    result_ttl: Annotated[float, Meta(description="How long results of tasks are kept (s).", gt=0)] = 86_400.0
    task_concurrency: Annotated[int, Meta(description="Asynchronous tasks that run at once.", ge=1)] = 64
    max_tasks: Annotated[int, Meta(description="Most unfinished asynchronous tasks; more are refused.", ge=1)] = (
        1_000_000
    )
    database: Annotated[
        str,
        Meta(
            description="PostgreSQL database that keeps the tasks, for several servers on one queue:"
            " `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; empty: a file in the home."
        ),
    ] = ""
    signatures: Annotated[
        Policy,
        Meta(
            description="What happens to a version of the store that no trusted key signed: `require`: it is refused,"
            " `warn`: it is used with a warning, `off`: nobody looks."
        ),
    ] = "require"
    head_max_age: Annotated[
        float,
        Meta(
            description="Oldest signed head of a name that is taken (s): who signs no new one in time holds its readers"
            " up; 0: any.",
            ge=0,
        ),
    ] = 0.0
    signing_key: Annotated[
        str,
        Meta(
            description="Private key that signs versions (PEM, PKCS 8: ECDSA or Ed25519); empty: the home's own, in"
            " `keys/signing.pem`, made at the first use."
        ),
    ] = ""
    signing_certificate: Annotated[
        str, Meta(description="Certificates that vouch for that key (PEM, its own first); empty: none.")
    ] = ""
    store_url: Annotated[
        str,
        Meta(
            description="Object store that has the packs of the model store: `s3://BUCKET/PREFIX`, or another URL that"
            " fsspec knows; empty: they are in the home."
        ),
    ] = ""
    store_options: Annotated[
        dict[str, Any],
        Meta(
            description="What fsspec is told besides to reach it, such as `endpoint_url`; in the environment, as a JSON"
            " object. Credentials are better left to what the cloud's own tools use."
        ),
    ] = msgspec.field(default_factory=dict)
    store_cache_size: Annotated[
        int,
        Meta(
            description="Most disk in the home for what was read of the object store (bytes, or text such as `8GiB`).",
            ge=64 * 1024 * 1024,
        ),
    ] = 10 * 1024 * 1024 * 1024
    push_max_bytes: Annotated[
        int, Meta(description="Largest version that callers may push over HTTP (bytes); 0: they may push none.", ge=0)
    ] = 256 * 1024 * 1024 * 1024
    push_pending_bytes: Annotated[
        int, Meta(description="Most disk for pushes over HTTP that are not finished, all together (bytes).", ge=0)
    ] = 512 * 1024 * 1024 * 1024
    push_keep: Annotated[
        float, Meta(description="How long a push over HTTP that was cut off can be gone on with (s).", gt=0)
    ] = 86_400.0
    push_code: Annotated[
        bool, Meta(description="Whether callers may push models that are code of their own, which serving them runs.")
    ] = False
    push_folder: Annotated[
        str,
        Meta(description="Folder for what has come of pushes over HTTP until they are finished; empty: in the home."),
    ] = ""
    webhook_hosts: Annotated[
        str,
        Meta(
            description="Hosts that webhooks of tasks may go to, with commas: a name (its private addresses too),"
            " `*.` and a domain, or `*` (public addresses only); empty: none."
        ),
    ] = ""
    webhook_secret: Annotated[
        str,
        Meta(
            description="Secret that signs webhooks, `whsec_` and base64; several with commas while one takes the"
            " other's place; empty: the home's own, in `webhook.secret`."
        ),
    ] = ""
    webhook_ca: Annotated[
        str,
        Meta(
            description="PEM file of the authorities that receivers of webhooks are trusted by, instead of the public"
            " ones."
        ),
    ] = ""
    task_lease: Annotated[
        float, Meta(description="A server that gives no sign for so long loses its tasks to others (s).", ge=1)
    ] = 30.0
    auth: Annotated[
        Literal["none", "keys", "oidc"],
        Meta(
            description="How callers are known: `none`: not at all, `keys`: by keys of `pumice keys create`,"
            " `oidc`: by tokens of an OpenID Connect issuer."
        ),
    ] = "none"
    insecure: Annotated[
        bool, Meta(description="Listen beyond this machine although callers are not asked who they are.")
    ] = False
    oidc_issuer: Annotated[str, Meta(description="URL of the issuer, as its tokens say it.")] = ""
    oidc_audience: Annotated[str, Meta(description="What tokens must be meant for.")] = ""
    oidc_claim: Annotated[
        str, Meta(description="Claim with a token's scopes: words in a string, or a list; dots lead into objects.")
    ] = "scope"
    oidc_scopes: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description="The issuer's words, each with the scopes that it stands for here."),
    ] = msgspec.field(default_factory=dict)
    oidc_leeway: Annotated[float, Meta(description="How far the issuer's clock may differ (s).", ge=0, le=300)] = 30.0
    redis_url: Annotated[
        str,
        Meta(description="Redis that keeps the rate limits of several gateways; empty: each host has its own."),
    ] = ""
    redis_fail: Annotated[
        Literal["local", "open", "closed"],
        Meta(
            description="While Redis is away: `local`: limits hold for each host, `open`: there are none,"
            " `closed`: callers with a limit are refused."
        ),
    ] = "local"
    tls_cert: Annotated[str, Meta(description="Certificate of the server (PEM, with its chain); empty: no TLS.")] = ""
    tls_key: Annotated[str, Meta(description="Private key of that certificate (PEM).")] = ""
    tls_client_ca: Annotated[
        str, Meta(description="Authorities whose clients may connect (PEM); empty: clients need no certificate.")
    ] = ""
    tls_ca: Annotated[
        str, Meta(description="Authorities that commands trust when they speak to a server (PEM); empty: the system's.")
    ] = ""
    rate_limit: Annotated[
        float,
        Meta(description="Requests per second of a caller whose key has no rate of its own; 0: no limit.", ge=0),
    ] = 0.0
    rate_burst: Annotated[
        int, Meta(description="Requests that such a caller may make at once; 0: one second's worth.", ge=0)
    ] = 0
    audit_max_bytes: Annotated[
        int, Meta(description="Size at which a new file of the audit record is begun (bytes).", ge=4096)
    ] = 16 * 1024 * 1024
    seal_key: Annotated[
        str,
        Meta(
            description="Key that sealed versions of the store are sealed with: `file:PATH`,"
            " `env:PUMICE_SECRET_NAME`, `keyring:SERVICE/NAME` or `aws-kms:KEY`. Several with commas while one takes"
            " the other's place: the first seals, all unseal. Empty: nothing is sealed or unsealed."
        ),
    ] = ""
    api_key: Annotated[str, Meta(description="Key that commands send to a running server.")] = ""
    exchange_token: Annotated[
        str,
        Meta(description="What imports and exports show to another registry: a bearer token, or `USER:PASSWORD`."),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "text", "json"], Meta(description="Form of the log; `auto`: text on a terminal, else JSON.")
    ] = "auto"
    models: Annotated[tuple[ModelSettings, ...], Meta(description="The models to serve.")] = ()

    def of_model(self, model: ModelSettings) -> ModelSettings:
        """Fill what a model leaves out with the server's settings."""
        filled = {key: getattr(self, key) for key in _SHARED if getattr(model, key) is None}
        return msgspec.structs.replace(model, **filled)

    @property
    def home_path(self) -> Path:
        """The home as an absolute path."""
        return Path(self.home).expanduser().absolute()


def load_settings(
    command_line: Mapping[str, Any], file: Path | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Put the settings together by their precedence.

    Args:
        command_line: Values given there; None counts as not given.
        file: A YAML file of settings.
        environ: The environment; the process's own if left out.

    Raises:
        BadSetting: A key is unknown or a value is not allowed; the message names the origin.
    """
    merged: dict[str, Any] = {}
    for origin, values in (
        (str(file), _from_file(file) if file else {}),
        ("environment", own_settings(environ)),
        ("command line", {k: v for k, v in command_line.items() if v is not None}),
    ):
        merged |= {key: _from_text(key, value, origin) for key, value in values.items()}
        _convert(merged, origin)
    return _convert(merged, "settings")


def _convert(values: Mapping[str, Any], origin: str) -> Settings:
    unknown = sorted(set(values) - set(Settings.__struct_fields__))
    if unknown:
        raise BadSetting(f"{origin}: '{unknown[0]}'", "an unknown setting", ", ".join(Settings.__struct_fields__))
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        detail, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$.") or "settings"
        given = repr(values.get(key, "see the message"))
        raise BadSetting(f"{origin}: '{key}'", given, detail) from None


_SIZES = frozenset(
    ("cache_size", "max_body_bytes", "memory_budget", "store_cache_size", "push_max_bytes", "push_pending_bytes")
)
_OBJECTS = frozenset({"oidc_scopes", "store_options"})
_LISTS = frozenset({"model_roots"})
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def _from_text(key: str, value: Any, origin: str) -> Any:
    """Read sizes with a unit, and lists of folders as in ``PATH``."""
    if not isinstance(value, str):
        return value
    if key in _LISTS:
        return [part for part in value.split(os.pathsep) if part]
    if key in _OBJECTS:
        try:
            return msgspec.json.decode(value, type=dict[str, Any])
        except msgspec.DecodeError:  # what was given may hold secrets
            raise BadSetting(
                f"{origin}: '{key}'", "text that is no JSON object", 'text such as {"key": "value"}'
            ) from None
    if key in _SIZES:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", value.strip().lower())
        if match is None or match[2] not in _UNITS:
            raise BadSetting(f"{origin}: '{key}'", repr(value), "a number of bytes, or one with KB, MiB, GiB and so on")
        return int(float(match[1]) * _UNITS[match[2]])
    return value


def _from_file(file: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadSetting(str(file), str(error), "a readable YAML file of settings") from None
    if not isinstance(data, dict):
        raise BadSetting(str(file), type(data).__name__, "a mapping of settings, for example 'models: [...]'")
    return data
