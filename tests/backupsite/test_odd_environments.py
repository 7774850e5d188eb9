"""Unusual names, terminals, limits and saved texts: each command succeeds, or prints one clear error."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backups.archive.encryption.age_files import read_identities
from backups.components.sqlite.connection import connected
from backups.instances import read_inventory
from backups.instances.kinds.tacacs.configuration import parse_configuration
from backups.instances.kinds.tacacs.ini import section_text, with_section
from tests.support.databases.sqlite_files import make_database
from tests.support.paths import PROJECT
from tests.support.sites.command_site import Ended, Site, copied

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def limited(site: Site, limit: str, *arguments: str, **more: str) -> Ended:
    """Run a command of manage.py below a limit of the shell."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'ulimit {limit}; exec "$@"', "sh", sys.executable, "manage.py", *arguments],
        cwd=PROJECT, env=site.environment(**more), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", ["a#b?c%41", os.fsdecode(b"n\xe4me"), "/double"])
def test_a_home_with_any_name_backs_up_and_restores(name: str, tmp_path: Path, site_template: Site) -> None:
    made = copied(site_template, tmp_path / "copy")
    environment = {"BACKUPSITE_HOME": f"{tmp_path}/{name}"}
    made.home.rename(environment["BACKUPSITE_HOME"])
    backup = made.run("backup", "tacacs-hq", "--json", **environment)
    restored = made.run("restore", backup.data["id"], "--confirm", "--json", **environment)
    assert restored.code == 0, restored.err


def test_a_database_whose_path_begins_with_two_slashes_or_is_not_utf_8_is_read(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xe4#?%41")
    folder.mkdir()
    make_database(folder / "orders.db", rows=2)
    with connected(Path(f"/{folder}/orders.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] > 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_preview_is_printed_whatever_the_terminal_can_show(
    encoding: str, tmp_path: Path, site_template: Site
) -> None:
    site = copied(site_template, tmp_path)
    config = site.instance / "config" / "tacacs.conf"
    config.write_text(config.read_text().replace("radius_secret = ", "radius_secret = another"))
    (backup,) = site.run("listbackups", "--json").data
    ended = site.run("restore", backup["id"], PYTHONIOENCODING=encoding)
    assert "radius_secret: \\u2022" in ended.out
    assert "Traceback" not in ended.err and ended.err.count("\n") == 1


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "instances.toml").write_text(
        f'{BYTE_ORDER_MARK}[t]\nkind = "generic"\nroot = "{tmp_path}"\n[t.components.f]\nkind = "files"\npath = "f"\n'
    )
    assert list(read_inventory(tmp_path / "instances.toml").instances) == ["t"]
    identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
    (tmp_path / "identity").write_text(f"{BYTE_ORDER_MARK}# made by an editor\n{identity}\n")
    assert read_identities(tmp_path / "identity") == (identity,)

    text = f"{BYTE_ORDER_MARK}[server]\nhost = x\n[ldap]\nhost = y\n"
    assert parse_configuration(text, "tacacs.conf")["server"]["host"] == "x"
    assert section_text(text, "server") == "[server]\nhost = x\n"
    assert with_section(text, "server", "[server]\nhost = z\n") == text.replace("= x", "= z")


@pytest.mark.parametrize(
    ("limit", "hint"), [("-n 6", "open more files"), ("-n 10", "ulimit -n"), ("-v 100000", "ulimit -|more memory than")]
)
def test_a_limit_of_the_process_is_one_line_that_names_it(
    limit: str, hint: str, tmp_path: Path, site_template: Site
) -> None:
    site = copied(site_template, tmp_path)
    ended = limited(site, limit, "backup", "tacacs-hq", LOG_FILE="/dev/null")
    assert ended.code == 1, ended.out
    assert "Traceback" not in ended.err
    assert re.search(hint, ended.err.splitlines()[-1])


def test_an_archive_that_comes_through_a_pipe_is_refused_with_one_line(tmp_path: Path, site_template: Site) -> None:
    site = copied(site_template, tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for command in (["showbackup"], ["verifybackup"]):
        ended = site.run(*command, "--file", str(tmp_path / "pipe"))
        assert (ended.code, ended.err.count("\n")) == (1, 1)
        assert "is a pipe" in ended.err


ASK = """
import io
from backupsite.wsgi import application
def ask(path):
    status = []
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/backup", "PATH_INFO": path, "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"}
    answer = application(environ, lambda code, headers, *_: status.append((code, dict(headers))))
    return status[0], b"".join(answer).decode()
(code, headers), text = ask("/admin/login/")
print("/backup/static/backups/site.css" in text, '"/static/' in text, "Path=/backup" in headers.get("Set-Cookie", ""))
print(ask("/static/backups/site.css")[0][0])
import gc
print(gc.get_freeze_count() > 50_000, gc.isenabled(), gc.get_threshold()[0])
"""


def test_a_site_below_a_path_serves_its_static_files_there(tmp_path: Path, site_template: Site) -> None:
    site = copied(site_template, tmp_path)
    process = site.start("-c", ASK, SCRIPT_NAME="/backup/")
    out, err = process.communicate(timeout=60)
    # and what it imported is left out of the collections between its requests
    assert out.splitlines() == ["True False True", "200 OK", "True True 10000"], err
