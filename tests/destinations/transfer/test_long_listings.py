"""A listing of many files takes the memory of one page, and its catalogue as many queries as that of a few."""

import tracemalloc
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.service.catalogue.sync import scan_destination
from destinations.backends import TYPES
from destinations.models import BackupDestination
from tests.support.memory_remote import SERVERS, MemoryRemote
from tests.support.rows import an_execution


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    monkeypatch.setitem(TYPES, "memory", MemoryRemote)
    yield SERVERS.setdefault("long", {})
    SERVERS.pop("long")


def test_a_long_listing_is_passed_on_page_by_page(files: dict[str, bytes]) -> None:
    def peak(count: int) -> int:
        files.update({f"/app/manual/backup-app-{number:06}.tar.gz": b"" for number in range(count)})
        with MemoryRemote({"server": "long", "path": ""}) as opened:
            tracemalloc.start()
            try:
                assert sum(1 for _ in opened.list()) == count
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    few, many = peak(1_500), peak(6_000)
    assert many < 1.5 * few, (few, many)


@pytest.mark.django_db
def test_a_catalogue_of_many_archives_asks_the_database_as_often_as_one_of_few(files: dict[str, bytes]) -> None:
    destination = BackupDestination(name="long", type="memory")
    destination.configure({"server": "long"})
    destination.save()

    def queries(more: int) -> int:
        for backup in [an_execution(destination=destination, compressed_size_bytes=5) for _ in range(more)]:
            files[f"/{backup.backup_path}"] = b"12345"
        with CaptureQueriesContext(connection) as captured:
            assert scan_destination(destination).present == destination.copies.count()
        return len(captured)

    assert queries(2) == queries(10)
