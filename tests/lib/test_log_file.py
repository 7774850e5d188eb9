"""A log file that cannot be written: its lines go elsewhere, and it is said."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from backups.lib.log_handlers import LogFile, StandardError
from tests.support.file_systems import remount_read_only, small_disk

Break = Callable[[Path, ExitStack], Callable[[], object]]


def _replaced_by_a_folder(folder: Path, _: ExitStack) -> Callable[[], object]:
    file = folder / "site.log"
    file.rename(folder / "site.log.1")
    file.mkdir()
    return file.rmdir


def _folder_gone(folder: Path, _: ExitStack) -> Callable[[], object]:
    away = folder.with_name("away")
    folder.rename(away)
    return lambda: away.rename(folder)


def _full(folder: Path, _: ExitStack) -> Callable[[], object]:
    with (folder / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(b"\1" * 4096)
    return (folder / "filler").unlink


BREAKS: dict[str, tuple[Break, str]] = {
    "a folder in its place": (_replaced_by_a_folder, "Is a directory"),
    "its folder is gone": (_folder_gone, "No such file or directory"),
    "the disk is full": (_full, "No space left on device"),
}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Log:
    """Writes lines to the log file ``logs/site.log``, as a command does that keeps its terminal for the answer."""

    def __init__(self, tmp_path: Path) -> None:
        self.handler = LogFile(str(tmp_path / "logs" / "site.log"))
        self.handler.setFormatter(logging.Formatter("%(message)s"))

    def __call__(self, message: str, *arguments: object) -> None:
        self.handler.handle(logging.LogRecord("tests", logging.WARNING, "", 0, message, arguments, None))


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [one for one in root.handlers if not isinstance(one, StandardError)])
    log = Log(tmp_path)
    yield log
    log.handler.close()


@pytest.mark.parametrize("how", BREAKS)
def test_lines_that_cannot_be_written_go_to_standard_error_until_the_file_is_writable(
    how: str, tmp_path: Path, write: Log, stack: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil, reason = BREAKS[how]
    folder = tmp_path / "logs"
    folder.mkdir()
    if how == "the disk is full":
        stack.enter_context(small_disk(folder, megabytes=0.25))
    write("one")
    mend = spoil(folder, stack)
    problem = f"The log file {folder}/site.log cannot be written: {reason}."

    # as long as a page of the disk: what is left of the last one is not enough
    lines = [name * 5000 for name in ("two", "three")]
    for line in lines:
        write(line)
    said = capfd.readouterr().err.splitlines()
    assert said == [f"WARNING {problem} Until it can be written, its lines go to standard error.", *lines]
    handler = write.handler
    assert (handler.problem, handler.check()) == (problem, problem)

    mend()
    write("four")
    assert capfd.readouterr().err == ""
    assert (handler.problem, handler.check()) == ("", "")
    written = [line for line in (folder / "site.log").read_text().splitlines() if line.strip("twohre")]
    gap, last = written[-2:]
    assert last == "four"
    assert gap.startswith("log.gap lines=2 lost=0 since=")


def test_a_check_ends_the_gap_without_a_further_line(tmp_path: Path, write: Log) -> None:
    (tmp_path / "logs").mkdir()
    mend = _replaced_by_a_folder_of(tmp_path, write)
    assert write.handler.check() != ""
    mend()
    assert write.handler.check() == ""
    assert (tmp_path / "logs" / "site.log").read_text().startswith("log.gap lines=1 ")


def _replaced_by_a_folder_of(tmp_path: Path, write: Log) -> Callable[[], object]:
    write("one")
    mend = _replaced_by_a_folder(tmp_path / "logs", ExitStack())
    write("two")
    return mend


def test_a_line_that_nobody_takes_is_counted(tmp_path: Path, write: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", full)
        write("one")
    (tmp_path / "logs").mkdir()
    write("two")
    gap, line = (tmp_path / "logs" / "site.log").read_text().splitlines()
    assert gap.startswith("log.gap lines=1 lost=1 since=")
    assert line == "two"


def test_a_file_system_that_became_read_only_is_said_before_a_line_is_lost(
    tmp_path: Path, write: Log, stack: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = stack.enter_context(small_disk(tmp_path / "logs", megabytes=1))
    write("one")
    handler = write.handler
    handler.close()
    assert handler.check() == ""
    remount_read_only(folder)
    assert handler.check() == f"The log file {folder}/site.log cannot be written: Read-only file system."


def test_a_file_that_was_moved_away_is_made_anew_for_its_owner_alone(tmp_path: Path, write: Log) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    write("one")
    (folder / "site.log").rename(folder / "site.log.1")
    write("two")
    assert (folder / "site.log.1").read_text() == "one\n"
    assert (folder / "site.log").read_text() == "two\n"
    assert (folder / "site.log").stat().st_mode & 0o777 == 0o600


def test_a_line_that_cannot_be_made_ends_nothing_and_shows_no_value(
    tmp_path: Path, write: Log, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    write("%d", "hunter2")
    text = (tmp_path / "logs" / "site.log").read_text()
    assert text == "WARNING tests a line of the log could not be formatted: TypeError\n"
    assert capfd.readouterr().err == ""
