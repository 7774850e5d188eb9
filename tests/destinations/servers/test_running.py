"""How servers of tests are started and ended."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from backups.lib.processes import descendants, is_living
from tests.support.paths import PROJECT
from tests.support.servers.running.ports import free_ports
from tests.support.servers.running.server import Server
from tests.support.sites.worker_site import eventually

# a server whose session has left its group and its parent, as those of sshd and vsftpd do
WITH_SESSION = """
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    open("session", "w").write(str(os.getpid()))
    time.sleep(600)
while True:
    listener.accept()[0].close()
"""
HOLDER = """
import sys
from tests.destinations.servers.test_running import ServerWithSession
server = ServerWithSession()
server.start()
print(server.folder, server.process.pid, flush=True)
sys.stdin.read()
"""


class ServerWithSession(Server):
    def argv(self) -> list[str]:
        return [sys.executable, "-c", WITH_SESSION, str(self.port)]

    def session(self) -> int:
        return int(eventually(lambda: (self.folder / "session").exists() and (self.folder / "session").read_text()))


class Broken(Server):
    def argv(self) -> list[str]:
        return [sys.executable, "-c", "print('no such option', flush=True); raise SystemExit(3)"]


def test_a_restart_keeps_port_and_files_and_ends_sessions() -> None:
    with ServerWithSession() as server:
        session = server.session()
        (server.folder / "file").write_text("kept")
        server.restart()
        assert server.answers()
        assert not is_living(session)
        assert (server.folder / "file").read_text() == "kept"
        session = server.session()
    assert not is_living(session)
    assert not server.folder.exists()
    assert not server.answers()


def test_nothing_is_left_when_the_process_of_the_tests_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        folder, supervisor = holder.stdout.readline().split()
        eventually(lambda: len(descendants(int(supervisor))) == 2)
        processes = [int(supervisor), *descendants(int(supervisor))]
        holder.send_signal(signal.SIGKILL)
    eventually(lambda: not any(is_living(pid) for pid in processes), within=20)
    assert not Path(folder).exists()


def test_a_server_that_ends_at_its_start_is_an_error_with_its_log() -> None:
    server = Broken()
    with pytest.raises(RuntimeError, match=r"no such option\n.*code 3"), server:
        pass
    assert not server.folder.exists()


def test_ports_are_given_out_once_and_are_free() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        ports = free_ports(5, "127.0.0.1") + free_ports(1, "127.0.0.1", "127.0.0.2")
    assert len(set(ports)) == 6
    assert ports[:5] == list(range(ports[0], ports[0] + 5))
