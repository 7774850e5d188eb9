"""Archives behind a delete marker: shown with who deleted them, and brought back."""

import io
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from backups.models import BackupCopy, BackupExecution
from backups.service.archives.names import signature_of
from backups.service.archives.records.delete import delete_backup
from backups.service.catalogue.hidden import find_hidden
from backups.service.catalogue.sync import import_backups
from destinations.backends.s3.answers import S3Refused
from destinations.backends.s3.bucket import Bucket
from destinations.models import BackupDestination
from tests.destinations.backends.s3.buckets import LOCKED_BUCKET, s3_client, s3_options
from tests.support.archives.stored import an_archive
from tests.support.call_commands import command, refused
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_manifest, an_execution
from tests.support.servers.objects.moto import Moto

pytestmark = pytest.mark.django_db


@pytest.fixture
def bucket(home: Any, moto: Moto, apart: str) -> BackupDestination:
    destination = BackupDestination(name="bucket", type="s3", encryption="allowed")
    destination.configure(s3_options(moto, location=apart, bucket_name=LOCKED_BUCKET))
    destination.save()
    return destination


def kept(destination: BackupDestination, instance: str) -> BackupExecution:
    """Return a backup whose archive and signature lie there."""
    data = an_archive(instance)
    backup = an_execution(
        instance, destination=destination, compressed_size_bytes=len(data), manifest_json=a_manifest(instance).to_dict()
    )
    with destination.open() as opened:
        opened.put(io.BytesIO(data), backup.backup_path, size=len(data), token="t")
        opened.put(io.BytesIO(b"s"), signature_of(backup.backup_path), size=1, token="t")
    return backup


def wipe(moto: Moto, destination: BackupDestination) -> None:
    """Delete everything by its name, as whoever breaks in does."""
    client, prefix = s3_client(moto), destination.options()["location"]
    for entry in client.list_objects_v2(Bucket=LOCKED_BUCKET, Prefix=f"{prefix}/").get("Contents", []):
        client.delete_object(Bucket=LOCKED_BUCKET, Key=entry["Key"])


def address(destination: BackupDestination, page: str) -> str:
    return f"/admin/destinations/backupdestination/{destination.pk}/{page}/"


def test_what_an_intruder_deleted_is_shown_as_such_and_comes_back_with_its_signature(
    bucket: BackupDestination, moto: Moto
) -> None:
    ours, stolen = kept(bucket, "shop"), kept(bucket, "wiki")
    delete_backup(ours, by="alice", reason="not needed")
    wipe(moto, bucket)
    import_backups(bucket, by="tests")
    answer = command("importbackups", "bucket", "--dry-run", "--json").data
    assert [(item["path"], item["by_this_site"]) for item in answer["hidden"]] == [
        (ours.backup_path, True), (stolen.backup_path, False),
    ]  # fmt: skip
    assert "by alice: not needed" in answer["hidden"][0]["reason"]
    back = command("undeletearchive", "bucket", stolen.backup_path, "--json").data
    assert back == {"destination": "bucket", "path": stolen.backup_path, "backup": stolen.pk, "problem": ""}
    assert BackupCopy.objects.get(execution=stolen).is_sound
    with bucket.open() as opened:
        assert [file.path for file in opened.list()] == [stolen.backup_path, signature_of(stolen.backup_path)]
    assert [archive.path for archive in find_hidden(bucket).archives] == [ours.backup_path]
    assert "no version" in refused("undeletearchive", "bucket", "a/manual/never.tar.gz")


def test_the_page_brings_back_for_those_who_may_and_the_history_says_who(bucket: BackupDestination) -> None:
    backup = kept(bucket, "shop")
    delete_backup(backup, by="alice", reason="not needed")
    client = a_client(VIEW, "import_backup")
    page = page_at(client, address(bucket, "catalogue"))
    assert page.section("hidden").rows() == [backup.backup_path]
    assert page.row(backup.backup_path).status == "known"
    eve = a_client(VIEW, name="eve")
    assert eve.post(address(bucket, "undelete"), {"path": backup.backup_path}).status_code == 403
    assert [archive.path for archive in find_hidden(bucket).archives] == [backup.backup_path]
    shown = page_at(client, address(bucket, "undelete"), {"path": backup.backup_path})
    assert shown.messages() == ["success"]
    assert shown.section("unknown").rows() == [backup.backup_path]
    assert any(backup.backup_path in entry.change_message for entry in LogEntry.objects.filter(object_id=bucket.pk))
    assert page_at(client, address(bucket, "undelete"), {"path": "../up"}).messages() == ["error"]


def test_without_the_right_to_list_versions_the_page_says_so_and_shows_the_rest(
    bucket: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(bucket, "shop")
    call = Bucket.call

    def denied(self: Bucket, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "list_object_versions":
            raise S3Refused("ListObjectVersions", "AccessDenied", 403, "", {})
        return call(self, operation, **parameters)

    monkeypatch.setattr(Bucket, "call", denied)
    page = page_at(a_client(VIEW, "import_backup"), address(bucket, "catalogue"))
    assert page.field("present").value == "1"
    assert "s3:ListBucketVersions" in find_hidden(bucket).problem
    assert "s3:ListBucketVersions" in command("importbackups", "bucket", "--dry-run", "--json").data["hidden_problem"]
