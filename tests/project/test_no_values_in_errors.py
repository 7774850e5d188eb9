"""Errors and warnings say where something is wrong and never what it holds."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.checks.instances.described import check_instances_file
from backups.components.sqlite import component_error
from backups.errors import BackupError
from backups.instances import get_instance, inventory
from backups.models import BackupExecution, InstanceState
from backups.service.automation.sync import sync
from backupsite.environment import Environment
from tests.support.call_commands import command
from tests.support.pages.all_pages import pages
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "Canary-77"
RAW = b"Canary-77-K\xe4c"
DECLARED = f"""
[backup]
default_retention_strategy = {CANARY}
gfs_keep_daily = {CANARY}
[backup.destinations.d0]
type = local
path = p0
[backup.destinations.d1]
type = local
path = p1
retention_days = {CANARY}
[backup.destinations.d2]
type = {CANARY}
[backup.destinations.d3]
type = local
path = ../{CANARY}
[backup.schedules.s0]
destination = {CANARY}
schedule = 0 2 * * *
[backup.schedules.s1]
destination = nas
schedule = {CANARY}
[backup.schedules.s2]
destination = nas
schedule = hours:{CANARY}
[backup.schedules.s3]
destination = nas
schedule = {CANARY} * * * *
[backup.schedules.s4]
destination = nas
schedule = 0 2 * * *
time_zone = {CANARY}
"""
CONFIGURATION = {
    "a key twice": f"\n[ldap2]\nbind_password = {CANARY}\nbind_password = {CANARY}\n",
    "a line that is no key": f"\n[ldap2]\nbind_password\n  {CANARY}\n{CANARY}\n",
    "a section twice": f"\n[ldap2]\nbind_password = {CANARY}\n[ldap2]\nbind_password = {CANARY}\n",
    "a number that is none": f"\n[backup]\ncompression_level = {CANARY}\n",
    "a backend that does not exist": None,
    "a path outside": None,
    "wrong destinations and schedules": DECLARED,
}


@pytest.mark.parametrize("mistake", CONFIGURATION)
def test_a_mistake_in_the_configuration_of_a_service_is_told_without_its_value(
    mistake: str, tacacs_root: Path, back_up: BackUp, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tacacs_root / "config" / "tacacs.conf"
    text = config.read_text()
    added = CONFIGURATION[mistake]
    if added is None:
        key, value = ("backends = ", CANARY) if "backend" in mistake else ("local_auth_db = ", f"../../{CANARY}")
        begin = text.index(key)
        added, text = "", f"{text[:begin]}{key}{value}{text[text.index(chr(10), begin) :]}"
    if "[backup]" in added:
        text = text.replace("[backup]\n", "[backup_of_the_demo]\n")
    config.write_text(text + added)
    problems: list[str] = []
    with suppress(BackupError):
        problems = sync("tacacs-hq").problems
    with suppress(BackupError):
        back_up()
    told = [f"{run.error_message} {run.error_hint} {run.warnings}" for run in BackupExecution.objects.all()]
    told += InstanceState.objects.values_list("config_problem", flat=True)
    log = Path(settings.LOG_FILE)
    told += [
        *problems,
        log.read_text() if log.exists() else "",
        *capfd.readouterr(),
        pages("/admin/"),
        command("check").err,
    ]
    assert CANARY not in "\n".join(told)
    if added == DECLARED:
        # [backup] is wrong for each destination, and s0 to s4
        assert len(problems) == 9


INSTANCES = {
    "no TOML": f'[shop]\nkind = "{CANARY}\n',
    "two values": f'[shop]\nroot = "{CANARY}" "{CANARY}"\n',
    "a value without marks": f"[shop]\nroot = {CANARY}\n",
    "twice": f'[shop]\nroot = "{CANARY}"\nroot = "{CANARY}"\n',
    "kind": f'[shop]\nkind = "{CANARY}"\nroot = "/srv"\n',
    "kind of another type": f'[shop]\nkind = ["{CANARY}"]\nroot = "/srv"\n',
    "root": f'[shop]\nkind = "generic"\nroot = "{CANARY}"\n',
    "queue": f'[shop]\nkind = "generic"\nroot = "/srv"\nqueue = "{CANARY} !"\n',
    "optional": f'[shop]\nkind = "tacacs"\nroot = "/srv"\nconfig = "x"\noptional = ["{CANARY}"]\n',
    "config": f'[shop]\nkind = "tacacs"\nroot = "/srv"\nconfig = "../{CANARY}"\n',
    "watch": f'[shop]\nkind = "generic"\nroot = "/srv"\nwatch = "{CANARY}"\n',
    "hook": f'[shop]\nkind = "generic"\nroot = "/srv"\nhooks.before_restore = "{CANARY}"\n',
    "component": f'[shop]\nkind = "generic"\nroot = "/srv"\n[shop.components.a]\nkind = "{CANARY}"\npath = "a"\n',
    "path": f'[shop]\nkind = "generic"\nroot = "/srv"\n[shop.components.a]\nkind = "sqlite"\npath = "../{CANARY}"\n',
}


@pytest.mark.parametrize("mistake", INSTANCES)
def test_a_mistake_in_the_instances_file_is_told_without_its_value(mistake: str, declare: Declare) -> None:
    declare(INSTANCES[mistake])
    assert inventory().problems
    told = [f"{message.msg} {message.hint}" for message in check_instances_file(None)]
    with pytest.raises(BackupError) as refused:
        get_instance("shop")
    assert CANARY not in " ".join([*told, refused.value.message, refused.value.hint])


def test_an_instances_file_that_is_not_utf8_is_told_by_its_place(home: Path) -> None:
    (home / "instances.toml").write_bytes(b'[shop]\nroot = "' + RAW + b'"\n')
    (problem,) = inventory().problems
    assert problem.message.endswith("instances.toml cannot be read: byte 26 is not UTF-8.")


@pytest.mark.parametrize(
    "url",
    [
        f"postgres://backup:{CANARY}/x@db.example.org/site", f"postgres://backup:{CANARY}?x@db.example.org/site",
        f"postgres://backup:77/{CANARY}@db.example.org/site", f"postgres://backup:{CANARY}#x@db.example.org/site",
        f"//backup:{CANARY}@db.example.org/site", CANARY, f"postgres://[{CANARY}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["DATABASE_URL", "BACKUP_REDIS_URL"])
def test_a_url_with_reserved_characters_is_told_by_its_variable(
    variable: str, url: str, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv(variable, url if "DATABASE" in variable else url.replace("postgres:", "redis:"))
    read: Callable[[str], object] = Environment().db_url if "DATABASE" in variable else Environment().redis_url
    with pytest.raises(ImproperlyConfigured) as refused:
        read(variable)
    assert variable in str(refused.value)
    assert CANARY not in str(refused.value) and refused.value.__suppress_context__
    assert not recwarn.list


@pytest.mark.parametrize(
    "url",
    ["postgres://u:p%40%2F%3F@db/site", "sqlite:////srv/at@home/x.sqlite3", "postgres:///site?host=/run/postgresql"],
)
def test_a_url_that_is_right_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert Environment().db_url()["NAME"] in ("site", "/srv/at@home/x.sqlite3")


def test_sqlite_and_archives_are_told_without_what_they_hold() -> None:
    with closing(sqlite3.connect(":memory:")) as memory, pytest.raises(sqlite3.OperationalError) as failed:
        memory.execute(f"SELECT CAST(x'{RAW.hex()}' AS TEXT)").fetchall()
    assert CANARY in str(failed.value), "Python quotes no text any more"
    assert CANARY not in component_error(failed.value, Path("/x.db"), 0).message
    for text in (RAW, b'{"a": "' + RAW + b'"}', f'{{"a": "{CANARY}'.encode(), f'{{"a": {CANARY}}}'.encode()):
        with pytest.raises(ArchiveError) as refused:
            Manifest.from_json(text)
        assert CANARY not in refused.value.message and "0xe4" not in refused.value.message
    assert connection.vendor


def test_a_host_in_the_url_of_a_sqlite_file_is_refused_without_it(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Two slashes in place of three: the database would be another file, or none."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite://{CANARY}/x.sqlite3")
    with pytest.raises(ImproperlyConfigured) as refused:
        Environment().db_url()
    assert CANARY not in str(refused.value) and not recwarn.list
