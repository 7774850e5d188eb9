"""Programs that `.ci/run` puts into a cache, because no package can be installed for them."""

import os
from pathlib import Path


def cache(name: str) -> Path:
    """Return the folder of that name in the cache; whether it is there is not known."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "backupsite-ci" / name
