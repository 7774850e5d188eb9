"""A file that no other file can replace is written into."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backups.errors import ComponentError
from backups.lib.filesystem import atomic


def test_a_file_that_takes_only_a_part_of_a_block_is_not_taken_for_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new" * 1000)
    target.write_bytes(b"old" * 2000)
    monkeypatch.setattr(atomic, "is_replaceable", lambda _: False)
    with files_up_to(1000), pytest.raises(ComponentError, match=rf"^{target} cannot be written: File too large\.$"):
        atomic.replace_file(source, target)
    # when there is room, all of it is
    atomic.replace_file(source, target)
    assert target.read_bytes() == source.read_bytes()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let a write that goes beyond `size` bytes of a file be short, and the next one fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
