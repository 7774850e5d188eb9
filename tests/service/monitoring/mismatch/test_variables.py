"""Variables in the environment of a server that move its databases."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.models import BackupExecution
from tests.support.paths import PROJECT
from tests.support.processes.database_server import VARIABLE, found, seen, server, without_key
from tests.support.restores.instance_restores import change
from tests.support.site_fixtures import TACACS, BackUp, Declare

pytestmark = pytest.mark.django_db


def test_a_variable_that_moves_a_database_fails_the_backup_before_anything_is_exported(
    root: Path, other: Path, back_up: BackUp
) -> None:
    back_up()
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other) as running:
        with pytest.raises(BackupError) as failed:
            back_up()
        failure = BackupExecution.objects.latest("created_at")
    assert f"process {running.pid}" in failed.value.message
    assert f"{VARIABLE}={other}" in failed.value.message
    assert str(root / "data/devices.db") in failed.value.message
    assert "[devices] database" in failed.value.hint
    assert "databases.devices" in failed.value.hint
    assert (failure.status, failure.backup_path, failure.size_bytes) == ("failed", "", None)
    back_up()


@pytest.mark.parametrize("how", ["file", "override"])
def test_a_variable_counts_only_where_neither_file_nor_override_has_the_key(
    root: Path, other: Path, back_up: BackUp, how: str
) -> None:
    if how == "file":
        conf = root / "config/tacacs.conf"
        conf.write_text(conf.read_text().replace("[devices]", "[devices]\ndatabase = data/devices.db"))
    else:
        change(
            root / "data/config_overrides.db",
            "INSERT INTO config_overrides(section, key, value, value_type, created_by, active)"
            " VALUES ('devices', 'database', 'data/devices.db', 'string', 'tests', 1)",
        )
    with server(root / "data/devices.db", root / "data/local_auth.db", cwd=root, TACACS_DEVICES_DATABASE=other):
        assert seen() == []
        assert back_up().status == "completed"


@pytest.mark.parametrize(
    "value", ["data/devices.db", "./data/../data/devices.db", "{root}/data/devices.db", "{root}/data/link.db"]
)
def test_a_variable_that_names_the_same_file_in_other_words_is_none(root: Path, value: str) -> None:
    (root / "data/link.db").symlink_to("devices.db")
    with server(root / "data/local_auth.db", cwd=root, TACACS_DEVICES_DATABASE=value.format(root=root)):
        assert seen() == []


def test_each_variable_is_looked_at_and_names_that_look_alike_are_not(root: Path, other: Path) -> None:
    names = {
        "TACACS_DATABASE_ACCOUNTING_DB": other,
        "TACACS_AUTH_LOCAL_AUTH_DB": other,
        "TACACS_DEVICES_DATABASE_URL": other,
        "XTACACS_DEVICES_DATABASE": other,
    }
    with server(root / "data/audit_trail.db", cwd=root, **names):
        assert seen() == [("accounting", True)]


def test_our_own_environment_and_that_of_our_parents_say_nothing_of_the_server(
    root: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command below has the variable in its environment, and the folder and the file of the service."""
    monkeypatch.chdir(root)
    program = (
        "import os, sqlite3, sys; from backups.instances import process_scan as proc; from pathlib import Path;"
        "c = sqlite3.connect(sys.argv[1]); c.execute('CREATE TABLE t(x)'); c.commit();"
        "names = frozenset([Path(sys.argv[1]).name]);"
        "interest = proc.ProcessFilter(frozenset([Path.cwd()]), names, frozenset(), frozenset());"
        "print([p.pid for p in proc.processes(interest) if p.pid in (os.getpid(), os.getppid())])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, other],
        env=os.environ | {VARIABLE: str(other), "PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == "[]\n"


def test_a_value_that_is_an_address_with_a_password_is_not_shown(root: Path) -> None:
    with server(root / "data/local_auth.db", cwd=root, TACACS_DEVICES_DATABASE="postgres://u:hunter22@host/devices"):
        (message,) = map(str, found())
    assert VARIABLE in message and "hunter22" not in message


def test_a_process_with_another_environment_than_the_instances_file_is_a_warning(root: Path, declare: Declare) -> None:
    with server(
        root / "data/devices.db", cwd=root, TACACS_LDAP_BIND_PASSWORD="hunter2", TACACS_DEVICES_DEFAULT_GROUP="x"
    ):
        assert found() == []  # the file has both keys
    without_key(root, "ldap", "bind_password")
    with server(
        root / "data/devices.db", cwd=root, TACACS_LDAP_BIND_PASSWORD="hunter2", TACACS_DEVICES_DEFAULT_GROUP="x"
    ):
        (one,) = found()
        assert (one.component, one.certain) == ("config", False)
        assert "TACACS_LDAP_BIND_PASSWORD" in str(one)
        assert not [text for text in ("hunter2", "DEFAULT_GROUP") if text in str(one)]

        declare(TACACS.format(root=root) + 'environment = { TACACS_LDAP_BIND_PASSWORD = "hunter2" }\n')
        assert found() == []

    with server(root / "data/devices.db", cwd=root):
        assert [one.component for one in found()] == ["config"]
