"""What is said about keys, over HTTP and on the command line alike."""

from __future__ import annotations

import msgspec


class KeyWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A key that is to be made.

    Attributes:
        name: What people call it.
        scopes: What it may do: ``VERB:MODEL``, the verb ``infer``, ``read`` or ``manage``, the model a name or ``*``.
        expires: How long it is good, for example ``30d``; without end if left out.
        rate: Requests per second that it may make; as the server's ``rate_limit`` says if left out.
        burst: Requests that it may make at once; one second's worth if left out.
    """

    name: str
    scopes: list[str]
    expires: str | None = None
    rate: float | None = None
    burst: int | None = None


class KeyInfo(msgspec.Struct, kw_only=True):
    """A key, without what is secret of it. Times are seconds since 1970.

    Attributes:
        id: Its id, which is also the middle of the key.
        name: What people call it.
        scopes: What it may do.
        rate: Requests per second that it may make; null: as the server's ``rate_limit`` says.
        burst: Requests that it may make at once.
        created: When it was made.
        created_by: Who made it.
        expires: When it ends by itself.
        revoked: When it was ended.
        used: When it was last used; written about once a minute.
    """

    id: str
    name: str
    scopes: list[str]
    rate: float | None
    burst: int | None
    created: float
    created_by: str
    expires: float | None
    revoked: float | None
    used: float | None


class NewKey(msgspec.Struct, kw_only=True):
    """A key that was just made.

    Attributes:
        key: The key. It is told this once, and stored nowhere.
        info: What may be told of it later.
    """

    key: str
    info: KeyInfo
