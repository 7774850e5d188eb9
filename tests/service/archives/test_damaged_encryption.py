"""Encrypted archives that were changed: one clear error each, nothing restored, nothing left behind."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.models import BackupExecution
from backups.service.drill.run import verify_archive
from tests.support.archives.age_files import PASSPHRASE, SEALED, encrypt, take_apart
from tests.support.archives.stored import file_of
from tests.support.restores.instance_restores import restore, the_restore
from tests.support.site_fixtures import BackUp

Listing = Callable[[], list[str]]
pytestmark = pytest.mark.django_db(transaction=True)

DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a letter of the header changed": (lambda data: data.replace(b"X25519", b"X25518", 1), "age file"),
    "the MAC of the header changed": (lambda data: flipped(data, data.index(b"\n--- ") + 9), "The header of the age"),
    "the header cut": (lambda data: data[:100], "age file"),
    "the payload missing": (lambda data: take_apart(data).header, "The age file ends before its payload begins."),
    "the first chunk changed": (lambda data: flipped(data, len(take_apart(data).header) + 50), "Chunk 1"),
    "the last byte changed": (lambda data: flipped(data, len(data) - 1), "of the age file was changed or cut."),
    "the last byte missing": (lambda data: data[:-1], "of the age file was changed or cut."),
    "cut between two chunks": (
        lambda data: data[: len(take_apart(data).header) + 16 + SEALED],
        "was cut after chunk 1",
    ),
    "two chunks swapped": (lambda data: swapped(data), "Chunk 1 of the age file was changed or cut."),
    "something behind it": (lambda data: data + b"x", "of the age file"),
}


def flipped(data: bytes, place: int) -> bytes:
    other = b"A" if data[place : place + 1] != b"A" else b"B"
    return data[:place] + other + data[place + 1 :]


def swapped(data: bytes) -> bytes:
    parts = take_apart(data)
    first, second, *others = parts.chunks
    return parts.put_together(chunks=[second, first, *others])


@pytest.fixture
def large(shop: Path, identity: Path, back_up: BackUp) -> BackupExecution:
    """Return an encrypted backup whose archive has several chunks."""
    with closing(sqlite3.connect(shop / "orders.db")) as connection:
        connection.executemany("INSERT INTO orders(item) VALUES (randomblob(1000))", [()] * 200)
        connection.commit()
    return back_up("shop")


def test_every_damage_is_one_clear_error_and_nothing_is_restored_or_left(
    large: BackupExecution, shop: Path, tmp_path: Path, workspaces: Listing
) -> None:
    whole, before = file_of(large).read_bytes(), (shop / "orders.db").read_bytes()
    for name, (damage, message) in DAMAGES.items():
        archive = tmp_path / f"{name.replace(' ', '-')}.tar.gz.age"
        archive.write_bytes(damage(whole))
        with pytest.raises(ArchiveError) as caught:
            restore(archive, "shop", accept_unsigned=True)
        assert message in caught.value.message, name
        assert archive.name in caught.value.message, name
        assert the_restore().error_message.startswith(caught.value.message), name
        assert (shop / "orders.db").read_bytes() == before
        assert workspaces() == []


def test_a_work_factor_that_would_burn_hours_is_refused_at_once(shop: Path, settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = PASSPHRASE
    archive = tmp_path / "hostile.tar.gz.age"
    with (tmp_path / "plain").open("wb+") as plain, archive.open("wb") as target:
        encrypt(plain, target, passphrase=PASSPHRASE)
    archive.write_bytes(archive.read_bytes().replace(b" 10\n", b" 30\n", 1))
    with pytest.raises(ArchiveError, match="asks for a scrypt work factor above 20"):
        verify_archive(archive)
