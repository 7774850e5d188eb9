"""Ports of servers of tests."""

import itertools
import os
import socket

# below the ports that Linux gives to outgoing connections: one of those could take the port of a server that restarts,
# or connect to itself while nothing listens there
FIRST, COUNT = 12_000, 18_000
_candidates = itertools.count(os.getpid() * 61)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free at `host` and stays reserved for this process."""
    return free_ports(1, host)[0]


def free_ports(count: int, *hosts: str) -> list[int]:
    """Return `count` ports in a row that are free at each of the hosts."""
    for candidate in itertools.islice(_candidates, COUNT):
        ports = [FIRST + (candidate * count + offset) % COUNT for offset in range(count)]
        if ports == sorted(ports) and all(_reserved(port) and _is_free(port, hosts) for port in ports):
            return ports
    raise RuntimeError(f"{COUNT} ports from {FIRST} on are in use.")


def _reserved(port: int) -> bool:
    # other processes of pytest-xdist see an abstract socket, and it ends with this process
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind(f"\0backupsite-tests-port-{port}")
    except OSError:
        lock.close()
        return False
    lock.detach()
    return True


def _is_free(port: int, hosts: tuple[str, ...]) -> bool:
    for host in hosts:
        try:
            socket.create_server((host, port)).close()
        except OSError:
            return False
    return True
