"""The partial uploads of a dead backup, at a store that keeps no token with an upload."""

import pytest

from backups.models import BackupExecution
from backups.service.backup.settle import settle_uploads
from destinations.models import BackupDestination
from tests.destinations.backends.s3.buckets import BUCKET, s3_client, s3_options
from tests.support.rows import a_copy
from tests.support.servers.objects.moto import Moto

pytestmark = pytest.mark.django_db
PATH = "shop/manual/backup.tar.gz"


def test_the_uploads_of_its_archive_and_of_its_signature_are_aborted(
    destination: BackupDestination, moto: Moto, apart: str
) -> None:
    destination.type = "s3"
    destination.configure(s3_options(moto, location=apart))
    destination.save()
    client = s3_client(moto)
    for name in (PATH, f"{PATH}.minisig", "shop/manual/of-another.tar.gz"):
        client.create_multipart_upload(Bucket=BUCKET, Key=f"{apart}/{name}")
    backup = BackupExecution.objects.create(destination=destination, instance="shop", status="interrupted")
    a_copy(backup, state="failed", path="", planned_path=PATH)
    settle_uploads()
    left = client.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{apart}/")["Uploads"]
    assert [upload["Key"] for upload in left] == [f"{apart}/shop/manual/of-another.tar.gz"]
