"""The one command of a newcomer, in an empty home: real processes, the default database, nothing from the tests."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.archives.age_files import RECIPIENT
from tests.support.paths import PROJECT
from tests.support.processes import prepared
from tests.support.processes.project_programs import PATIENCE_SECONDS
from tests.support.processes.pseudo_terminals import OnTerminal

SHOP = '[shop]\nkind = "generic"\nroot = "{root}"\n[shop.components.notes]\nkind = "files"\npath = "notes.txt"\n'


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", "BACKUPSITE_HOME": str(home)}


def quickstart(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return prepared.run(["manage.py", "quickstart", "--no-serve", *arguments], environment(home) | variables)


def with_tables(home: Path, migrated_database: Path) -> None:
    """Spare a test that is about something else the time of `migrate`."""
    home.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(migrated_database, home / "backupsite.sqlite3")


def rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{home}/backupsite.sqlite3?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def error_of(ended: "subprocess.CompletedProcess[str]") -> str:
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    return ended.stderr.removeprefix("Error: ").strip()


def test_an_empty_home_becomes_a_site_with_a_verified_backup(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    ended = subprocess.run(
        [sys.executable, "manage.py", "quickstart", "--no-serve"],
        cwd=PROJECT, env=environment(home), capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    ((path, status, verified),) = rows(home, "SELECT backup_path, status, verified_at FROM backup_executions")
    assert (status, verified is not None) == ("completed", True)
    assert f"backup      tacacs-demo: {path}, verified" in ended.stdout
    assert (home / "backups" / "local" / str(path)).is_file()
    assert rows(home, "SELECT username, is_superuser FROM auth_user") == [("admin", 1)]
    assert len(ended.stdout.split("password    ")[1].split()[0]) == 16
    modes = {str(file.relative_to(home)): stat.S_IMODE(file.stat().st_mode) for file in [home, *home.rglob("*")]}
    ours = {name: mode for name, mode in modes.items() if not name.startswith("demo/")}
    assert [name for name, mode in ours.items() if mode & 0o077] == []

    again = quickstart(home)
    assert (again.returncode, again.stderr) == (0, "")
    assert "admin user  exists already" in again.stdout
    assert "password" not in again.stdout
    assert rows(home, "SELECT count(*) FROM backup_executions") == [(1,)]


def test_a_demo_that_was_copied_only_in_part_is_copied_anew(tmp_path: Path, migrated_database: Path) -> None:
    home = tmp_path / "home"
    with_tables(home, migrated_database)
    (home / "demo.part" / "data").mkdir(parents=True)
    assert quickstart(home, "--json").returncode == 0
    assert sorted(path.name for path in (home / "demo").iterdir()) == ["config", "data"]
    assert not (home / "demo.part").exists()


def test_instances_of_ones_own_are_taken_when_they_are_right(tmp_path: Path, migrated_database: Path) -> None:
    home, given = tmp_path / "home", tmp_path / "mine.toml"
    with_tables(home, migrated_database)
    (tmp_path / "notes.txt").write_text("a note")
    given.write_text("[shop]\n")
    error = error_of(quickstart(home, "--instances", str(given)))
    assert error.startswith("[shop] kind: The key is missing.")
    assert f"Correct {given}" in error
    assert not (home / "instances.toml").exists()

    given.write_text(SHOP.format(root=tmp_path))
    ended = quickstart(home, "--instances", str(given), "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["steps"][0] == f"instances   {home}/instances.toml, from {given}"
    assert rows(home, "SELECT instance, status FROM backup_executions") == [("shop", "completed")]

    given.write_text(SHOP.format(root=tmp_path) + "# changed\n")
    assert "exists and is another file than" in error_of(quickstart(home, "--instances", str(given)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path, migrated_database: Path) -> None:
    with_tables(tmp_path / "home", migrated_database)
    error = error_of(quickstart(tmp_path / "home", "--instances", "/nonexistent.toml"))
    assert error.startswith("/nonexistent.toml cannot be read: No such file or directory")
    assert "Correct --instances" in error


def test_an_address_in_use_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = prepared.run(["manage.py", "quickstart", "--bind", f"127.0.0.1:{port}"], environment(tmp_path))
    assert f"Cannot listen at 127.0.0.1:{port}: Address already in use" in error_of(ended)
    assert "Choose another address with --bind" in error_of(ended)
    assert not (tmp_path / "instances.toml").exists()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def of_this_site(home: Path) -> list[str]:
    """Return the command lines of the processes that live in `home`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"BACKUPSITE_HOME={home}\0" in (process / "environ").read_text(errors="replace"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def test_the_site_is_served_with_a_worker_that_takes_what_is_queued_and_ctrl_c_ends_both(
    tmp_path: Path, migrated_database: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    with_tables(home, migrated_database)
    serving = prepared.Prepared(
        [sys.executable, "manage.py", "quickstart", "--bind", f"127.0.0.1:{port}"],
        cwd=PROJECT, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        page = wait_for(f"http://127.0.0.1:{port}/admin/login/", serving)
        assert "backupsite" in page
        assert any("gunicorn" in line for line in of_this_site(home))
        assert any(" worker" in line for line in of_this_site(home))
        queued = prepared.run(["manage.py", "backup", "tacacs-demo", "--queue", "--json"], environment(home))
        execution = json.loads(queued.stdout)
        assert execution["status"] == "queued"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while rows(home, f"SELECT status FROM backup_executions WHERE id = '{execution['id']}'") != [("completed",)]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        serving.send_signal(signal.SIGINT)
        out, err = serving.communicate(timeout=PATIENCE_SECONDS)
    assert serving.returncode == 0, err
    assert out.splitlines()[-1] == "stopped"
    assert of_this_site(home) == []


def test_a_closed_terminal_ends_the_site_and_its_worker(tmp_path: Path, migrated_database: Path) -> None:
    home, port = tmp_path / "home", free_port()
    with_tables(home, migrated_database)
    serving = OnTerminal([sys.executable, "manage.py", "quickstart", "--bind", f"127.0.0.1:{port}"], environment(home))
    try:
        wait_for(f"http://127.0.0.1:{port}/admin/login/", serving.process)
        serving.close()
        # the last line cannot be printed
        assert serving.ended() == os.EX_IOERR
    finally:
        serving.kill()
    assert of_this_site(home) == []


def wait_for(url: str, process: "subprocess.Popen[Any]") -> str:
    """Return the page as soon as it is served."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
                return str(answer.read().decode())
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_host_that_only_encrypts_gets_its_first_backup_unverified(tmp_path: Path, migrated_database: Path) -> None:
    home = tmp_path / "home"
    with_tables(home, migrated_database)
    ended = quickstart(home, BACKUP_ENCRYPTION_RECIPIENTS=RECIPIENT)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = rows(home, "SELECT status, encryption, verified_at, verification FROM backup_executions")
    assert found == [("completed", "age", None, None)]
