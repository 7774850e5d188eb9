"""The real site in a home of its own: migrated, served by gunicorn, with a running worker."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
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
# each backup a minute after the one before it: their names tell the second
BACK_UP = """
from datetime import timedelta
from unittest import mock
from django.core.management import call_command
from django.utils import timezone
now = timezone.now
for number in range({count}, 0, -1):
    with mock.patch.object(timezone, "now", lambda: now() - timedelta(minutes=number)):
        call_command("backup", "tacacs-demo")
"""
SESSION = "session"


@dataclass(frozen=True)
class Site:
    url: str
    home: Path
    environment: dict[str, str]

    def manage(self, *arguments: str) -> str:
        """Run a management command to its end and return what it prints."""
        done = prepared.run(["manage.py", *arguments], self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def session(self) -> str:
        """The cookie of USER, who has signed in."""
        return (self.home / SESSION).read_text()

    def back_up(self, count: int) -> None:
        """Make `count` backups of the demo instance, which differ in their times."""
        self.manage("shell", "--verbosity=0", "--command", BACK_UP.format(count=count))


@contextmanager
def running_site(template: Path, home: Path) -> Iterator[Site]:
    """Yield a running copy of `template`; both of its processes end with the block."""
    shutil.copytree(template, home)
    declare_instance(home)
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}", home, _environment(home))
        gunicorn = ["-m", "gunicorn", "backupsite.wsgi", "--bind", f"fd://{listener.fileno()}", "--threads", "4"]
        stack.enter_context(_process(site, gunicorn, "gunicorn", listener.fileno()))
        stack.enter_context(_process(site, ["manage.py", "worker"], "worker"))
        with urllib.request.urlopen(f"{site.url}/admin/login/", timeout=20) as answer:  # noqa: S310 - our own server
            assert answer.status == 200
        yield site


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
    shutil.copy(migrated_database, home / "backupsite.sqlite3")
    site.manage("createsuperuser", "--noinput", f"--username={USER}", "--email=operator@example.org")
    (home / SESSION).write_text(site.manage("shell", "--verbosity=0", "--command", SET_UP).strip())


def declare_instance(home: Path) -> None:
    lines = ["[tacacs-demo]", 'kind = "tacacs"', f'root = "{home}/instance"', 'config = "config/tacacs.conf"', ""]
    (home / "instances.toml").write_text("\n".join(lines))


@contextmanager
def _process(site: Site, arguments: list[str], name: str, *descriptors: int) -> Iterator[None]:
    """Run it in a session of its own; SIGTERM to its master first, SIGKILL to whatever is left of the session."""
    log = site.home / f"{name}.log"
    with log.open("wb") as output:
        process = prepared.Prepared(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=site.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
        )
    try:
        yield
        assert process.poll() is None, f"{name} ended by itself:\n{log.read_text()}"
    finally:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
