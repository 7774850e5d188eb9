"""adddestination and testdestination, as an operator runs them."""

import json
import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from destinations.management.base import one_line, operator_name
from destinations.models import BackupDestination
from destinations.policies.retention_fields import RETENTION_COLUMNS
from tests.destinations.conftest import files_below
from tests.support.processes import prepared
from tests.support.secret_destination import CANARIES, KEY, PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        call_command(*arguments)
        return capsys.readouterr().out

    return run


def add(*arguments: str) -> None:
    call_command("adddestination", *arguments)


def test_a_destination_is_added_with_the_folder_of_its_name(
    run: Callable[..., str], backup_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "destinations"):
        out = run("adddestination", "nas", "--type", "local", "--retention-days", "30")
    row = BackupDestination.objects.get()
    assert (row.name, row.type, row.config_json, row.enabled, row.retention_days, row.created_by) == (
        "nas",
        "local",
        {"path": "nas"},
        True,
        30,
        operator_name(),
    )
    assert f"Added destination nas (Local folder) at {backup_root}/nas.\n" in out
    assert "destination created name=nas" in caplog.text


def test_json_prints_one_object_about_what_was_added(run: Callable[..., str], backup_root: Path) -> None:
    out = run("adddestination", "usb", "--type=local", "--option", "path=mounts/usb", "--disabled", "--json")
    assert json.loads(out) == {
        "id": BackupDestination.objects.get().pk,
        "name": "usb",
        "type": "local",
        "enabled": False,
        "encryption": "allowed",
        "position": 0,
        "daily_read_mb": None,
        **dict.fromkeys(RETENTION_COLUMNS[1:]),
        "retention_strategy": "",
        "location": f"{backup_root}/mounts/usb",
        "tested": True,
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nas", "--type", "floppy"], "There is no destination type 'floppy'. The types are: "),
        (["nas", "--type", "local", "--option", "path=/etc"], "is outside BACKUP_ROOT"),
        (["nas", "--type", "local", "--option", "host=x"], "has no option 'host'"),
        (["nas", "--type", "local", "--option", "canary"], "An option has no '='. Write each option once"),
        (["nas", "--type", "local", "--option", "path=a", "--option", "path=b"], "'path' is given twice"),
        (["nas", "--type", "local", "--option-file", "path=/no/such/file"], "/no/such/file for the option 'path'"),
        (["a b", "--type", "local", "--option", "path=a"], "name: Use letters, digits, '_' and '-'."),
        (["nas", "--type", "local", "--retention-days", "0"], "retention_days: Ensure this value is greater"),
        (
            ["used", "--type", "local", "--option", "path=other"],
            "name: Backup destination with this Name already exists",
        ),
        (["other", "--type", "local", "--option", "path=used"], "Destination 'used' already stores at"),
    ],
)
def test_a_mistake_is_one_line_and_adds_nothing(backup_root: Path, arguments: list[str], message: str) -> None:
    BackupDestination.objects.create(name="used", type="local", config_json={"path": "used"})
    with pytest.raises(CommandError) as caught:
        add(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value) and "canary" not in str(caught.value)
    assert BackupDestination.objects.count() == 1


@pytest.mark.usefixtures("vault_type", "backup_root")
def test_a_secret_is_read_from_a_file_and_never_printed(
    run: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    options = ["--option", f"password={PASSWORD}", "--option-file", f"key={tmp_path / 'key'}"]
    with caplog.at_level(logging.DEBUG):
        out = run("adddestination", "offsite", "--type", "vault", *options)
        out += run("adddestination", "off2", "--type", "vault", "--json", *options) + run("testdestination", "offsite")
    row = BackupDestination.objects.get(name="offsite")
    assert (row.options()["password"], row.options()["key"]) == (PASSWORD, KEY)
    assert not any(canary in out + caplog.text + str(row.config_json) for canary in CANARIES)


def test_a_working_destination_is_said_to_work(run: Callable[..., str], backup_root: Path) -> None:
    add("nas", "--type", "local")
    lines = run("testdestination", "nas").splitlines()
    assert "Destination nas works." in lines
    assert [line.split(":")[0].strip() for line in lines[-6:-1]] == [
        "write",
        "list",
        "read back",
        "delete",
        "free space",
    ]
    answer = json.loads(run("testdestination", "nas", "--json"))
    assert (answer["name"], answer["ok"], {key: answer["steps"][2][key] for key in ("name", "detail")}) == (
        "nas",
        True,
        {"name": "read back", "detail": "the same bytes"},
    )
    assert files_below(backup_root) == []


def test_a_destination_that_does_not_exist_is_named_with_those_that_do(backup_root: Path) -> None:
    add("nas", "--type", "local")
    with pytest.raises(CommandError, match=r"There is no destination 'ans'\. The destinations are: nas\."):
        call_command("testdestination", "ans")


def test_a_replaced_empty_disk_is_accepted_when_the_operator_says_so(
    run: Callable[..., str], backup_root: Path
) -> None:
    add("nas", "--type", "local")
    BackupDestination.objects.update(established=True)
    with pytest.raises(CommandError, match=r"is empty, although .*testdestination NAME --accept-empty"):
        call_command("testdestination", "nas")
    assert "works" in run("testdestination", "nas", "--accept-empty")
    assert "works" in run("testdestination", "nas")


def manage(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return prepared.run(["manage.py", *arguments], {"BACKUPSITE_HOME": str(home), "PATH": "/usr/bin:/bin"})


def test_a_failure_is_one_line_on_stderr_and_exit_code_1_with_and_without_json(
    tmp_path: Path, migrated_database: Path
) -> None:
    shutil.copy(migrated_database, tmp_path / "backupsite.sqlite3")
    for extra in ([], ["--json"]):
        done = manage(tmp_path, "testdestination", "nas", *extra)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "Error: There is no destination 'nas'. The destinations are: none yet.\n"


def test_a_database_that_was_never_migrated_is_one_line_too(tmp_path: Path) -> None:
    done = manage(tmp_path, "testdestination", "nas")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: The database cannot be used: no such table")
    assert done.stderr.endswith("Run 'manage.py migrate' first.\n") and done.stderr.count("\n") == 1


def test_line_breaks_in_a_message_become_spaces() -> None:
    assert one_line("Two\nlines", "And a\n  hint.") == "Two lines. And a hint."
    assert one_line("One.") == "One."
