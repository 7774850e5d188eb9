"""The real site in a home of its own: migrated, served by gunicorn, with a running worker."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.paths import PROJECT
from tests.support.processes import prepared

DEMO_INSTANCE = PROJECT / "tests" / "data" / "instance"
USER, PASSWORD = "operator", "correct-horse-battery"
GRACE_SECONDS = 10
SET_UP = """
from destinations.models import BackupDestination
destination = BackupDestination(name="local", type="local")
destination.configure({})
destination.save()
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.get())
print(client.cookies["sessionid"].value)
"""
# Each backup seconds after the one before it: their names tell the second. Minutes before now, a tick of the worker
# would take the process of one that runs for dead.
BACK_UP = """
from datetime import timedelta
from unittest import mock
from django.core.management import call_command
from django.utils import timezone
now = timezone.now
for number in range({count}, 0, -1):
    with mock.patch.object(timezone, "now", lambda: now() - timedelta(seconds=5 * number)):
        call_command("backup", "tacacs-demo")
"""
# answers each script, a line of JSON, with what it prints, as another line
SCRIPTS = """
import io, json, sys, django; django.setup()
from contextlib import redirect_stdout
for line in sys.stdin:
    with redirect_stdout(io.StringIO()) as printed:
        exec(json.loads(line), {})
    print(json.dumps(printed.getvalue()), flush=True)
"""
SESSION = "session"
DATABASE = "backupsite.sqlite3"
# what tests change in a home, beside the database and the instances file
CHANGED = ("backups", "instance", "shop")
# of the processes that go on: that they live, their schedule, and that the daily pass of retention was made
KEPT = ("backup_heartbeats", "django_q_schedule", "backup_retention_passes")


@dataclass(frozen=True)
class Site:
    url: str
    home: Path
    environment: dict[str, str]
    scripts: "subprocess.Popen[str] | None" = None

    def manage(self, *arguments: str) -> str:
        """Run a management command to its end and return what it prints."""
        done = prepared.run(["manage.py", *arguments], self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, script: str) -> str:
        """Run `script` in a process that has the site's models for all of them, and return what it prints."""
        assert self.scripts is not None and self.scripts.stdin is not None and self.scripts.stdout is not None
        self.scripts.stdin.write(json.dumps(script) + "\n")
        self.scripts.stdin.flush()
        line = self.scripts.stdout.readline()
        assert line, f"{script} failed, see {self.home}/scripts.log"
        return str(json.loads(line))

    @property
    def session(self) -> str:
        """The cookie of USER, who has signed in."""
        return (self.home / SESSION).read_text()

    def back_up(self, count: int) -> None:
        """Make `count` backups of the demo instance, which differ in their times."""
        self.python(BACK_UP.format(count=count))

    def begin_anew(self, template: Path) -> None:
        """Bring back what `template` holds, while the site runs; no run may be under way."""
        for name in CHANGED:
            shutil.rmtree(self.home / name, ignore_errors=True)
            if (template / name).exists():
                shutil.copytree(template / name, self.home / name)
        declare_instance(self.home)
        with (
            closing(sqlite3.connect(self.home / DATABASE, timeout=20)) as live,
            closing(sqlite3.connect(":memory:")) as fresh,
            closing(sqlite3.connect(template / DATABASE)) as empty,
        ):
            empty.backup(fresh)
            for table in KEPT:
                fresh.execute(f"DELETE FROM {table}")
                for row in live.execute(f"SELECT * FROM {table}").fetchall():
                    fresh.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            # of destinations that tests have added
            fresh.execute(
                "DELETE FROM backup_retention_passes WHERE destination_id NOT IN (SELECT id FROM backup_destinations)"
            )
            fresh.commit()
            fresh.backup(live)


@contextmanager
def running_site(template: Path, home: Path) -> Iterator[Site]:
    """Yield a running copy of `template`; its processes end with the block."""
    shutil.copytree(template, home)
    declare_instance(home)
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}", home, _environment(home))
        scripts = stack.enter_context(_process(site, ["-c", SCRIPTS], "scripts", pipes=True))
        gunicorn = ["-m", "gunicorn", "backupsite.wsgi", "--bind", f"fd://{listener.fileno()}", "--threads", "4"]
        stack.enter_context(_process(site, gunicorn, "gunicorn", listener.fileno()))
        stack.enter_context(_process(site, ["manage.py", "worker"], "worker"))
        with urllib.request.urlopen(f"{site.url}/admin/login/", timeout=20) as answer:  # noqa: S310 - our own server
            assert answer.status == 200
        yield replace(site, scripts=scripts)


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return kept | {
        "BACKUPSITE_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "backupsite.settings",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "PYTHONUNBUFFERED": "1",
    }


def make_home(home: Path, migrated_database: Path) -> None:
    """Make the home of a site that has tables, a user, the demo instance and a local destination."""
    (home / "backups").mkdir(mode=0o700, parents=True)
    shutil.copytree(DEMO_INSTANCE, home / "instance")
    declare_instance(home)
    site = Site("", home, _environment(home))
    shutil.copy(migrated_database, home / DATABASE)
    site.manage("createsuperuser", "--noinput", f"--username={USER}", "--email=operator@example.org")
    (home / SESSION).write_text(site.manage("shell", "--verbosity=0", "--command", SET_UP).strip())


def declare_instance(home: Path) -> None:
    lines = ["[tacacs-demo]", 'kind = "tacacs"', f'root = "{home}/instance"', 'config = "config/tacacs.conf"', ""]
    (home / "instances.toml").write_text("\n".join(lines))


@contextmanager
def _process(
    site: Site, arguments: list[str], name: str, *descriptors: int, pipes: bool = False
) -> "Iterator[subprocess.Popen[str]]":
    """Run it in a session of its own; SIGTERM to its master first, SIGKILL to whatever is left of the session."""
    log = site.home / f"{name}.log"
    with log.open("wb") as output:
        process = prepared.Prepared(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=site.environment,
            stdin=subprocess.PIPE if pipes else None,
            stdout=subprocess.PIPE if pipes else output,
            stderr=output,
            text=True,
            pass_fds=descriptors,
            start_new_session=True,
        )
    try:
        yield process
        assert process.poll() is None, f"{name} ended by itself:\n{log.read_text()}"
    finally:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
