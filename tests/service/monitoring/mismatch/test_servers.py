"""Which process is the server of an instance, and what it has open."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import Warning as CheckWarning

from backups.checks.instances.described import check_databases_in_use
from backups.errors import BackupError
from tests.support.databases.sqlite_files import make_database
from tests.support.processes.database_server import VARIABLE, seen, server
from tests.support.processes.unprivileged_user import NOBODY, open_way
from tests.support.programs import missing
from tests.support.site_fixtures import TACACS, BackUp, Declare

pytestmark = pytest.mark.django_db


def test_a_server_that_has_nothing_open_is_known_by_its_configuration(root: Path, other: Path) -> None:
    with server(cwd=Path("/"), config=root / "config/tacacs.conf", TACACS_DEVICES_DATABASE=other):
        assert seen() == [("devices", True)]
    with server(cwd=root, config=Path("config/tacacs.conf"), TACACS_DEVICES_DATABASE=other):
        assert seen() == [("devices", True)]


def test_a_shell_in_the_folder_of_the_service_is_a_reason_to_warn_and_no_more(
    root: Path, other: Path, back_up: BackUp
) -> None:
    with server(cwd=root / "data", TACACS_DEVICES_DATABASE=other):
        assert seen() == [("devices", False)]
        backup = back_up()
    (warning,) = [text for text in backup.warnings if VARIABLE in text]
    assert warning in backup.manifest_json["warnings"]  # type: ignore[operator, index]


def test_another_service_with_files_of_the_same_names_is_not_this_one(
    root: Path, other: Path, tmp_path: Path, declare: Declare
) -> None:
    second = shutil.copytree(root, tmp_path / "tacacs-2")
    declare(TACACS.format(root=root) + TACACS.format(root=second).replace("tacacs-hq", "second"))
    databases = [second / "data/local_auth.db", other]
    with server(*databases, cwd=second, config=second / "config/tacacs.conf", TACACS_DEVICES_DATABASE=other):
        assert seen("second") == [("devices", True)]
        assert seen() == []
        (message,) = check_databases_in_use(None)
    assert isinstance(message, CheckWarning)
    assert (message.id, message.msg.startswith("[second] devices: ")) == ("backups.W003", True)


def test_a_server_that_shares_one_database_with_another_is_identified_by_its_configuration(
    root: Path, tmp_path: Path, declare: Declare
) -> None:
    """The second server has the accounting of the first one open, and devices of its own."""
    second = shutil.copytree(root, tmp_path / "tacacs-2")
    opened = [root / "data/tacacs_accounting.db", second / "data/devices.db", second / "data/local_auth.db"]
    with server(*opened, cwd=second, config=second / "config/tacacs.conf"):
        assert seen() == []
    # a relative name leads nowhere from the folder that the process works in by now
    with server(*opened, cwd=second, config=Path("config/tacacs.conf"), LEAVES_FOR="/"):
        assert {("devices", True), ("users", True)} <= set(seen())


def test_another_user_of_the_machine_cannot_stop_backups(root: Path, other: Path, tmp_path: Path) -> None:
    open_way(tmp_path)
    config = root / "config/tacacs.conf"
    with server(cwd=root, config=config, RUN_AS=NOBODY, TACACS_DEVICES_DATABASE=other):
        assert seen() == []
    os.chown(root, NOBODY, NOBODY)
    with server(cwd=root, config=config, RUN_AS=NOBODY, TACACS_DEVICES_DATABASE=other):
        assert seen() == [("devices", True)]


def test_a_configuration_that_was_changed_under_a_running_server_fails_the_backup(
    root: Path, other: Path, back_up: BackUp
) -> None:
    """The environment is clean: what the process has open tells."""
    opened = server(root / "data/local_auth.db", other, cwd=root)
    with opened, pytest.raises(BackupError, match=f"has {other} open") as failed:
        back_up()
    assert "restart the service" in failed.value.hint


def test_overrides_that_lie_where_the_server_was_started_are_another_file(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(root / "data/config_overrides.db", elsewhere)
    with server(root / "data/local_auth.db", elsewhere / "config_overrides.db", cwd=elsewhere):
        assert seen() == [("config", True)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/tacacs/data/devices.db", []),
        ("/../link/data/devices.db", []),
        ("link/data/devices.db", []),
        ("/loop/devices.db", [("devices", False)]),
        ("/var/devices.db", [("devices", True)]),
    ],
)
def test_paths_in_a_container_are_those_that_its_processes_see(
    root: Path, other: Path, tmp_path: Path, path: str, expected: list[tuple[str, bool]]
) -> None:
    if os.geteuid() != 0:
        missing("only root can change the root of a process")
    # what is absolute in there leads elsewhere from here
    (tmp_path / "link").symlink_to("/relative")
    (tmp_path / "relative").symlink_to("tacacs")
    (tmp_path / "loop").symlink_to("/loop")
    opened = [Path("/tacacs/data/local_auth.db")]
    config = Path("/tacacs/config/tacacs.conf")
    with server(*opened, cwd=tmp_path, JAIL=tmp_path, config=config, TACACS_DEVICES_DATABASE=path):
        assert seen() == expected


def test_a_second_connection_to_another_file_is_no_mismatch_while_the_right_one_is_open(
    root: Path, other: Path
) -> None:
    with server(root / "data/devices.db", root / "data/local_auth.db", other, cwd=root):
        assert seen() == []


def test_a_file_that_is_only_read_says_nothing(root: Path, other: Path) -> None:
    program = "import sys; files = [open(name, 'rb') for name in sys.argv[1:]]; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, other, root / "data/local_auth.db"],
        cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as reader:  # fmt: skip
        assert reader.stdin is not None and reader.stdout is not None
        reader.stdout.readline()
        assert seen() == []
        reader.stdin.close()


def test_a_service_with_many_databases_of_one_name_is_no_mismatch(tmp_path: Path, declare: Declare) -> None:
    root = tmp_path / "tenants"
    for tenant in "abc":
        (root / tenant).mkdir(parents=True)
        make_database(root / tenant / "data.db")
    make_database(root / "a" / "data.db2")
    component = '[shop.components.{0}]\nkind = "sqlite"\npath = "{0}/data.db"\n'
    declare(f'[shop]\nkind = "generic"\nroot = "{root}"\n' + component.format("a") + component.format("b"))
    with server(root / "b/data.db", root / "c/data.db", root / "a/data.db2", cwd=root):
        assert seen("shop") == []
