"""How many files this process has open, and may have."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def files_to_open(number: int) -> Iterator[None]:
    """Let this process open `number` more files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    listed = [*Path("/proc/self/fd").iterdir()]
    # without that of the listing
    used = {int(path.name) for path in listed if path.is_symlink()}
    # the limit is about the number of a file: tests before may have left high ones open, and gaps below them
    free = (candidate for candidate in count() if candidate not in used)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(islice(free, number, None)), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
