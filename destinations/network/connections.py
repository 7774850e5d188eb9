"""The connections that the pools of urllib3 have open: closing a pool leaves those in use as they are."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

# of one write to a socket, whose timeout it has as a whole
SEND_BYTES = 256 * 1024


class Connections:
    """Notes connections as they are opened; `shut` makes the requests that wait on them fail."""

    def __init__(self, refuse: Callable[[str], None] = lambda address: None) -> None:
        """`refuse` raises for the address of a server that must not be asked: before anything is sent to it."""
        self._open: WeakSet[Any] = WeakSet()
        self._refuse = refuse
        # called as the pieces of a body in memory go: one that is sent slowly does not stand still
        self.alive: Callable[[], None] = lambda: None

    def track(self, manager: Any) -> None:
        """Note those of a pool manager, and let them send larger blocks."""
        manager.pool_classes_by_scheme = {
            scheme: self._tracked(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }
        manager.connection_pool_kw["blocksize"] = SEND_BYTES

    def shut(self) -> None:
        for connection in list(self._open):
            # shut down, not closed: another thread may wait on it
            with suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _tracked(self, pool: Any) -> Any:
        note, connections = self._open.add, self

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                note(self)
                super().connect()
                # that of the server itself: a name may have led to another one when it was looked up before
                try:
                    connections._refuse(str(self.sock.getpeername()[0]))
                except BaseException:
                    self.close()
                    raise

            def send(self, data: Any) -> None:
                if not isinstance(data, bytes):
                    super().send(data)
                    return
                view = memoryview(data)
                for begin in range(0, len(view), SEND_BYTES):
                    super().send(view[begin : begin + SEND_BYTES])
                    connections.alive()

        class Pool(pool):  # type: ignore[misc]
            ConnectionCls = Connection

        return Pool
