"""The listings of trees: stored encrypted with each backup as long as its archive exists, and streamed."""

import io
import os
import shutil
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from backups.archive.manifest.document import Manifest
from backups.components.files.compare_listing import TreeComparison
from backups.components.files.listing import ListedEntry, ListWriter, blocks, entries_in, records
from backups.components.files.read import NestedTar
from backups.errors import BackupError, ComponentError
from backups.lib.filesystem.walk import TreeEntry, walk
from backups.models import BackupExecution, TreeList, TreeListBlock
from backups.service.archives.records.delete import delete_backup
from backups.service.archives.trees.lists import keep, kept_entries
from backups.service.catalogue.import_file import import_archive
from backups.service.catalogue.sync import import_backups
from backups.service.drill.run import drill
from destinations.models import BackupDestination
from tests.support.archives.crafted import tar_of
from tests.support.restores.component_restores import restore
from tests.support.site_fixtures import BackUp, OnStage
from tests.support.soak import often

pytestmark = pytest.mark.django_db
SECRET = "acquisition-of-initech"
A_YEAR = 365 * 86_400
MANY = often(25_000)
# what a list of so many entries needs twice over when it is held
MOST_BYTES = 3_000_000


@pytest.fixture
def uploads(small_shop: Path) -> Path:
    return small_shop / "uploads"


def kept(execution: BackupExecution) -> list[str]:
    """Return the names in the list of the uploads."""
    assert execution.manifest_json is not None
    (entry,) = Manifest.from_dict(execution.manifest_json).entries_of("uploads")
    return [listed.name for listed in kept_entries(execution, entry)]


def test_a_backup_keeps_what_its_trees_hold(uploads: Path, back_up: BackUp) -> None:
    (uploads / "folder").mkdir()
    (uploads / "folder" / "file").touch()
    (uploads / "link").symlink_to("photo")
    assert kept(back_up("shop")) == ["folder", "link", "photo", "folder/file"]


def test_no_name_can_be_read_in_the_database(uploads: Path, back_up: BackUp) -> None:
    (uploads / SECRET).touch()
    (uploads / "link").symlink_to(SECRET)
    backup = back_up("shop")
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        for table in names:
            cursor.execute(f'SELECT * FROM "{table}"')
            values = [value for row in cursor for value in row]
            held = [bytes(value) if isinstance(value, bytes) else str(value).encode() for value in values]
            assert SECRET.encode() not in b"\0".join(held), table
    for block in TreeListBlock.objects.all():
        # a name in it would not be seen in compressed bytes either
        with pytest.raises(zlib.error):
            zlib.decompress(bytes(block.content))
    assert SECRET in kept(backup)


def test_a_list_that_was_changed_or_swapped_is_not_believed(uploads: Path, back_up: BackUp) -> None:
    backup, other = back_up("shop"), back_up("shop")
    block = TreeListBlock.objects.get(tree_list__execution=backup)
    block.content = bytes(TreeListBlock.objects.get(tree_list__execution=other).content)
    block.save()
    with pytest.raises(BackupError, match="not as it was written"):
        kept(backup)
    block.delete()
    with pytest.raises(BackupError, match="not as it was written"):
        kept(backup)


def test_the_list_goes_with_the_archive(uploads: Path, back_up: BackUp) -> None:
    backup, other = back_up("shop"), back_up("shop")
    delete_backup(backup, by="tests", reason="not needed")
    assert [found.execution for found in TreeList.objects.all()] == [other]
    assert TreeListBlock.objects.count() == 1


def test_a_backup_that_failed_leaves_no_list(
    uploads: Path, back_up: BackUp, on_stage: OnStage, destination: BackupDestination
) -> None:
    def full() -> None:
        assert TreeList.objects.exists()
        BackupExecution.objects.update(cancel_requested_at="2026-01-01T00:00:00Z", cancel_requested_by="alice")

    on_stage("uploading", full)
    with pytest.raises(BackupError):
        back_up("shop")
    assert BackupExecution.objects.latest().status == "cancelled"
    assert (TreeList.objects.count(), TreeListBlock.objects.count()) == (0, 0)


