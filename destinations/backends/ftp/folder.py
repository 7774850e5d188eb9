"""The folder of a destination on its server: looks, names and deletions."""

import ftplib
from contextlib import suppress

from destinations.backends.base import StoredFile
from destinations.backends.ftp.account import Account
from destinations.backends.ftp.client import Client, receive_all
from destinations.backends.ftp.errors import AGAIN, code_of, says_missing
from destinations.backends.ftp.listing import parse_list, parse_mlsd, parse_time
from destinations.backends.remote import Alive, Entry, RemoteFolder, Write
from destinations.exceptions import ConnectionLost, DestinationUnavailable
from destinations.network.sockets import Sockets

# what a server answers to a command that it does not have
UNKNOWN = ("500", "501", "502", "504")


class Folder(RemoteFolder):
    """`base` is its path on the server.

    Every command has an absolute path, and a listing enters its folder first: no path depends on the command before.
    """

    def __init__(self, account: Account, base: str, location: str) -> None:
        super().__init__(location)
        self.account = account
        self.sockets = Sockets()
        self._base = base
        self._client: Client | None = None
        self._lists_by = "MLSD"

    @property
    def client(self) -> Client:
        """The connection, a new one where there is none or it cannot be used any more."""
        if self._client is None or not self._client.usable:
            self.reset()
            self._client = Client(self.account, self.sockets).open()
        return self._client

    def begin(self) -> Client:
        """Return a new connection of which no step is done yet; the caller takes them."""
        self.reset()
        self._client = Client(self.account, self.sockets)
        return self._client

    def client_begun(self) -> Client:
        if self._client is None:
            raise ConnectionLost(f"The connection to {self.account.where} was closed.", AGAIN)
        return self._client

    def reset(self) -> None:
        self._client = None
        with self.sockets.in_use():
            self.sockets.close_all()

    def drop(self) -> None:
        self.sockets.drop()

    def on_server(self, path: str) -> str:
        base = self._base if self._base.startswith("/") else f"{self.client.home.rstrip('/')}/{self._base}"
        return f"{base}/{path}" if path else base

    # --- one file -------------------------------------------------------------------------------------------------
    def stat(self, path: str) -> StoredFile:
        size = self.size(path)
        if size is None:
            raise self._missing(path)
        try:
            return StoredFile(path, size, parse_time(self.client.command(f"MDTM {self.on_server(path)}")[4:]))
        except ftplib.error_perm:  # a server without times
            return StoredFile(path, size, None)

    def size(self, path: str) -> int | None:
        """Return the size of the file, None where none is."""
        found = self._look(path)
        return found.size if found is not None and found.is_file else None

    def exists(self, path: str) -> bool:
        """Whether anything has that name."""
        return self._look(path) is not None

    def _look(self, path: str) -> Entry | None:
        """Return what has that name, None when nothing has; what might have it raises."""
        folder, _, name = path.rpartition("/")
        self.client.use_type("I")
        try:
            size = int(self.client.command(f"SIZE {self.on_server(path)}")[4:])
            return Entry(name, size, None, is_file=True, is_folder=False, is_link=False)
        except ftplib.error_perm as error:
            if says_missing(error):
                return None
            if code_of(error) != "550" and code_of(error) not in UNKNOWN:
                raise
        # many servers say 550 for all reasons: the folder tells whether it is there
        return self._entry(self.on_server(folder), name)

    def remove(self, path: str) -> None:
        try:
            self.client.command(f"DELE {self.on_server(path)}")
        except ftplib.error_perm as error:
            if says_missing(error) or (code_of(error) == "550" and self.size(path) is None):
                raise self._missing(path) from None
            raise

    def publish(self, part: str, path: str) -> None:
        # FTP has no rename that refuses a name in use: looked at right before, and after a refusal
        if self.exists(path):
            raise self._taken(path)
        self.make_private(part, "600")
        try:
            self.client.command(f"RNFR {self.on_server(part)}")
            self.client.command(f"RNTO {self.on_server(path)}")
        except ftplib.error_perm:
            if self.exists(path):
                raise self._taken(path) from None
            raise

    def make_private(self, path: str, mode: str) -> None:
        """Set the mode where the server can do that; elsewhere its own settings decide who may read."""
        with suppress(ftplib.error_perm):
            self.client.command(f"SITE CHMOD {mode} {self.on_server(path)}")

    def receive(self, path: str, offset: int, write: Write, alive: Alive) -> None:
        size = self.size(path)
        if size is None:
            raise self._missing(path)
        client = self.client
        client.use_type("I")
        with client.transfer(f"RETR {self.on_server(path)}", rest=offset) as data:
            received = receive_all(data, write, alive)
        if received < size - offset:
            # the end of a data connection is that of the file: a server that has sent all is content with a cut
            raise ConnectionLost(f"Cannot read {path} at {self.account.where}: the connection was cut.", AGAIN)

    # --- folders --------------------------------------------------------------------------------------------------
    def enter(self, folder: str) -> bool:
        """Go into a folder, given by its path on the server. False when there is none; a closed one raises."""
        try:
            self.client.command(f"CWD {folder}")
        except ftplib.error_perm as error:
            if code_of(error) != "550":
                raise
            if says_missing(error):
                return False
            above, _, name = folder.rstrip("/").rpartition("/")
            found = self._entry(above or "/", name) if name else None
            if not name or (found is not None and not found.is_file):
                raise
            return False
        return True

    def make_folders(self, folder: str) -> None:
        """Make `folder` and the folders above it, down from that of the destination, private."""
        if self.enter(self.on_server(folder)):
            return
        names = list(filter(None, folder.split("/")))
        for depth in range(len(names) + 1):
            path = "/".join(names[:depth])
            on_server = self.on_server(path)
            if self.enter(on_server):
                continue
            try:
                self.client.command(f"MKD {on_server}")
            except ftplib.error_perm as error:
                # another upload may have made it
                if self.enter(on_server):
                    continue
                if not path:
                    self.is_there()
                    if not self.enter(self.on_server("").rpartition("/")[0] or "/"):
                        raise self._has_no_parent() from error
                raise
            self.make_private(path, "700")

    def is_there(self) -> bool:
        if self.enter(self.on_server("")):
            return True
        above, _, name = self.on_server("").rpartition("/")
        found = self._entry(above or "/", name)
        if found is not None and found.is_file:
            raise self._is_a_file()
        return False

    def members(self, folder: str) -> list[Entry]:
        on_server = self.on_server(folder)
        return self._entries(on_server) if (self.enter(on_server) if folder else self.is_there()) else []

    def _entry(self, folder: str, name: str) -> Entry | None:
        """Return what the folder, given by its path on the server, lists under that name."""
        if not self.enter(folder):
            return None
        return next((entry for entry in self._entries(folder) if entry.name == name), None)

    def _entries(self, folder: str) -> list[Entry]:
        """Return the names in the folder that was entered last."""
        if self._lists_by == "MLSD":
            try:
                return self._listed("MLSD", folder)
            except ftplib.error_perm as error:
                if code_of(error) not in UNKNOWN:
                    raise
                self._lists_by = "LIST"
        return self._listed("LIST", folder)

    def _listed(self, command: str, folder: str) -> list[Entry]:
        self.client.use_type("A")
        parse = parse_mlsd if command == "MLSD" else parse_list
        try:
            return [entry for line in self.client.lines(command) if (entry := parse(line)) is not None]
        except ftplib.Error as error:
            # some servers have no other word for an empty folder
            if "no files" in str(error).lower():
                return []
            raise
        except ValueError as error:
            # a line that is left out could be an archive
            raise DestinationUnavailable(
                f"Cannot list {folder} at {self.account.where}: the server lists it in a form that is not known, such "
                f"as {str(error)[:200]!r}.",
                "Use a server that has the command MLSD, and no names with line breaks.",
            ) from error

    def free_space(self) -> int | None:
        # few servers have it
        if not any(feature.startswith("AVBL") for feature in self.client.features):
            return None
        place = self.on_server("") if self.is_there() else self.on_server("").rpartition("/")[0] or "/"
        with suppress(ftplib.error_perm, ValueError):
            return int(self.client.command(f"AVBL {place}")[4:])
        return None
