"""One SSH connection with its SFTP channel, on an event loop in a thread of its own."""

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import asyncssh
from asyncssh.constants import MSG_IGNORE

from destinations.backends.sftp import host_keys
from destinations.backends.sftp.account import CONNECT, HOST_KEY, LOG_IN, OPEN_SFTP, STEPS, Account
from destinations.backends.sftp.errors import connection_error, untrusted
from destinations.backends.sftp.login import HOST_KEY_ALGORITHMS, as_host_key, expected_keys, login_options
from destinations.backends.sftp.loop import Loop
from destinations.exceptions import ConnectionLost, DestinationError
from destinations.network.server_options import address

T = TypeVar("T")

# it tells of every connection and every file at INFO
logging.getLogger("asyncssh").setLevel(logging.WARNING)
# said once for each request that is still to be sent when a connection is cut, which is an error of its own
logging.getLogger("asyncio").addFilter(lambda record: record.msg != "socket.send() raised exception.")


class _Client(asyncssh.SSHClient):
    """Records how far the connection has come."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._session.connection = conn
        self._session.enter(HOST_KEY)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        # only keys that are not trusted get here
        self._session.refused = as_host_key(key)
        return False

    def begin_auth(self, username: str) -> None:
        self._session.enter(LOG_IN)

    def auth_completed(self) -> None:
        self._session.enter(OPEN_SFTP)


class Session:
    """Connects at once, in the background: `ready` waits for it. `drop` may be called from every thread."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.connection: asyncssh.SSHClientConnection | None = None
        self.refused: host_keys.HostKey | None = None
        self.client: asyncssh.SFTPClient
        self._step = CONNECT
        self._done = {step: concurrent.futures.Future[None]() for step in STEPS}
        self._lock = threading.Lock()
        self._dropped = False
        self._loop = Loop()
        self._loop.set_exception_handler(_leave_out_lost_requests)
        threading.Thread(target=self._main, name=f"sftp {account.where}", daemon=True).start()
        self._connecting = self.submit(self._connect())

    # --- use from other threads -----------------------------------------------------------------------------------
    def submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Begin `work` in the thread of the session. Raises `ConnectionLost` when the session was dropped."""
        with self._lock:
            if not self._dropped:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise self._closed()

    def wait(self, future: "concurrent.futures.Future[T]", timeout: float | None = None) -> T:
        """Return the result of what was submitted. Raises `TimeoutError`, and `ConnectionLost` after `drop`."""
        try:
            return future.result(timeout)
        except concurrent.futures.CancelledError:
            raise self._closed() from None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what one request gives, which is answered within the timeout."""
        future = self.submit(work)
        try:
            return self.wait(future, self.account.timeout)
        except TimeoutError:
            future.cancel()
            raise

    def passed(self, step: str) -> None:
        """Wait until `step` of the connection is done. Raises the error of the step that failed."""
        self.wait(self._done[step])

    def run_long(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what several requests give, each of which has a timeout of its own."""
        return self.wait(self.submit(work))

    def server(self) -> tuple[str, host_keys.HostKey]:
        """Return the program and the host key of the server, once it was checked."""
        self.passed(HOST_KEY)
        connection = self.connection
        key = connection.get_server_host_key() if connection else None
        if connection is None or key is None:
            raise self._closed()
        return str(connection.get_extra_info("server_version")), as_host_key(key)

    def ready(self) -> asyncssh.SFTPClient:
        self.passed(OPEN_SFTP)
        return self.client

    def drop(self) -> None:
        """Cut the connection; whatever waits for it fails at once."""
        with self._lock:
            if self._dropped:
                return
            self._dropped = True
            self._loop.call_soon_threadsafe(self._stop)

    # --- in its own thread ----------------------------------------------------------------------------------------
    def enter(self, step: str) -> None:
        """Record that every step before `step` is done."""
        self._step = step
        for done in STEPS[: STEPS.index(step)]:
            if not self._done[done].done():
                self._done[done].set_result(None)

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        finally:
            self._loop.close()

    def _stop(self) -> None:
        if self.connection is not None:
            self.connection.abort()
        self._loop.stop()

    async def _connect(self) -> None:
        account = self.account
        try:
            try:
                async with login_options(account) as login, asyncio.timeout(account.timeout) as limit:
                    connection, _ = await asyncssh.create_connection(
                        lambda: _Client(self), account.host, account.port, config=None, **login
                    )
                    limit.reschedule(self._loop.time() + account.timeout)
                    _leave_out_ignored_packets(connection)
                    self.client = await connection.start_sftp_client(path_errors="surrogateescape")
            except DestinationError:
                raise
            except Exception as error:
                raise self._explain(error) from error
        except BaseException as error:
            failure = error if isinstance(error, DestinationError) else self._closed()
            for done in self._done.values():
                if not done.done():
                    done.set_exception(failure)
            if not isinstance(error, DestinationError):
                raise
        else:
            self._done[OPEN_SFTP].set_result(None)

    def _explain(self, error: Exception) -> DestinationError:
        """Return the error an operator reads for one of the connection."""
        account = self.account
        if self.refused is not None:
            return untrusted(account.where, self.refused, expected_keys(account), account.known_hosts_file)
        return connection_error(error, self._step, account.where, account.username, account.authentication)

    def _closed(self) -> ConnectionLost:
        return ConnectionLost(
            f"Cannot {self._step} at {self.account.where}: the connection was closed."
            if self._step != OPEN_SFTP
            else f"The connection to {self.account.where} was closed.",
            "Check the network and the server; the next try may succeed.",
        )


def _leave_out_ignored_packets(connection: asyncssh.SSHClientConnection) -> None:
    """Send no empty packet before each one, which takes a sixth of the processor time of an upload.

    The library does so against an attack on ciphers in CBC mode (RFC 4251, section 9.3.1), which AES-GCM is not.
    """
    send: Callable[..., None] = connection.send_packet
    if "gcm" in str(connection.get_extra_info("send_cipher")):

        def send_packet(kind: int, *parts: bytes, **options: Any) -> None:
            if kind != MSG_IGNORE:
                send(kind, *parts, **options)

        cast(Any, connection).send_packet = send_packet


def _leave_out_lost_requests(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no request waits for, except that each of many requests under way lost its connection."""
    if not isinstance(context.get("exception"), asyncssh.Error | OSError):
        loop.default_exception_handler(context)


async def fetch_host_key(host: str, port: int, timeout: float) -> host_keys.HostKey:
    """Return the host key that the server shows first."""
    async with asyncio.timeout(timeout):
        key = await asyncssh.get_server_host_key(host, port, config=None, server_host_key_algs=HOST_KEY_ALGORITHMS)
    if key is None:
        raise asyncssh.KeyExchangeFailed("The server shows no host key")
    return as_host_key(key)


def fetch(host: str, port: int, timeout: float) -> host_keys.HostKey:
    """Return the same, from a thread without an event loop. Raises `DestinationError`."""
    where = address(host, port)
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(fetch_host_key(host, port, timeout))
    except Exception as error:
        raise connection_error(error, "fetch the host key", where, "", "") from error
