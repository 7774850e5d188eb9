"""A site in a folder of its own, whose commands and workers are real processes."""

import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from tests.support.paths import PROJECT
from tests.support.processes import prepared
from tests.support.processes.process_table import environment_of, living, state_of
from tests.support.sites.worker_process import Worker

SETUP = "import django; django.setup()\n"
TINY = 'kind = "generic"\nroot = "{root}"\ncomponents.orders = {{kind = "sqlite", path = "orders.db"}}\n'
BIG = 'kind = "generic"\nroot = "{root}"\ncomponents.media = {{kind = "files", path = "media"}}\n'
# of the tick, of settling uploads and of the daily retention: they stay
LOCKS = ("tick-", "settle-", "retention-", "notify")
T = TypeVar("T")


def eventually(look: Callable[[], T], *, within: float = 60, every: float = 0.02) -> T:
    """Return what `look` returns as soon as it is true; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"this has not become true within {within} s"
        time.sleep(every)
    return found


class Site:
    """`home` is its BACKUPSITE_HOME; `variables` are further settings in the environment."""

    def __init__(self, home: Path, variables: dict[str, str]) -> None:
        self.home = home
        kept = {"PATH", "HOME", "LANG", "TZ", "VIRTUAL_ENV"}
        self.env = {name: value for name, value in os.environ.items() if name in kept}
        self.env |= {"DJANGO_SETTINGS_MODULE": "backupsite.settings", "BACKUPSITE_HOME": str(home), **variables}
        self.env["PYTHONPATH"] = str(PROJECT)
        self._workers: list[Worker] = []

    # --- programs -------------------------------------------------------------------------------------------------
    def manage(self, *args: str, code: int = 0) -> str:
        """Run a command and return what it prints."""
        return self._run([str(PROJECT / "manage.py"), *args], code)

    def python(self, script: str) -> str:
        """Run `script` in the site and return what it prints."""
        return self._run(["-c", SETUP + script], 0)

    def program(self, path: Path, *args: str) -> str:
        """Run the Python program at `path` in the site and return what it prints."""
        return self._run([str(path), *args], 0)

    def _run(self, args: list[str], code: int) -> str:
        done = prepared.run(args, self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    def worker(self, *args: str, script: str = "", **variables: str) -> Worker:
        """Start a worker and wait until it answers; `script` may change it before it starts."""
        start = f"import sys; sys.argv = ['manage.py', 'worker', *{list(args)!r}]\n"
        run = "from django.core.management import execute_from_command_line as run; run(sys.argv)\n"
        argv = [sys.executable, "-c", start + (SETUP + script + "\n" if script else "") + run]
        worker = Worker(self.home, argv, self.env | variables)
        self._workers.append(worker)
        eventually(lambda: "worker.started" in worker.log.read_text() or worker.process.poll() is not None)
        assert worker.process.poll() is None, worker.log.read_text()
        return worker

    def living_workers(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.process.poll() is None]

    def stop_workers(self) -> None:
        """Kill whatever is left of this site."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()
        for pid in self.processes():
            # one that ends by itself meanwhile
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Return the living processes of this site: all that have its home in their environment."""
        mark = f"BACKUPSITE_HOME={self.home}".encode()
        return [pid for pid in living() if mark in environment_of(pid)]

    def kill_everything(self) -> None:
        """Kill all processes of this site, none of which may see another one's end."""
        for signal_ in (signal.SIGSTOP, signal.SIGKILL):
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_)

    # --- what is backed up ----------------------------------------------------------------------------------------
    def declare(self, count: int, *, queue: str = "") -> list[str]:
        """Describe `count` tiny instances, and return their names."""
        names = [f"shop-{number}" for number in range(count)]
        line = f'queue = "{queue}"\n' if queue else ""
        text = "".join(f"[{name}]\n{line}" + TINY.format(root=self.shop()) for name in names)
        text += "[big]\n" + BIG.format(root=self.home / "big")
        (self.home / "instances.toml").write_text(text)
        return names

    def shop(self) -> Path:
        root = self.home / "shop"
        if not root.exists():
            root.mkdir()
            with sqlite3.connect(root / "orders.db") as connection:
                connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)")
                connection.executemany("INSERT INTO orders (note) VALUES (?)", [("x",)] * 10)
            connection.close()
        return root

    def fill_big(self, megabytes: int) -> None:
        media = self.home / "big" / "media"
        media.mkdir(parents=True, exist_ok=True)
        block = os.urandom(1 << 20)
        with (media / "film").open("wb") as file:
            for number in range(megabytes):
                file.write(bytes([number % 256]) + block[1:])

    def queue(self, names: list[str], *, kind: str = "manual") -> list[str]:
        """Queue a backup of each instance for a worker, in one process; return the ids."""
        return self.python(
            "from backups.service.backup.start import start_backup; from backups.worker.tasks import enqueue\n"
            "from destinations.models import BackupDestination\n"
            "nas = BackupDestination.objects.get()\n"
            f"for name in {names!r}:\n"
            f"    run = start_backup(name, nas, by='tests', kind={kind!r}); enqueue(run); print(run.pk)\n"
        ).split()

    # --- what became of it ----------------------------------------------------------------------------------------
    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if url := self.env.get("DATABASE_URL"):
            with psycopg.connect(url) as postgres:
                return postgres.execute(sql.replace("?", "%s").encode(), values).fetchall()
        with sqlite3.connect(f"file:{self.home}/backupsite.sqlite3?mode=ro", uri=True, timeout=10) as connection:
            rows = connection.execute(sql, values).fetchall()
        connection.close()
        return rows

    def execute(self, sql: str, *values: object) -> None:
        """Change a row behind the back of the site."""
        if url := self.env.get("DATABASE_URL"):
            with psycopg.connect(url) as postgres:
                postgres.execute(sql.replace("?", "%s").encode(), values)
            return
        with sqlite3.connect(self.home / "backupsite.sqlite3", timeout=10) as connection:
            connection.execute(sql, values)
        connection.close()

    def run(self, run_id: str) -> dict[str, Any]:
        columns = "status, stage, worker, error_message, error_hint, backup_path"
        row = self.rows(f"SELECT {columns} FROM backup_executions WHERE id = ?", run_id)[0]
        return dict(zip(columns.split(", "), row, strict=True))

    def status(self, run_id: str) -> str:
        return str(self.run(run_id)["status"])

    def stopped(self, run_id: str) -> int:
        """Wait until the process of a run has stopped itself (`STOPS_DURING_UPLOAD`), and return it."""
        eventually(lambda: self.run(run_id)["stage"] == "uploading")
        pid = self._process_of(run_id)
        eventually(lambda: state_of(pid) == "T")
        return pid

    def _process_of(self, run_id: str) -> int:
        return int(self.run(run_id)["worker"].rpartition(":")[2])

    def lock_shop(self) -> sqlite3.Connection:
        """Return the connection that holds the database of the tiny instances, so that their backups wait."""
        connection = sqlite3.connect(self.shop() / "orders.db", isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        return connection

    def exporting(self, run_id: str) -> int:
        """Wait until the run exports, as one that waits for its database does, and return its process."""
        eventually(lambda: self.run(run_id)["stage"] == "exporting")
        return self._process_of(run_id)

    def statuses(self) -> list[str]:
        return sorted(row[0] for row in self.rows("SELECT DISTINCT status FROM backup_executions"))

    def log(self) -> str:
        return (self.home / "backupsite.log").read_text()

    def archives(self) -> list[str]:
        """Return every file at the destination, finished or not, but for the signatures of those that are there."""
        root = self.home / "backups"
        files = {str(path.relative_to(root)) for path in root.rglob("*.tar*")}
        return sorted(files - {f"{name}.minisig" for name in files})

    def workspaces(self) -> list[str]:
        """Return what lies in the folder of workspaces, other than the locks that stay."""
        root = self.home / "workspaces"
        return sorted(p.name for p in root.glob("*") if p.name != "places" and not p.name.startswith(LOCKS))

    def has_settled(self) -> bool:
        return not self.workspaces() and not self.rows("SELECT 1 FROM backup_executions WHERE status = 'running'")

    def leaves_nothing(self) -> None:
        """Every archive there is belongs to one completed row, and nothing else is left of any run."""
        eventually(self.has_settled, within=5)
        paths = self.rows("SELECT backup_path FROM backup_executions WHERE status = 'completed'")
        wanted = sorted(f"nas/{path}" for (path,) in paths)

        def swept() -> bool:
            # what a dead upload left is removed by a tick, of which one at a time does anything: the first of a worker
            # that has just started may still be at work
            self.manage("tick")
            return self.archives() == wanted

        eventually(swept, within=10)


def make_home(home: Path, migrated_database: Path | None = None, **variables: str) -> Site:
    """Make a site with a migrated database and one local destination, for `copy_of` to copy."""
    home.mkdir(mode=0o700)
    if migrated_database:
        shutil.copy(migrated_database, home / "backupsite.sqlite3")
    (home / "backups").mkdir(mode=0o700)
    (home / "instances.toml").write_text("")
    site = Site(home, variables)
    migrate = "" if migrated_database else "call_command('migrate', verbosity=0)\n"
    site.python(
        f"from django.core.management import call_command\n{migrate}call_command('adddestination', 'nas', type='local')"
    )
    return site


@contextmanager
def copy_of(template: Path, home: Path, **variables: str) -> Iterator[Site]:
    """Yield a copy of a site; whatever runs in it at the end is killed."""
    shutil.copytree(template, home)
    site = Site(home, variables)
    site.declare(1)
    try:
        yield site
    finally:
        site.stop_workers()
