"""Two spellings of one place are one place, and one place in another is refused, whatever the type."""

import socket
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from backups.models import BackupCopy
from backups.service.archives.records.copies import is_off_box
from backups.service.backup.run import BACKUP
from backups.service.monitoring.verdict import facts_of
from destinations.backends import destination_class
from destinations.backends.base import Destination
from destinations.models import BackupDestination
from tests.support.call_commands import command, refused
from tests.support.rows import a_destination, an_execution

FTP = {"host": "ftp.example.org", "username": "backup", "password": "x", "base_path": "/srv/backups"}
SFTP = {"host": "127.0.0.1", "username": "u", "password": "x", "base_path": "archives", "known_hosts_file": "/etc/x"}
S3 = {"bucket_name": "archives", "location": "a", "access_key": "k", "secret_key": "s"}
DAV = {"url": "https://dav.example.org/dav/", "base_path": "a", "username": "u", "password": "x"}
GCS = {"bucket_name": "archives", "location": "a", "custom_endpoint": "http://127.0.0.1:4443"}
AZURE = {
    "account_name": "store", "account_key": "c2VjcmV0", "azure_container": "archives", "location": "a",
}  # fmt: skip
RCLONE = {"remote": "box:a"}
DROPBOX = {"app_key": "k", "app_secret": "s", "oauth2_refresh_token": "t", "root_path": "Archives"}
BASES: dict[str, dict[str, Any]] = {
    "ftp": FTP, "sftp": SFTP, "s3": S3, "webdav": DAV, "gcs": GCS, "azure": AZURE, "rclone": RCLONE,
    "dropbox": DROPBOX, "local": {"path": "a"},
}  # fmt: skip


def at(type_: str, **options: Any) -> Destination:
    backend = destination_class(type_)
    return backend(backend.clean(backend.default_options("x") | BASES[type_] | options))


@pytest.mark.parametrize(
    ("type_", "spelled"),
    [
        ("ftp", {"host": "FTP.example.org."}),
        ("ftp", {"encryption": "implicit"}),
        ("ftp", {"base_path": "/srv//backups/"}),
        ("sftp", {"host": "localhost"}),
        ("sftp", {"host": "127.1"}),
        ("sftp", {"host": "::1", "port": 22}),
        ("sftp", {"host": socket.gethostname()}),
        ("sftp", {"base_path": "./archives/"}),
        ("s3", {"endpoint_url": "https://s3.eu-central-1.amazonaws.com"}),
        ("s3", {"location": "/a/"}),
        ("webdav", {"url": "https://DAV.example.org:443/dav"}),
        ("gcs", {"custom_endpoint": "http://localhost:4443"}),
        ("azure", {"endpoint_url": "https://STORE.blob.core.windows.net:443/"}),
        ("rclone", {"remote": "box:a/"}),
        ("dropbox", {"root_path": "archives"}),
    ],
)
def test_another_spelling_is_the_same_place(type_: str, spelled: dict[str, Any]) -> None:
    assert at(type_, **spelled).is_same_place(at(type_))


@pytest.mark.parametrize(
    ("type_", "elsewhere", "overlaps"),
    [
        ("ftp", {"base_path": "/srv/backups/a"}, True),
        ("ftp", {"base_path": "/srv/backups2"}, False),
        ("ftp", {"base_path": "srv/backups"}, False),
        ("ftp", {"username": "other"}, False),
        ("sftp", {"port": 2022}, False),
        ("s3", {"location": ""}, True),
        ("s3", {"location": "a/b"}, True),
        ("s3", {"location": "ab"}, False),
        ("s3", {"bucket_name": "archives2"}, False),
        ("s3", {"endpoint_url": "https://minio.example.org"}, False),
        ("webdav", {"base_path": "a/b"}, True),
        ("webdav", {"url": "https://dav.example.org/", "base_path": "dav"}, True),
        ("gcs", {"location": "a/b"}, True),
        ("azure", {"location": ""}, True),
        ("azure", {"azure_container": "other"}, False),
        ("rclone", {"remote": "box:a/b"}, True),
        ("rclone", {"remote": "box:/a"}, False),
        ("dropbox", {"root_path": "Archives/b"}, True),
        ("local", {"path": "a/b"}, True),
        ("local", {"path": "b"}, False),
    ],
)
def test_one_place_lies_in_another_or_beside_it(type_: str, elsewhere: dict[str, Any], overlaps: bool) -> None:
    one, other = at(type_).canonical_place(), at(type_, **elsewhere).canonical_place()
    assert (one.overlaps(other), other.overlaps(one), one == other) == (overlaps, overlaps, False)


@pytest.mark.django_db
def test_a_destination_in_the_place_of_another_is_refused(home: Any) -> None:
    a_destination("nas", config_json={"path": "a/b"})
    assert "this place lies in it" in refused("adddestination", "deep", "--type", "local", "--option", "path=a/b/c")
    assert "it lies in this place" in refused("adddestination", "wide", "--type", "local", "--option", "path=a")
    assert "already stores at" in refused("adddestination", "same", "--type", "local", "--option", "path=a//b")
    assert command("adddestination", "beside", "--type", "local", "--option", "path=a/c").code == 0


@pytest.mark.django_db
def test_one_that_lies_in_another_from_before_can_be_edited_but_not_moved_into_another(home: Any) -> None:
    outer, inner = a_destination("outer"), a_destination("inner", config_json={"path": "outer/inner"})
    inner.retention_days = 9
    inner.full_clean()
    inner.configure({"path": "outer/other"})
    with pytest.raises(ValidationError, match="this place lies in it"):
        inner.full_clean()
    outer.full_clean()


@pytest.mark.django_db
def test_a_server_on_this_machine_is_not_off_it() -> None:
    destinations = []
    for name, host in (("near", "127.0.0.1"), ("far", "backup.example.org")):
        destination = BackupDestination(name=name, type="sftp")
        destination.configure(SFTP | {"host": host})
        destination.save()
        destinations.append(destination)
    near, far = destinations
    backup = an_execution(destination=near)
    assert (is_off_box(near), is_off_box(far), facts_of(["shop"])[0].copies_away) == (False, True, [])
    # on another host that name is another server
    assert BACKUP.only_own_host_recovers(backup)
    BackupCopy.objects.update(destination=far)
    assert [fact.copy.execution_id for fact in facts_of(["shop"])[0].copies_away] == [backup.pk]
    assert not BACKUP.only_own_host_recovers(backup)


@pytest.mark.django_db
def test_of_a_type_that_no_release_here_knows_no_copy_counts_as_off_this_machine() -> None:
    backup = an_execution()
    BackupDestination.objects.update(type="removed-since")
    assert [fact.place.leaves_machine for fact in facts_of([backup.instance])[0].copies] == [False]
