"""Opening files where this process, or the system, has too many open."""

import errno
import os
import resource
from pathlib import Path

import pytest

from backups.lib.filesystem import open_files
from backups.lib.filesystem.open_files import files_left, open_relieved
from tests.support.processes.file_limits import files_to_open


class LostError(Exception):
    """What became of an OSError."""


def test_as_many_files_are_left_as_can_be_opened() -> None:
    opened = list[int]()
    with files_to_open(20):
        try:
            left = files_left()
            with pytest.raises(OSError, match="Too many open files"):
                opened.extend(os.open("/", os.O_RDONLY) for _ in range(1000))
            assert files_left() == 0
        finally:
            for descriptor in opened:
                os.close(descriptor)
    # the listing had one of them open itself
    assert left == len(opened) - 1 == 19


def test_without_a_limit_any_number_is_left_and_without_proc_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files, "DESCRIPTORS", tmp_path / "missing")
    assert files_left() == 0
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert files_left() > 1 << 40


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_file_is_opened_again_after_others_were_closed(number: int) -> None:
    outcomes, relieved = [OSError(number, "too many"), 7], list[bool]()

    def opening() -> int:
        if isinstance(outcome := outcomes.pop(0), OSError):
            raise outcome
        return outcome

    assert open_relieved(opening, lambda: relieved.append(True), LostError) == 7
    assert relieved == [True]


@pytest.mark.parametrize(("number", "times"), [(errno.EMFILE, 2), (errno.EACCES, 1)])
def test_what_stays_closed_is_an_error(number: int, times: int) -> None:
    calls = list[str]()

    def opening() -> int:
        calls.append("open")
        raise OSError(number, "no")

    with pytest.raises(LostError):
        open_relieved(opening, lambda: calls.append("relieve"), LostError)
    assert calls == ["open", "relieve", "open"][: 2 * times - 1]
