"""The folder of a destination on its server."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit

from destinations.backends.base import StoredFile
from destinations.backends.webdav.errors import AGAIN
from destinations.backends.webdav.multistatus import QUERY, Multistatus, Resource
from destinations.backends.webdav.session import BLOCK, Session
from destinations.exceptions import ConnectionLost, DestinationUnavailable, NameTaken, NotFound
from destinations.transfer.paths import MAX_DEPTH, is_filename, is_segment
from destinations.transfer.upload import Upload

XML = {"Content-Type": "application/xml; charset=utf-8"}


class Folder:
    """Paths are those of the destination; `base` is its folder below `url`, which ends in a slash."""

    def __init__(self, session: Session, url: str, base: str, location: str) -> None:
        self.session = session
        self._location = location
        self._site = url.removesuffix(urlsplit(url).path)
        self._base = f"{unquote(urlsplit(url).path, errors='surrogateescape')}{base}"

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
            raise self.missing(path)
        return StoredFile(path, found.size, found.modified_at)

    def is_there(self) -> bool:
        found = self.look("", folder=True) or self.look("")
        if found is not None and not found.is_folder:
            raise DestinationUnavailable(f"{self._location} is not a folder.", "Give the path of a folder.")
        return found is not None

    def is_empty(self) -> bool:
        return not self.is_there() or not self._members("")

    def free_space(self) -> int | None:
        found = self.look("", folder=True)
        if found is None:
            # before the first upload the folder is not there
            above = self._base.rpartition("/")[0]
            with suppress(HTTPError):
                found = self._asked(f"{quote(above, errors='surrogateescape')}/", "0")[0]
        return None if found is None else found.available

    def walk(self, folder: str, alive: Callable[[], None]) -> Iterator[StoredFile]:
        """Yield the files at any depth, in the order of their paths as texts; `alive` is called for each folder."""
        alive()
        if not folder and not self.is_there():
            return
        prefix = f"{folder}/" if folder else ""
        members = self._members(folder)
        for member in sorted(members, key=lambda member: f"{member.name}/" if member.is_folder else member.name):
            name, path = member.name, prefix + member.name
            ours = is_segment(name) if member.is_folder else is_filename(name)
            if member.status >= 400 and (is_segment(name) or is_filename(name)):
                raise HTTPError(path, member.status, "in the listing", {}, None)  # type: ignore[arg-type]
            if not member.is_folder:
                yield StoredFile(path, member.size, member.modified_at)
            # no archive is in a folder of another name, such as one of the system that may not be read
            elif ours and prefix.count("/") < MAX_DEPTH - 1:
                yield from self.walk(path, alive)

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
    def send(self, upload: Upload) -> None:
        """Store all of `upload` under its temporary name."""
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
                    raise DestinationUnavailable(
                        f"Cannot make the folder {self._location}: the folder above it does not exist.",
                        "Check the path, and that the server has its disk mounted; or make the folder there.",
                    ) from error
                raise

    def publish(self, part: str, path: str) -> None:
        """Give the temporary file `part` its name. Raises `NameTaken`."""
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
        """Remove the file. Raises `NotFound`, also for a folder, which would be removed with all that is in it."""
        self.stat(path)
        try:
            with self.session.request("DELETE", self._target(path), 200, 204):
                pass
        except HTTPError as error:
            if error.code == 404:
                raise self.missing(path) from None
            raise

    # --- bytes ----------------------------------------------------------------------------------------------------
    def receive(self, path: str, offset: int, write: Callable[[bytes], None]) -> None:
        """Call `write` with the bytes from `offset` on, also where the server knows no ranges."""
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
                raise self.missing(path) from None
            # nothing behind the offset
            if error.code != 416 or not offset:
                raise

    # --- errors ---------------------------------------------------------------------------------------------------
    def missing(self, path: str) -> NotFound:
        return NotFound(f"There is no file {path} at {self._location}.", "Check the name.")

    def _taken(self, path: str) -> NameTaken:
        return NameTaken(f"{self._location}/{path} exists already.", "Nothing is overwritten.")

    def _odd(self, path: str, what: str) -> DestinationUnavailable:
        return DestinationUnavailable(
            f"Cannot use {f'{self._location}/{path}'.rstrip('/')}: the server does not answer as WebDAV says ({what}).",
            "Check that the address is that of a WebDAV folder; see the log of the server and of what is before it.",
        )
