"""A process that has imported what does not depend on settings, and forks a child for each program.

It is a program of its own, which imports nothing of the tests. `prepared.Prepared` starts it and says what it gets.
"""

import ctypes
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

LARGEST_ORDER = 1 << 18
MOST_DESCRIPTORS = 16
# what the modules of the project that need settings import, and what Django imports by itself when a command starts
LIBRARIES = """
    asyncio calendar concurrent.futures cron_descriptor croniter django.apps.registry django.conf.urls
    django.contrib.admin.apps django.contrib.auth.apps django.contrib.auth.checks django.contrib.auth.hashers
    django.contrib.auth.management django.contrib.auth.signals django.contrib.contenttypes.apps
    django.contrib.contenttypes.checks django.contrib.messages.apps django.contrib.sessions.apps
    django.contrib.staticfiles.apps django.core.management.commands.check django.core.management.commands.migrate
    django.core.management.commands.runserver django.core.management.commands.shell
    django.db.backends.postgresql.base django.db.backends.sqlite3.base django.db.migrations.executor
    django.db.models.sql.compiler django.forms django.template.loader django.urls django.views.debug
    logging.config multiprocessing.pool multiprocessing.synchronize runpy sqlparse uuid
    whitenoise.runserver_nostatic
"""
OWN = ("destinations", "backups")
# what most commands do not import
LEFT_OUT = {"admin", "backends", "commands", "http_adapter", "migrations", "templatetags", "__main__"}


def load() -> None:
    """Import all that can be imported while there are no settings."""
    from django.core.exceptions import ImproperlyConfigured

    for name in [*LIBRARIES.split(), *_own_modules()]:
        # what needs settings is imported anew by each child
        with suppress(ImproperlyConfigured):
            importlib.import_module(name)
    # a child that finds a module there imports no package of it, and then these in another order than a program does
    for name in [name for name in sys.modules if name.startswith(OWN) and not _has_packages(name)]:
        del sys.modules[name]
    # as in tests/conftest.py
    importlib.import_module("backups.archive.age.passphrase").WORK_FACTOR = 10


def _has_packages(name: str) -> bool:
    parts = name.split(".")
    return all(".".join(parts[:end]) in sys.modules for end in range(1, len(parts)))


def _own_modules() -> list[str]:
    found, folders = [], list(OWN)
    while folders:
        package = folders.pop()
        for module in pkgutil.iter_modules([package.replace(".", "/")], f"{package}."):
            if module.name.rpartition(".")[2] in LEFT_OUT:
                continue
            found.append(module.name)
            if module.ispkg:
                folders.append(module.name)
    return found


def serve(control: socket.socket) -> list[str]:
    """Answer orders until they end; return only in a child, which has become what was ordered, with its arguments."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, LARGEST_ORDER, MOST_DESCRIPTORS)
        if not message:
            control.close()
            sys.exit()
        order = json.loads(message)
        if "reap" in order:
            control.send(json.dumps(os.waitpid(order["reap"], 0)[1]).encode())
            continue
        waiting, done = os.pipe()
        if (pid := os.fork()) == 0:
            control.close()
            os.close(waiting)
            become(order, descriptors)
            os.close(done)
            return order["argv"]  # type: ignore[no-any-return]
        for descriptor in (done, *descriptors):
            os.close(descriptor)
        # until the child closes its end
        os.read(waiting, 1)
        os.close(waiting)
        control.send(json.dumps(pid).encode())


def become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Be what the process would be if it had just been started."""
    if order["session"]:
        os.setsid()
    # first out of the way of the numbers that they are to have
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 256) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(moved, order["numbers"], strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if order["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.umask(order["umask"])
    os.chdir(os.fsencode(order["cwd"]))
    coerced = {name: value for name, value in os.environ.items() if name == "LC_CTYPE"}
    os.environ.clear()
    os.environ.update(order["env"])
    _show_environment()
    # which Python itself sets where the locale is C (PEP 538)
    os.environ.update(coerced | order["env"])
    time.tzset()
    _open_streams()


def _show_environment() -> None:
    """Let /proc/PID/environ say what `os.environ` says: that is the memory of the environment of the first start."""
    start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[47:49])
    block = b"".join(name + b"=" + value + b"\0" for name, value in os.environb.items())
    if len(block) <= end - start:
        ctypes.memmove(start, block.ljust(end - start, b"\0"), end - start)


def _open_streams() -> None:
    """Make the standard streams anew, as Python does: they depend on what lies behind the descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        old = getattr(sys, name)
        buffering = 1 if old.fileno() == 2 or os.isatty(old.fileno()) else -1
        new = open(  # noqa: SIM115
            old.fileno(), mode, buffering, encoding=old.encoding, errors=old.errors, newline=None, closefd=False
        )
        if mode == "w" and os.environ.get("PYTHONUNBUFFERED"):
            new.reconfigure(write_through=True)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def run(argv: list[str], paths: list[str]) -> NoReturn:
    """Run `argv` as ``python *argv`` does, and end as it does."""
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = ["", *given, *paths]
    try:
        if argv[0] == "-m":
            sys.path[0], sys.argv[:] = str(Path.cwd()), argv[1:]
            runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
            sys.exit()
        main = ModuleType("__main__")
        if argv[0] == "-c":
            program, name, sys.argv[:] = argv[1], "<string>", ["-c", *argv[2:]]
        else:
            program, name, sys.argv[:] = Path(argv[0]).read_text(), argv[0], argv
            sys.path[0], main.__file__ = str(Path(argv[0]).resolve().parent), argv[0]
        sys.modules["__main__"] = main
        exec(compile(program, name, "exec"), main.__dict__)  # noqa: S102
    except Exception as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(1)
    sys.exit()


if __name__ == "__main__":
    folder, project, number = sys.path[0], sys.argv[1], int(sys.argv[2])
    libraries = [path for path in sys.path if path != folder]
    sys.path[:] = [project, *libraries]
    load()
    gc.freeze()
    run(serve(socket.socket(fileno=number)), libraries)
