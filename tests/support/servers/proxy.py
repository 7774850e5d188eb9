"""A TCP proxy that cuts, mutes, alters, slows and refuses connections, by rules that change while it runs."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.servers.running.ports import free_port

BLOCK_BYTES = 1 << 18
UP, DOWN = "up", "down"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@dataclass
class Rule:
    """What happens after `left` more bytes of one direction, on whichever connection carries them."""

    action: str  # cut, mute or flip
    direction: str
    left: int
    times: int | None
    every: int = field(init=False)

    def __post_init__(self) -> None:
        self.every = self.left


@dataclass(eq=False)
class Connection:
    client: socket.socket
    server: socket.socket
    muted: bool = False


class Proxy:
    """Forwards 127.0.0.1:`port` to a server; ``up`` is towards the server. A context manager.

    Rules hold for all connections, those already open included, until `clear`. Their bytes are counted over all
    connections together since the rule was set. Several ports may be forwarded under the same rules, as the data
    connections of FTP need.
    """

    host = "127.0.0.1"

    def __init__(
        self, port: int, host: str = "127.0.0.1", *, forwards: dict[int, tuple[str, int]] | None = None
    ) -> None:
        """Forward to `port` of `host`, or each port of `forwards` to its own address."""
        self.forwards = forwards or {free_port(): (host, port)}
        self.port = next(iter(self.forwards))
        self.connections = 0
        self.bytes = {UP: 0, DOWN: 0}
        self._rules: list[Rule] = []
        self._rate: int | None = None
        self._line_free_at = 0.0
        self._delay = 0.0
        self._all_muted = False
        self._open: dict[asyncio.Task[None], Connection] = {}
        self._listening: dict[socket.socket, tuple[str, int]] = {}
        self._resumed = asyncio.Event()
        self._moved = threading.Condition()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="proxy")
        self._thread.start()
        self.accept()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self.cut_all()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def cut(self, *, up: int | None = None, down: int | None = None, times: int | None = 1) -> None:
        """Reset the connection that has carried so many bytes, `times` times (None: again after each so many)."""
        self._add("cut", up, down, times)

    def mute(self, *, up: int | None = None, down: int | None = None, times: int | None = None) -> None:
        """After so many bytes forward nothing more in either direction: on any connection, or on `times` of them."""
        self._add("mute", up, down, times)

    def flip(self, *, up: int | None = None, down: int | None = None, times: int | None = 1) -> None:
        """Alter the byte with that number, the first is 0."""
        self._add("flip", up, down, times)

    def rate(self, bytes_a_second: int | None) -> None:
        """Limit what all connections carry together, in both directions."""
        self._rate = bytes_a_second

    def delay(self, seconds: float) -> None:
        """Forward each block so much later."""
        self._delay = seconds

    def refuse(self) -> None:
        """Refuse new connections; those that are open go on."""
        self._run(self._stop_listening())

    def accept(self) -> None:
        """Accept connections again after `refuse`."""
        self._run(self._start_listening())

    def cut_all(self) -> None:
        """Reset all open connections."""
        self._run(self._cut_all())

    def clear(self) -> None:
        """Drop all rules; muted connections forward what was held back."""
        self._rules, self._rate, self._delay = [], None, 0.0
        self._run(self._resume())

    def wait_for(self, *, up: int = 0, down: int = 0, within: float = 30) -> None:
        """Wait until so many bytes have been forwarded since the proxy was started."""
        with self._moved:
            arrived = self._moved.wait_for(lambda: self.bytes[UP] >= up and self.bytes[DOWN] >= down, timeout=within)
        assert arrived, f"only {self.bytes} were forwarded within {within} s"

    def _add(self, action: str, up: int | None, down: int | None, times: int | None) -> None:
        added = [Rule(action, direction, n, times) for direction, n in ((UP, up), (DOWN, down)) if n is not None]
        self._rules = [*self._rules, *added]

    def _run(self, coroutine: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _start_listening(self) -> None:
        for port, target in self.forwards.items() if not self._listening else ():
            listener = socket.create_server((self.host, port), backlog=128)
            listener.setblocking(False)
            self._listening[listener] = target
            self._loop.add_reader(listener, self._accept, listener)

    async def _stop_listening(self) -> None:
        for listener in list(self._listening):
            self._loop.remove_reader(listener)
            # whoever is connected by now goes on
            self._accept(listener)
            del self._listening[listener]
            listener.close()

    async def _cut_all(self) -> None:
        await _cancelled(list(self._open))

    async def _resume(self) -> None:
        self._all_muted = False
        for connection in self._open.values():
            connection.muted = False
        self._resumed.set()
        self._resumed = asyncio.Event()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection = Connection(listener.accept()[0], socket.socket())
                self.connections += 1
                task = self._loop.create_task(self._serve(connection, self._listening[listener]))
                self._open[task] = connection
                task.add_done_callback(self._open.pop)

    async def _serve(self, connection: Connection, target: tuple[str, int]) -> None:
        ends = (connection.client, connection.server)
        with connection.client, connection.server:
            for end in ends:
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pumps: list[asyncio.Task[None]] = []
            try:
                await self._loop.sock_connect(connection.server, target)
                pumps += [
                    self._loop.create_task(self._pump(connection, *ends, UP)),
                    self._loop.create_task(self._pump(connection, *ends[::-1], DOWN)),
                ]
                await asyncio.gather(*pumps)
            except (OSError, asyncio.CancelledError):
                # the kernel then sends RST, not FIN
                for end in ends:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            await _cancelled(pumps)

    async def _pump(self, connection: Connection, source: socket.socket, sink: socket.socket, direction: str) -> None:
        while data := await self._loop.sock_recv(source, self._block_bytes()):
            arrived = time.monotonic()
            rest = bytearray(data)
            while rest:
                size, action = self._until_next_rule(rest, direction)
                await self._forward(connection, sink, rest[:size], arrived, direction)
                del rest[:size]
                if action == "cut":
                    raise ConnectionResetError
                connection.muted |= action == "mute"
                self._all_muted |= action == "mute all"
        await self._unmuted(connection)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _block_bytes(self) -> int:
        return BLOCK_BYTES if self._rate is None else max(1, min(BLOCK_BYTES, self._rate // 20))

    def _until_next_rule(self, data: bytearray, direction: str) -> tuple[int, str]:
        """Alter what is to be altered; return how many bytes to forward, and what to do then."""
        size, action = len(data), ""
        rules = [rule for rule in self._rules if rule.direction == direction and rule.times != 0]
        for rule in rules:
            if rule.action != "flip" and rule.left <= size:
                size, action = rule.left, rule.action
        for rule in rules:
            if rule.action == "flip" and rule.left < size:
                data[rule.left] ^= 0xFF
            elif rule.action != action or rule.left != size:
                rule.left -= size
                continue
            elif rule.action == "mute" and rule.times is None:
                action, rule.times = "mute all", 0
            rule.left = rule.every
            rule.times = rule.times and rule.times - 1
        return size, action

    async def _forward(
        self, connection: Connection, sink: socket.socket, data: bytearray, arrived: float, direction: str
    ) -> None:
        await self._unmuted(connection)
        due = arrived + self._delay
        if self._rate is not None:
            self._line_free_at = max(self._line_free_at, arrived) + len(data) / self._rate
            due = max(due, self._line_free_at)
        if (pause := due - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        # counted before it is sent: whoever has received a byte finds it counted
        with self._moved:
            self.bytes[direction] += len(data)
            self._moved.notify_all()
        await self._loop.sock_sendall(sink, data)

    async def _unmuted(self, connection: Connection) -> None:
        while self._all_muted or connection.muted:
            await self._resumed.wait()


async def _cancelled(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
