"""Uploading an archive."""

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from backups.admin.backups import uploads
from backups.models import BackupExecution
from tests.support.archives.crafted import SERVER_PLAIN
from tests.support.archives.stored import an_archive, file_of
from tests.support.file_systems import small_disk
from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.parsed import Page, page_at
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db
IMPORT = f"{LIST}import/"
MAY = (VIEW, "import_backup")


def upload(client: Client, data: bytes, *, name: str = "backup.tar.gz", **fields: Any) -> HttpResponse:
    values = {"destination": a_destination().pk, "archive": SimpleUploadedFile(name, data), **fields}
    return client.post(IMPORT, values)


def left(settings: Settings) -> list[str]:
    return sorted(path.name for path in Path(settings.BACKUP_WORKSPACE_ROOT).glob("*"))


def test_an_uploaded_archive_is_verified_stored_and_shown(settings: Settings) -> None:
    client = a_client(*MAY)
    response = upload(client, SERVER_PLAIN.read_bytes(), name="../../von Hand (1).tar.gz")
    row = BackupExecution.objects.get()
    assert response["Location"] == url(row)
    page = page_at(client, url(row))
    assert page.messages() == ["success"]
    assert page.facts("instance", "comment") == {"instance": "tacacs-hq", "comment": "imported"}
    assert (row.instance, row.adopted, row.comment) == ("tacacs-hq", True, "imported")
    assert file_of(row).read_bytes() == SERVER_PLAIN.read_bytes()
    assert left(settings) == []


def test_a_large_upload_goes_to_the_workspace_and_nowhere_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    real = uploads.WorkspaceUpload.file_complete

    def look(self: uploads.WorkspaceUpload, file_size: int) -> Any:
        assert self.path is not None
        assert self.path.parent.parent == Path(settings.BACKUP_WORKSPACE_ROOT)
        seen.append((self.path.stat().st_mode & 0o777, self.path.stat().st_size))
        return real(self, file_size)

    monkeypatch.setattr(uploads.WorkspaceUpload, "file_complete", look)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", None)
    data = bytes(9 << 20)
    assert upload(a_client(*MAY), data).status_code == 400
    assert seen == [(0o600, len(data))]
    assert left(settings) == []


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        (an_archive()[:-50], "__all__", "truncated"),
        (b"hello", "__all__", "not compressed with gzip or zstd"),
        (b"", "archive", "empty"),
        (an_archive("no name"), "__all__", "names the instance"),
    ],
    ids=["cut", "text", "empty", "name"],
)
def test_what_would_not_restore_is_refused_on_the_form(data: bytes, field: str, words: str, settings: Settings) -> None:
    response = upload(a_client(*MAY), data)
    assert response.status_code == 400
    faults = Page(response.content.decode()).faults()
    assert list(faults) == [field]
    assert words in faults[field]
    assert not BackupExecution.objects.exists()
    assert left(settings) == []


def test_a_second_upload_of_the_same_archive_names_the_first() -> None:
    client, archive = a_client(*MAY), an_archive()
    upload(client, archive)
    first = BackupExecution.objects.get()
    response = upload(client, archive)
    assert response.status_code == 400
    assert f"backup {first.pk} at nas" in Page(response.content.decode()).faults()["__all__"]


def test_an_upload_larger_than_the_free_space_is_refused_with_both_sizes(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    response = upload(a_client(*MAY), an_archive())
    assert response.status_code == 400
    faults = Page(response.content.decode()).faults()
    assert list(faults) == ["__all__"]
    assert "and the workspace has 100 B free" in faults["__all__"] and "importarchive" in faults["__all__"]
    assert not BackupExecution.objects.exists() and left(settings) == []


def test_a_disk_that_fills_up_during_the_upload_is_shown(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdopen", lambda descriptor, *_, **__: Full(descriptor, "w+"))
    response = upload(a_client(*MAY), an_archive())
    assert response.status_code == 400
    assert "No space left on device" in Page(response.content.decode()).faults()["__all__"]
    assert left(settings) == []


def test_two_files_at_once_are_refused(settings: Settings) -> None:
    two = [SimpleUploadedFile("a.tar.gz", an_archive("a")), SimpleUploadedFile("b.tar.gz", an_archive("b"))]
    response = a_client(*MAY).post(IMPORT, {"destination": a_destination().pk, "archive": two})
    assert response.status_code == 400
    assert "More than one file was uploaded." in Page(response.content.decode()).faults()["__all__"]
    assert not BackupExecution.objects.exists() and left(settings) == []


def test_the_form_offers_enabled_destinations_only() -> None:
    a_destination("nas")
    a_destination("old", enabled=False)
    page = page_at(a_client(*MAY), IMPORT)
    assert set(page.options("destination")) == {"---------", "nas"}
    assert page.content.one("form")["enctype"] == "multipart/form-data"


def test_a_disabled_destination_and_a_missing_file_are_shown_at_their_fields() -> None:
    old = a_destination("old", enabled=False)
    faults = page_at(a_client(*MAY), IMPORT, {"destination": old.pk}, status=400).faults()
    assert set(faults) == {"destination", "archive"}
    assert "disabled or gone" in faults["destination"]


def test_it_is_refused_without_its_permission_before_a_byte_is_stored(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("nothing may be read")

    monkeypatch.setattr(uploads.WorkspaceUpload, "__init__", never)
    for number, permissions in enumerate([(VIEW,), ("import_backup",), (VIEW, "run_backup", "delete_backup")]):
        client = a_client(*permissions, name=f"user{number}")
        assert upload(client, an_archive()).status_code == 403
        assert client.get(IMPORT).status_code == 403
    assert upload(Client(), an_archive()).status_code == 302
    assert "destination.forbidden" in caplog.text
    assert not BackupExecution.objects.exists()


def test_a_form_of_another_site_imports_nothing() -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = a_client(*MAY).cookies
    assert upload(strict, an_archive()).status_code == 403
    assert not BackupExecution.objects.exists()
    strict.get(IMPORT)
    token = strict.cookies["csrftoken"].value
    assert upload(strict, an_archive(), csrfmiddlewaretoken=token).status_code == 302
    assert BackupExecution.objects.count() == 1


def test_only_those_who_may_see_the_button() -> None:
    page = page_at(a_client(*MAY), LIST)
    assert page.action("import_archive")["href"] == IMPORT
    assert IMPORT not in page_at(a_client(VIEW, name="other"), LIST).links()


def test_other_methods_are_not_allowed() -> None:
    response = a_client(*MAY).put(IMPORT)
    assert (response.status_code, response["Allow"]) == (405, "GET, POST")


def test_a_disk_that_fills_up_under_the_last_chunk_cuts_no_upload_in_silence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "workspace", megabytes=0.1) as folder:
        upload = uploads.WorkspaceUpload(folder, 0)
        upload.new_file("file", "shop.tar.gz", "application/gzip", None)
        upload.receive_data_chunk(bytes(256 * 1024), 0)
        assert upload.problem == "The upload cannot be written to the workspace: No space left on device."
        upload.file_complete(256 * 1024)
