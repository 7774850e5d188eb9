"""The folder of a destination on its server, through one connection."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import asyncssh

from destinations.backends.base import BLOCK_SIZE, StoredFile, UploadState
from destinations.backends.remote import Alive, Entry, RemoteFolder, Write
from destinations.backends.sftp import files
from destinations.backends.sftp.account import Account
from destinations.backends.sftp.session import Session
from destinations.exceptions import DestinationFull, DestinationUnavailable
from destinations.lib.formats import human_size
from destinations.lib.operator_error import sentences
from destinations.transfer.paths import is_segment
from destinations.transfer.upload import Upload, Wanted

# an upload that was cut goes on so far before the end of what the server has: all that may have been under way
STEP_BACK = files.UNDER_WAY * BLOCK_SIZE
LOOK_SECONDS = 1.0


class Folder(RemoteFolder):
    """`base` is its path on the server."""

    def __init__(self, account: Account, base: str, location: str) -> None:
        super().__init__(location)
        self._base = base
        self.session = Session(account)
        # folders that were seen to be below the base
        self._inside = {""}

    def drop(self) -> None:
        self.session.drop()

    @property
    def client(self) -> asyncssh.SFTPClient:
        return self.session.ready()

    def _on_server(self, path: str, *, is_folder: bool = False) -> str:
        """Return the path on the server. Raises `DestinationUnavailable` where a link leads out of the base."""
        folder = path if is_folder else path.rpartition("/")[0]
        if folder not in self._inside:
            with suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                self._require_inside(folder)
                self._inside.add(folder)
        return f"{self._base}/{path}" if path else self._base

    def _require_inside(self, folder: str) -> None:
        base, found = self.session.run(files.real_paths(self.client, self._base, f"{self._base}/{folder}"))
        if not found.startswith(f"{base.rstrip('/')}/"):
            raise DestinationUnavailable(
                f"{self._location}/{folder} leads out of the folder of the destination, to {found}: links are not "
                "followed.",
                "Put the folder itself there, or remove the symbolic link on the server.",
            )

    # --- one request each -----------------------------------------------------------------------------------------
    def stat(self, path: str) -> StoredFile:
        entry = self.session.run(files.look(self.client, self._on_server(path)))
        if entry is None or not entry.is_file:
            raise self._missing(path)
        return StoredFile(path, entry.size, entry.modified_at)

    def exists(self, path: str) -> bool:
        return self.session.run(files.look(self.client, self._on_server(path))) is not None

    def remove(self, path: str) -> None:
        try:
            self.session.run(self.client.remove(self._on_server(path)))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            raise self._missing(path) from None

    def publish(self, part: str, path: str) -> None:
        # the plain rename of version 3 refuses a name in use; some servers overwrite all the same
        if self.exists(path):
            raise self._taken(path)
        try:
            self.session.run(self.client.rename(self._on_server(part), self._on_server(path)))
        except asyncssh.SFTPError:
            if self.exists(path):
                raise self._taken(path) from None
            raise

    def free_space(self) -> int | None:
        # before the first upload the folder is not there
        above = self._base.rpartition("/")[0] or ("/" if self._base.startswith("/") else ".")
        for place in (self._base, above):
            with suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return self.session.run(files.free_space(self.client, place))
        return None

    # --- the folder -----------------------------------------------------------------------------------------------
    def is_there(self) -> bool:
        entry = self.session.run(files.look(self.client, self._base, follow=True))
        if entry is not None and not entry.is_folder:
            raise self._is_a_file()
        return entry is not None

    def is_empty(self) -> bool:
        return not self._entries("", first=1)

    def members(self, folder: str) -> list[Entry]:
        found = self._entries(folder)
        # they are no links, and neither is what leads to them
        names = [entry.name for entry in found if entry.is_folder and is_segment(entry.name)]
        self._inside.update(f"{folder}/{name}".lstrip("/") for name in names)
        return found

    def _entries(self, folder: str, *, first: int | None = None) -> list[Entry]:
        where = self._on_server(folder, is_folder=True)
        try:
            return self.session.run_long(files.entries(self.client, where, self._timeout, first=first))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            # a server says the same of a file
            if not folder:
                self.is_there()
            return []

    # --- bytes ----------------------------------------------------------------------------------------------------
    def send(self, upload: Upload, state: UploadState) -> None:
        wanted, session = upload.wanted, self.session
        begun = {"part": wanted.part_path, "size": wanted.size, "sha256": wanted.sha256}
        offset = self._sent_before(wanted) if wanted.sha256 and state.data == begun else 0
        if offset:
            upload.resumed = True
            upload.seek(offset)
        file = self._open_part(wanted, offset)
        if state.data != begun:
            state.data = begun
            state.save(begun)
        writing: deque[Future[int]] = deque()
        length = files.block_size(files.request_size(self.client))
        try:
            while block := upload.read(length):
                writing.append(session.submit(file.write(block, offset)))
                offset += len(block)
                if len(writing) == files.UNDER_WAY:
                    session.wait(writing.popleft())
            while writing:
                session.wait(writing.popleft())
                upload.meter.checkpoint()
            flushed = session.submit(files.finish_part(file))
            self._wait_for_flush(flushed, upload.meter.checkpoint)
        except asyncssh.SFTPFailure as error:
            raise self._refused(wanted, offset, error) from error
        upload.require_all_read()

    def _sent_before(self, wanted: Wanted) -> int:
        """Return where to go on with an upload that was begun."""
        entry = self.session.run(files.look(self.client, self._on_server(wanted.part_path)))
        if entry is None or not entry.is_file or entry.size > wanted.size:
            return 0
        return max(entry.size - STEP_BACK, 0)

    def _open_part(self, wanted: Wanted, offset: int) -> asyncssh.SFTPClientFile:
        part = self._on_server(wanted.part_path)
        try:
            return self.session.run(files.open_part(self.client, part, offset))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            self._make_folders(wanted.folder)
        return self.session.run(files.open_part(self.client, part, offset))

    def _make_folders(self, folder: str) -> None:
        self.is_there()
        try:
            self.session.run(files.make_folder(self.client, self._base))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise self._has_no_parent() from error
        made = self._base
        for name in filter(None, folder.split("/")):
            made = f"{made}/{name}"
            self.session.run(files.make_folder(self.client, made))

    def _wait_for_flush(self, flushed: Future[None], alive: Callable[[], None]) -> None:
        # nothing moves meanwhile; a peer that is gone is found by the keepalive of the connection
        for _ in range(int(files.FLUSH_SECONDS / LOOK_SECONDS)):
            try:
                return self.session.wait(flushed, LOOK_SECONDS)
            except TimeoutError:
                alive()
        raise TimeoutError

    def receive(self, path: str, offset: int, write: Write, alive: Alive) -> None:
        session, where = self.session, self._on_server(path)
        entry = session.run(files.look(self.client, where))
        if entry is None or not entry.is_file:
            raise self._missing(path)
        file = session.run(self._open_for_reading(where))
        download = files.Download(session, file, offset, entry.size, files.request_size(self.client))
        while block := download.block():
            write(block)
        session.run(file.close())

    async def _open_for_reading(self, where: str) -> asyncssh.SFTPClientFile:
        return await self.client.open(where, asyncssh.FXF_READ, encoding=None, block_size=None)

    # --- errors ---------------------------------------------------------------------------------------------------
    @property
    def _timeout(self) -> float:
        return self.session.account.timeout

    def _refused(self, wanted: Wanted, sent: int, error: asyncssh.SFTPError) -> DestinationFull:
        """Return the error of a block that the server did not store: version 3 has no code for a full disk."""
        free = self.free_space()
        rest = "" if free is None else f" Its disk has {human_size(free)} free."
        return DestinationFull(
            sentences(
                f"{self._location} stored no more of {wanted.path} after about {human_size(sent)} of "
                f"{human_size(wanted.size)} ({error.reason or 'Failure'}).{rest}"
            ),
            "Free some space there, or see about the quota and the largest file of the account, and the server's log.",
        )
