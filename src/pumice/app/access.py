"""The door, from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pumice.config import Settings
from pumice.domain.access import Rate, rate_of
from pumice.domain.errors import BadSetting
from pumice.service.access.access import Access
from pumice.service.access.audit import Audit
from pumice.service.access.buckets import FILE_NAME, SharedBuckets
from pumice.service.access.doors import Doors
from pumice.service.access.known_keys import KnownKeys
from pumice.service.access.limiter import Limiter, RemoteBuckets
from pumice.service.access.tls import Certificates, TlsFiles

if TYPE_CHECKING:
    from pumice.service.access.keys import KeyStore
    from pumice.service.access.oidc import OidcTokens


def make_access(settings: Settings) -> Access:
    """Put the door together; nothing is opened that is not needed.

    Raises:
        BadSetting: A setting lacks another.
        BadArtefact: The certificates cannot be used.
        StorageFailed: The home cannot be written.
    """
    audit = Audit(settings.home_path, settings.audit_max_bytes)
    certificates = make_certificates(settings)
    if settings.auth == "none":
        return Access(audit=audit, certificates=certificates)
    near = SharedBuckets(settings.home_path / FILE_NAME)
    far = _redis(settings, near) if settings.redis_url else None
    limiter = Limiter(near, far)
    if settings.auth == "oidc":
        return Access(Doors(_tokens(settings), limiter), None, audit, certificates)

    def open_store() -> KeyStore:
        from pumice.service.access.keys import KeyStore  # SQLAlchemy: in the thread that opens it

        return KeyStore.open(settings.home_path, settings.database)

    keys = KnownKeys(open_store, default_rate(settings))
    return Access(Doors(keys, limiter), keys, audit, certificates)


def _redis(settings: Settings, near: SharedBuckets) -> RemoteBuckets:
    from pumice.service.access.redis import RedisBuckets

    return RedisBuckets(settings.redis_url, settings.redis_fail, near)


def _tokens(settings: Settings) -> OidcTokens:
    from pumice.service.access.oidc import OidcOptions, OidcTokens

    for name in ("oidc_issuer", "oidc_audience"):
        if not getattr(settings, name):
            raise BadSetting(name, "nothing", "a value: '--auth oidc' needs 'oidc_issuer' and 'oidc_audience'")
    options = OidcOptions(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        claim=settings.oidc_claim,
        scopes=settings.oidc_scopes,
        leeway_s=settings.oidc_leeway,
        rate=default_rate(settings),
    )
    return OidcTokens(options)


def make_certificates(settings: Settings) -> Certificates | None:
    """Read the certificates; None without TLS.

    Raises:
        BadSetting: A file is missing from the settings.
        BadArtefact: They cannot be used.
    """
    given = {name: getattr(settings, name) for name in ("tls_cert", "tls_key", "tls_client_ca")}
    if not any(given.values()):
        return None
    for name in ("tls_cert", "tls_key"):
        if not given[name]:
            raise BadSetting(name, "nothing", "a file: TLS needs 'tls_cert' and 'tls_key'")
    paths = {name: Path(value).expanduser() for name, value in given.items() if value}
    return Certificates(TlsFiles(paths["tls_cert"], paths["tls_key"], paths.get("tls_client_ca")))


def default_rate(settings: Settings) -> Rate | None:
    """The rate of callers who have none of their own."""
    return rate_of(settings.rate_limit or None, (settings.rate_burst or None) if settings.rate_limit else None)
