"""The one error tree. Faces map it to HTTP, gRPC and exit codes in one table each.

PumiceError
├── BadRequest                 the caller's bytes cannot be read
│   └── MalformedInput
├── Unfit                      readable, but not what the signature or a limit allows
│   ├── SignatureMismatch
│   ├── UncleanText
│   ├── TooLarge
│   ├── LoadFailed
│   ├── LoadRefused
│   └── PushRefused
├── NotAllowed                 at the door
│   ├── Unauthenticated
│   └── Forbidden
├── RateLimited                more often than the caller may
├── NotFound
│   ├── KeyNotFound
│   ├── ModelNotFound
│   ├── TaskNotFound
│   ├── RegionNotFound
│   ├── VersionNotFound
│   ├── UploadNotFound
│   └── RequestNotFound
├── VersionInUse               something else needs it
├── Tampered                   stored bytes have changed
├── Untrusted                  no trusted key signed it
├── StillSealed                nobody asked for it in the clear
├── ExchangeFailed             another registry failed
├── Unsupported
├── Unavailable                come back later
│   ├── ModelNotReady
│   ├── KeyServiceFailed
│   ├── Overloaded
│   └── StorageFailed
├── OverShare                  others want their part too
├── DeadlineExceeded
├── Cancelled
├── ModelError                 the model, not the caller
│   ├── ModelFailed
│   └── BadOutput
└── SetupError                 the command line, a file or the machine is wrong
    ├── BadSetting
    ├── BadArtefact
    ├── UnsafeArtefact
    ├── WrongSealKey
    └── MissingDependency

Every class is built from typed fields and says in ``message`` what was given, what is allowed, and what to do.
"""

from __future__ import annotations

from pumice.domain.errors.access import Forbidden, NotAllowed, RateLimited, Unauthenticated
from pumice.domain.errors.availability import (
    Cancelled,
    DeadlineExceeded,
    ModelNotReady,
    Overloaded,
    OverShare,
    StorageFailed,
    Unavailable,
)
from pumice.domain.errors.base import PumiceError
from pumice.domain.errors.model import BadOutput, ModelError, ModelFailed
from pumice.domain.errors.request import (
    BadRequest,
    KeyNotFound,
    LoadFailed,
    LoadRefused,
    MalformedInput,
    ModelNotFound,
    NotFound,
    RegionNotFound,
    SignatureMismatch,
    TaskNotFound,
    TooLarge,
    UncleanText,
    Unfit,
    Unsupported,
)
from pumice.domain.errors.setup import BadArtefact, BadSetting, MissingDependency, SetupError, UnsafeArtefact
from pumice.domain.errors.store import (
    ExchangeFailed,
    KeyServiceFailed,
    PushRefused,
    RequestNotFound,
    StillSealed,
    Tampered,
    Untrusted,
    UploadNotFound,
    VersionInUse,
    VersionNotFound,
    WrongSealKey,
)

__all__ = [
    "BadArtefact",
    "BadOutput",
    "BadRequest",
    "BadSetting",
    "Cancelled",
    "DeadlineExceeded",
    "ExchangeFailed",
    "Forbidden",
    "KeyNotFound",
    "KeyServiceFailed",
    "LoadFailed",
    "LoadRefused",
    "MalformedInput",
    "MissingDependency",
    "ModelError",
    "ModelFailed",
    "ModelNotFound",
    "ModelNotReady",
    "NotAllowed",
    "NotFound",
    "OverShare",
    "Overloaded",
    "PumiceError",
    "PushRefused",
    "RateLimited",
    "RegionNotFound",
    "RequestNotFound",
    "SetupError",
    "SignatureMismatch",
    "StillSealed",
    "StorageFailed",
    "Tampered",
    "TaskNotFound",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UncleanText",
    "Unfit",
    "UnsafeArtefact",
    "Unsupported",
    "Untrusted",
    "UploadNotFound",
    "VersionInUse",
    "VersionNotFound",
    "WrongSealKey",
]
