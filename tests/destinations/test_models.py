import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.utils import timezone

from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from destinations.models import BackupDestination
from tests.destinations.conftest import put
from tests.support.secret_destination import CANARIES, KEY, PASSWORD

pytestmark = pytest.mark.django_db


def nas(**fields: object) -> BackupDestination:
    values: dict[str, object] = {"name": "nas", "type": "local", "config_json": {"path": "nas"}, **fields}
    return BackupDestination.objects.create(**values)


def test_the_table_has_the_names_that_other_tools_read() -> None:
    with connection.cursor() as cursor:
        columns = {
            column.name for column in connection.introspection.get_table_description(cursor, "backup_destinations")
        }
    assert columns >= {
        "id",
        "name",
        "type",
        "enabled",
        "config_json",
        "retention_days",
        "created_at",
        "created_by",
        "last_backup_at",
        "last_backup_status",
    }


def test_the_id_is_a_uuid_as_text() -> None:
    pk = nas().pk
    assert str(uuid.UUID(pk)) == pk
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM backup_destinations")
        assert cursor.fetchone() == (pk,)


@pytest.mark.parametrize("fields", [{"name": ""}, {"retention_days": 0}, {"retention_days": 3651}])
def test_the_database_refuses_what_no_form_would_send(fields: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        nas(**fields)


def test_the_database_refuses_a_second_destination_of_the_same_name() -> None:
    nas()
    with pytest.raises(IntegrityError):
        nas()


@pytest.mark.parametrize("days", [None, 1, 3650])
def test_retention_is_for_ever_or_up_to_ten_years(backup_root: Path, days: int | None) -> None:
    nas(retention_days=days).full_clean()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "a.b", "ä", "a\n", "n" * 65])
def test_a_name_of_other_characters_is_refused(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BackupDestination(name=name, type="local").full_clean()
    assert "name" in caught.value.message_dict


def test_two_destinations_in_one_folder_are_refused(backup_root: Path) -> None:
    nas()
    copy = BackupDestination(name="copy", type="local")
    copy.configure({"path": f"{backup_root}/nas"})
    with pytest.raises(ValidationError, match="Destination 'nas' already stores at"):
        copy.full_clean()


def test_open_gives_the_destination_of_the_row(backup_root: Path) -> None:
    with nas().open() as destination:
        put(destination, "hq/manual/backup.tar", b"x")
    assert (backup_root / "nas/hq/manual/backup.tar").read_bytes() == b"x"


def test_options_left_blank_get_the_defaults_of_the_type(backup_root: Path) -> None:
    row = BackupDestination(name="usb-1", type="local")
    row.configure({"path": ""})
    assert row.config_json == {"path": "usb-1"}


@pytest.mark.usefixtures("vault_type")
def test_secrets_are_sealed_in_the_database_and_open_again(backup_root: Path) -> None:
    row = BackupDestination(name="offsite", type="vault")
    row.configure({"password": PASSWORD, "key": KEY})
    row.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM backup_destinations")
        stored = str(cursor.fetchall())
    assert not any(canary in stored for canary in CANARIES)
    assert BackupDestination.objects.get().open().options["password"] == PASSWORD


def test_open_of_an_unknown_type_is_a_clear_error() -> None:
    with pytest.raises(DestinationConfigError, match="no destination type 'floppy'"):
        nas(type="floppy").open()


def test_after_the_first_stored_backup_a_vanished_folder_is_an_error(backup_root: Path) -> None:
    row, now = nas(), timezone.now()
    row.record_backup("failed", now - timedelta(hours=1), stored=False)
    assert list(row.open().list()) == []
    row.record_backup("completed", now, stored=True)
    stored = BackupDestination.objects.get()
    assert (stored.last_backup_at, stored.last_backup_status) == (now, "completed")
    with pytest.raises(DestinationUnavailable, match="is gone, although archives were stored"):
        list(stored.open().list())


def test_a_failed_backup_never_takes_back_that_another_was_stored() -> None:
    late = nas()
    BackupDestination.objects.get().record_backup("completed", timezone.now(), stored=True)
    late.record_backup("failed", timezone.now(), stored=False)
    assert BackupDestination.objects.get().established
