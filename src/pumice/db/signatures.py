"""The statements of signatures and heads."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from pumice.db.schema import store_heads, store_signatures

_OF_VERSION = (
    select(store_signatures.c.digest, store_signatures.c.form, store_signatures.c.created, store_signatures.c.body)
    .where(store_signatures.c.model == bindparam("m"), store_signatures.c.version == bindparam("v"))
    .order_by(store_signatures.c.created, store_signatures.c.digest)
)


class SignatureRow(NamedTuple):
    """A signed statement about a version; the columns of ``store_signatures``."""

    digest: str
    form: str
    created: float
    body: bytes


def of_version(connection: Connection, model: str, version: int) -> list[SignatureRow]:
    """Signed statements about a version, the oldest first."""
    rows = connection.execute(_OF_VERSION, {"m": model, "v": version})
    return [SignatureRow(row.digest, row.form, row.created, bytes(row.body)) for row in rows]


def add(connection: Connection, of: tuple[str, int], form: str, created: float, body: bytes) -> None:
    """Enter a signed statement about a version; one that is there already is left as it is.

    Args:
        connection: The transaction.
        of: Name of the model, and number of the version.
        form: Type of the statement's predicate.
        created: When it is entered (s since 1970).
        body: A Sigstore bundle.
    """
    model, version = of
    digest = hashlib.sha256(body).hexdigest()
    if digest in {row.digest for row in of_version(connection, model, version)}:
        return
    row = {"model": model, "version": version, "digest": digest, "form": form, "created": created, "body": body}
    connection.execute(insert(store_signatures).values(row))


def head(connection: Connection, model: str) -> bytes | None:
    """The signed head of a name, or None."""
    found = connection.execute(select(store_heads.c.body).where(store_heads.c.model == model)).scalar()
    return None if found is None else bytes(found)


def heads(connection: Connection) -> list[str]:
    """Names that have a head."""
    return list(connection.execute(select(store_heads.c.model).order_by(store_heads.c.model)).scalars())


def put_head(connection: Connection, model: str, counter: int, body: bytes) -> None:
    """Enter the signed head of a name in place of the one before."""
    changed = update(store_heads).where(store_heads.c.model == model).values(counter=counter, body=body)
    if not connection.execute(changed).rowcount:
        connection.execute(insert(store_heads).values(model=model, counter=counter, body=body))
