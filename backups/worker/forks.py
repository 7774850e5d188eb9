"""The prepared process of a worker: it has imported what runs need, and forks a process for each that a task asks for.

It has no thread and no connection to the database. Once a file that it has loaded is another one it forks no more, and
starts anew as soon as no process of it lives: a run never works with code or keys that were replaced.
"""

import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connections

from backups.instances import inventory
from backups.lib import audit
from backups.notifications.channels import KINDS
from backups.runs.registry import import_kinds
from destinations.backends import TYPES

LONGEST_REQUEST = 4096
# what a task gets instead of a pid: it starts the process itself
REFUSED = 0
Version = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Request:
    """A queued run that a task of the worker has reserved."""

    id: str
    kind: str

    def encode(self) -> bytes:
        return json.dumps([self.id, self.kind]).encode()


@dataclass(slots=True)
class _Child:
    """The forked process `pid`, which stays a zombie until its task has closed `task`: the pid is not reused before."""

    pid: int
    task: socket.socket | None
    has_ended: bool = False


def can_fork() -> bool:
    """True where the end of a forked process can be waited for beside other events: Linux 5.3 and later."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def prepare() -> None:
    """Import what runs need, without connecting to anything."""
    import_kinds()
    for registry in (TYPES, KINDS):
        list(registry.values())
    for alias in connections:
        # its driver
        connections[alias]
    gc.freeze()


class ForkServer:
    """Forks a process for each request that arrives at the socket `requests`."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._children: set[int] = set()
        self._loaded = {path: _version(path) for path in _loaded_files()}
        # by an import: to start anew would not end them
        self._began_with_threads = bool(_threads())
        self._logged = ""

    def serve(self) -> Request | None:
        """Return a request in the process that was forked for it, and None when the worker has ended."""
        self._selector.register(self._requests, selectors.EVENT_READ)
        accepts = True
        while accepts or self._children:
            for key, _ in self._selector.select():
                if key.fileobj is self._requests:
                    message, descriptors, _, _ = socket.recv_fds(self._requests, LONGEST_REQUEST, 1)
                    if not message:
                        self._selector.unregister(self._requests)
                        accepts = False
                    # the kernel leaves it out, and closes it, where this process may open no more: a refusal
                    elif descriptors and (request := self._fork(message, socket.socket(fileno=descriptors[0]))):
                        return request
                elif isinstance(key.fileobj, socket.socket):
                    self._task_closed(key.data)
                else:
                    self._ended(key)
        return None

    def _fork(self, message: bytes, task: socket.socket) -> Request | None:
        """Fork, and return the request in the new process."""
        if _is_closed(task):
            # it has waited too long, and has started the process itself
            task.close()
            return None
        connections.close_all()
        # the file is read again when it was changed; the process of the run finds it parsed
        inventory()
        if reason := self._why_not():
            self._log_refusal(reason)
            _refuse(task)
            if not self._children and not (self._began_with_threads and _threads()):
                os.set_inheritable(self._requests.fileno(), True)
                # the same process, so that the worker goes on as its parent
                os.execv(sys.executable, sys.orig_argv)  # noqa: S606
            return None
        try:
            # its number is free for the descriptor of the new process then
            spare = os.pidfd_open(os.getpid())
            try:
                pid = os.fork()
            finally:
                os.close(spare)
        except OSError:
            # at a limit of processes, memory or open files: the runs that are under way must go on
            _refuse(task)
            return None
        if pid == 0:
            self._become_run(task)
            return Request(*json.loads(message))
        child = _Child(pid, task)
        self._children.add(pid)
        descriptor = os.pidfd_open(pid)
        self._selector.register(descriptor, selectors.EVENT_READ, child)
        self._selector.register(task, selectors.EVENT_READ, child)
        with suppress(OSError):  # its task has ended: `_task_closed` follows
            socket.send_fds(task, [str(pid).encode()], [descriptor])
        return None

    def _why_not(self) -> str:
        """Return why nothing may be forked from this process, "" when it may."""
        # a lock that another thread holds at that moment would never be released in the new process
        if names := _threads():
            return f"a module that it has imported started a thread: {', '.join(names)}"
        replaced = (path for path, version in self._loaded.items() if _version(path) != version)
        return f"{path} was replaced" if (path := next(replaced, "")) else ""

    def _log_refusal(self, reason: str) -> None:
        """Log why runs are started as programs, which takes half a second more each: once, not for every run."""
        if reason != self._logged:
            level = logging.WARNING if self._began_with_threads else logging.INFO
            audit.log("worker.does-not-fork", level, reason=reason)
        self._logged = reason

    def _become_run(self, task: socket.socket) -> None:
        """Keep nothing of the parent open: a process that outlived it would keep its tasks waiting."""
        # a signal to the group of the worker, as from a closed terminal, must not end the run at once
        os.setsid()
        for key in [*self._selector.get_map().values()]:
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            else:
                os.close(key.fd)
        task.close()
        self._selector.close()

    def _ended(self, key: selectors.SelectorKey) -> None:
        child: _Child = key.data
        self._selector.unregister(key.fileobj)
        os.close(key.fd)
        # not reaped yet: its pid is not reused until its task knows
        found = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        child.has_ended = True
        code = found.si_status if found else 0
        if found and found.si_code != os.CLD_EXITED:
            code = -code
        if child.task is None:
            self._reap(child)
            return
        with suppress(OSError):
            child.task.send(str(code).encode())

    def _task_closed(self, child: _Child) -> None:
        """Reap the process whose task has seen its end; terminate one whose task is gone."""
        if child.task is not None:
            self._selector.unregister(child.task)
            child.task.close()
            child.task = None
        if child.has_ended:
            self._reap(child)
        else:
            os.kill(child.pid, signal.SIGTERM)

    def _reap(self, child: _Child) -> None:
        os.waitpid(child.pid, 0)
        self._children.discard(child.pid)


def _threads() -> list[str]:
    """Return the names of the threads of this process, other than the one it began with."""
    return sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())


def _is_closed(task: socket.socket) -> bool:
    """Return whether the task has closed its end. It never sends anything."""
    try:
        task.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _refuse(task: socket.socket) -> None:
    with task, suppress(OSError):
        task.send(str(REFUSED).encode())


def _loaded_files() -> list[str]:
    """Return the files of the modules that this process has loaded, and of its keys."""
    modules = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
    return [*filter(None, modules), *map(str, settings.BACKUP_KEY_FILES)]


def _version(path: str) -> Version:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
