"""The proxy in front of a server that sends back what it gets."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.servers.proxy import Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo_all, args=(listener,), daemon=True).start()
        with Proxy(listener.getsockname()[1]) as proxy:
            yield proxy
        listener.shutdown(socket.SHUT_RDWR)


def _echo_all(listener: socket.socket) -> None:
    try:
        while True:
            threading.Thread(target=_echo, args=(listener.accept()[0],), daemon=True).start()
    except OSError:  # the test is over
        return


def _echo(connection: socket.socket) -> None:
    try:
        with connection:
            while data := connection.recv(1 << 16):
                connection.sendall(data)
    except OSError:  # the test cut it
        return


def connect(proxy: Proxy) -> socket.socket:
    connection = socket.create_connection((proxy.host, proxy.port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def echoed(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return received(connection, len(data))


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (block := connection.recv(size - len(data))):
        data += block
    return data


def is_mute(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    try:
        return not connection.recv(1) and False
    except TimeoutError:
        connection.settimeout(10)
        return True


def test_what_goes_through_is_unaltered_and_counted(proxy: Proxy) -> None:
    data = bytes(range(256)) * 1000
    with connect(proxy) as one, connect(proxy) as other:
        assert echoed(one, data[:5000]) + echoed(other, data[5000:60_000]) == data[:60_000]
        assert (proxy.connections, proxy.open, proxy.bytes) == (2, 2, {"up": 60_000, "down": 60_000})
        one.shutdown(socket.SHUT_WR)
        assert received(one, 1) == b""


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_connection_is_reset_after_so_many_bytes_of_all_of_them(proxy: Proxy, direction: str) -> None:
    with connect(proxy) as one, connect(proxy) as other:
        proxy.cut(**{direction: 8})
        assert echoed(one, b"12345") == b"12345"
        other.sendall(b"67890")
        with pytest.raises(ConnectionResetError):
            while other.recv(10):
                pass
        # the rule holds once
        assert echoed(one, b"1234567890") == b"1234567890"


def test_all_connections_go_mute_at_a_byte_and_go_on_when_rules_are_cleared(proxy: Proxy) -> None:
    with connect(proxy) as one:
        proxy.mute(down=2)
        one.sendall(b"12345")
        assert received(one, 2) == b"12"
        assert is_mute(one)
        with connect(proxy) as other:
            other.sendall(b"x")
            assert is_mute(other)
            proxy.clear()
            assert (received(one, 3), received(other, 1)) == (b"345", b"x")


def test_one_connection_goes_mute_in_both_directions(proxy: Proxy) -> None:
    with connect(proxy) as one, connect(proxy) as other:
        proxy.mute(up=3, times=1)
        one.sendall(b"12345")
        assert is_mute(one)
        assert echoed(other, b"12345") == b"12345"


def test_one_byte_is_altered(proxy: Proxy) -> None:
    with connect(proxy) as one:
        proxy.flip(up=2)
        assert echoed(one, b"12") + echoed(one, b"345") + echoed(one, b"345") == b"12\xcc45345"


def test_connections_are_refused_while_open_ones_go_on(proxy: Proxy) -> None:
    with connect(proxy) as one:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        assert echoed(one, b"12345") == b"12345"
        proxy.accept()
        with connect(proxy) as other:
            assert echoed(other, b"12345") == b"12345"
            proxy.cut_all()
            with pytest.raises(ConnectionResetError):
                other.recv(1)
        assert proxy.connections == 2


def test_all_connections_share_the_limited_rate(proxy: Proxy) -> None:
    with connect(proxy) as one, connect(proxy) as other:
        proxy.rate(400_000)
        began = time.monotonic()
        for connection in (one, other):
            connection.sendall(bytes(40_000))
        assert len(received(one, 40_000) + received(other, 40_000)) == 80_000
        # twice 80,000 bytes: up and down
        assert time.monotonic() - began > 0.35


def test_blocks_arrive_later(proxy: Proxy) -> None:
    with connect(proxy) as one:
        proxy.delay(0.1)
        began = time.monotonic()
        assert echoed(one, b"1") == b"1"
        assert time.monotonic() - began >= 0.2
