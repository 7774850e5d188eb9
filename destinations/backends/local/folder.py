"""An open folder, worked on by descriptor only, so that no symbolic link is followed, not even one planted later."""

import errno
import fcntl
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from destinations.backends.base import BLOCK_SIZE
from destinations.backends.local.modes import restrict
from destinations.backends.local.os_errors import from_os_error, translated
from destinations.exceptions import DestinationError, DestinationUnavailable, NameTaken, NotFound
from destinations.lib.disks import fsync_folder

logger = logging.getLogger(__name__)

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class Folder:
    """Methods raise `DestinationError` naming the file by its full path, never `OSError`."""

    def __init__(self, descriptor: int, where: str) -> None:
        self.descriptor = descriptor
        self.where = where

    @classmethod
    def at(cls, path: Path) -> Self:
        """Open `path`, which is the deployer's and may itself be a symbolic link."""
        with translated("open the folder", str(path)):
            return cls(os.open(path, _DIRECTORY), str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self.descriptor)

    def enter(self, name: str, *, create: bool = False) -> "Folder":
        """Open the folder `name` in this one, made with mode 0700 with `create`. Raises `NotFound`."""
        where = f"{self.where}/{name}"
        with translated("open the folder", where):
            try:
                descriptor = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self.descriptor)
            except FileNotFoundError:
                if not create:
                    raise NotFound(f"There is no folder {where}.", "Check the name.") from None
                descriptor = self._make(name)
        return Folder(descriptor, where)

    def descend(self, names: Iterable[str], *, create: bool = False) -> "Folder":
        """Open the folder reached through `names`, which may be this one once more. Raises `NotFound`."""
        folder = Folder(os.dup(self.descriptor), self.where)
        for name in names:
            with folder:
                folder = folder.enter(name, create=create)
        return folder

    def _make(self, name: str) -> int:
        with suppress(FileExistsError):  # another process made it in this moment
            os.mkdir(name, 0o700, dir_fd=self.descriptor)
        descriptor = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self.descriptor)
        try:
            restrict(descriptor, 0o700, f"{self.where}/{name}")
            self.sync()
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def entries(self) -> list[tuple[str, os.stat_result]]:
        """Return names with their own (not a link target's) stat, sorted; one deleted meanwhile is left out."""
        found = []
        with translated("list the folder", self.where), os.scandir(self.descriptor) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
        return sorted(found, key=lambda item: item[0])

    def stat(self, name: str) -> os.stat_result:
        """Raises `NotFound`, and `DestinationUnavailable` for anything but a regular file."""
        where = f"{self.where}/{name}"
        with translated("read", where):
            try:
                info = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                raise self._missing(name) from None
        return self._require_file(info, where)

    def _require_file(self, info: os.stat_result, where: str) -> os.stat_result:
        if not stat.S_ISREG(info.st_mode):
            raise DestinationUnavailable(
                f"{where} is not a regular file.", "Links and devices are never followed: put a real file there."
            )
        return info

    def refuse_taken(self, name: str) -> None:
        """Raise `NameTaken` when anything at all has that name."""
        with translated("read", f"{self.where}/{name}"), suppress(FileNotFoundError):
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            raise self._taken(name)

    def _missing(self, name: str) -> NotFound:
        return NotFound(f"There is no file {self.where}/{name}.", "It was deleted or moved outside this program.")

    def _taken(self, name: str) -> NameTaken:
        return NameTaken(f"{self.where}/{name} exists already.", "Nothing is overwritten: store it under another name.")

    def read_blocks(self, name: str) -> Iterator[bytes]:
        """Yield the regular file `name` in blocks of `BLOCK_SIZE`."""
        self.stat(name)
        where = f"{self.where}/{name}"
        with translated("read", where):
            descriptor = os.open(name, _READ, dir_fd=self.descriptor)
        try:
            # another one may have its name by now
            self._require_file(os.fstat(descriptor), where)
            while True:
                with translated("read", where):
                    block = os.read(descriptor, BLOCK_SIZE)
                if not block:
                    return
                yield block
        finally:
            os.close(descriptor)

    @contextmanager
    def draft(self, name: str) -> Iterator[int]:
        """Make a file of mode 0600, whatever the umask, gone at the end unless published. Raises `NameTaken`."""
        # a signal may come between the creation of the file and the assignment of its descriptor
        mine = True
        try:
            try:
                descriptor = self._create(name)
            except DestinationError:
                mine = False
                raise
            try:
                yield descriptor
            finally:
                with suppress(OSError):  # a draft is published after its fsync, or thrown away
                    os.close(descriptor)
        finally:
            if mine:
                self._discard(name)

    def _create(self, name: str) -> int:
        with translated("create", f"{self.where}/{name}"):
            try:
                descriptor = os.open(name, _CREATE, 0o600, dir_fd=self.descriptor)
            except FileExistsError:
                raise self._taken(name) from None
            try:
                restrict(descriptor, 0o600, f"{self.where}/{name}")
            except BaseException:
                # `draft` removes only what it was given
                os.close(descriptor)
                self._discard(name)
                raise
        return descriptor

    def _discard(self, name: str) -> None:
        try:
            self.remove(name, missing_ok=True)
        except DestinationError as error:  # the error that led here is the one to report
            logger.warning("partial-upload.not-removed file=%s/%s error=%r", self.where, name, error.message)

    def flush(self, descriptor: int, name: str) -> None:
        with translated("write", f"{self.where}/{name}"):
            os.fsync(descriptor)

    def publish(self, part: str, name: str) -> os.stat_result:
        """Rename `part` to `name` in one step and durably. Raises `NameTaken`; after a failure `name` is not there."""
        with translated("publish", f"{self.where}/{name}"):
            try:
                os.link(part, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor, follow_symlinks=False)
            except FileExistsError:
                # a share whose answer was lost is asked again, and finds what it did the first time
                if not self._is_same(part, name):
                    raise self._taken(name) from None
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                self._rename_locked(part, name)
        try:
            self._unlink(part)
            self.sync()
            return self.stat(name)
        except BaseException:
            self.remove(name, missing_ok=True)
            raise

    def _is_same(self, part: str, name: str) -> bool:
        mine, found = (os.stat(each, dir_fd=self.descriptor, follow_symlinks=False) for each in (part, name))
        return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)

    def _rename_locked(self, part: str, name: str) -> None:
        # A rename overwrites, so on file systems without hard links (FAT, some shares) our own writers take a lock.
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        try:
            self.refuse_taken(name)
            os.rename(part, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        finally:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def remove(self, name: str, *, missing_ok: bool = False) -> None:
        """Delete the file durably. Raises `NotFound`."""
        if self._unlink(name):
            self.sync()
        elif not missing_ok:
            raise self._missing(name)

    def _unlink(self, name: str) -> bool:
        with translated("delete", f"{self.where}/{name}"):
            try:
                os.unlink(name, dir_fd=self.descriptor)
            except FileNotFoundError:
                return False
        return True

    def sync(self) -> None:
        with translated("write the folder", self.where):
            fsync_folder(self.descriptor)

    def require_writable(self) -> None:
        """Raise DestinationUnavailable when no file can be made here; nothing is written."""
        with translated("write the folder", self.where):
            flags = os.fstatvfs(self.descriptor).f_flag
        if flags & os.ST_RDONLY:
            raise from_os_error(OSError(errno.EROFS, ""), "write the folder", self.where)
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self.descriptor, effective_ids=True):
            raise from_os_error(OSError(errno.EACCES, ""), "write the folder", self.where)

    def free_space(self) -> int | None:
        with translated("read the free space of", self.where):
            info = os.fstatvfs(self.descriptor)
        return info.f_bavail * info.f_frsize if info.f_blocks else None
