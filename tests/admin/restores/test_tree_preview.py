"""What the pages before a restore and an undo say of trees: how many files go, their names, and what is not known."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from backups.models import BackupExecution, TreeList
from backups.service.restore.preview.tree import MOST_NAMES
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import Page, page_at
from tests.support.pages.restore_pages import MAY, page_of
from tests.support.restores.component_restores import restore
from tests.support.rows import VIEW, a_client

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]


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


def verdicts(page: Page) -> set[str]:
    """Return what the line above, the component and its line say of what would be lost."""
    (component,) = page.section("components").all(data_component="*")
    assert "bs-effect" in component.field("effect")["class"]
    return {page.notice("loss").status, component.status, component.field("effect").status}


def old_names(page: Page) -> list[str]:
    return [name for name in page.section("going").rows() if name.startswith("old-")]


def fill(folder: Path, count: int) -> None:
    """Make files with dates long before any backup, as ``cp -p`` makes them."""
    for number in range(count):
        (folder / f"old-{number:03}").write_text("old")
        os.utime(folder / f"old-{number:03}", (1_500_000_000, 1_500_000_000))


def test_twenty_files_that_would_go_are_counted_and_named(backed_up: Run, client: Client, uploads: Path) -> None:
    execution = backed_up()
    fill(uploads, 20)
    address = url(execution, "restore")
    page = page_at(client, address)
    assert verdicts(page) == {"loss"}
    assert "bs-error" in page.notice("loss")["class"]
    assert "20 files of uploads" in page.notice("loss").field("loss").text
    assert page.component("uploads").section("going").field("count").value == "20"
    assert old_names(page) == [f"old-{number:03}" for number in range(20)]


def test_nothing_is_green_but_a_tree_that_was_compared(backed_up: Run, client: Client, uploads: Path) -> None:
    execution = backed_up()
    page = page_at(client, url(execution, "restore"))
    assert verdicts(page) == {"nothing"}
    assert "bs-good" in page.notice("loss")["class"]
    assert page.flags() == []

    TreeList.objects.all().delete()
    page = page_at(client, url(execution, "restore"))
    assert verdicts(page) == {"unknown"}
    assert "bs-warning" in page.notice("loss")["class"]
    assert page.flags() == ["not-compared"]
    assert "Nothing would be lost." not in page.text
    assert "was not kept with this backup" in page.component("uploads").notice("component").text


def test_counted_rows_are_not_green(backed_up: Run, client: Client) -> None:
    page = page_at(client, url(backed_up(), "restore"))
    assert verdicts(page) == {"unknown"}
    assert any("changed in place" in said for said in page.component("orders").fields("assumed"))


def test_names_that_are_markup_or_methods_are_only_text(backed_up: Run, client: Client, uploads: Path) -> None:
    execution = backed_up()
    names = ["<script>alert(1)<", "items", "keys", "values", "get", "0", "{{ preview }}", os.fsdecode(b"\xff\n")]
    for name in names:
        (uploads / name).touch()
    for action in ("restore", "restore_entries"):
        page = page_at(client, url(execution, action))
        assert "<script>alert" not in page.html
        assert set(page.section("going").rows()) == {*names[:7], "\\udcff\\n"}
        assert {row.one("code").text for row in page.section("going").all(data_row="*")} == {
            *names[:7],
            "\\udcff\\n",
        }


def test_a_tree_called_items_has_its_page(
    backed_up: Run, client: Client, instances: dict[str, Any], uploads: Path
) -> None:
    instances["shop"]["components"] = {"items": {"kind": "files", "path": "uploads"}}
    execution = backed_up()
    fill(uploads, 1)
    page = page_at(client, url(execution, "restore"))
    assert page.component("items").section("going").rows() == ["old-000"]
    assert verdicts(page) == {"loss"}


def test_a_page_holds_some_names_and_the_others_are_on_further_pages(
    backed_up: Run, client: Client, uploads: Path
) -> None:
    execution = backed_up()
    fill(uploads, 450)
    going = page_at(client, url(execution, "restore")).section("going")
    assert len(going.rows()) == MOST_NAMES
    assert (going.field("count").value, going.field("more").value) == ("450", "250")
    assert going.action("entries")["href"] == url(execution, "restore_entries")

    seen = []
    address: str | None = url(execution, "restore_entries")
    while address:
        page = page_at(client, address)
        seen += old_names(page)
        further = "next" in page.actions()
        address = f"{url(execution, 'restore_entries')}{page.action('next')['href']}" if further else None
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
    for action in ("undo", "undo_entries"):
        page = page_at(client, page_of(done, action))
        assert len(old_names(page)) == 20
        assert page.section("going").field("count").value == "20"
    page = page_at(client, page_of(done, "undo"))
    assert verdicts(page) == {"loss"}
    assert "20 files of uploads" in page.notice("loss").field("loss").text


def test_the_names_are_for_those_who_may_restore(backed_up: Run, uploads: Path) -> None:
    execution = backed_up()
    done = restore(execution)
    for client in (a_client(VIEW, "run_backup"), Client()):
        for address in (url(execution, "restore_entries"), page_of(done, "undo_entries")):
            assert client.get(address).status_code in (302, 403)
