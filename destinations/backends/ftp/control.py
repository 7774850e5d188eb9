"""The control connection of FTP: its steps and its commands."""

import ftplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Self

from destinations.backends.ftp.account import CONNECT, ENCRYPT, EXPLICIT, IMPLICIT, LOG_IN, NONE, Account
from destinations.backends.ftp.errors import encryption_error, login_error, reply_error
from destinations.exceptions import DestinationError, DestinationUnavailable
from destinations.network.errors import from_network_error
from destinations.network.sockets import Sockets

LONGEST_LINE: Final = 8192
# of one answer
MOST_LINES: Final = 1000


class Control(ftplib.FTP):
    """Connected by `connect_`, `encrypt` and `log_in`. What fails in them is a `DestinationError`; commands and
    answers raise errors of ftplib, sockets and TLS."""

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

    def open(self) -> Self:
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

    def getmultiline(self) -> str:
        """Return the next answer, of several lines too. That of `ftplib` reads one without an end."""
        lines = [self.getline()]
        if lines[0][3:4] != "-":
            return lines[0]
        while len(lines) == 1 or lines[-1][:3] != lines[0][:3] or lines[-1][3:4] == "-":
            if len(lines) == MOST_LINES:
                raise ftplib.error_proto("an answer has no end")
            lines.append(self.getline())
        return "\n".join(lines)

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

    def getresp(self) -> str:
        answer: str = super().getresp()
        self.last_answer = answer
        return answer

    def _wrap(
        self, context: ssl.SSLContext, plain: socket.socket, session: ssl.SSLSession | None = None
    ) -> ssl.SSLSocket:
        account = self.account
        return self.sockets.encrypt(
            plain,
            context,
            account.host,
            account.timeout,
            session=session,
            # a listing that somebody on the way cut off is not a shorter one
            suppress_ragged_eofs=False,
        )
