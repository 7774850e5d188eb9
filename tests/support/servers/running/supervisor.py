"""Runs one server and ends all of its processes when whoever started it has ended or asks for it.

``python -m tests.support.servers.running.supervisor FOLDER PROGRAM ARGUMENT...``: the server runs until standard input
is at its end. The supervisor then kills every descendant, and removes FOLDER unless it has read ``keep``.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress

from backups.lib.processes import become_subreaper, descendants, kill_all, set_parent_death_signal


def main(folder: str, *argv: str) -> None:
    # sessions of vsftpd and sshd call setsid(2): neither a signal to the group of the server nor its end ends them
    become_subreaper()
    own = os.getpid()
    server = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, cwd=folder, preexec_fn=lambda: set_parent_death_signal(own)
    )
    asked = threading.Event()
    threading.Thread(target=_end_with, args=(server, own, asked), daemon=True).start()
    last_words = sys.stdin.read()
    asked.set()
    _end_all(own)
    if last_words != "keep":
        shutil.rmtree(folder, ignore_errors=True)


def _end_with(server: "subprocess.Popen[bytes]", own: int, asked: threading.Event) -> None:
    code = server.wait()
    # then it was killed on purpose, and the folder is still to be removed
    if asked.is_set():
        return
    sys.stderr.write(f"the server has ended with code {code}\n")
    sys.stderr.flush()
    _end_all(own)
    os._exit(1)


def _end_all(own: int) -> None:
    # again and again: a server may have made a session since the list was read
    while found := descendants(own):
        kill_all(found)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
