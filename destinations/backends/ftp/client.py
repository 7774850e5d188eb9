"""The data connections of FTP: transfers and listings."""

import ftplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from destinations.backends.ftp.control import LONGEST_LINE, Control
from destinations.backends.ftp.errors import AGAIN, listing_failed
from destinations.exceptions import ConnectionLost
from destinations.network.errors import from_network_error
from destinations.network.server_options import address

BLOCK: Final = 256 * 1024
# of one folder
MOST_ENTRIES: Final = 500_000
# after a data connection broke: the server says why on the other one, or is gone as well
REASON_SECONDS = 3.0
# for the end of TLS on a data connection, which some servers do not answer; what they received is checked anyway
GOODBYE_SECONDS = 5.0


class Client(Control):
    """A connection with what it transfers. Raises errors of ftplib, sockets and TLS."""

    @contextmanager
    def transfer(self, command: str, *, rest: int = 0, patience: float | None = None) -> Iterator[socket.socket]:
        """Yield the data connection of `command`, and at the end require that the server says it is done.

        `rest` is where it begins; the answer to `command` comes within `patience` seconds. After an error the control
        connection may stand in the middle of something.
        """
        with self.sockets.in_use(), self._whole():
            self._control.settimeout(self.account.timeout)
            data = self._data_connection(command, rest, patience or self.account.timeout)
            try:
                try:
                    if self._context is not None:
                        data = self._wrap(self._context, data, session=self._session())
                        self.account.trust.check(data, self.account.where)
                    yield data
                    self._say_goodbye(data)
                except (OSError, EOFError) as error:
                    raise self._reason_for(error) from error
            finally:
                self.sockets.close(data)
            # what is still on its way, and what the server flushes, may take longer than an answer
            self._control.settimeout(4 * self.account.timeout)
            self.voidresp()

    def lines(self, command: str) -> Iterator[str]:
        """Yield the lines of a listing. One that is cut raises."""
        with self.transfer(command) as data:
            received, count = b"", 0
            while block := data.recv(BLOCK):
                *lines, received = (received + block).split(b"\n")
                count += len(lines)
                if count > MOST_ENTRIES:
                    raise ftplib.error_proto(f"a folder has more than {MOST_ENTRIES:,} entries")
                for line in lines:
                    yield line.rstrip(b"\r").decode(errors="surrogateescape")
                if len(received) > LONGEST_LINE:
                    raise ftplib.error_proto("a line of the listing has no end")
            if received:
                yield received.decode(errors="surrogateescape")
        if listing_failed(self.last_answer):
            raise ftplib.error_perm(f"550 {self.last_answer}")

    def _data_connection(self, command: str, rest: int, patience: float) -> socket.socket:
        if not self.account.passive:
            return self._active(command, rest, patience)
        # the address that PASV names is never used: behind a NAT it is wrong, and it could be anybody's
        host, port = self._control.getpeername()[0], self._passive_port()
        try:
            data = self.sockets.connect((host, port), self.account.timeout)
        except OSError as error:
            where = address(host, port)
            known = from_network_error(error, "open the data connection", where)
            if known is None:
                raise
            raise type(known)(
                known.message, "Let the passive ports of the server through its firewall, or switch 'passive' off."
            ) from error
        try:
            self._begin(command, rest, patience)
        except BaseException:
            self.sockets.close(data)
            raise
        return data

    def _passive_port(self) -> int:
        if self._takes_epsv:
            try:
                return ftplib.parse229(self.sendcmd("EPSV"), self._control.getpeername())[1]
            except ftplib.error_perm:
                if self.af != socket.AF_INET:
                    raise
                self._takes_epsv = False
        return ftplib.parse227(self.sendcmd("PASV"))[1]

    def _active(self, command: str, rest: int, patience: float) -> socket.socket:
        listener = self.sockets.add(self.makeport())
        try:
            self._begin(command, rest, patience)
            listener.settimeout(self.account.timeout)
            data, peer = listener.accept()
        finally:
            self.sockets.close(listener)
        if peer[0] != self._control.getpeername()[0]:
            data.close()
            raise ConnectionLost(f"Another host than {self.account.where} opened the data connection.", AGAIN)
        return self.sockets.add(data)

    def _begin(self, command: str, rest: int, patience: float) -> None:
        if rest:
            self.sendcmd(f"REST {rest}")
        self._control.settimeout(patience)
        answer = self.sendcmd(command)
        if not answer.startswith("1"):
            raise ftplib.error_reply(answer)

    def _session(self) -> ssl.SSLSession | None:
        # servers take a data connection only with the session of the control connection
        return self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None

    def _say_goodbye(self, data: socket.socket) -> None:
        if isinstance(data, ssl.SSLSocket):
            data.settimeout(min(GOODBYE_SECONDS, self.account.timeout))
            with suppress(OSError):
                data.unwrap()

    def _reason_for(self, error: Exception) -> Exception:
        """Return what the server says about a data connection that broke, or `error` when it says nothing."""
        self._control.settimeout(min(REASON_SECONDS, self.account.timeout))
        try:
            self.getresp()
        except (ftplib.error_temp, ftplib.error_perm) as said:
            # 425, 426: the server saw it break as well
            return error if str(said)[:3] in ("425", "426") else said
        except (ftplib.Error, OSError, EOFError):
            return error
        # the server is content with less than arrived, or more
        return error


def receive_all(data: socket.socket, write: Callable[[bytes], None], alive: Callable[[], None]) -> int:
    """Call `write` with all that comes, in blocks; return how many bytes that were."""
    view, filled, total = memoryview(bytearray(BLOCK)), 0, 0
    while received := _receive(data, view[filled:]):
        filled += received
        total += received
        alive()
        # a record of TLS has 16 KiB
        if filled > BLOCK // 2:
            write(bytes(view[:filled]))
            filled = 0
    if filled:
        write(bytes(view[:filled]))
    return total


def _receive(data: socket.socket, into: memoryview) -> int:
    try:
        return data.recv_into(into)
    except ssl.SSLEOFError:
        # some servers end no TLS connection as they should; the size says whether this was the end
        return 0
