"""What a person takes away for the day on which this site is gone: signature, recovery kit, and how keys are made."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from pytest_django import Settings

from backups.models import BackupExecution
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, an_execution


@pytest.mark.django_db(transaction=True)
def test_the_signature_is_downloaded_beside_the_archive(
    backed_up: Callable[[], BackupExecution], settings: Settings
) -> None:
    backup, client = backed_up(), a_client(VIEW, "download_backup")
    assert {"download", "download_signature"} <= page_at(client, url(backup)).actions()
    response = client.post(url(backup, "download_signature"))
    stored = settings.BACKUP_ROOT / "nas" / f"{backup.backup_path}.minisig"
    assert response.content == stored.read_bytes()
    assert f"{backup.backup_filename}.minisig" in response["Content-Disposition"]
    stored.unlink()
    assert page_at(client, url(backup, "download_signature"), {}).messages() == ["error"]
    assert a_client(VIEW, name="carol").post(url(backup, "download_signature")).status_code == 403


@pytest.mark.django_db
def test_the_page_of_an_instance_offers_the_recovery_kit() -> None:
    backup, client = an_execution("shop"), a_client(VIEW, "download_backup")
    address = page_at(client, reverse("admin:backups_instance", args=["shop"])).action("recovery_kit")["href"]
    response = client.get(address)
    assert response["Content-Disposition"].startswith("attachment")
    assert backup.archive_sha256 in response.content.decode()
    assert a_client(VIEW, name="carol").get(address).status_code == 403
    assert page_at(client, reverse("admin:backups_recovery_kit", args=["wiki"])).messages() == ["error"]
    assert "createkey" in page_at(client, "/admin/backups/keys/").field("createkey").text


@pytest.mark.django_db
def test_verify_and_drill_say_what_they_do() -> None:
    page = page_at(a_client(VIEW, "run_backup"), url(an_execution()))
    assert page.fields("about") == ["verify", "drill"]


@pytest.mark.django_db
def test_the_catalogue_lists_what_lies_there_as_recorded(settings: Settings) -> None:
    backup = an_execution("shop", compressed_size_bytes=7)
    archive = settings.BACKUP_ROOT / "nas" / backup.backup_path
    archive.parent.mkdir(mode=0o700, parents=True)
    archive.write_bytes(b"archive")
    client = a_client(VIEW, "import_backup")
    page = page_at(client, reverse("admin:destinations_backupdestination_catalogue", args=[backup.destination_id]))
    assert page.section("present").rows() == [backup.backup_path]
