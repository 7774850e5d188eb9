"""The tick keeps which components do not exist, and no mount that does not answer holds it up."""

import time
from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from backups.models import BackupExecution, InstanceState
from backups.service.automation.watch import back_up_changes
from tests.support.file_systems import silent_mount
from tests.support.restores.instance_restores import TACACS_DATABASES
from tests.support.rows import an_execution
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db
QUEUE = "backups"
SHOP = '[shop]\nkind = "generic"\nroot = "{root}"\n'
PART = 'components.orders = {kind = "sqlite", path = "orders.db"}\n'


@pytest.fixture(autouse=True)
def queue(settings: Settings) -> None:
    settings.BACKUP_QUEUE = QUEUE


def kept(name: str = "tacacs-hq") -> dict[str, str]:
    """Return the severity of each absence that the tick keeps of the instance."""
    back_up_changes(QUEUE)
    state = InstanceState.objects.filter(instance=name).first()
    return {item["component"]: item["severity"] for item in (state and state.absent_components) or []}


def remove(root: Path, *components: str) -> None:
    for component in components:
        (root / TACACS_DATABASES[component]).unlink()


def test_a_required_one_is_a_problem_until_it_is_there_again(tacacs_root: Path) -> None:
    assert kept() == {}
    devices = tacacs_root / TACACS_DATABASES["devices"]
    aside = devices.rename(devices.with_name("aside"))
    assert kept() == {"devices": "problem"}
    aside.rename(devices)
    assert kept() == {}


def test_one_that_the_service_makes_is_expected_until_a_backup_has_held_it(tacacs_root: Path, back_up: BackUp) -> None:
    audit = tacacs_root / TACACS_DATABASES["audit"]
    aside = audit.rename(audit.with_name("aside"))
    back_up()
    assert kept() == {"audit": "expected"}
    assert kept() == {"audit": "expected"}
    # a backup that holds it ends while it is away: what was kept is looked up again
    aside.rename(audit)
    back_up()
    audit.unlink()
    assert kept() == {"audit": "problem"}
    (item,) = InstanceState.objects.get().absent_components or []
    assert BackupExecution.objects.latest("created_at").backup_filename in item["hint"]


def test_an_optional_one_is_a_note_and_a_loss_once_it_was_backed_up(
    tacacs_root: Path, declare: Declare, back_up: BackUp
) -> None:
    declare(
        f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "config/tacacs.conf"\n'
        'optional = ["devices", "users"]\n'
    )
    remove(tacacs_root, "devices")
    back_up()
    assert kept() == {"devices": "note"}
    remove(tacacs_root, "users")
    assert kept() == {"devices": "note", "users": "loss"}


def test_it_is_of_the_queue_whose_host_has_the_files(declare: Declare, tmp_path: Path) -> None:
    declare(SHOP.format(root=tmp_path) + 'queue = "branch"\n' + PART)
    assert kept("shop") == {}
    back_up_changes("branch")
    assert kept("shop") == {"orders": "problem"}


def test_what_is_absent_is_not_judged_again_at_each_tick(
    tacacs_root: Path, back_up: BackUp, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    remove(tacacs_root, "audit", "metrics", "devices")
    an_execution("tacacs-hq")
    kept()
    kept()
    with django_assert_max_num_queries(6) as found:
        back_up_changes(QUEUE)
    assert not [query for query in found.captured_queries if "contents" in query["sql"]]
    assert not [query for query in found.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]


def test_a_mount_that_does_not_answer_stops_neither_the_tick_nor_other_instances(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.lib.in_time.PATIENCE", 0.5)
    for name in ("share", "disk"):
        (tmp_path / name).mkdir()
    shop = SHOP.format(root=tmp_path / "share") + PART
    wiki = (SHOP.format(root=tmp_path / "disk") + PART).replace("[shop]", "[wiki]")
    with silent_mount(tmp_path / "share"):
        # also the first reading of the file of all instances
        declare(shop + wiki)
        assert kept("shop") == {"": "problem"}
        monkeypatch.setattr("backups.lib.in_time.PATIENCE", 30)
        began = time.monotonic()
        assert kept("wiki") == {"orders": "problem"}
        # the reading that is stuck is not waited for again
        assert time.monotonic() - began < 15
    deadline = time.monotonic() + 10
    while kept("shop") != {"orders": "problem"} and time.monotonic() < deadline:
        time.sleep(0.05)
    assert kept("shop") == {"orders": "problem"}
