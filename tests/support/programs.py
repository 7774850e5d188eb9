"""Programs that tests run for real; a machine without one skips with a reason, CI fails."""

import os
import shutil

import pytest


def missing(reason: str) -> None:
    """Skip with `reason`, or fail where everything is required (``BACKUPSITE_REQUIRE_ALL=1``)."""
    if os.environ.get("BACKUPSITE_REQUIRE_ALL") == "1":
        pytest.fail(f"required here: {reason}")
    pytest.skip(reason)


def require(program: str) -> str:
    """Return the path of `program`; /usr/sbin is searched too, because servers live there."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        missing(f"the program {program!r} is not installed")
    return str(path)