def test_what_a_process_that_was_declared_dead_wrote_goes_with_the_next_list(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    BackupExecution.objects.filter(pk=backup.pk).update(status="interrupted")
    other = back_up("shop")
    assert [found.execution for found in TreeList.objects.all()] == [other]


def test_a_list_that_cannot_be_sealed_is_a_warning_of_the_backup(
    uploads: Path, back_up: BackUp, settings: Settings
) -> None:
    settings.BACKUP_SECRETS_KEY = ["no key"]
    backup = back_up("shop")
    assert backup.status == "completed"
    assert [text for text in backup.warnings if "The list of the entries of uploads was not kept" in text]
    assert not TreeList.objects.exists()


def test_an_adopted_and_an_imported_archive_have_their_lists(
    uploads: Path, back_up: BackUp, destination: BackupDestination, home: Path, tmp_path: Path
) -> None:
    backup = back_up("shop")
    archive = shutil.copy(home / "backups" / "nas" / backup.backup_path, tmp_path / backup.backup_filename)
    BackupExecution.objects.all().delete()
    (adopted,) = import_backups(destination, by="tests").adopted
    assert kept(adopted) == ["photo"]

    delete_backup(adopted, by="tests", reason="not needed")
    assert kept(import_archive(archive, destination, by="tests")) == ["photo"]


@pytest.mark.parametrize("how", ["drill", "restore"])
def test_the_list_of_an_older_backup_is_made_where_its_archive_is_read(
    uploads: Path, back_up: BackUp, how: str
) -> None:
    backup = back_up("shop")
    TreeList.objects.all().delete()
    if how == "drill":
        assert drill(backup, by="tests").verdict == "passed"
    else:
        restore(backup)
    assert kept(backup) == ["photo"]


def test_a_rotated_key_opens_the_lists(uploads: Path, back_up: BackUp, settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.BACKUP_SECRETS_KEY = [old]
    backup = back_up("shop")
    settings.BACKUP_SECRETS_KEY = [new, old]
    call_command("rotatesecrets", stdout=io.StringIO())
    settings.BACKUP_SECRETS_KEY = [new]
    assert kept(backup) == ["photo"]


def test_a_listing_that_no_key_decrypts_is_reported_and_remade_by_a_drill(
    uploads: Path, back_up: BackUp, settings: Settings
) -> None:
    backup = back_up("shop")
    settings.BACKUP_SECRETS_KEY = [Fernet.generate_key().decode()]
    with pytest.raises(BackupError, match="cannot be opened"):
        kept(backup)
    with pytest.raises(CommandError, match="No key decrypts 1 list of what trees of files hold"):
        call_command("rotatesecrets", stdout=io.StringIO())
    drill(backup, by="tests")
    assert kept(backup) == ["photo"]


def test_what_was_half_written_is_never_read_and_goes(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    TreeList.objects.update(blocks=None, created_at="2026-01-01T00:00:00Z")
    with pytest.raises(BackupError, match="was not kept"):
        kept(backup)
    drill(backup, by="tests")
    assert kept(backup) == ["photo"]
    assert TreeList.objects.count() == 1


def test_an_archive_whose_tree_is_in_another_order_is_not_compared() -> None:
    tar = io.BytesIO(tar_of({"b": b"", "a": b""}))
    with pytest.raises(ComponentError, match="holds 'b', which does not belong in a tree"):
        list(entries_in(NestedTar(tar, "uploads.tar")))


def many(names: Iterator[str]) -> Iterator[ListedEntry]:
    for number, name in enumerate(names):
        yield ListedEntry(name, "file", 0o644, 0, 0, number, number * 10**9 + 1, True, "")


def live(names: Iterator[str]) -> Iterator[TreeEntry]:
    info = os.stat_result((0o100644, 0, 0, 1, 0, 0, 5, 0, 0, 0))
    for name in names:
        yield TreeEntry(Path(), name, -1, info)


@pytest.mark.soak
def test_many_names_are_written_and_compared_without_holding_them(
    uploads: Path, back_up: BackUp, tmp_path: Path
) -> None:
    backup = back_up("shop")
    TreeList.objects.all().delete()
    assert backup.manifest_json is not None
    (entry,) = Manifest.from_dict(backup.manifest_json).entries_of("uploads")
    comparison = TreeComparison(most=200)
    tracemalloc.start()
    try:
        with (tmp_path / "list").open("w+b") as file:
            writer = ListWriter(file)
            for listed in many(f"invoice-{number:08}.pdf" for number in range(MANY)):
                writer.add(listed)
            writer.finish()
            file.seek(0)
            keep(backup, entry, file, lambda _: None)
        others = live(f"invoice-{number:08}.txt" for number in range(MANY))
        assert comparison.run(others, kept_entries(backup, entry), until=float("inf"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (comparison.going.count, comparison.returning.count) == (MANY, MANY)
    assert len(comparison.going.shown) == 200
    assert TreeListBlock.objects.count() > 3
    assert peak < MOST_BYTES


def test_entries_come_back_from_a_list_as_they_were_put_in(tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub folder").mkdir(parents=True)
    (tmp_path / "tree" / os.fsdecode(b"\xff\n")).write_text("bytes")
    os.utime(tmp_path / "tree" / os.fsdecode(b"\xff\n"), ns=(0, -1_500_000_000))
    (tmp_path / "tree" / "link").symlink_to("to here and there")
    entries = [
        ListedEntry(entry.name, "link", 0o4755, 1, 2, 3, entry.info.st_mtime_ns, True, target)
        for entry in walk(tmp_path / "tree")
        for target in ("to here and there", "")
    ]
    entries.append(ListedEntry("whole second", "folder", 0o755, 0, 0, 0, -5 * 10**9, False, ""))
    file = io.BytesIO()
    writer = ListWriter(file)
    for entry in entries:
        writer.add(entry)
    writer.finish()
    file.seek(0)
    assert list(records(blocks(file))) == entries
