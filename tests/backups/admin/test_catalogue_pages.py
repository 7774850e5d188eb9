"""The page "What is there"."""

import shutil

import pytest
from django.test import Client
from django.utils import timezone

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.backups.admin.pages import LIST, raw, text
from tests.backups.factories import VIEW, a_client, a_destination
from tests.backups.stored import an_archive, file_of, folder_of, put, stored

pytestmark = pytest.mark.django_db
MAY = (VIEW, "import_backup")


@pytest.fixture
def nas() -> BackupDestination:
    return a_destination("nas")


def address(destination: BackupDestination) -> str:
    return f"{LIST}catalogue/{destination.pk}/"


def test_it_shows_what_is_there_against_what_is_recorded_and_changes_nothing(nas: BackupDestination) -> None:
    stored(nas)
    lost = stored(nas, "wiki")
    file_of(lost).unlink()
    changed = stored(nas, "shop")
    file_of(changed).write_bytes(b"cut")
    put(nas, "elsewhere/found.tar.gz", an_archive("blog"))
    put(nas, "readme.txt", b"<script>alert(1)</script>")
    put(nas, "elsewhere/x.tar.gz.unknown.part", b"half")
    page = text(a_client(*MAY), address(nas))
    assert "1 archive is there as recorded." in page
    assert "Not recorded (1)" in page and "elsewhere/found.tar.gz" in page
    assert "Recorded, but not there (1)" in page and f"{lost.backup_path} wiki" in page
    assert f"Of another size than was uploaded (1) {changed.backup_path} 3 B there" in page
    assert "Unfinished uploads (1) elsewhere/x.tar.gz.unknown.part 4 B of unknown origin and not seen before" in page
    assert "Other files (1)" in page and "readme.txt" in page
    assert BackupExecution.objects.filter(missing_at=None).count() == 3


def test_the_button_adopts_marks_and_says_so(nas: BackupDestination) -> None:
    lost = stored(nas)
    file_of(lost).unlink()
    put(nas, "elsewhere/found.tar.gz", an_archive("blog"))
    put(nas, "elsewhere/bad.tar.gz", b"no archive")
    page = text(a_client(*MAY), address(nas), {})
    assert "The catalogue is up to date: 1 adopted, 1 marked as missing." in page
    assert "Not adopted: elsewhere/bad.tar.gz: The archive is not compressed" in page
    assert "1 archive is there as recorded." in page
    assert BackupExecution.objects.get(instance="blog").adopted
    lost.refresh_from_db()
    assert lost.missing_at is not None


def test_pressing_it_again_changes_nothing(nas: BackupDestination) -> None:
    stored(nas)
    assert "The catalogue is up to date: nothing had changed." in text(a_client(*MAY), address(nas), {})


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_destination_that_cannot_be_listed_is_said_to_be_so_and_nothing_is_marked(
    nas: BackupDestination, method: str
) -> None:
    row = stored(nas, missing_at=None)
    BackupDestination.objects.update(established=True)
    shutil.rmtree(folder_of(nas))
    response = getattr(a_client(*MAY), method)(address(nas))
    page = response.content.decode()
    assert response.status_code == 502
    assert "nas cannot be looked at." in page and "although archives were stored in it" in page
    assert "Nothing was changed." in page
    row.refresh_from_db()
    assert row.missing_at is None


def test_it_is_for_those_who_may_import(nas: BackupDestination, caplog: pytest.LogCaptureFixture) -> None:
    put(nas, "found.tar.gz", an_archive())
    for client in (a_client(VIEW, "delete_backup", name="a"), a_client("import_backup", name="b")):
        assert client.get(address(nas)).status_code == 403
        assert client.post(address(nas)).status_code == 403
    assert Client().post(address(nas)).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = a_client(*MAY, name="c").cookies
    assert strict.post(address(nas)).status_code == 403
    assert not BackupExecution.objects.exists()
    assert "destination.forbidden destination=nas action=catalogue by=a" in caplog.text


def test_long_lists_show_their_first_two_hundred(nas: BackupDestination) -> None:
    for number in range(201):
        put(nas, f"many/{number}.tar.gz", b"x")
    page = raw(a_client(*MAY), address(nas))
    assert page.count("<code>many/") == 200 and "The first 200 are shown." in page


def test_an_archive_there_again_is_shown(nas: BackupDestination) -> None:
    stored(nas, missing_at=timezone.now())
    assert "There again (1)" in text(a_client(*MAY), address(nas))
