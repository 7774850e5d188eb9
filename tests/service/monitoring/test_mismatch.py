"""A service that uses another database than its configuration names: seen, said, neither backed up nor restored."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.checks import Warning as CheckWarning

from backups.checks.instances import check_databases_in_use
from backups.errors import BackupError
from backups.instances import get_instance
from backups.instances import process_scan as proc
from backups.instances.kinds import components_of
from backups.instances.mismatch import Mismatch, mismatches
from backups.instances.process_scan import ProcessFilter, processes
from backups.lib.site_paths import NO_SITE_PATHS
from backups.models import BackupExecution
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.preview.build import preview
from backups.service.restore.request import RestoreRequest
from tests.support.databases.sqlite_files import make_database, rows_of
from tests.support.paths import PROJECT
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.programs import missing
from tests.support.restores.instance_restores import change, restore, sha256, the_restore, undo
from tests.support.site_fixtures import TACACS, BackUp, Declare

pytestmark = pytest.mark.django_db
SERVER = """
import os, sqlite3, sys
if user := int(os.environ.get("RUN_AS", 0)):
    os.setgroups([]); os.setgid(user); os.setuid(user)
if jail := os.environ.get("JAIL"):
    os.chroot(jail)
    os.chdir("/")
elif folder := os.environ.get("LEAVES_FOR"):
    os.chdir(folder)
connections = []
for path in sys.argv[1].split(","):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA user_version").fetchone()
    connection.execute("CREATE TABLE IF NOT EXISTS server_was_here(x)")
    connections.append(connection)
