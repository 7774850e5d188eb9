"""Uploaded archives go straight into a workspace on the disk, never into memory or a shared temporary folder."""

import os
import re
import shutil
from pathlib import Path
from typing import IO, Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from destinations.lib.formats import human_size
from destinations.lib.streams import write_all

BLOCK = 1 << 20
LONGEST_NAME = 128


class WorkspaceUpload(FileUploadHandler):
    """Writes one file to `directory` with mode 0600, when `length`, the bytes of the request, fits there.

    `problem` says why it did not. The rest of the request is read and discarded then, so that the response arrives.
    """

    chunk_size = BLOCK

    def __init__(self, directory: Path, length: int) -> None:
        super().__init__()
        self.directory = directory
        self.path: Path | None = None
        self.problem = ""
        free = shutil.disk_usage(directory).free
        if length > free:
            self.problem = f"The upload has {human_size(length)}, and the workspace has {human_size(free)} free."
        self._target: IO[bytes] | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.path is not None:
            self.problem = "More than one file was uploaded."
        elif not self.problem:
            # a browser sent it: without characters that a file name or an error should not hold
            plain = re.sub(r"[^A-Za-z0-9._-]", "_", self.file_name or "").lstrip(".")[-LONGEST_NAME:]
            self.path = self.directory / (plain or "archive")
            # O_EXCL follows no link; unbuffered, because the chunks are large and a full disk has to show at once
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._target = os.fdopen(descriptor, "w+b", buffering=0)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        # None tells Django that no other handler gets the chunk
        if self._target is None or self.problem:
            return
        try:
            write_all(self._target, raw_data)
        except OSError as error:
            self.problem = f"The upload cannot be written to the workspace: {error.strerror}."

    def file_complete(self, file_size: int) -> "UploadedFile[bytes] | None":
        target, self._target = self._target, None
        if target is None:
            return None
        if self.problem:
            target.close()
            return None
        return UploadedFile(target, self.file_name, self.content_type, file_size, self.charset, self.content_type_extra)

    def upload_interrupted(self) -> None:
        self.problem = "The upload ended too early."
        if self._target is not None:
            self._target.close()
