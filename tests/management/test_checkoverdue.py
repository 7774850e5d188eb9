"""The command in a process of its own: on a disk that is full or read-only, and on a machine without a site."""

import shutil
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE

from tests.destinations.test_database_errors import fill
from tests.outside.receiver import receiving
from tests.support.file_systems import small_disk
from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.sites.command_site import Site


def test_a_site_whose_disk_is_full_is_read_and_reported(tmp_path: Path, site_template: Site) -> None:
    with small_disk(tmp_path / "disk", megabytes=9) as disk, receiving() as receiver:
        shutil.copytree(site_template.home, disk / "home", ignore=shutil.ignore_patterns("*.log", "*-shm"))
        fill(disk)
        memory = str(tmp_path / "memory.json")
        ended = Site(disk).run("checkoverdue", "--json", "--webhook", receiver.url, "--memory", memory)
        assert (ended.code, ended.err) == (2, "")
        found = {problem["key"] for problem in ended.data["problems"]}
        # SQLite can make no file beside the database: it is read as it lies there
        assert found >= {f"not-writable/{disk / 'home'}", "worker-silent/backups", "database-refuses-writes"}
        assert not found & {"database-unusable", "not-determined"}
        assert {problem["key"] for problem in receiver.body()["problems"]} == found


def elsewhere(folder: Path, *arguments: str) -> tuple[int, str, str]:
    env = {
        "PATH": "/bin:/usr/bin",
        "PYTHONPATH": str(PROJECT),
        "PYTHONWARNINGS": "error",
        "BACKUPSITE_HOME": str(folder),
    }
    process = Prepared(
        [sys.executable, "manage.py", "checkoverdue", *arguments],
        cwd=PROJECT, env=env, text=True, stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_another_machine_needs_no_site_and_makes_no_file(tmp_path: Path) -> None:
    home, token = tmp_path / "home", tmp_path / "token"
    token.write_text("canary\n")
    with receiving() as receiver:
        receiver.answers = [(200, b'{"status": "ok", "level": "protected", "site": [], "instances": []}')]
        code, out, err = elsewhere(home, "--url", f"{receiver.url}/health", "--token-file", str(token))
        assert (code, err) == (0, "")
        assert out.startswith("OK: ")
        assert receiver.got[0][2]["Authorization"] == "Bearer canary"
    code, out, err = elsewhere(home, f"--url={receiver.url}/health", "--timeout", "2")
    assert (code, out.split(":")[0]) == (2, "CRITICAL")
    assert not home.exists()


def test_a_site_that_cannot_start_is_not_known(tmp_path: Path) -> None:
    code, out, err = elsewhere(Path("/dev/null/home"))
    assert (code, out) == (3, "")
    assert err.startswith("Error: ")