print("serving", flush=True)
sys.stdin.read()
"""
VARIABLE = "TACACS_DEVICES_DATABASE"


@contextmanager
def server(
    *databases: Path, cwd: Path, config: Path | None = None, **environment: object
) -> Iterator[subprocess.Popen[str]]:
    """Run a process with these databases open, as a server has them."""
    arguments = [sys.executable, "-c", SERVER, ",".join(map(str, databases)) or ":memory:"]
    arguments += ["--config", str(config)] if config else []
    names = {name: str(value) for name, value in environment.items()}
    with subprocess.Popen(
        arguments, cwd=cwd, env={"PATH": os.environ["PATH"], **names}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(20)


def without_key(root: Path, section: str, key: str) -> None:
    """Take a key out of the configuration file: its database is the default, unless the environment says otherwise."""
    conf = root / "config" / "tacacs.conf"
    lines, current, kept = conf.read_text().splitlines(), "", []
    for line in lines:
        current = line if line.startswith("[") else current
        if not (current == f"[{section}]" and line.partition("=")[0].strip() == key):
            kept.append(line)
    conf.write_text("\n".join(kept) + "\n")


@pytest.fixture
def root(tacacs_root: Path) -> Path:
    """Return the root of a server whose configuration does not say where devices and accounting are."""
    without_key(tacacs_root, "devices", "database")
    without_key(tacacs_root, "database", "accounting_db")
    return tacacs_root


@pytest.fixture
def other(tmp_path: Path, root: Path) -> Path:
    """Return a database of devices in another place."""
    folder = tmp_path / "var"
    folder.mkdir()
    return Path(shutil.copy(root / "data" / "devices.db", folder / "devices.db"))


def seen(name: str = "tacacs-hq") -> list[tuple[str, bool]]:
    return [(one.component, one.certain) for one in found(name)]


def found(name: str = "tacacs-hq") -> list[Mismatch]:
    instance = get_instance(name)
    return mismatches(instance, components_of(instance.service, own=NO_SITE_PATHS))


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


def test_a_restore_into_a_database_that_the_server_does_not_use_is_refused_and_changes_nothing(
    root: Path, other: Path, back_up: BackUp
) -> None:
    backup = back_up()
    change(root / "data/devices.db", "DELETE FROM devices")
    before = sha256(root / "data/devices.db")
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other):
        with pytest.raises(BackupError, match=VARIABLE):
            restore(backup, components=["devices"])
        assert the_restore().safety_backup is None
        with pytest.raises(BackupError, match=VARIABLE):
            dry_run_restore(
                RestoreRequest(
                    source=backup, instance="tacacs-hq", archive_sha256=backup.archive_sha256, components=["devices"]
                )
            )
        shown = preview(backup, "tacacs-hq", ["devices"])
        assert [VARIABLE in text for text in shown.refusals] == [True]
        # what is not restored is no reason to stop, but said
        assert preview(backup, "tacacs-hq", ["audit"]).refusals == ()
        done = restore(backup, components=["audit"])
        assert any(VARIABLE in text for text in done.warnings)
    assert sha256(root / "data/devices.db") == before


def test_a_restore_of_an_older_configuration_may_move_a_database(root: Path, back_up: BackUp) -> None:
    """The server has the present file open, and will have the one of the restored configuration."""
    conf = root / "config/tacacs.conf"
    text = conf.read_text()
    conf.write_text(text.replace("[devices]", "[devices]\ndatabase = data/devices.db"))
    backup = back_up()
    (root / "new").mkdir()
    shutil.copy(root / "data/devices.db", root / "new/devices.db")
    conf.write_text(text.replace("[devices]", "[devices]\ndatabase = new/devices.db"))
    with server(root / "data/local_auth.db", root / "new/devices.db", cwd=root):
        done = restore(backup, components=["config", "devices"])
    assert (done.status, [text for text in done.warnings if "devices:" in text]) == ("completed", [])


def test_an_undo_goes_where_the_restore_went_and_warns(root: Path, other: Path, back_up: BackUp) -> None:
    done = restore(back_up(), components=["devices"])
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other):
        undone = undo(done)
    assert undone.status == "completed"
    assert any(VARIABLE in text for text in undone.warnings)


def test_the_instances_file_can_say_where_a_database_is(
    root: Path, tmp_path: Path, declare: Declare, back_up: BackUp
) -> None:
    moved = root / "moved"
    moved.mkdir()
    shutil.move(root / "data/devices.db", moved / "inventory.sqlite")
    change(moved / "inventory.sqlite", "DELETE FROM devices WHERE id > 7")
    with server(
        root / "data/local_auth.db",
        moved / "inventory.sqlite",
        cwd=root,
        TACACS_DEVICES_DATABASE="moved/inventory.sqlite",
    ):
        with pytest.raises(BackupError):
            back_up()
        declare(TACACS.format(root=root) + '[tacacs-hq.databases]\ndevices = "moved/inventory.sqlite"\n')
        assert seen() == []
        backup = back_up()
        change(moved / "inventory.sqlite", "DELETE FROM devices")
        restore(backup, components=["devices"])
    assert rows_of(moved / "inventory.sqlite", "SELECT count(*) FROM devices") == [(7,)]
    assert not (root / "data/devices.db").exists()


def test_what_the_instances_file_says_is_taken_at_its_word(
    root: Path, other: Path, declare: Declare, back_up: BackUp
) -> None:
    declare(TACACS.format(root=root) + '[tacacs-hq.databases]\ndevices = "data/devices.db"\n')
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other):
        assert any(VARIABLE in text for text in back_up().warnings)


def replace_by_rename(root: Path) -> None:
    shutil.copy(root / "orders.db", root / "orders.new")
    (root / "orders.new").replace(root / "orders.db")


def move_aside(root: Path) -> None:
    (root / "orders.db").rename(root / "orders.db.old")
    shutil.copy(root / "orders.db.old", root / "orders.db")


@pytest.mark.parametrize("how", [replace_by_rename, move_aside])
def test_a_file_that_was_replaced_under_a_running_service_is_a_warning_of_backup_and_restore(
    small_shop: Path, back_up: BackUp, how: Callable[[Path], None]
) -> None:
    with server(small_shop / "orders.db", cwd=Path("/")) as running:
        assert back_up("shop").warnings == []
        how(small_shop)
        backup = back_up("shop")
        (warning,) = backup.warnings
        assert f"process {running.pid}" in warning and str(small_shop / "orders.db") in warning
        assert any(f"process {running.pid}" in text for text in restore(backup).warnings)
    assert back_up("shop").warnings == []


def test_a_file_that_root_replaced_under_the_service_of_another_user_is_a_warning(
    tmp_path: Path, small_shop: Path
) -> None:
    """The service may be known by nothing else: root owns the folder and the new file."""
    open_way(tmp_path)
    (small_shop / "orders.db").chmod(0o666)
    small_shop.chmod(0o777)
    with server(small_shop / "orders.db", cwd=Path("/"), RUN_AS=NOBODY):
        assert seen("shop") == []
        replace_by_rename(small_shop)
        assert seen("shop") == [("orders", False)]


def test_a_log_that_was_removed_under_a_running_service_is_seen(tmp_path: Path, small_shop: Path) -> None:
    (small_shop / "orders.db").unlink()
    make_database(small_shop / "orders.db", journal="WAL")
    with server(small_shop / "orders.db", cwd=Path("/")):
        assert seen("shop") == []
        (small_shop / "orders.db-wal").unlink()
        (message,) = map(str, found("shop"))
    assert "orders.db-wal" in message


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


def test_a_file_of_the_same_name_that_was_replaced_elsewhere_is_nothing(tmp_path: Path, small_shop: Path) -> None:
    alike = tmp_path / "shop-2"
    alike.mkdir()
    for name in ("orders.db", "orders.db2"):
        make_database(alike / name)
    with server(alike / "orders.db", alike / "orders.db2", cwd=alike):
        replace_by_rename(alike)
        assert seen("shop") == []


def test_of_a_process_of_another_user_root_sees_everything_and_that_user_nothing_of_ours(
    root: Path, other: Path, tmp_path: Path
) -> None:
    open_way(tmp_path)
    for path in (other, root / "data/local_auth.db", other.parent, root / "data"):
        os.chown(path, NOBODY, NOBODY)
    with server(root / "data/local_auth.db", other, cwd=root, RUN_AS=NOBODY, TACACS_DEVICES_DATABASE=other):
        assert seen() == [("devices", True)]


LOOK = """
import os, sys
from pathlib import Path
from backups.instances.process_scan import ProcessFilter, processes
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
names = [["devices.db", "local_auth.db"], ["tacacs.conf"], ["TACACS_DEVICES_DATABASE"]]
for process in processes(ProcessFilter(frozenset([Path(sys.argv[1])]), *map(frozenset, names))):
    if str(process.pid) == sys.argv[2]:
        print(process.folder, process.files, dict(process.environment))
