"""Temporary files that uploads left at a destination."""

from datetime import timedelta
from typing import Any

import pytest

from backups.models import LeftoverPart
from destinations.models import BackupDestination
from tests.support.archives.imported import PLACE, part, run
from tests.support.archives.stored import DAY, NOW
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "goes"),
    [
        ({"status": "running"}, False),
        ({"status": "queued"}, False),
        ({"status": "failed", "completed_at": NOW - 2 * DAY}, True),
        ({"status": "interrupted", "completed_at": NOW - timedelta(hours=23)}, False),
        ({"status": "cancelled", "created_at": NOW - 9 * DAY, "completed_at": None}, True),
    ],
    ids=str,
)
def test_a_temporary_file_of_ours_goes_a_day_after_its_execution_ended(
    destination: BackupDestination, fields: dict[str, Any], goes: bool
) -> None:
    execution = an_execution("app", destination=destination, **fields)
    file = part(destination, execution.pk)
    done = run(destination, now=NOW)
    assert file.exists() is not goes
    assert done.removed == ([f"{PLACE}.{execution.pk}.part"] if goes else [])


def test_a_temporary_file_of_unknown_origin_goes_when_it_was_seen_twice_a_day_apart(
    destination: BackupDestination,
) -> None:
    file = part(destination, "unknown")
    assert run(destination, now=NOW).removed == []
    assert run(destination, now=NOW + timedelta(hours=24)).removed == []
    assert file.exists()
    assert run(destination, now=NOW + timedelta(hours=25)).removed == [f"{PLACE}.unknown.part"]
    assert not file.exists() and not LeftoverPart.objects.exists()


def test_a_temporary_file_that_grows_is_an_upload_that_runs(destination: BackupDestination) -> None:
    file = part(destination, "unknown")
    run(destination, now=NOW)
    file.write_bytes(b"more of the archive")
    assert run(destination, now=NOW + 2 * DAY).removed == []
    assert run(destination, now=NOW + 2.5 * DAY).removed == []
    assert file.exists()
    assert len(run(destination, now=NOW + 4 * DAY).removed) == 1


def test_an_upload_that_was_finished_is_forgotten(destination: BackupDestination) -> None:
    file = part(destination, "unknown")
    run(destination, now=NOW)
    assert LeftoverPart.objects.count() == 1
    file.unlink()
    run(destination, now=NOW)
    assert not LeftoverPart.objects.exists()
