"""Trees that cannot be compared are unknown, and never called safe."""

import shutil
from pathlib import Path

import pytest

from backups.components.files import compare_listing as tree_comparison
from backups.models import BackupExecution, TreeList, TreeListBlock
from backups.service.restore.preview.build import preview
from tests.support.call_commands import command
from tests.support.restores.uploads import look, look_at_tree, names
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


def test_a_tree_without_its_list_is_unknown_until_a_dry_run_makes_it(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    TreeList.objects.all().delete()
    (uploads / "new").touch()
    found = look(backup)
    assert (found.status, found.loss_unknown) == ("unknown", True)
    assert "The list of what uploads.tar holds was not kept" in found.notes[0]
    assert "What uploads would lose is unknown." in preview(backup, "shop").loss

    text = command("restore", backup.pk, "--dry-run")

    assert text.code == 0
    assert "- new\n" in text.out
    assert look(backup).status == "loss"
    assert TreeListBlock.objects.count() == 1


def test_an_archive_file_is_compared_although_nothing_is_kept_of_it(
    uploads: Path, back_up: BackUp, home: Path, tmp_path: Path
) -> None:
    backup = back_up("shop")
    archive = shutil.copy(home / "backups" / "nas" / backup.backup_path, tmp_path / backup.backup_filename)
    BackupExecution.objects.all().delete()
    assert look(archive).status == "nothing"
    (uploads / "new").touch()
    (uploads / "two.txt").unlink()
    found = look_at_tree(archive)
    assert (names(found.going), names(found.returning), found.unknown) == (["new"], ["two.txt"], "")
    for how in ("--dry-run", "--json"):
        shown = command("restore", "--file", archive, "--instance", "shop", how, "--accept-unsigned")
        assert "new" in shown.out
    assert not TreeList.objects.exists()


def test_a_comparison_that_takes_too_long_is_unknown_with_what_was_found(
    uploads: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up("shop")
    (uploads / "album" / "new").touch()
    (uploads / "a").touch()
    found = look(backup, seconds_for_trees=0)
    assert (found.status, found.loss_unknown) == ("unknown", True)
    assert "only a part of" in found.notes[0]

    clock = iter(range(1000))
    monkeypatch.setattr(tree_comparison.time, "monotonic", lambda: next(clock))
    partly = look(backup, seconds_for_trees=4)
    assert partly.status == "loss"
    assert partly.lost[0].startswith("at least 1 file of uploads that is not in the backup")


def test_a_folder_that_cannot_be_compared_is_unknown(
    uploads: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up("shop")
    TreeListBlock.objects.update(content=b"somebody else's bytes")
    found = look(backup)
    assert (found.status, found.lost) == ("unknown", ())
    assert "The list of what uploads.tar holds is not as it was written" in found.notes[0]


def test_a_file_where_the_backup_has_a_folder_and_the_reverse_are_unknown(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    shutil.rmtree(uploads)
    uploads.write_text("a file")
    settings = uploads.parent / "settings.ini"
    settings.unlink()
    settings.mkdir()
    assert look(backup).status == look(backup, "settings").status == "unknown"


def test_what_a_missing_tree_gets_back_is_counted(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    shutil.rmtree(uploads)
    found = look(backup)
    assert found.tree is not None
    assert (found.state, found.status, found.tree.returning.count) == ("missing", "nothing", 5)
    assert found.loss == "5 entries of uploads that are not there now will be back"


def test_what_lies_on_another_host_is_unknown(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    uploads.parent.rename(uploads.parent.with_name("elsewhere"))
    found = look(backup)
    assert (found.state, found.status) == ("missing", "unknown")
    assert any("does not exist on this host" in note for note in found.notes)
