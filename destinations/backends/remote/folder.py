"""A folder on a server that keeps each file under its path, as SFTP, FTP and WebDAV have it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from destinations.backends.base import StoredFile, UploadState
from destinations.backends.remote.steps import Write
from destinations.exceptions import DestinationUnavailable, NameTaken, NotFound
from destinations.transfer.paths import MAX_DEPTH, is_filename, is_segment
from destinations.transfer.upload import Upload, Wanted

Alive = Callable[[], None]


@dataclass(frozen=True)
class Entry:
    """One name of a folder. `modified_at` is None where the server tells no exact time."""

    name: str
    size: int
    modified_at: datetime | None
    is_file: bool
    is_folder: bool
    is_link: bool = False


class RemoteFolder(ABC):
    """The folder of one destination, with the connection to its server. Paths are relative to it; "" is it itself.

    A protocol adds what is abstract here, which raises `DestinationError` or errors of the protocol. `alive` is called
    as long as something moves; what it raises ends the work.
    """

    def __init__(self, location: str) -> None:
        self._location = location

    @abstractmethod
    def drop(self) -> None:
        """Cut the connection, also while another thread waits on it."""

    # --- files ----------------------------------------------------------------------------------------------------
    @abstractmethod
    def send(self, upload: Upload, state: UploadState) -> None:
        """Write all of `upload` to a temporary file; folders are made, private where the server can do that."""

    def discard(self, wanted: Wanted, state: UploadState) -> None:
        """Delete what `send` left; no error when there is nothing."""
        with suppress(NotFound):
            self.remove(wanted.part_path)

    @abstractmethod
    def publish(self, part: str, path: str) -> None:
        """Give the temporary file `part` its name. Raises `NameTaken`."""

    @abstractmethod
    def receive(self, path: str, offset: int, write: Write, alive: Alive) -> None:
        """Call `write` with the bytes of the file from `offset` to its end. Raises `NotFound`."""

    @abstractmethod
    def stat(self, path: str) -> StoredFile:
        """Return size and time of the file. Raises `NotFound`, also for a folder."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove the file. Raises `NotFound`."""

    # --- the folder -----------------------------------------------------------------------------------------------
    @abstractmethod
    def is_there(self) -> bool:
        """Whether the folder is there. Raises `DestinationUnavailable` where a file has its name."""

    @abstractmethod
    def members(self, folder: str) -> list[Entry]:
        """Return what is in the folder; nothing where there is none. One that cannot be read raises."""

    @abstractmethod
    def free_space(self) -> int | None:
        """Return the free bytes of its disk or quota, before it is made too; None where the server does not tell."""

    def is_empty(self) -> bool:
        return not self.members("")

    def describe(self) -> str:
        """Return what is known of the folder, for a test of the connection."""
        return "it is there" if self.is_there() else "it is made by the first upload"

    def walk(self, folder: str, alive: Alive) -> Iterator[StoredFile]:
        """Yield the files at any depth, in the order of their paths as texts."""
        alive()
        prefix = f"{folder}/" if folder else ""
        found = self.members(folder)
        for entry in sorted(found, key=lambda entry: f"{entry.name}/" if entry.is_folder else entry.name):
            path = prefix + entry.name
            if entry.is_file:
                yield StoredFile(path, entry.size, entry.modified_at)
            elif entry.is_link and is_filename(entry.name):
                raise DestinationUnavailable(
                    f"Cannot list {self._location}/{path}: it is a symbolic link, and links are not followed.",
                    "Put the file or folder itself there, or remove the link.",
                )
            # no archive is in a folder of another name, such as one of the system that may not be read
            elif entry.is_folder and is_segment(entry.name) and prefix.count("/") < MAX_DEPTH - 1:
                yield from self.walk(path, alive)

    # --- errors ---------------------------------------------------------------------------------------------------
    def _missing(self, path: str) -> NotFound:
        return NotFound(f"There is no file {path} at {self._location}.", "Check the name.")

    def _taken(self, path: str) -> NameTaken:
        return NameTaken(f"{self._location}/{path} exists already.", "Nothing is overwritten.")

    def _is_a_file(self) -> DestinationUnavailable:
        return DestinationUnavailable(f"{self._location} is not a folder.", "Give the path of a folder.")

    def _has_no_parent(self) -> DestinationUnavailable:
        return DestinationUnavailable(
            f"Cannot make the folder {self._location}: the folder above it does not exist.",
            "Check the path, and that the server has its disk mounted; or make the folder there.",
        )
