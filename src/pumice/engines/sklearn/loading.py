"""From a ``.skops`` file to an estimator: only types that are trusted are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pumice.domain.errors import BadArtefact, MissingDependency, UnsafeArtefact
from pumice.engines.base import EngineConfig
from pumice.engines.safety import refuse_unsafe
from pumice.engines.sklearn.trusted import TRUSTED


def load_estimator(config: EngineConfig) -> Any:
    """Load an estimator.

    Trusted are the types of scikit-learn, NumPy and SciPy that skops counts as safe, those of `TRUSTED`, and those
    that the operator names as ``trust.types``; a file cannot vouch for its own.

    Raises:
        BadArtefact: It is no skops file, or the installed scikit-learn cannot build it.
        MissingDependency: skops or scikit-learn is not installed.
        UnsafeArtefact: It is a pickle, or it holds types that nobody trusts; the message lists them.
    """
    try:
        import sklearn  # noqa: F401 - skops would fail later, and less clearly
        from skops import io
    except ImportError as error:
        install = "pip install 'pumice[sklearn]'"
        raise MissingDependency("the sklearn engine", f"scikit-learn and skops ({error})", install) from error
    path = Path(config.path)
    refuse_unsafe(path)
    data = path.read_bytes()  # read once: what is looked at is what is loaded
    try:
        found = set(io.get_untrusted_types(data=data))
        strange = sorted(found - TRUSTED - set(config.trust.types))
        if strange:
            mend = "if you know and trust them, name them as trust.types in the server's settings"
            raise UnsafeArtefact(str(path), f"a skops file with types of its own ({', '.join(strange)})", mend)
        return io.loads(data, trusted=sorted(found))
    except Exception as error:
        if isinstance(error, UnsafeArtefact):
            raise
        # skops builds objects of many libraries, which may raise anything for a file of another version
        problem = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        mend = "save it again with skops.io.dump and the scikit-learn that is installed here"
        raise BadArtefact(str(path), f"skops cannot load it: {problem}", mend) from error