"""


def test_what_may_not_be_looked_at_is_not_claimed(root: Path, other: Path, tmp_path: Path) -> None:
    """Its command line can be read by everybody, its files and its environment cannot, as with hidepid=1 for all."""
    open_way(tmp_path)
    config = root / "config/tacacs.conf"
    with server(root / "data/local_auth.db", other, cwd=root, config=config, TACACS_DEVICES_DATABASE=other) as running:
        assert run_as_nobody(LOOK, str(root), str(running.pid)) == "/ () {}"


def test_without_proc_nothing_is_claimed_and_nothing_fails(
    root: Path, other: Path, tmp_path: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proc, "PROC", tmp_path / "no-proc")
    with server(root / "data/local_auth.db", other, cwd=root, TACACS_DEVICES_DATABASE=other):
        assert back_up().warnings == []


def test_a_look_at_thousands_of_processes_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "proc"
    for pid in range(1, 3001):
        folder = fake / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "cmdline").write_bytes(b"server\0")
        (folder / "cwd").symlink_to("/")
    monkeypatch.setattr(proc, "PROC", fake)
    looked = []
    clock = iter(range(10_000))
    monkeypatch.setattr(proc.time, "monotonic", lambda: looked.append(1) or next(clock) / 100)
    interest = ProcessFilter(frozenset([Path("/srv")]), frozenset(["x.db"]), frozenset(), frozenset())
    assert processes(interest, seconds=3.0) == []
    # a hundredth of a second for each look: it stops after three seconds
    assert 300 <= len(looked) <= 3003


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
