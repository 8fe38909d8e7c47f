"""Callers who show a token that an OpenID Connect issuer has signed.

The issuer's keys come from its discovery document. They are fetched at the start and every few minutes, and when a
token names a key that is not known, at most once in `REFETCH_EVERY_S`: so keys may be rotated, and nobody can make this
server flood the issuer. What a token says is kept until it ends; its signature is looked at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from pumice.domain.access import Principal, Rate, Scope, parse_scope
from pumice.domain.errors import BadSetting, MalformedInput, MissingDependency, ModelNotReady, Unauthenticated
from pumice.service.access.binding import is_loopback

REFETCH_EVERY_S = 10.0
"""Shortest time between two fetches for the sake of unknown keys (s)."""

REFRESH_EVERY_S = 300.0
"""How often the issuer's keys are fetched anyway (s): a key that it has withdrawn is good for no longer."""

MOST_TOKENS = 10_000
"""Tokens that are remembered."""

LONGEST_TOKEN = 16 * 1024
"""Longest token that is looked at (characters)."""

LEAST_RSA_BITS = 2048

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
        **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
        "EdDSA": "OKP",
    }
)
"""Algorithms that are taken, all with a public and a private half -> the kind of key that each needs."""

_log = logging.getLogger("pumice.access")


@dataclass(frozen=True, slots=True)
class OidcOptions:
    """Whose tokens are taken, and what they allow.

    Attributes:
        issuer: The issuer's URL, as its tokens say it.
        audience: What tokens must be meant for.
        claim: Claim with the scopes, a string of words or a list; dots lead into objects.
        scopes: The issuer's words -> our scopes. Words that are scopes themselves count without being listed.
        leeway_s: How far the clocks may differ (s).
        rate: How often each subject may ask.
    """

    issuer: str
    audience: str
    claim: str = "scope"
    scopes: Mapping[str, Iterable[str]] = field(default_factory=dict)
    leeway_s: float = 30.0
    rate: Rate | None = None


