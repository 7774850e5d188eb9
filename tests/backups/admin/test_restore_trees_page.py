"""What the pages before a restore and an undo say of trees: how many files go, their names, and what is not known."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from backups.models import BackupExecution, TreeList
from backups.service.preview_tree import MOST_NAMES
from tests.backups.admin.pages import raw, text, url
from tests.backups.admin.restoring import MAY, page_of
from tests.backups.factories import VIEW, a_client
from tests.backups.restores import restore

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]
VERDICT = re.compile(r'<div class="bs-box [a-z-]+ bs-loss" data-status="(\w+)">')
OF_COMPONENT = re.compile(r'<p class="bs-effect" data-status="(\w+)">')


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW, MAY)


@pytest.fixture
def uploads(instances: dict[str, Any], tmp_path: Path) -> Path:
    """Return a tree, the only component of the shop."""
    folder = tmp_path / "shop" / "uploads"
    folder.mkdir()
    (folder / "photo").write_bytes(b"photo")
    instances["shop"]["components"] = {"uploads": {"kind": "files", "path": "uploads"}}
    return folder


def fill(folder: Path, count: int) -> None:
    """Make files with dates long before any backup, as ``cp -p`` makes them."""
    for number in range(count):
        (folder / f"old-{number:03}").write_text("old")
        os.utime(folder / f"old-{number:03}", (1_500_000_000, 1_500_000_000))


def test_twenty_files_that_would_go_are_counted_and_named(backed_up: Run, client: Client, uploads: Path) -> None:
    execution = backed_up()
    fill(uploads, 20)
    address = url(execution, "restore")
    page, shown = raw(client, address), text(client, address)
    assert VERDICT.findall(page) == OF_COMPONENT.findall(page) == ["loss"]
    assert "20 files of uploads that are not in the backup (60 B) will be gone." in shown
    assert "20 files would be deleted (60 B)" in shown
    assert page.count("<code>old-") == 20


def test_nothing_is_green_but_a_tree_that_was_compared(backed_up: Run, client: Client, uploads: Path) -> None:
    execution = backed_up()
    page = raw(client, url(execution, "restore"))
    assert VERDICT.findall(page) == OF_COMPONENT.findall(page) == ["nothing"]
    assert "Nothing would be lost." in page

    TreeList.objects.all().delete()
    page = raw(client, url(execution, "restore"))
    assert VERDICT.findall(page) == OF_COMPONENT.findall(page) == ["unknown"]
    assert "Nothing would be lost." not in page
    assert "was not kept with this backup" in page


def test_counted_rows_are_not_green(backed_up: Run, client: Client) -> None:
    page = raw(client, url(backed_up(), "restore"))
    assert VERDICT.findall(page) == OF_COMPONENT.findall(page) == ["unknown"]
    assert "rows that were changed in place cannot be told" in page


def test_names_that_are_markup_or_methods_are_only_text(backed_up: Run, client: Client, uploads: Path) -> None:
    execution = backed_up()
    names = ["<script>alert(1)<", "items", "keys", "values", "get", "0", "{{ preview }}", os.fsdecode(b"\xff\n")]
    for name in names:
        (uploads / name).touch()
    for action in ("restore", "restore_entries"):
        page = raw(client, url(execution, action))
        assert "<script>alert" not in page
        assert page.count("<code>&lt;script&gt;alert(1)&lt;</code>") == 1
        assert all(f"<code>{name}</code>" in page for name in (*names[1:7], "\\udcff\\n"))


def test_a_tree_called_items_has_its_page(
    backed_up: Run, client: Client, instances: dict[str, Any], uploads: Path
) -> None:
    instances["shop"]["components"] = {"items": {"kind": "files", "path": "uploads"}}
    execution = backed_up()
    fill(uploads, 1)
    assert "1 file of items that is not in the backup" in text(client, url(execution, "restore"))


def test_a_page_holds_some_names_and_the_others_are_on_further_pages(
    backed_up: Run, client: Client, uploads: Path
) -> None:
    execution = backed_up()
    fill(uploads, 450)
    page = raw(client, url(execution, "restore"))
    assert page.count("<code>old-") == MOST_NAMES
    assert f'and 250 more: <a href="{url(execution, "restore_entries")}">' in page

    seen = []
    address: str | None = url(execution, "restore_entries")
    while address:
        page = raw(client, address)
        seen += re.findall(r"<code>(old-\d+)</code>", page)
        after = re.search(r'href="(\?[^"]*)">After<', page)
        address = f"{url(execution, 'restore_entries')}{after[1]}" if after else None
    assert seen == [f"old-{number:03}" for number in range(450)]


@pytest.mark.parametrize("first", ["-1", "x", "9" * 30, "²", "4000"])
def test_a_page_number_that_is_none_breaks_nothing(backed_up: Run, client: Client, uploads: Path, first: str) -> None:
    execution = backed_up()
    fill(uploads, 1)
    assert client.get(url(execution, "restore_entries"), {"first": first}).status_code == 200


def test_the_undo_page_counts_and_names_too(backed_up: Run, client: Client, uploads: Path) -> None:
    execution = backed_up()
    done = restore(execution)
    fill(uploads, 20)
    for page in (raw(client, page_of(done, "undo")), raw(client, page_of(done, "undo_entries"))):
        assert page.count("<code>old-") == 20
    page = raw(client, page_of(done, "undo"))
    assert VERDICT.findall(page) == ["loss"]
    assert "20 files of uploads that are not in the backup (60 B) will be gone." in page


def test_the_names_are_for_those_who_may_restore(backed_up: Run, uploads: Path) -> None:
    execution = backed_up()
    done = restore(execution)
    for client in (a_client(VIEW, "run_backup"), Client()):
        for address in (url(execution, "restore_entries"), page_of(done, "undo_entries")):
            assert client.get(address).status_code in (302, 403)
