"""The folder of a destination on its server."""

from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit

from destinations.backends.base import StoredFile, UploadState
from destinations.backends.remote import Alive, Entry, RemoteFolder, Write
from destinations.backends.webdav.errors import AGAIN
from destinations.backends.webdav.multistatus import QUERY, Multistatus, Resource
from destinations.backends.webdav.session import BLOCK, Session
from destinations.exceptions import ConnectionLost, DestinationUnavailable
from destinations.transfer.paths import is_filename, is_segment
from destinations.transfer.upload import Upload

XML = {"Content-Type": "application/xml; charset=utf-8"}


class Folder(RemoteFolder):
    """`base` is its path below `url`, which ends in a slash."""

    def __init__(self, session: Session, url: str, base: str, location: str) -> None:
        super().__init__(location)
        self.session = session
        self._site = url.removesuffix(urlsplit(url).path)
        self._base = f"{unquote(urlsplit(url).path, errors='surrogateescape')}{base}"

    def drop(self) -> None:
        self.session.sockets.drop()

    def _decoded(self, path: str) -> str:
        """Return the path on the server, as answers have it after decoding; without a slash at its end."""
        return f"{self._base}/{path}" if path else self._base

    def _target(self, path: str, *, folder: bool = False) -> str:
        return quote(self._decoded(path), errors="surrogateescape") + ("/" if folder else "")

    # --- looks ----------------------------------------------------------------------------------------------------
    def look(self, path: str, *, folder: bool = False) -> Resource | None:
        """Return what is there, None when there is nothing."""
        try:
            found = self._asked(self._target(path, folder=folder), "0")
        except HTTPError as error:
            if error.code == 404:
                return None
            raise
        if len(found) != 1:
            raise self._odd(path, f"{len(found)} answers for one name")
        return found[0]

    def stat(self, path: str) -> StoredFile:
        found = self.look(path)
        if found is None or found.is_folder:
            raise self._missing(path)
        return StoredFile(path, found.size, found.modified_at)

    def is_there(self) -> bool:
        found = self.look("", folder=True) or self.look("")
        if found is not None and not found.is_folder:
            raise self._is_a_file()
        return found is not None

    def free_space(self) -> int | None:
        found = self.look("", folder=True)
        if found is None:
            # before the first upload the folder is not there
            above = self._base.rpartition("/")[0]
            with suppress(HTTPError):
                found = self._asked(f"{quote(above, errors='surrogateescape')}/", "0")[0]
        return None if found is None else found.available

    def members(self, folder: str) -> list[Entry]:
        found = self._members(folder) if folder or self.is_there() else []
        for one in found:
            if one.status >= 400 and (is_segment(one.name) or is_filename(one.name)):
                raise HTTPError(one.path, one.status, "in the listing", {}, None)  # type: ignore[arg-type]
        return [Entry(one.name, one.size, one.modified_at, not one.is_folder, one.is_folder) for one in found]

    def _members(self, folder: str) -> list[Resource]:
        """Return what is in the folder; nothing when there is no such folder."""
        try:
            # never of infinite depth: servers refuse it, or come to an end with it
            found = self._asked(self._target(folder, folder=True), "1")
        except HTTPError as error:
            if error.code == 404:
                return []
            raise
        own = self._decoded(folder)
        members = [one for one in found if one.path != own]
        # what lies elsewhere is no listing of this folder, and one without the folder itself is not whole
        for one in members:
            if one.path.rpartition("/")[0] != own:
                raise self._odd(folder, f"the path {one.path[:200]!r}")
        if len(members) == len(found):
            raise self._odd(folder, "an answer without the folder itself")
        if next(one for one in found if one.path == own).is_folder:
            return members
        # a file
        return []

    def _asked(self, target: str, depth: str) -> list[Resource]:
        answer, found = Multistatus(), list[Resource]()
        with self.session.request("PROPFIND", target, 207, headers={"Depth": depth, **XML}, body=QUERY) as response:
            try:
                while block := response.read(BLOCK):
                    found.extend(answer.feed(block))
            except ValueError as error:
                raise self._odd("", str(error)) from error
            rest = response.length
            try:
                found.extend(answer.feed(b"", end=True))
            except ValueError as error:
                # an answer whose connection was cut ends in the middle
                raise ConnectionLost(
                    f"Cannot list {self._location}: the answer is not whole ({error}; {rest or 0} bytes are missing).",
                    AGAIN,
                ) from error
        if rest:
            raise ConnectionLost(f"Cannot list {self._location}: {rest} bytes of the answer are missing.", AGAIN)
        return found

    # --- changes --------------------------------------------------------------------------------------------------
    def send(self, upload: Upload, state: UploadState) -> None:
        self._make_folders(upload.wanted.folder)
        target = self._target(upload.part_path)
        headers = {"Content-Type": "application/octet-stream"}
        with self.session.request("PUT", target, 200, 201, 204, headers=headers, upload=upload):
            pass

    def _make_folders(self, folder: str) -> None:
        if (self.look(folder, folder=True) if folder else None) is not None:
            return
        names = list(filter(None, folder.split("/")))
        for depth in range(len(names) + 1):
            path = "/".join(names[:depth])
            if self.is_there() if not path else self.look(path, folder=True):
                continue
            try:
                # 405: another upload has made it
                with self.session.request("MKCOL", self._target(path, folder=True), 201, 405):
                    pass
            except HTTPError as error:
                if error.code == 409 and not path:
                    raise self._has_no_parent() from error
                raise

    def publish(self, part: str, path: str) -> None:
        # not every server heeds the header
        if self.look(path) is not None:
            raise self._taken(path)
        headers = {"Destination": f"{self._site}{self._target(path)}", "Overwrite": "F"}
        try:
            with self.session.request("MOVE", self._target(part), 201, 204, headers=headers):
                pass
        except HTTPError as error:
            if error.code == 412:
                raise self._taken(path) from None
            raise

    def remove(self, path: str) -> None:
        # a folder would be removed with all that is in it
        self.stat(path)
        try:
            with self.session.request("DELETE", self._target(path), 200, 204):
                pass
        except HTTPError as error:
            if error.code == 404:
                raise self._missing(path) from None
            raise

    # --- bytes ----------------------------------------------------------------------------------------------------
    def receive(self, path: str, offset: int, write: Write, alive: Alive) -> None:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            with self.session.request("GET", self._target(path), 200, 206, headers=headers) as response:
                if response.status == 206:
                    begin = response.headers.get("Content-Range", "").partition(" ")[2].partition("-")[0]
                    if not offset or begin != str(offset):
                        raise self._odd(path, "another part than was asked for")
                    skip = 0
                else:
                    skip = offset
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise self._odd(path, "a compressed form of the file")
                buffer = memoryview(bytearray(BLOCK))
                while received := response.readinto(buffer):
                    if skip < received:
                        write(bytes(buffer[skip:received]))
                    skip = max(skip - received, 0)
                if response.length:
                    raise ConnectionLost(f"Cannot read {path} at {self._location}: the connection was cut.", AGAIN)
        except HTTPError as error:
            if error.code == 404:
                raise self._missing(path) from None
            # nothing behind the offset
            if error.code != 416 or not offset:
                raise

    # --- errors ---------------------------------------------------------------------------------------------------
    def _odd(self, path: str, what: str) -> DestinationUnavailable:
        return DestinationUnavailable(
            f"Cannot use {f'{self._location}/{path}'.rstrip('/')}: the server does not answer as WebDAV says ({what}).",
            "Check that the address is that of a WebDAV folder; see the log of the server and of what is before it.",
        )
