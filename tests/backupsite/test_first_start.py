"""A first start on a full disk, of each program of the site: one sentence, an exit code, and no part of a key."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.destinations.test_database_errors import fill
from tests.support.file_systems import small_disk
from tests.support.sites.command_site import Site


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-m", "gunicorn", "backupsite.wsgi", "--bind", "{address}"], 3),
        (["-m", "gunicorn", "--preload", "backupsite.wsgi", "--bind", "{address}"], 3),
        (["manage.py", "runserver", "{address}"], 1),
        (["manage.py", "worker"], 1),
    ],
    ids=["gunicorn", "gunicorn-preloaded", "runserver", "worker"],
)
def test_a_first_start_on_a_full_disk_is_one_sentence(tmp_path: Path, arguments: list[str], code: int) -> None:
    address = f"127.0.0.1:{free_port()}"
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        site = Site(disk)
        site.popen = subprocess.Popen
        site.home.mkdir(mode=0o700)
        fill(disk)
        process = site.start(*(argument.format(address=address) for argument in arguments), PYTHONWARNINGS="default")
        out, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert "Traceback" not in out + err
        (sentence,) = [line for line in err.splitlines() if line.startswith("Error: ")]
        assert f"mounted at {disk}: it has 0 B free" in sentence
        assert list(site.home.iterdir()) == []
