"""One FTP connection: its steps, commands and data connections."""

import ftplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from destinations.backends.ftp.account import CONNECT, ENCRYPT, EXPLICIT, IMPLICIT, LOG_IN, NONE, Account, address
from destinations.backends.ftp.errors import AGAIN, encryption_error, listing_failed, login_error, reply_error
from destinations.exceptions import ConnectionLost, DestinationError, DestinationUnavailable
from destinations.transfer.network_errors import from_network_error
from destinations.transfer.sockets import Sockets

BLOCK: Final = 256 * 1024
LONGEST_LINE: Final = 8192
# after a data connection broke: the server says why on the other one, or is gone as well
REASON_SECONDS = 3.0
# for the end of TLS on a data connection, which some servers do not answer; what they received is checked anyway
GOODBYE_SECONDS = 5.0


class Client(ftplib.FTP):
    """Connected by `connect_`, `encrypt` and `log_in`. What fails in them is a `DestinationError`; commands and
    transfers raise errors of ftplib, sockets and TLS."""

    def __init__(self, account: Account, sockets: Sockets) -> None:
        super().__init__(timeout=account.timeout)
        self.account, self.sockets = account, sockets
        self.features: frozenset[str] = frozenset()
        self.home = "/"
        self._context = None if account.encryption == NONE else account.trust.context()
        self._received = b""
        self._type = ""
        self._takes_epsv = True
        # False while, and after, the control connection stands in the middle of something
        self.usable = True
        self.last_answer = ""

    # --- the steps of the connection ------------------------------------------------------------------------------
    @contextmanager
    def _step(self, action: str) -> Iterator[None]:
        with self.sockets.in_use():
            try:
                yield
            except DestinationError:
                raise
            except Exception as error:
                where = self.account.where
                known = reply_error(error, action, where) or from_network_error(error, action, where)
                if known is None:
                    raise
                raise known from error

    def open(self) -> "Client":
        self.connect_()
        self.encrypt()
        self.log_in()
        return self

    def connect_(self) -> None:
        account = self.account
        with self._step(CONNECT):
            self.sock = self.sockets.connect((account.host, account.port), account.timeout)
            self.host, self.af = account.host, self.sock.family
            if account.encryption != IMPLICIT:
                self.welcome = self.getresp()

    def encrypt(self) -> None:
        if self._context is None:
            return
        with self._step(ENCRYPT):
            if self.account.encryption == EXPLICIT:
                try:
                    self.voidcmd("AUTH TLS")
                except ftplib.Error as error:
                    raise encryption_error(error, ENCRYPT, self.account.where) from error
                if self._received:
                    raise DestinationUnavailable(
                        f"Cannot {ENCRYPT} at {self.account.where}: what came after the answer was not encrypted.",
                        "Another machine may answer in place of the server. The password was not sent.",
                    )
            encrypted = self._wrap(self._context, self._control)
            self.sock = encrypted
            self.account.trust.check(encrypted, self.account.where)
            if self.account.encryption == IMPLICIT:
                self.welcome = self.getresp()

    def log_in(self) -> None:
        account = self.account
        with self._step(LOG_IN):
            try:
                self.login(account.username, account.password)
            except ftplib.Error as error:
                # no server repeats a password; one that does shall not put it into a log
                answer = str(error).replace(account.password, "***")
                raise login_error(error, LOG_IN, account.where, account.username, answer) from None
            if self._context is not None:
                self.voidcmd("PBSZ 0")
                self.voidcmd("PROT P")
            with suppress(ftplib.error_perm):
                lines = self.sendcmd("FEAT").splitlines()
                self.features = frozenset(line.strip().upper() for line in lines if line.startswith(" "))
            if "UTF8" in self.features:
                # a server that has it may already do it, and refuse to be told
                with suppress(ftplib.error_perm):
                    self.sendcmd("OPTS UTF8 ON")
            self.home = self.pwd()

    def certificate(self) -> bytes:
        """Return that of the server (DER); empty without encryption."""
        return self.sock.getpeercert(binary_form=True) or b"" if isinstance(self.sock, ssl.SSLSocket) else b""

    def describe_encryption(self) -> str:
        return self.account.trust.describe(self.sock) if isinstance(self.sock, ssl.SSLSocket) else ""

    # --- the control connection -----------------------------------------------------------------------------------
    def putline(self, line: str) -> None:
        if "\r" in line or "\n" in line:
            raise ValueError("a command of FTP has one line")
        # names of other programs need not be UTF-8
        self._control.sendall(line.encode(errors="surrogateescape") + b"\r\n")

    def getline(self) -> str:
        """Return the next line. Read without a file object: that of `ftplib` does not outlive a timeout."""
        while b"\n" not in self._received:
            if len(self._received) > LONGEST_LINE:
                raise ftplib.error_proto("a line has no end")
            received = self._control.recv(LONGEST_LINE)
            if not received:
                raise EOFError
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line.rstrip(b"\r").decode(errors="surrogateescape")

    def command(self, line: str, *, timeout: float | None = None) -> str:
        """Return the answer to one command. Raises `TimeoutError`; the connection is of no use afterwards."""
        with self.sockets.in_use(), self._whole():
            self._control.settimeout(timeout or self.account.timeout)
            return self.sendcmd(line)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Record whether the last answer to what is done came."""
        self.usable = False
        try:
            yield
        except (ftplib.error_temp, ftplib.error_perm):
            self.usable = True
            raise
        self.usable = True

    @property
    def _control(self) -> socket.socket:
        if self.sock is None:
            raise EOFError
        return self.sock

    def use_type(self, letter: str) -> None:
        """Switch to bytes (I), which SIZE, REST and transfers need, or to lines (A), which listings need."""
        if self._type != letter:
            self.command(f"TYPE {letter}")
            self._type = letter

    # --- data connections -----------------------------------------------------------------------------------------
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
            received = b""
            while block := data.recv(BLOCK):
                *lines, received = (received + block).split(b"\n")
                for line in lines:
                    yield line.rstrip(b"\r").decode(errors="surrogateescape")
                if len(received) > LONGEST_LINE:
                    raise ftplib.error_proto("a line of the listing has no end")
            if received:
                yield received.decode(errors="surrogateescape")
        if listing_failed(self.last_answer):
            raise ftplib.error_perm(f"550 {self.last_answer}")

    def getresp(self) -> str:
        answer: str = super().getresp()
        self.last_answer = answer
        return answer

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

    def _wrap(
        self, context: ssl.SSLContext, plain: socket.socket, session: ssl.SSLSession | None = None
    ) -> ssl.SSLSocket:
        encrypted = context.wrap_socket(
            plain,
            server_hostname=self.account.host,
            # interrupted as everything else, which wants it among the sockets first
            do_handshake_on_connect=False,
            # a listing that somebody on the way cut off is not a shorter one
            suppress_ragged_eofs=False,
            session=session,
        )
        self.sockets.close(plain)
        self.sockets.add(encrypted)
        encrypted.settimeout(self.account.timeout)
        encrypted.do_handshake()
        return encrypted

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


def send_all(data: socket.socket, block: bytes, alive: Callable[[], None]) -> None:
    """Send the block; `alive` is called whenever a part of it was taken."""
    rest = memoryview(block)
    while rest:
        rest = rest[data.send(rest) :]
        alive()


def receive_all(data: socket.socket, write: Callable[[bytes], None], alive: Callable[[], None]) -> None:
    """Call `write` with all that comes, in blocks."""
    buffer = bytearray(BLOCK)
    view, filled = memoryview(buffer), 0
    while received := _receive(data, view[filled:]):
        filled += received
        alive()
        # a record of TLS has 16 KiB
        if filled > BLOCK // 2:
            write(bytes(view[:filled]))
            filled = 0
    if filled:
        write(bytes(view[:filled]))


def _receive(data: socket.socket, into: memoryview) -> int:
    try:
        return data.recv_into(into)
    except ssl.SSLEOFError:
        # some servers end no TLS connection as they should; size and checksum say whether this was the end
        return 0
