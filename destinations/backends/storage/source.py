"""An upload as the file that packages of storages take: a real one to all who read it."""

import errno
import io
import os
from types import TracebackType
from typing import Self

from django.core.files import File

from destinations.transfer.upload import Upload


class Content(File):  # type: ignore[type-arg]
    """A file whose `chunks` are twice as large as those of Django, and no larger: see `local.writing.WRITE_BYTES`."""

    DEFAULT_CHUNK_SIZE = 128 * 1024


class Source(io.RawIOBase):
    """Reads the upload. A context manager: what ended the reading is raised at the end of the block.

    Packages read in threads of their own, some of which wait for ever when they meet more than an `Exception`.
    """

    def __init__(self, upload: Upload) -> None:
        super().__init__()
        self._upload = upload
        self._ended: BaseException | None = None
        # for Django, which would look for the file on the disk
        self.size = upload.wanted.size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ended is not None:
            raise self._ended from error

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        # not by way of `readinto`, which would copy every byte twice
        if self._ended is None:
            try:
                return self._upload.read(-1 if size is None else size)
            except BaseException as error:  # raised again at the end of the block
                self._ended = error
        raise OSError(errno.EIO, "the upload has ended")

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._upload.seek(offset, whence)

    def tell(self) -> int:
        return self._upload.tell()
