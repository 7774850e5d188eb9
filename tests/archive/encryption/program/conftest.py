"""Nothing that a program started stays."""

import os
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
