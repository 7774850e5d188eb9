"""The page of the catalogue."""

import shutil

import pytest
from django.test import Client
from django.utils import timezone

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.archives.stored import an_archive, file_of, folder_of, put, stored
from tests.support.pages.parsed import Page, page_at
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db
MAY = (VIEW, "import_backup")


@pytest.fixture
def nas() -> BackupDestination:
    return a_destination("nas")


def address(destination: BackupDestination) -> str:
    return f"/admin/destinations/backupdestination/{destination.pk}/catalogue/"


def test_it_shows_what_is_there_against_what_is_recorded_and_changes_nothing(nas: BackupDestination) -> None:
    stored(nas)
    lost = stored(nas, "wiki")
    file_of(lost).unlink()
    changed = stored(nas, "shop")
    file_of(changed).write_bytes(b"cut")
    put(nas, "elsewhere/found.tar.gz", an_archive("blog"))
    put(nas, "readme.txt", b"<script>alert(1)</script>")
    put(nas, "elsewhere/x.tar.gz.unknown.part", b"half")
    page = page_at(a_client(*MAY), address(nas))
    assert page.field("present").value == "1"
    assert page.sections() == ["unknown", "missing", "changed", "partial-uploads", "present", "others"]
    assert page.section("unknown").rows() == ["elsewhere/found.tar.gz"]
    assert page.section("missing").rows() == [lost.backup_path]
    assert page.row(lost.backup_path).field("instance").text == "wiki"
    assert page.section("changed").rows() == [changed.backup_path]
    assert page.row(changed.backup_path).field("size_bytes").value == "3"
    assert page.section("partial-uploads").rows() == ["elsewhere/x.tar.gz.unknown.part"]
    part = page.row("elsewhere/x.tar.gz.unknown.part")
    assert (part.status, part.field("size_bytes").value) == ("kept", "4")
    assert part.field("reason").text.startswith("of unknown origin and not seen before")
    assert page.section("others").rows() == ["readme.txt"]
    assert BackupExecution.objects.filter(missing_at=None).count() == 3


def test_the_button_adopts_marks_and_says_so(nas: BackupDestination) -> None:
    lost = stored(nas)
    file_of(lost).unlink()
    put(nas, "elsewhere/found.tar.gz", an_archive("blog"))
    put(nas, "elsewhere/bad.tar.gz", b"no archive")
    page = page_at(a_client(*MAY), address(nas), {})
    assert page.messages() == ["success", "error"]
    assert "1 adopted, 1 marked as missing" in page.message("success")
    assert "elsewhere/bad.tar.gz" in page.message("error")
    assert page.field("present").value == "1"
    assert BackupExecution.objects.get(instance="blog").adopted
    lost.refresh_from_db()
    assert lost.missing_at is not None


def test_pressing_it_again_changes_nothing(nas: BackupDestination) -> None:
    stored(nas)
    assert "nothing had changed" in page_at(a_client(*MAY), address(nas), {}).message("success")


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_destination_that_cannot_be_listed_is_shown_to_be_so_and_nothing_is_marked(
    nas: BackupDestination, method: str
) -> None:
    row = stored(nas, missing_at=None)
    BackupDestination.objects.update(established=True)
    shutil.rmtree(folder_of(nas))
    response = getattr(a_client(*MAY), method)(address(nas))
    assert response.status_code == 502
    page = Page(response.content.decode())
    assert page.notices() == ["destination-unavailable"]
    assert "although archives were stored in it" in page.field("message").text
    assert page.actions() == set()
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
    page = page_at(a_client(*MAY), address(nas))
    assert len(page.section("unknown").rows()) == 200
    assert page.field("listed").value == "200"


def test_an_archive_there_again_is_shown(nas: BackupDestination) -> None:
    row = stored(nas, missing_at=timezone.now())
    assert page_at(a_client(*MAY), address(nas)).section("returned").rows() == [row.backup_path]
