"""The environment of the server lies between its defaults and its file, and moves databases."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from backups.errors import ComponentError
from backups.instances import get_instance, inventory
from backups.instances.kinds import components_of
from backups.lib.site_paths import NO_SITE_PATHS
from backups.models import BackupExecution
from backups.service.monitoring.drift import drift_of
from tests.support.archives.stored import file_of
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.instance_restores import change, restore
from tests.support.site_fixtures import TACACS, BackUp, Declare

SMALL = "[server]\nport = 4949\n"
DEVICES = "TACACS_DEVICES_DATABASE"


@pytest.fixture
def root(tacacs_root: Path) -> Path:
    (tacacs_root / "config" / "tacacs.conf").write_text(SMALL)
    shutil.copy(tacacs_root / "data" / "devices.db", tacacs_root / "moved.db")
    change(tacacs_root / "moved.db", "DELETE FROM devices WHERE id > 3")
    return tacacs_root


def devices() -> Path:
    parts = components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)
    return next(part.location() for part in parts if part.name == "devices")


def described(declare: Declare, root: Path, more: str) -> None:
    declare(TACACS.format(root=root) + more)
    assert inventory().problems == ()


@pytest.mark.django_db
def test_the_database_that_the_environment_names_is_backed_up_and_restored(
    root: Path, declare: Declare, back_up: BackUp
) -> None:
    described(declare, root, f'environment = {{ {DEVICES} = "moved.db", TACACS_SERVER_PORT = "1" }}\n')
    backup = back_up()
    with tarfile.open(file_of(backup)) as archive:
        export = json.load(archive.extractfile("config_export.json"))  # type: ignore[arg-type]
    assert (export["devices"]["database"], export["server"]["port"]) == ("moved.db", "4949")

    change(root / "moved.db", "DELETE FROM devices WHERE id > 1")
    restore(backup)

    assert rows_of(root / "moved.db", "SELECT count(*) FROM devices") == [(3,)]


def test_a_key_of_the_file_has_precedence(root: Path, declare: Declare) -> None:
    described(declare, root, f'environment = {{ {DEVICES} = "moved.db" }}\n')
    assert devices() == root / "moved.db"

    (root / "config" / "tacacs.conf").write_text(SMALL + "[devices]\ndatabase = data/devices.db\n")

    assert devices() == root / "data" / "devices.db"


@pytest.mark.parametrize(
    ("format_", "text", "one_by_one", "found"),
    [
        ("systemd", f"{DEVICES}='moved.db'  \n", "", "moved.db"),
        ("docker", f"{DEVICES}=moved.db\n", "", "moved.db"),
        ("compose", f"{DEVICES}=moved.db # aside\n", "", "moved.db"),
        ("", f"{DEVICES}=moved.db\nOTHER='quoted'\n", "", "moved.db"),
        ("", f"#{DEVICES}=moved.db\n", "", "data/devices.db"),
        ("systemd", f"{DEVICES}=moved.db\n", "data/other.db", "moved.db"),
        ("docker", f"{DEVICES}=data/other.db\n", "moved.db", "moved.db"),
        ("compose", f"{DEVICES}=$ELSEWHERE\n", "moved.db", "moved.db"),
    ],
)
def test_an_environment_file_counts_as_its_program_reads_it(
    format_: str, text: str, one_by_one: str, found: str, root: Path, tmp_path: Path, declare: Declare
) -> None:
    (tmp_path / "env").write_text(text)
    more = f'environment_file = "{tmp_path}/env"\n'
    more += f'environment_format = "{format_}"\n' if format_ else ""
    more += f'environment = {{ {DEVICES} = "{one_by_one}" }}\n' if one_by_one else ""
    described(declare, root, more)

    assert devices() == root / found


def test_of_several_files_the_last_one_counts(root: Path, tmp_path: Path, declare: Declare) -> None:
    (tmp_path / "one").write_text(f"{DEVICES}=data/devices.db\n")
    (tmp_path / "two").write_text(f"{DEVICES}=moved.db\n")
    described(declare, root, f'environment_file = ["{tmp_path}/one", "{tmp_path}/two"]\n')

    assert devices() == root / "moved.db"


@pytest.mark.parametrize(
    ("format_", "text", "says"),
    [
        ("", f'{DEVICES}="moved.db"\n', "reads differently"),
        ("compose", f"{DEVICES}=$ELSEWHERE\n", "depends on the environment"),
        ("docker", f"{DEVICES}\n", "depends on the environment"),
        ("", f"{DEVICES}\n", "depends on the environment"),
        ("", f"{DEVICES}=$DATA/moved.db\n", "depends on the environment"),
        ("docker", "TWO WORDS=x\n", "line 1"),
        ("systemd", "#" * (1 << 20) + f"\n{DEVICES}=moved.db\n", "is larger than 1 MiB"),
        ("systemd", None, "cannot be read"),
    ],
)
@pytest.mark.django_db
def test_what_cannot_be_known_fails_the_backup_instead_of_taking_another_database(
    format_: str, text: str | None, says: str, root: Path, tmp_path: Path, declare: Declare, back_up: BackUp
) -> None:
    if text is not None:
        (tmp_path / "env").write_text(text)
    more = f'environment_format = "{format_}"\n' if format_ else ""
    described(declare, root, f'environment_file = "{tmp_path}/env"\n{more}')

    with pytest.raises(ComponentError, match=says):
        back_up()
    assert BackupExecution.objects.get().status == "failed"


def test_a_mistake_is_named_with_its_key(root: Path, declare: Declare) -> None:
    for line, key in [
        ('environment = "x"', "environment"),
        ("environment = { A = 1 }", "environment.A"),
        ('environment = { "A B" = "1" }', "environment"),
        ('environment_file = ["etc/env"]', "environment_file"),
        ('environment_format = "json"', "environment_format"),
    ]:
        declare(TACACS.format(root=root) + line + "\n")
        (problem,) = inventory().problems
        assert problem.key == key


@pytest.mark.django_db
def test_a_changed_environment_is_a_drift_and_is_not_changed_by_a_restore(
    root: Path, declare: Declare, back_up: BackUp
) -> None:
    described(declare, root, 'environment = { TACACS_LDAP_BIND_PASSWORD = "hunter2hunter2" }\n')
    backup = back_up()
    assert "hunter2" not in json.dumps(BackupExecution.objects.get().config_json)
    described(declare, root, 'environment = { TACACS_SYSLOG_PORT = "515" }\n')

    drift = drift_of(get_instance("tacacs-hq"))
    assert drift is not None
    assert {f"{item.section}.{item.key}" for item in drift.changes} == {"ldap.bind_password", "syslog.port"}

    restore(backup)
    assert get_instance("tacacs-hq").service.live().merged["syslog"]["port"] == "515"
