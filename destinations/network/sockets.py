"""The sockets of one connection, which another thread may drop while this one waits on them."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from destinations.exceptions import ConnectionLost

# a way that carries nothing for a time, such as the control connection of a long transfer, is not forgotten by a NAT
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class Sockets:
    """`drop` may be called from every thread, everything else by one thread at a time, inside `in_use`."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []
        self._list_lock = threading.Lock()
        self._use = threading.RLock()
        self.dropped = False

    @contextmanager
    def in_use(self) -> Iterator[None]:
        with self._use:
            try:
                yield
            finally:
                if self.dropped:
                    self.close_all()

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        """Return a connection to the address. Raises `OSError`, and `ConnectionLost` after `drop`."""
        opened = self.add(socket.create_connection(address, timeout))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            # not every system has them
            if (number := getattr(socket, option, None)) is not None:
                opened.setsockopt(socket.IPPROTO_TCP, number, value)
        return opened

    def encrypt(
        self,
        plain: socket.socket,
        context: ssl.SSLContext,
        host: str,
        timeout: float,
        *,
        session: ssl.SSLSession | None = None,
        suppress_ragged_eofs: bool = True,
    ) -> ssl.SSLSocket:
        """Return the connection with TLS, after the handshake; `plain` is of no use any more."""
        # a connection that is cut already would leave an open socket behind in the ssl module
        plain.getpeername()
        encrypted = context.wrap_socket(
            plain,
            server_hostname=host,
            # interrupted as everything else, which wants it among the sockets first
            do_handshake_on_connect=False,
            suppress_ragged_eofs=suppress_ragged_eofs,
            session=session,
        )
        self.close(plain)
        self.add(encrypted)
        encrypted.settimeout(timeout)
        encrypted.do_handshake()
        return encrypted

    def add(self, opened: socket.socket) -> socket.socket:
        with self._list_lock:
            if not self.dropped:
                self._open.append(opened)
                return opened
        opened.close()
        raise ConnectionLost("The connection was closed.", "Check the network and the server.")

    def close(self, one: socket.socket) -> None:
        with self._list_lock, suppress(ValueError):
            self._open.remove(one)
        one.close()

    def close_all(self) -> None:
        with self._list_lock:
            closing, self._open = self._open, []
        for one in closing:
            one.close()

    def drop(self) -> None:
        """Cut all connections: whatever waits on them fails at once, and no other is made."""
        with self._list_lock:
            self.dropped = True
            for one in self._open:
                # that of the base class: the one of TLS would let another thread go on without encryption
                with suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)
        # a number that is closed under a thread that reads may be another connection's next; that thread closes it
        if self._use.acquire(blocking=False):
            try:
                self.close_all()
            finally:
                self._use.release()


def send_all(data: socket.socket, block: bytes, alive: Callable[[], None]) -> None:
    """Send the block; `alive` is called whenever a part of it was taken."""
    rest = memoryview(block)
    while rest:
        rest = rest[data.send(rest) :]
        alive()