class OidcTokens:
    """The tokens of an issuer.

    Args:
        options: Whose tokens are taken, and what they allow.
        clock: Seconds since 1970.

    Attributes:
        epoch: Counted up when the issuer's keys have changed.

    Raises:
        BadSetting: The issuer's URL or a scope cannot be used.
    """

    def __init__(self, options: OidcOptions, clock: Callable[[], float] = time.time) -> None:
        self.epoch = 0
        self._options = options
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._known: OrderedDict[bytes, Principal] = OrderedDict()
        self._fetched = -REFETCH_EVERY_S
        self._fetching: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._demand_safe("oidc_issuer", options.issuer)
        try:
            self._words = {word: frozenset(map(parse_scope, scopes)) for word, scopes in options.scopes.items()}
        except MalformedInput as error:
            raise BadSetting("oidc_scopes", error.what, error.problem) from None

    def recognise(self, token: str) -> Principal | None:
        """Tell whose token this is; None if its key has to be fetched first.

        Raises:
            Unauthenticated: It is not good here.
        """
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated(f"the token is longer than {LONGEST_TOKEN} characters", shown=True)
        digest = hashlib.sha256(token.encode()).digest()
        principal = self._known.get(digest)
        if principal is not None:
            if self._clock() < principal.until:
                return principal
            del self._known[digest]
            raise Unauthenticated("the token has expired", shown=True)
        algorithm, key = self._key_for(token)
        if key is None:
            return None
        principal = self._known[digest] = self._verified(token, algorithm, key)
        if len(self._known) > MOST_TOKENS:
            self._known.popitem(last=False)
        return principal

    async def identify(self, token: str) -> Principal:
        """Tell whose token this is.

        Raises:
            Unauthenticated: It is not good here.
            Unavailable: The issuer's keys could not be fetched yet.
        """
        await self._refetch()
        principal = self.recognise(token)
        if principal is not None:
            return principal
        if not self._keys:
            raise ModelNotReady("oidc", f"the keys of {self._options.issuer} cannot be fetched", REFETCH_EVERY_S)
        raise Unauthenticated("the token is signed with a key that its issuer does not have", shown=True)

    async def start(self) -> None:
        """Fetch the issuer's keys, and go on doing so.

        Raises:
            MissingDependency: PyJWT is not installed.
        """
        try:
            await asyncio.to_thread(importlib.import_module, "jwt.algorithms")
            await asyncio.to_thread(importlib.import_module, "cryptography")
        except ImportError:
            raise MissingDependency("--auth oidc", "PyJWT", "pip install 'pumice[oidc]'") from None
        await self._refetch()
        self._task = asyncio.create_task(self._keep_fetching())

    async def stop(self) -> None:
        """Fetch no more."""
        for task in (self._task, self._fetching):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    def _key_for(self, token: str) -> tuple[str, Any]:
        """The algorithm that a token names, and the issuer's key for it, or None."""
        import jwt

        try:
            head = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise Unauthenticated("what was sent is no signed token", shown=True) from None
        algorithm = str(head.get("alg", ""))
        if algorithm not in FAMILIES:
            raise Unauthenticated(f"the token's algorithm is not one of {', '.join(FAMILIES)}", shown=True)
        kid = head.get("kid")
        if kid is None and len(self._keys) == 1:
            return algorithm, next(iter(self._keys.values()))
        return algorithm, self._keys.get(str(kid))

    def _verified(self, token: str, algorithm: str, key: Any) -> Principal:
        import jwt

        options = self._options
        if key.key_type != FAMILIES[algorithm] or (key.declared and key.declared != algorithm):
            raise Unauthenticated("the token's algorithm is not that of its key", shown=True)
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=options.audience,
                issuer=options.issuer,
                leeway=options.leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise Unauthenticated(f"the token is not good here: {error}", shown=True) from None
        until = float(claims["exp"]) + options.leeway_s
        return Principal(f"oidc:{claims['sub']}", self._scopes(claims), options.rate, until)

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        value: Any = claims
        for part in self._options.claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        found: set[Scope] = set()
        for word in map(str, words):
            found |= self._words.get(word, frozenset())
            try:
                found.add(parse_scope(word))
            except MalformedInput:
                continue  # tokens carry words for others too
        return frozenset(found)

    async def _keep_fetching(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_EVERY_S if self._keys else REFETCH_EVERY_S)
            await self._refetch()

    async def _refetch(self) -> None:
        """Fetch the keys, unless that was done just now; those who come meanwhile wait for the same fetch."""
        if self._fetching is None:
            if time.monotonic() - self._fetched < REFETCH_EVERY_S and self._fetched > 0:
                return
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        import httpx

        issuer = self._options.issuer
        try:
            async with httpx.AsyncClient(timeout=5, follow_redirects=False) as http:
                told = await _json_of(http, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                if told.get("issuer") != issuer:
                    raise ValueError(f"its discovery document is that of {told.get('issuer')!r}")
                place = str(told.get("jwks_uri", ""))
                self._demand_safe("jwks_uri", place)
                keys = dict(_keys_in(await _json_of(http, place)))
        except (httpx.HTTPError, ValueError, TypeError, AttributeError, BadSetting) as error:
            _log.error("the issuer's keys cannot be fetched", extra={"issuer": issuer, "problem": str(error)})
        else:
            self._take(keys)
        finally:
            self._fetched = time.monotonic()
            self._fetching = None

    def _take(self, keys: dict[str, Any]) -> None:
        same = {kid: key.told for kid, key in keys.items()} == {kid: key.told for kid, key in self._keys.items()}
        self._keys = keys
        if not same:  # a token that was good may be signed with a key that is gone
            self._known.clear()
            self.epoch += 1

    @staticmethod
    def _demand_safe(what: str, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
            return
        raise BadSetting(what, repr(url), "an https:// address; plain http:// on this machine alone")


@dataclass(frozen=True, slots=True)
class _Key:
    """A public key of the issuer."""

    key: Any
    key_type: str
    declared: str
    told: str


async def _json_of(http: Any, url: str) -> Mapping[str, Any]:
    answer = await http.get(url)
    answer.raise_for_status()
    told = answer.json()
    if not isinstance(told, dict):
        raise TypeError(f"{url} is no JSON object")
    return told


def _keys_in(told: Mapping[str, Any]) -> Iterable[tuple[str, _Key]]:
    """The keys of a JWKS that can verify signatures."""
    import jwt

    for entry in told.get("keys", ()):
        kind = entry.get("kty")
        if kind not in FAMILIES.values() or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry).key
        except (jwt.PyJWTError, ValueError) as error:
            _log.warning("a key of the issuer cannot be used", extra={"kid": entry.get("kid"), "problem": str(error)})
            continue
        if kind == "RSA" and key.key_size < LEAST_RSA_BITS:
            continue
        yield str(entry.get("kid")), _Key(key, kind, str(entry.get("alg", "")), repr(sorted(entry.items())))
