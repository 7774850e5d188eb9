"""Archives that cannot be adopted, and imports that cannot go on."""

import re
import shutil
from typing import Any

import pytest
from django.utils import timezone

from backups.models import BackupExecution
from destinations.backends.local import LocalDestination
from destinations.exceptions import NotFound
from destinations.models import BackupDestination
from tests.support.archives.imported import PLACE, paths, run
from tests.support.archives.stored import an_archive, put

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The archive is empty"),
        (b"just text", "is not compressed with gzip or zstd"),
        (an_archive()[:-40], "truncated"),
        (an_archive(instance="no instance/../"), "names the instance 'no instance/../'"),
        (an_archive(instance="x" * 65), "names the instance"),
        (b"age-encryption.org/v1\n-> X25519 nobody has the key\n" + bytes(200), "age"),
    ],
    ids=["empty", "text", "cut", "bad name", "long name", "encrypted"],
)
def test_what_cannot_be_used_is_refused_by_name_and_the_others_are_adopted(
    destination: BackupDestination, data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(destination, "app/a-bad.tar.gz", data)
    put(destination, PLACE, an_archive())
    done = run(destination)
    ((path, why),) = done.refused
    assert path == "app/a-bad.tar.gz"
    assert re.search(reason, why)
    assert paths(done.adopted) == [PLACE]
    assert "catalogue.refused destination=nas file=app/a-bad.tar.gz" in caplog.text


def test_one_flipped_bit_is_found(destination: BackupDestination) -> None:
    data = bytearray(an_archive())
    data[len(data) // 2] ^= 1
    put(destination, PLACE, bytes(data))
    done = run(destination)
    assert (done.adopted, len(done.refused)) == ([], 1)
    assert not BackupExecution.objects.exists()


def test_two_imports_at_once_record_an_archive_once(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(destination, PLACE, an_archive())
    real = LocalDestination.get
    first = iter([True])

    def get_after_the_other(self: LocalDestination, *arguments: Any, **options: Any) -> int:
        if next(first, False):
            run(destination)
        return real(self, *arguments, **options)

    monkeypatch.setattr(LocalDestination, "get", get_after_the_other)
    done = run(destination)
    assert (done.adopted, done.refused, BackupExecution.objects.count()) == ([], [], 1)


def test_an_archive_that_vanishes_before_it_is_fetched_is_passed_over(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(destination, PLACE, an_archive())

    def gone(*_: Any, **__: Any) -> int:
        raise NotFound("it is gone")

    monkeypatch.setattr(LocalDestination, "get", gone)
    done = run(destination)
    assert (done.adopted, done.refused) == ([], [])


def test_a_workspace_without_room_refuses_and_says_so(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(destination, PLACE, an_archive())
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    ((path, reason),) = run(destination).refused
    assert path == PLACE and "has 10 bytes free" in reason


def test_what_is_left_when_time_is_up_waits_for_the_next_import(destination: BackupDestination) -> None:
    put(destination, PLACE, an_archive())
    done = run(destination, until=timezone.now())
    assert ([file.path for file in done.waiting], done.adopted) == ([PLACE], [])
    assert len(run(destination).adopted) == 1
