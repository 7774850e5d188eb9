"""Uploads under way on an FTP server: their temporary names, and how one that was cut goes on."""

import ftplib
from contextlib import suppress

from destinations.backends.base import UploadState
from destinations.backends.ftp.client import BLOCK
from destinations.backends.ftp.errors import code_of, said
from destinations.backends.ftp.folder import Folder
from destinations.exceptions import DestinationError, DestinationFull, NotFound
from destinations.lib.formats import human_size
from destinations.lib.operator_error import sentences
from destinations.network.sockets import send_all
from destinations.transfer.paths import part_name
from destinations.transfer.upload import Upload, Wanted

# an upload that was cut goes on so far before the end of what the server has
STEP_BACK = 4 * 1024 * 1024
# how long a server may take to let go of a file whose upload was cut: vsftpd locks it as long as that session lives
LOCK_SECONDS = 10.0
# of a name, so that a number fits behind it
LONGEST_STEM = 120
# temporary names of one backup that are tried
MOST_PARTS = 50


class UploadFolder(Folder):
    def send(self, upload: Upload, state: UploadState) -> None:
        wanted = upload.wanted
        ours = {"size": wanted.size, "sha256": wanted.sha256}
        parts = [str(part) for part in _list(state.data.get("parts"))]
        if {key: state.data.get(key) for key in ours} != ours:
            parts = []
        self.make_folders(wanted.folder)
        if not (parts and wanted.sha256 and self._go_on(upload, parts[-1])):
            left = [part for part in parts if not self._is_deleted(part)]
            number = self._free_number(wanted, int(str(state.data.get("next", 0))) if parts else 0)
            upload.part_path = numbered(wanted, number)
            upload.seek(0)
            upload.resumed = False
            state.data = {**ours, "parts": [*left, upload.part_path], "next": number + 1}
            state.save(state.data)
            self._transfer(upload, 0, None)
        upload.require_all_read()

    def _go_on(self, upload: Upload, part: str) -> bool:
        """Send what `part` lacks; False where the server cannot take that."""
        if "REST STREAM" not in self.client.features:
            return False
        size = self.size(part)
        offset = max((size or 0) - STEP_BACK, 0)
        if not offset or (size or 0) > upload.wanted.size:
            return False
        upload.part_path = part
        upload.resumed = True
        upload.seek(offset)
        try:
            self._transfer(upload, offset, min(LOCK_SECONDS, self.account.timeout))
        except DestinationFull:
            raise
        except (ftplib.error_temp, ftplib.error_perm, TimeoutError):
            if upload.tell() > offset:
                raise
            # it was refused, or is locked by a session that the server does not know to be dead
            return False
        return True

    def _free_number(self, wanted: Wanted, begin: int) -> int:
        """Return a number whose temporary name is free.

        None is used twice, also where it was deleted: the session of a dead upload may still delete what has its name.
        """
        for number in range(begin, begin + MOST_PARTS):
            part = numbered(wanted, number)
            if self.size(part) is None:
                return number
            # of a process that is dead: its backup is this one
            self._is_deleted(part)
        raise DestinationError(
            f"{self._location} has {MOST_PARTS} partial uploads of {wanted.path}.",
            "Let the account delete files there, or delete them; their names end in '.part'.",
        )

    def _is_deleted(self, part: str) -> bool:
        """Delete a temporary file; False for an account without that right: a sweep finds it by its token."""
        try:
            self.remove(part)
        except NotFound:
            return True
        except ftplib.error_perm:
            return False
        return True

    def _transfer(self, upload: Upload, offset: int, patience: float | None) -> None:
        wanted, client = upload.wanted, self.client
        client.use_type("I")
        try:
            with client.transfer(f"STOR {self.on_server(upload.part_path)}", rest=offset, patience=patience) as data:
                while block := upload.read(BLOCK):
                    send_all(data, block, upload.meter.checkpoint)
        except ftplib.error_temp as error:
            # servers have no better word for a full disk
            if code_of(error) != "451" or upload.tell() == offset:
                raise
            raise DestinationFull(
                sentences(
                    f"{self._location} stored no more of {wanted.path} after about {human_size(upload.tell())} of "
                    f"{human_size(wanted.size)} ({said(error)})"
                ),
                "Free some space there, or see about the quota and the largest file of the account, and the server's "
                "log.",
            ) from error

    def discard(self, wanted: Wanted, state: UploadState) -> None:
        # every temporary file of the upload
        for part in _list(state.data.get("parts")) or [wanted.part_path]:
            with suppress(NotFound):
                self.remove(str(part))


def numbered(wanted: Wanted, number: int) -> str:
    """Return the temporary name with that number; all of them hold the token."""
    if not number:
        return wanted.part_path
    stem = wanted.name[:LONGEST_STEM].rstrip(".")
    return f"{wanted.folder}/{part_name(f'{stem}.{number}', wanted.token)}".lstrip("/")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
