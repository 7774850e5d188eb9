"""The private directory that an archive is unpacked into."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from backups.archive.errors import ArchiveError

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NewDirectory:
    """Creates `path`, or uses it when it is empty, with mode 0700; leaving with an error removes what was created."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made = False
        self._created: list[str] = []
        self._descriptor = -1

    def __enter__(self) -> Self:
        with suppress(FileExistsError):
            self._path.mkdir(mode=0o700)
            self._made = True
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except NotADirectoryError as error:
            raise self._unusable("is not a folder") from error
        try:
            if any(self._path.iterdir()):
                raise self._unusable("is not empty")
            os.fchmod(descriptor, 0o700)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def _unusable(self, reason: str) -> ArchiveError:
        return ArchiveError(f"Cannot unpack into {self._path}: it {reason}.", hint="Name a new or an empty folder.")

    def create(self, name: str) -> BinaryIO:
        # relative to the descriptor: `path` may be replaced after it was checked
        descriptor = os.open(name, _CREATE, 0o600, dir_fd=self._descriptor)
        self._created.append(name)
        return os.fdopen(descriptor, "wb")

    def free_bytes(self) -> int:
        status = os.fstatvfs(self._descriptor)
        return status.f_bavail * status.f_frsize

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                for name in self._created:
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=self._descriptor)
                if self._made:
                    self._path.rmdir()
        finally:
            os.close(self._descriptor)
