import pytest
from pytest_django import Settings

from backups.checks.compression import check_compression


def test_the_compression_of_the_site_is_found_in_order() -> None:
    assert check_compression(None) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BACKUP_COMPRESSION", "lzma", "BACKUP_COMPRESSION is not gzip or zstd."),
        ("BACKUP_COMPRESSION_LEVEL", 0, "BACKUP_COMPRESSION_LEVEL is not between 1 and 9."),
        ("BACKUP_COMPRESSION_LEVEL", 10, "BACKUP_COMPRESSION_LEVEL is not between 1 and 9."),
    ],
)
def test_a_compression_that_no_archive_can_be_written_with_is_found(
    settings: Settings, name: str, value: object, expected: str
) -> None:
    setattr(settings, name, value)
    assert [(message.id, message.msg) for message in check_compression(None)] == [("backups.E003", expected)]
