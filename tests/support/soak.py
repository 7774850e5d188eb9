"""How much a test of many examples tries: a little in the suite, more in `make soak`, which runs those so marked."""

import os
from typing import Any

from hypothesis import settings

FACTOR = int(os.environ.get("BACKUPSITE_SOAK", "1"))


def often(times: int) -> int:
    return times * FACTOR


def examples(count: int, **more: Any) -> settings:
    """Return the settings of a property: always the same examples in the suite, and others in each soak."""
    return settings(max_examples=often(count), deadline=None, derandomize=FACTOR == 1, **more)
