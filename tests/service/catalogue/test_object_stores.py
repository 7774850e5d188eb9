"""A service is backed up to an object store, its site is lost, and the store alone brings both back."""

from pathlib import Path

import pytest

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.destinations.backends.gcs.buckets import gcs_options
from tests.destinations.backends.s3.buckets import s3_options
from tests.support.archives.imported import run
from tests.support.restores.instance_restores import restore
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("type", ["s3", "gcs"])
def test_a_catalogue_is_rebuilt_from_the_store_and_a_service_comes_back(
    request: pytest.FixtureRequest,
    destination: BackupDestination,
    small_shop: Path,
    back_up: BackUp,
    apart: str,
    type: str,
) -> None:
    server = request.getfixturevalue("moto" if type == "s3" else "gcs")
    options = (s3_options if type == "s3" else gcs_options)(server, location=apart)
    destination.type, destination.encryption = type, "allowed"
    destination.configure(options)
    destination.save()
    made = back_up("shop")
    BackupExecution.objects.all().delete()
    run(destination)
    found = BackupExecution.objects.get()
    assert (found.backup_path, found.archive_sha256) == (made.backup_path, made.archive_sha256)
    (small_shop / "uploads" / "photo").write_bytes(b"lost")
    restore(found, "shop")
    assert (small_shop / "uploads" / "photo").read_bytes() == b"photo"
