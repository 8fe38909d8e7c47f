"""What callers send to the model store, and what is said of its routes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pumice.domain.errors import (
    MalformedInput,
    RequestNotFound,
    StorageFailed,
    Tampered,
    TooLarge,
    VersionInUse,
    VersionNotFound,
)
from pumice.domain.store.difference import Difference
from pumice.domain.store.records import Move, VersionRecord
from pumice.domain.store.told import AnsweredList, Collected, Lineage, ModelList, Shown, Verified, VersionList
from pumice.domain.store.wishes import Why
from pumice.gateway.http.endpoint import Answer, Doc, Text


class AliasWish(msgspec.Struct, forbid_unknown_fields=True):
    """Where an alias is to point.

    Attributes:
        version: Number of the version.
        reason: Why, for the journal.
    """

    version: Annotated[int, Meta(ge=1, le=999_999_999)]
    reason: Why = ""


class RollbackWish(msgspec.Struct, forbid_unknown_fields=True):
    """Why an alias goes back.

    Attributes:
        reason: For the journal.
    """

    reason: Why = ""


class CollectWish(msgspec.Struct, forbid_unknown_fields=True):
    """How the store is cleaned up.

    Attributes:
        dry_run: Only tell what would be deleted.
    """

    dry_run: bool = False


_GROUP = "models"
_ANY = (MalformedInput, StorageFailed)
_ONE = (MalformedInput, VersionNotFound, StorageFailed)

LIST = Doc(
    _GROUP,
    Text("Every model of the store with its newest version", "仓库中的所有模型及其最新版本"),
    {200: Answer(ModelList, Text("Those that the caller may look at.", "调用方有权查看的模型。"))},
    _ANY,
)
VERSIONS = Doc(
    _GROUP,
    Text("Every version of a model", "模型的所有版本"),
    {200: Answer(VersionList, Text("The oldest first.", "按从旧到新排列。"))},
    _ONE,
)
SHOW = Doc(
    _GROUP,
    Text("All that is known of a version", "版本的全部信息"),
    {200: Answer(Shown, Text("Its record, manifest, aliases and history.", "记录、清单、别名与历史。"))},
    (*_ONE, Tampered),
)
DELETE = Doc(
    _GROUP,
    Text("Delete a version, named by its number", "按编号删除版本"),
    {200: Answer(VersionRecord, Text("It is deleted; cleaning up gives its space back.", "已删除，清理后释放空间。"))},
    (*_ONE, VersionInUse),
    query=("reason",),
)
DIFF = Doc(
    _GROUP,
    Text("What changed from a version to another", "两个版本之间的差异"),
    {200: Answer(Difference, Text("Files, sizes, and what is known of them.", "文件、大小与元信息的差异。"))},
    (*_ONE, Tampered),
    query=("against",),
)
LINEAGE = Doc(
    _GROUP,
    Text("Where a version comes from, and what was made from it", "版本的来源与衍生版本"),
    {200: Answer(Lineage, Text("Up to its first parents.", "追溯到最初的来源。"))},
    (*_ONE, Tampered),
)
VERIFY = Doc(
    _GROUP,
    Text("Hold every byte of a version against its digest", "校验版本的每个字节"),
    {200: Answer(Verified, Text("What was found; no problems: unchanged.", "校验结果；无问题即未被改动。"))},
    _ONE,
)
ALIAS = Doc(
    _GROUP,
    Text("The move by which an alias points to what it does, now or at a moment", "别名当前或某一时刻的指向"),
    {200: Answer(Move, Text("The line of the journal.", "变更日志中的记录。"))},
    _ONE,
    query=("at",),
)
SET_ALIAS = Doc(
    _GROUP,
    Text("Let an alias point to a version", "将别名指向某个版本"),
    {200: Answer(Move, Text("It points there; servers follow.", "已指向，服务器随之切换。"))},
    (*_ONE, TooLarge),
    AliasWish,
    {"version": 3, "reason": "better on long texts"},
)
ROLLBACK = Doc(
    _GROUP,
    Text("Let an alias point to where it pointed before", "将别名退回到之前的指向"),
    {200: Answer(Move, Text("One step back; again: one more.", "退回一步，可重复。"))},
    (*_ONE, TooLarge),
    RollbackWish,
    {"reason": "worse on short texts"},
    body_optional=True,
)
ANSWERS = Doc(
    _GROUP,
    Text("Which version gave the answer to a request", "某个请求由哪个版本回答"),
    {200: Answer(AnsweredList, Text("The last answer first.", "最近的回答在前。"))},
    (MalformedInput, RequestNotFound, StorageFailed),
)
VERIFY_ALL = Doc(
    _GROUP,
    Text("Hold every byte of the store against its digest", "校验整个仓库的每个字节"),
    {200: Answer(Verified, Text("What was found; no problems: unchanged.", "校验结果；无问题即未被改动。"))},
    _ANY,
)
COLLECT = Doc(
    _GROUP,
    Text("Give back the space of what no version needs", "回收不再需要的空间"),
    {200: Answer(Collected, Text("What was deleted, or would be.", "已删除或将删除的内容。"))},
    (*_ANY, TooLarge),
    CollectWish,
    {"dry_run": True},
    body_optional=True,
)
